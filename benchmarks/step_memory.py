"""Peak memory of a training step beside what is reckoned for it: both precisions, with and
without recomputed blocks.

    python -m benchmarks.step_memory [--clips 24] [--layers 4] [--json FILE]

Each step runs in a process of its own whose allocator gives freed memory back at once; printed is
the growth of its resident memory (VmHWM, Linux) over a step of two clips, per clip. B/16 with fewer
blocks, so that it fits anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_BODY = """
import gc, json, re, sys
from dataclasses import replace
import torch
from internvid.models.viclip.config import CONFIGS
from internvid.models.viclip.masking import kept_count
from internvid.models.viclip.model import ViCLIP
from internvid.training.plan.flops import step_cost
from internvid.training.towers import PatchTower
half, again, layers, clips = (int(each) for each in sys.argv[1:])
torch.set_num_threads(1)
config = replace(
    CONFIGS["b16"], vision_layers=layers, text_layers=1, checkpointed_blocks=again
)
model = ViCLIP(config).train()
model.vision_encoder.transformer.checkpointed_blocks = again
model.text_encoder.requires_grad_(False)
tower = PatchTower(model.vision_encoder, model.preprocessing, config.frames, config.grid)
count = kept_count(config.tokens, 0.9)
def step(size):
    patches = torch.zeros(size, count, 3 * config.patch**2, dtype=torch.uint8)
    kept = torch.arange(count).expand(size, -1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bool(half)):
        video = tower(patches, kept)
    video.float().square().mean().backward()
def memory(name):
    found = re.search(name + r":\\\\s+(\\\\d+)", open("/proc/self/status").read())
    return int(found[1]) * 1024
step(2)
gc.collect()
open("/proc/self/clear_refs", "w").write("5")
before = memory("VmRSS")
step(clips)
cost = step_cost(config, 0.9, freeze_text=True, half=bool(half))
print(json.dumps({
    "precision": "bfloat16" if half else "float32",
    "recomputed": again,
    "measured": (memory("VmHWM") - before) / clips / 1e6,
    "reckoned": (cost.activation_bytes + cost.transient_bytes) / 1e6,
}))
""".replace("\\\\", "\\")


def measure(half: int, again: int, layers: int, clips: int) -> dict[str, Any]:
    """Megabytes a clip of one kind of step."""
    arguments = [str(each) for each in (half, again, layers, clips)]
    limits = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", _BODY, *arguments],
        env={**os.environ, **limits, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = [
        measure(half, again, asked.layers, asked.clips)
        for half in (1, 0)
        for again in (0, asked.layers)
    ]
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
