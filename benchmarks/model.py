"""Speed of ViCLIP's video tower beside a plain transformer of the same shape and weights.

    python -m benchmarks.model [--config l14] [--batch 4] [--rounds 5] [--clock cpu] [--json FILE]

The plain one is written as the public code is: a convolution over all patches,
`nn.MultiheadAttention` on [L, B, W] without attention maps, QuickGELU in three steps, whole blocks.
All sides run in turn in every round; ratios are medians over rounds. `--clock cpu --threads 1`
counts CPU seconds, which others on the machine hardly change. Where CUDA is, clips a second, share
of the measured bfloat16 matrix peak and memory per clip follow.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from internvid.models.devices import has_bfloat16
from internvid.models.viclip import ViCLIP, ViCLIPConfig, find_config

PEAK_SIZE = 8192
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class PlainBlock(nn.Module):
    """A block with torch's own attention module; the keys are the public ones."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)}
        )

    def forward(self, x_LBW: Tensor) -> Tensor:
        normed = self.ln_1(x_LBW)
        x_LBW = x_LBW + self.attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(x_LBW))
        return x_LBW + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))


class PlainTower(nn.Module):
    """The video tower without any of our shortcuts."""

    def __init__(self, config: ViCLIPConfig) -> None:
        super().__init__()
        width, kernel = config.vision_width, (1, config.patch, config.patch)
        self.conv1 = nn.Conv3d(3, width, kernel, stride=kernel, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(config.grid**2 + 1, width))
        self.temporal_positional_embedding = nn.Parameter(torch.empty(1, config.frames, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(
            *(PlainBlock(width, config.vision_heads) for _ in range(config.vision_layers))
        )
        self.proj = nn.Parameter(torch.empty(width, config.embedding))

    def forward(self, pixels_BTCHW: Tensor) -> Tensor:
        x = self.conv1(pixels_BTCHW.transpose(1, 2)).permute(0, 3, 4, 2, 1).flatten(1, 2)
        x = x + self.positional_embedding[1:, None] + self.temporal_positional_embedding
        first = self.class_embedding + self.positional_embedding[0]
        x = torch.cat([first.expand(len(x), 1, -1), x.flatten(1, 2)], dim=1)
        x = self.transformer.resblocks(self.ln_pre(x).transpose(0, 1))
        return self.ln_post(x[0]) @ self.proj


def make_pair(config: ViCLIPConfig) -> tuple[ViCLIP, PlainTower]:
    """Both with the same random weights, in evaluation mode."""
    torch.manual_seed(0)
    model = ViCLIP(config).eval()
    with torch.no_grad():
        model.vision_encoder.temporal_positional_embedding.normal_(std=0.02)
        plain = PlainTower(config).eval()
        plain.load_state_dict(model.vision_encoder.state_dict())
    return model, plain


def compare_on_cpu(
    config: ViCLIPConfig, batch: int, rounds: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Seconds of every side in every round, and the medians of ratios."""
    model, plain = make_pair(config)
    side = config.resolution
    pixels = torch.randn(batch, config.frames, 3, side, side)
    sides: dict[str, Callable[[], Tensor]] = {
        "plain float32": lambda: plain(pixels),
        "ours float32": lambda: model.encode_pixels(pixels),
    }
    if has_bfloat16(torch.device("cpu")):
        half, plain_half = make_pair(config)
        half.bfloat16()
        plain_half.bfloat16()
        sides["plain bfloat16"] = lambda: plain_half(pixels.bfloat16())
        sides["ours bfloat16"] = lambda: half.encode_pixels(pixels)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    outputs: dict[str, Tensor] = {}
    with torch.no_grad():
        for tower in (plain, model.vision_encoder):
            tower(pixels[:1])
        for _ in range(rounds):
            for name, run in sides.items():
                start = clock()
                outputs[name] = run().float()
                seconds[name].append(clock() - start)
    exact = outputs["plain float32"]
    return {
        "seconds": seconds,
        "error": {
            name: float((found - exact).abs().max() / exact.abs().max())
            for name, found in outputs.items()
        },
        "ratios": {
            f"{slow} / {fast}": statistics.median(
                a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)
            )
            for slow, fast in (
                ("plain float32", "ours float32"),
                ("plain float32", "ours bfloat16"),
                ("plain bfloat16", "ours bfloat16"),
            )
            if fast in seconds
        },
    }


def forward_flops(config: ViCLIPConfig) -> float:
    """Operations of one clip's matrix products: 12 N W^2 + 2 N^2 W multiply-adds a block."""
    tokens, width = config.tokens + 1, config.vision_width
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    patches = config.tokens * 3 * config.patch**2 * width
    return 2.0 * (config.vision_layers * block + patches)


def _gpu_seconds(run: Callable[[], Any], repeats: int) -> float:
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def measure_on_gpu(config: ViCLIPConfig, batches: tuple[int, ...]) -> list[dict[str, Any]]:
    """Clips a second in bfloat16, share of the measured matrix peak, memory per clip."""
    a, b = (torch.randn(PEAK_SIZE, PEAK_SIZE, device="cuda").bfloat16() for _ in range(2))
    peak = 2 * PEAK_SIZE**3 / _gpu_seconds(lambda: a @ b, 30)
    model = ViCLIP(config).eval().to("cuda", torch.bfloat16)
    compiled = torch.compile(model.vision_encoder)
    rows: list[dict[str, Any]] = []
    for batch in batches:
        side = config.resolution
        pixels = torch.randn(batch, config.frames, 3, side, side, device="cuda").bfloat16()
        for name, tower in (("eager", model.vision_encoder), ("compiled", compiled)):
            with torch.no_grad():
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                tower(pixels)
                memory = torch.cuda.max_memory_allocated() - before
                seconds = _gpu_seconds(lambda run=tower, x=pixels: run(x), 10)
            rows.append(
                {
                    "tower": name,
                    "batch": batch,
                    "clips_per_second": batch / seconds,
                    "share_of_peak": forward_flops(config) * batch / seconds / peak,
                    "megabytes_per_clip": memory / batch / 1e6,
                    "peak_teraflops": peak / 1e12,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="l14")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, help="fewer blocks; the last is ours for one token")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # The text tower takes no part.
    config = dataclasses.replace(find_config(options.config), text_layers=1)
    if options.layers:
        config = dataclasses.replace(config, vision_layers=options.layers)
    print(
        f"{options.config}, {config.vision_layers} blocks, {config.frames} frames, "
        f"torch {torch.__version__}"
    )
    result: dict[str, Any] = {"torch": torch.__version__, "machine": platform.machine()}
    if options.rounds:
        result["cpu"] = found = compare_on_cpu(
            config, options.batch, options.rounds, CLOCKS[options.clock]
        )
        print(
            f"CPU, batch {options.batch}, {options.threads} threads, {options.rounds} rounds, "
            f"{options.clock} seconds"
        )
        for name, seconds in found["seconds"].items():
            middle = statistics.median(seconds)
            print(f"  {name:16} {middle:8.2f} s  relative error {found['error'][name]:.1e}")
        for name, ratio in found["ratios"].items():
            print(f"  {name:32} {ratio:.2f}")
    if torch.cuda.is_available():
        result["gpu"] = measure_on_gpu(config, (1, 8, 32, 128))
        for row in result["gpu"]:
            print(
                "  "
                + "  ".join(
                    f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in row.items()
                )
            )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
