"""What a matching head adds to retrieval: a tiny model trained from nothing on the synthetic world.

    python -m benchmarks.reranking [--seeds 0 1 2] [--steps 1200] [--embedding 48] [--loss ranking]

Contrastive loss and video-text matching together, from fresh weights. The embedding is as wide as
the text tower (48) unless `--embedding` says otherwise. Measured on held-out combinations of worlds
that no run has seen: 200 clips each, all with different sentences (chance 0.5 %). One line for each
training seed and world; then the mean gain of R@1 with a 95 % interval by paired bootstrap: queries
are drawn anew within each seed and world, with their rank before and after. A second interval draws
training seeds and worlds anew too. Seconds are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from internvid.evaluation.benchmarks.reranking import RerankedSyntheticRetrieval
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.headed import MatchingEmbedder
from internvid.evaluation.embedding.loading import load_embedder
from internvid.training.data.clip_sources import WorldSource
from internvid.training.heads.open_heads import FineTuneRecipe, MatchingRecipe
from internvid.training.loop import train
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.recipe import (
    DataRecipe,
    LoopRecipe,
    ModelRecipe,
    Stage,
    StartRecipe,
)
from internvid.training.views.views import ViewRecipe

UNSEEN = (901, 902, 903)
CLIPS = 200
TRAINING_CLIPS = 8192
DRAWS = 10_000
WAYS = ("text to video", "video to text")

Gains = npt.NDArray[np.float64]
"""[2, queries]: 100 where only the second order found the right answer first, -100 where only the
first did, else 0."""


def tiny(seed: int, steps: int, embedding: int, head: MatchingRecipe) -> FineTuneRecipe:
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
        embedding=embedding,
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
        head=head,
    )


def train_one(recipe: FineTuneRecipe, cache: Path, folder: Path) -> tuple[MatchingEmbedder, float]:
    """A trained model, and the CPU seconds it took."""
    clips = WorldSource(count=TRAINING_CLIPS, frames=2, size=32, cache=cache)
    started = time.process_time()
    train(recipe, clips, folder)
    seconds = time.process_time() - started
    subject = load_embedder(str(folder), device="cpu")
    assert isinstance(subject, MatchingEmbedder)
    return subject, seconds


def measure(subject: MatchingEmbedder, world: int, top: int, first_stage: float) -> Gains:
    """Gains of every query of one world; prints its R@1 before and after."""
    benchmark = RerankedSyntheticRetrieval(
        clips=CLIPS, seeds=(world,), cameras=("static",), paths="loop", top=top,
        first_stage=first_stage,
    )  # fmt: skip
    ranked = benchmark.rank(benchmark.draw(world), subject, Run())
    told, gains = [], []
    for way, before, after in zip(WAYS, ranked.plain, ranked.reranked, strict=True):
        first, second = (100.0 * (ranks == 1) for ranks in (before, after))
        told.append(f"{way} {first.mean():.1f} -> {second.mean():.1f}")
        gains.append(second - first)
    print(f"  world {world}: {', '.join(told)}", flush=True)
    return np.stack(gains)


def interval(cells: npt.NDArray[np.float64], *, whole: bool) -> tuple[float, float]:
    """95 % of the means of samples drawn anew.

    Args:
        cells: [seeds, worlds, 2, queries].
        whole: whether seeds and worlds are drawn anew too, not the queries alone.
    """
    rng = np.random.default_rng(0)
    seeds, worlds, _, queries = cells.shape
    means = np.empty(DRAWS)
    for at in range(DRAWS):
        rows = rng.integers(0, seeds, seeds) if whole else np.arange(seeds)
        columns = rng.integers(0, worlds, worlds) if whole else np.arange(worlds)
        drawn = cells[rows][:, columns]
        # The two directions of a clip stay together: they are not independent.
        chosen = rng.integers(0, queries, (seeds, worlds, 1, queries))
        means[at] = np.take_along_axis(drawn, chosen, axis=3).mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def report(title: str, cells: npt.NDArray[np.float64]) -> None:
    """The mean gain of every direction, its intervals, and in how many cells it rose."""
    by_cell = cells.mean(axis=3)
    means = ", ".join(
        f"{way} {mean:+.1f}" for way, mean in zip(WAYS, by_cell.mean((0, 1)), strict=True)
    )
    queries, whole = (interval(cells, whole=each) for each in (False, True))
    print(
        f"{title}: {means}; both {cells.mean():+.2f}, "
        f"queries drawn anew [{queries[0]:+.2f}, {queries[1]:+.2f}], "
        f"seeds and worlds too [{whole[0]:+.2f}, {whole[1]:+.2f}]; "
        f"higher in {int((by_cell > 0).sum())}, equal in {int((by_cell == 0).sum())} "
        f"of {by_cell.size}",
        flush=True,
    )


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--embedding", type=int, default=48)
    parser.add_argument("--loss", choices=("ranking", "binary"), default="ranking")
    parser.add_argument("--top", type=int, default=128)
    parser.add_argument("--first-stage", type=float, nargs="+", default=[1.0, 0.0])
    parser.add_argument("--cache", type=Path, help="where rendered clips are kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[float, list[npt.NDArray[np.float64]]] = {each: [] for each in asked.first_stage}
    with tempfile.TemporaryDirectory() as place:
        for seed in asked.seeds:
            recipe = tiny(seed, asked.steps, asked.embedding, MatchingRecipe(loss=asked.loss))
            subject, seconds = train_one(
                recipe, asked.cache or Path(place) / "world", Path(place) / f"seed{seed}"
            )
            print(f"seed {seed}, {asked.steps} steps in {seconds:.0f} s", flush=True)
            for weight, cells in found.items():
                print(f" first stage {weight:g}, {asked.top} candidates")
                cells.append(
                    np.stack([measure(subject, each, asked.top, weight) for each in UNSEEN])
                )
    for weight, cells in found.items():
        report(
            f"embedding {asked.embedding}, {asked.loss}, first stage {weight:g}", np.stack(cells)
        )


if __name__ == "__main__":
    main()
