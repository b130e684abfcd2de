"""Training: a masked step beside the usual one, the loader alone, and on a GPU the whole of it.

    python -m benchmarks.train [--rounds 5] [--dtype float32] [--only step] [--json FILE]

Both sides of the step have the same weights, batch, mask and precision, include AdamW, and are
run in turn in one process; process CPU seconds on a CPU, wall seconds on a GPU. Losses are compared
before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.plain_viclip import PlainViCLIP, random_mask
from internvid.models.viclip.config import CONFIGS, ViCLIPConfig
from internvid.models.viclip.masking import kept_count, patchify
from internvid.models.viclip.model import ViCLIP
from internvid.training.loss import ContrastiveLoss
from internvid.training.optimiser import make_optimiser, set_learning_rate
from internvid.training.plan.device_memory import usable_memory
from internvid.training.plan.flops import measure_peak, step_cost
from internvid.training.recipes.recipe import OptimiserRecipe
from internvid.training.towers import PatchTower

ASKED_FULL, ASKED_KEPT = 1.35, 1.1
ASKED_SHARDS, ASKED_PICKS = 60, 250
LEARNING_RATE = 1e-5


class Steps:
    """Our step and the usual ones over one batch."""

    def __init__(
        self,
        config: ViCLIPConfig,
        batch: int,
        mask: float,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.device, self.bf16 = device, dtype == torch.bfloat16
        torch.manual_seed(0)
        self.model = ViCLIP(replace(config, drop_path=0.0)).to(device).train()
        self.kept = kept_count(config.tokens, mask)
        size = (batch, config.frames, 3, config.resolution, config.resolution)
        self.frames = torch.randint(0, 255, size, dtype=torch.uint8, device=device)
        self.tokens = torch.randint(1, 400, (batch, config.context), device=device)
        self.tokens[:, -1] = config.vocabulary - 1
        self.chosen = random_mask(batch, config.tokens, self.kept, device)
        rule = self.model.preprocessing
        self.mean_std = torch.tensor([rule.mean, rule.std], device=device).view(2, 1, 1, 3, 1, 1)
        self.config, self.batch = config, batch
        self.state = {name: value.clone() for name, value in self.model.state_dict().items()}

    def ours(
        self,
        *,
        compiled: bool = False,
        updates: bool = True,
        prepare: Callable[[torch.nn.Module], Any] | None = None,
    ) -> Callable[[], torch.Tensor]:
        model, config = self.model, self.config
        model.text_encoder.requires_grad_(requires_grad=False)
        tower = PatchTower(model.vision_encoder, model.preprocessing, config.frames, config.grid)
        tower.to(self.device)
        if compiled:
            tower.compile()
        if prepare is not None:
            prepare(tower)
        with torch.no_grad(), self._autocast():
            texts = model.text_encoder(self.tokens).float()
        # What the loader hands over.
        masked = self.kept < config.tokens
        kept = self.chosen.nonzero()[:, 1].view(self.batch, -1) if masked else None
        patches = patchify(self.frames, config.patch, kept)
        optimiser = make_optimiser(model.named_parameters(), OptimiserRecipe())
        set_learning_rate(optimiser, LEARNING_RATE)
        loss, labels = ContrastiveLoss(), torch.arange(self.batch, device=self.device)

        def step() -> torch.Tensor:
            with self._autocast():
                video = tower(patches, kept)
            value = loss(video, texts, model.temp, labels, labels)
            value.backward()
            if not updates:
                return value.detach()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return value.detach()

        return step

    def usual(self, *, recompute: bool) -> Callable[[], torch.Tensor]:
        model = PlainViCLIP(self.config, recompute=recompute).to(self.device).train()
        model.load_state_dict(self.state)
        model.text_encoder.requires_grad_(requires_grad=False)
        wanted = [each for each in model.parameters() if each.requires_grad]
        optimiser = torch.optim.AdamW(wanted, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.2)
        first = [self.chosen]

        def step() -> torch.Tensor:
            drawn = random_mask(self.batch, self.config.tokens, self.kept, self.device)
            chosen = first.pop() if first else drawn
            with self._autocast():
                value = model.loss(self.frames, chosen, self.tokens, self.mean_std)
            value.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return value.detach()

        return step

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def clock(step: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cpu":
        started = time.process_time()
        step()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    step()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def compare(steps: Steps, rounds: int) -> dict[str, Any]:
    """Seconds of each, in turn; the least counts, since other work only adds."""
    sides = {
        "ours": steps.ours(),
        "usual": steps.usual(recompute=True),
        "usual_kept": steps.usual(recompute=False),
    }
    losses = {name: float(step()) for name, step in sides.items()}
    tolerance = 5e-2 if steps.bf16 else 1e-3
    for name, loss in losses.items():
        assert abs(loss - losses["ours"]) < tolerance * abs(losses["ours"]), (name, losses)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            times[name].append(clock(step, steps.device))
    least = {name: min(values) for name, values in times.items()}
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "loss": losses,
        "seconds": least,
        "median_seconds": medians,
        "usual / ours": least["usual"] / least["ours"],
        "usual without recomputing / ours": least["usual_kept"] / least["ours"],
        "asked": [ASKED_FULL, ASKED_KEPT],
    }


def time_steps(dtype: str, rounds: int) -> dict[str, Any]:
    """One masked B/16 step of four clips on the CPU."""
    device = torch.device("cpu")
    return compare(Steps(CONFIGS["b16"], 4, 0.9, device, getattr(torch, dtype)), rounds)


def time_loader(media: Path | None, seconds: float, rounds: int) -> dict[str, Any]:
    """Clips per CPU second of one core: 8 frames of 224 x 224, cropped, a tenth of the patches."""
    import internvid
    from internvid.dataset.frame_shards import FrameShards
    from internvid.publishing.exporters.frames import FramesExporter
    from internvid.publishing.publish import publish
    from internvid.synthetic.world import render_world
    from internvid.training.data.clip_sources import ShardSource
    from internvid.training.data.stored_picks import pack_picks

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if media is None:
            render_world(folder / "videos", 1, videos=3, seconds=20, size=(640, 360), copies=False)
        internvid.build([str(media or folder / "videos")], folder / "data", workers=2)
        dataset = internvid.open(folder / "data")
        publish(dataset, folder / "shards", FramesExporter())
        sources = {
            "shards": ShardSource(FrameShards(folder / "shards")),
            "picks": pack_picks(dataset, "measured", None, folder / "pack"),
        }
        rates: dict[str, list[float]] = {kind: [] for kind in sources}
        for _ in range(rounds):
            for kind, source in sources.items():
                rates[kind].append(_rate(source, seconds))
        found: dict[str, Any] = {kind: max(values) for kind, values in rates.items()}
        found["clips"] = len(sources["picks"].table().clip_ids)
    return found | {"rounds": rates, "asked": {"shards": ASKED_SHARDS, "picks": ASKED_PICKS}}


def _rate(source: Any, seconds: float) -> float:
    from internvid.training.views.views import ViewRecipe, ViewShape, show

    shape, view = ViewShape(8, 224, 16, 0.9), ViewRecipe()
    count = len(source.table().clip_ids)
    for clip in range(count):
        show(source, clip, (0, 0, clip), shape, view)
    started, shown = time.process_time(), 0
    while time.process_time() - started < seconds:
        show(source, shown % count, (0, 1 + shown // count, shown % count), shape, view)
        shown += 1
    return shown / (time.process_time() - started)


def time_gpu(rounds: int, device: torch.device, models: list[str]) -> dict[str, Any]:
    """Both stages in bfloat16: clips per second, share of the peak, memory; compiled too."""
    dtype = torch.bfloat16
    peak = measure_peak(device, dtype, 1.0)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    found: dict[str, Any] = {"device": name, "peak_teraflops": peak / 1e12}
    for model in models:
        for stage, mask, most in (("masked", 0.9, 512), ("unmasked", 0.0, 64)):
            batch = most_clips(CONFIGS[model], mask, most, device)
            for side in ("ours", "ours, compiled", "usual", "usual, nothing recomputed"):
                title = f"{model}, {stage}, {side}"
                found[title] = measure_side(model, mask, batch, side, rounds, device, peak)
                print(title, json.dumps(found[title]), flush=True)
        found[f"{model}, texts"] = time_texts(model, device)
    found["shared weights equal whole ones"] = compare_sharded(device)
    return found


def most_clips(config: ViCLIPConfig, mask: float, most: int, device: torch.device) -> int:
    """The largest power of two that is reckoned to fit, and `most` at most."""
    cost = step_cost(config, mask, freeze_text=True, bf16=True)
    room = (usable_memory(device) or 8e9) - 1.5 * cost.parameter_bytes
    fits = int(room / (cost.activation_bytes + cost.transient_bytes))
    return min(most, 1 << max(1, fits.bit_length() - 1))


def measure_side(
    model: str, mask: float, batch: int, side: str, rounds: int, device: torch.device, peak: float
) -> dict[str, Any]:
    """One kind of step; what it cannot do is said in its place."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    cost = step_cost(CONFIGS[model], mask, freeze_text=True, bf16=True)
    try:
        steps = Steps(CONFIGS[model], batch, mask, device, torch.bfloat16)
        if side.startswith("ours"):
            step = steps.ours(compiled=side.endswith("compiled"))
        else:
            step = steps.usual(recompute=side == "usual")
        for _ in range(3):
            step()
        seconds = statistics.median(clock(step, device) for _ in range(rounds))
    except torch.OutOfMemoryError as error:
        return {"batch": batch, "out of memory": str(error).splitlines()[0]}
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if on_gpu else None
    reckoned = cost.parameter_bytes + batch * (cost.activation_bytes + cost.transient_bytes)
    return {
        "batch": batch,
        "clips_per_second": batch / seconds,
        "mfu": cost.train * batch / seconds / peak,
        "memory_gigabytes": memory,
        "reckoned_gigabytes": reckoned / 1e9,
    }


def time_texts(model: str, device: torch.device) -> dict[str, Any]:
    """Captions per second into the cache by kind of products, and how far they are from float32."""
    from internvid.models.viclip.tokenizer import Tokenizer
    from internvid.training.data.text_cache import cache_texts
    from internvid.training.data.vocabulary import learn_merges

    captions = [f"caption number {at} of a person who walks past a wall" for at in range(4096)]
    tokenizer = Tokenizer(learn_merges(captions[:64], 100), CONFIGS[model].context)
    torch.manual_seed(0)
    config = replace(CONFIGS[model], vocabulary=tokenizer.vocabulary)
    tower = ViCLIP(config).to(device).eval().text_encoder
    found: dict[str, Any] = {}
    vectors: dict[str, torch.Tensor] = {}
    for products in ("float32", "tf32", "bfloat16"):
        with tempfile.TemporaryDirectory() as name:
            cache_texts(tower, tokenizer, captions[:256], Path(name), device, products=products)
            started = time.perf_counter()
            made = cache_texts(tower, tokenizer, captions, Path(name), device, products=products)
            seconds = time.perf_counter() - started
            vectors[products] = torch.from_numpy(np.array(made.vectors))
        cosine = torch.nn.functional.cosine_similarity(vectors[products], vectors["float32"])
        found[products] = {
            "captions_per_second": len(captions) / seconds,
            "least_cosine": float(cosine.min()),
        }
    return found


def compare_sharded(device: torch.device) -> dict[str, Any]:
    """Gradients under FSDP2 (a mesh of one device) beside plain ones; float32, a small model."""
    import os

    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from internvid.models.viclip.blocks import ResidualBlock

    def shard(tower: torch.nn.Module) -> None:
        mesh = init_device_mesh(device.type, (1,))
        for block in tower.modules():
            if isinstance(block, ResidualBlock):
                fully_shard(block, mesh=mesh)
        fully_shard(tower, mesh=mesh)

    os.environ.update(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        gradients = []
        for prepare in (None, shard):
            steps = Steps(CONFIGS["small"], 4, 0.9, device, torch.float32)
            tower = steps.model.vision_encoder
            steps.ours(updates=False, prepare=prepare)()
            gradients.append(
                {
                    name: getattr(each.grad, "full_tensor", lambda grad=each.grad: grad)()
                    for name, each in tower.named_parameters()
                    if each.grad is not None
                }
            )
        plain, shared = gradients
        assert plain.keys() == shared.keys()
        worst = max(
            float((shared[name] - value).abs().max() / value.abs().max().clamp(min=1e-12))
            for name, value in plain.items()
        )
    finally:
        dist.destroy_process_group()
    return {"parameters": len(plain), "largest_relative_difference": worst}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("step", "loader", "gpu"))
    parser.add_argument("--device", default="cuda", help="Of the GPU part; cpu tries it out.")
    parser.add_argument("--models", default="l14,b16", help="Of the GPU part.")
    parser.add_argument("--media", type=Path, help="A folder of videos for the loader.")
    parser.add_argument("--seconds", type=float, default=5.0, help="Of each loader.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    found: dict[str, Any] = {}
    if asked.only in (None, "step"):
        found["step"] = time_steps(asked.dtype, asked.rounds)
    if asked.only in (None, "loader"):
        found["loader"] = time_loader(asked.media, asked.seconds, asked.rounds)
    if asked.only == "gpu" or (asked.only is None and torch.cuda.is_available()):
        device = torch.device(asked.device)
        found["gpu"] = time_gpu(asked.rounds, device, asked.models.split(","))
    text = json.dumps(found, indent=2, default=float)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
