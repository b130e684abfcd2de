"""What a matching head adds to retrieval: a tiny model trained from nothing on the synthetic world.

    python -m benchmarks.reranking [--seeds 0 1] [--steps 1200] [--top 10 128]

Contrastive loss and video-text matching together, from fresh weights; the embedding is kept small
(8 numbers), so that the first stage finds the neighbourhood and not the clip. Measured on held-out
combinations of worlds that no run has seen: 100 clips each, all with different sentences (chance
1 %). Seconds are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from internvid.evaluate.embedding import Run
from internvid.evaluate.loading import load_embedder
from internvid.evaluate.reranking import RerankedSyntheticRetrieval
from internvid.train import recipes
from internvid.train.heads import FineTuneRecipe, MatchingRecipe
from internvid.train.loop import train
from internvid.train.recipe import DataRecipe, LoopRecipe, ModelRecipe, Stage, StartRecipe
from internvid.train.sources import WorldSource
from internvid.train.views import ViewRecipe

UNSEEN = (901, 902, 903)


def tiny(seed: int, steps: int) -> FineTuneRecipe:
    """Small towers and a matching head, from nothing."""
    base = recipes.viclip_tiny()
    config = replace(
        base.model.config,
        vision_width=48,
        vision_layers=1,
        vision_heads=2,
        text_width=48,
        text_layers=1,
        text_heads=2,
        frames=2,
        resolution=32,
        patch=8,
        embedding=8,
    )
    return FineTuneRecipe(
        "reranking",
        model=ModelRecipe(config),
        start=StartRecipe(merges="learn", freeze_text=False, temperature=0.07, seed=seed),
        data=DataRecipe(view=ViewRecipe(crop=False, flip="never")),
        loss=base.loss,
        optimiser=base.optimiser,
        stages=(
            Stage("tune", mask_ratio=0.0, peak_lr=2e-3, steps=steps, warmup_steps=20, batch=32),
        ),
        loop=LoopRecipe(seed=seed, dtype="float32", device="cpu", writers=("csv",), threads=1),
        head=MatchingRecipe(),
    )


def main() -> None:
    """Train, measure, print one line a seed and a number of candidates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--top", type=int, nargs="+", default=[10, 128])
    parser.add_argument("--first-stage", type=float, nargs="+", default=[0.0, 1.0])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            clips = WorldSource(count=2048, frames=2, size=32, cache=folder / "world")
            started = time.process_time()
            train(tiny(seed, asked.steps), clips, folder / "run")
            seconds = time.process_time() - started
            subject = load_embedder(str(folder / "run"), device="cpu")
            for top, first_stage in itertools.product(asked.top, asked.first_stage):
                benchmark = RerankedSyntheticRetrieval(
                    clips=100, seeds=UNSEEN, cameras=("static",), paths="loop", top=top,
                    first_stage=first_stage,
                )  # fmt: skip
                found = benchmark.evaluate(subject, Run()).metrics
                told = [
                    f"{way} R@1 {found[f'{way}_r1']:.1f} -> {found[f'reranked_{way}_r1']:.1f}"
                    for way in ("text_to_video", "video_to_text")
                ]
                how = f"top {top}, first stage {first_stage:g}"
                print(f"seed {seed}, {seconds:.0f} s, {how}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
