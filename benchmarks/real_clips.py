"""What a tiny model makes of a folder of real clips with captions: does it fit them, does it carry?

    python -m benchmarks.real_clips --media FOLDER [--weights MODEL] [--json FILE]

FOLDER holds `captions.csv` (file, start, end, caption; seconds) and, if there are copies of one
another, `dedup_groups.csv` (group, file). In a temporary folder the files are built into a dataset
with the marked spans as shots and their sentences as captions, exported as frame shards, and given
to `internvid.training.loop.train`, as the commands would do it:

- overfit: all clips, measured on the same clips. It must reach nearly everything.
- held out: the clips of FOLDER/videos alone. `--folds` times a part of those videos, with all their
  clips and copies, is kept from training and measured. From nothing, and with `--weights MODEL`
  from a trained model of the same shape too. Beside both stands what guessing would give.

Captions that are equal are one query with several right clips.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import internvid
from benchmarks.marks import MarkedCaptions, MarkedShots, label_sources, read_marks
from internvid.dataset.frame_shards import FrameShards
from internvid.evaluation.embedding.embedders import ViCLIPEmbedder
from internvid.models.viclip import ViCLIP
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.publish import publish
from internvid.scan.scan import ScanRecipe
from internvid.shots.stitch import Stitch
from internvid.training.compare.held_out import ChosenSource, HeldOut
from internvid.training.data.clip_sources import ArraySource, ShardSource
from internvid.training.data.samples import ClipSource, make_samples
from internvid.training.loop import train
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.views.views import ViewRecipe
from internvid.video.probe import hash_file

TEXT = "sentence"
BATCH = 64
ORDINARY = "videos"
"""The folder whose files are held out in turn: others hold test patterns and takes of one scene."""


def make_source(media: Path, folder: Path, most: int = 0) -> ShardSource:
    """Dataset, captions, frame shards: the clips with captions, copies under one source."""
    marks, labels = read_marks(media, most), label_sources(media)
    ids = {path: hash_file(path) for path in sorted({mark.path for mark in marks})}
    with (folder / "sources.jsonl").open("w", encoding="utf-8") as file:
        for path in ids:
            file.write(json.dumps({"uri": str(path), "source_id": labels(path)}) + "\n")
    cuts: dict[str, set[float]] = defaultdict(set)
    for mark in marks:
        cuts[ids[mark.path]] |= {mark.start_seconds, mark.end_seconds}
    detector = MarkedShots(tuple((video, tuple(sorted(cuts[video]))) for video in sorted(cuts)))
    sentences = tuple(
        (ids[mark.path], mark.start_seconds, mark.end_seconds, mark.caption) for mark in marks
    )
    recipe = Recipe(
        "marked",
        CutRecipe(detector, Stitch(maximum_seconds=0), signals=(), filters=()),
        ScanRecipe(observers=("content", "luma")),
        captioners={TEXT: MarkedCaptions(sentences)},
    )
    internvid.build(str(folder / "sources.jsonl"), folder / "data", recipe, workers=1)
    # The model sees 48 pixels; a random crop of 64 has no fewer.
    exporter = FramesExporter(short_side=64)
    publish(internvid.open(folder / "data"), folder / "shards", exporter)
    return ShardSource(FrameShards(folder / "shards"), TEXT)


def tiny(samples: int, steps: int, seed: int, weights: Path | None = None) -> TrainRecipe:
    """`viclip_tiny` for sentences of people: longer ones, no neighbours that differ in motion."""
    made = recipes.viclip_tiny()
    stage, _ = made.stages
    stage = replace(
        stage, steps=steps, warmup_steps=max(1, steps // 10), batch=min(BATCH, samples),
        neighbours=0,
    )  # fmt: skip
    # Longer than any sentence; a model of other words takes more pieces for one.
    context = 40 if weights is None else 96
    config = replace(made.model.config, context=context)
    start = replace(made.start, learned_merges=1500, seed=seed)
    if weights is not None:
        start = replace(start, weights=str(weights), merges="")
    return replace(
        made,
        model=replace(made.model, config=config),
        start=start,
        stages=(stage,),
        data=replace(made.data, view=ViewRecipe()),
        loop=replace(made.loop, seed=seed, threads=1, checkpoint_minutes=0.0),
    )


@dataclass(frozen=True)
class Trained:
    """What came of a run."""

    model: Path
    cpu_seconds: float
    curve: list[tuple[int, float]]


def run(recipe: TrainRecipe, source: ClipSource, folder: Path) -> Trained:
    """Trains as the command does."""
    curve: list[tuple[int, float]] = []
    started = time.process_time()
    summary = train(
        recipe, source, folder, progress=lambda line: curve.append((line.step, line.loss))
    )
    spent = time.process_time() - started
    assert summary.model is not None
    assert summary.skipped == 0, "clips that can be read at first cannot be read later"
    return Trained(summary.model, spent, curve)


def measure(model: Path, source: ClipSource, clips: Sequence[int]) -> dict[str, float]:
    """Retrieval among some clips, and what guessing would give."""
    table = source.table()
    texts = tuple(str(table.captions[clip]) for clip in clips)
    videos = len({table.sources[clip] for clip in clips})
    held = HeldOut(ChosenSource(source, tuple(clips)), {TEXT: texts}, videos, videos)
    found = held.measure(ViCLIPEmbedder(ViCLIP.from_pretrained(model), "tiny")).metrics
    names = ("r1", "r5", "median_rank")
    return {name: found[f"text_to_video_{name}"] for name in names} | chance(texts)


def chance(texts: Sequence[str]) -> dict[str, float]:
    """Recalls in percent, and the median rank, of an order of the clips by lot."""
    count, right = len(texts), Counter(texts).values()
    found = {}
    for k in (1, 5):
        missed = [math.comb(count - many, k) / math.comb(count, k) for many in right]
        found[f"chance_r{k}"] = 100 * (1 - sum(missed) / len(missed))
    return found | {"chance_median_rank": (count + 1) / 2, "queries": len(right), "clips": count}


def deal(sources: Sequence[str], folds: int) -> list[list[int]]:
    """Clips by fold: all of a source in one, folds about equally large, the same every time."""
    of_source: dict[str, list[int]] = defaultdict(list)
    for clip, source in enumerate(sources):
        of_source[source].append(clip)
    dealt: list[list[int]] = [[] for _ in range(folds)]
    order = sorted(of_source, key=lambda name: (-len(of_source[name]), _hash(name)))
    for name in order:
        min(dealt, key=len).extend(of_source[name])
    return [sorted(fold) for fold in dealt]


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def captioned(source: ClipSource) -> ArraySource:
    """Only the clips that training takes, decoded once: the frames are few and small."""
    table, clips = source.table(), make_samples(source.table()).clips.tolist()
    return ArraySource(
        [np.stack(list(source.read(clip, range))) for clip in clips],
        [table.captions[clip] for clip in clips],
        [table.sources[clip] for clip in clips],
    )


def overfit(source: ClipSource, folder: Path, steps: int) -> dict[str, Any]:
    """All clips, measured on all clips, seen as they are measured: whole."""
    count = len(source.table().clip_ids)
    recipe = tiny(count, steps, 0)
    recipe = replace(recipe, data=replace(recipe.data, view=ViewRecipe(crop=False, flip="never")))
    made = run(recipe, source, folder)
    return {
        "what": "overfit",
        "cpu_seconds": made.cpu_seconds,
        **measure(made.model, source, range(count)),
        "curve": made.curve,
    }


def held_out(
    source: ClipSource, folder: Path, steps: int, folds: int, weights: Path | None
) -> dict[str, Any]:
    """Every fold once, over ordinary videos; numbers are means over all queries of all folds."""
    table = source.table()
    ordinary = [at for at, name in enumerate(table.sources) if name.startswith(f"{ORDINARY}/")]
    source = ChosenSource(source, tuple(ordinary))
    sources = source.table().sources
    rows = []
    for number, fold in enumerate(deal(sources, folds)):
        rest = sorted(set(range(len(sources))) - set(fold))
        assert not {sources[at] for at in fold} & {sources[at] for at in rest}
        recipe = tiny(len(rest), steps, number, weights)
        made = run(recipe, ChosenSource(source, tuple(rest)), folder / f"fold-{number}")
        row = {"cpu_seconds": made.cpu_seconds, **measure(made.model, source, fold)}
        rows.append(row | {"loss": made.curve[-1][1]})
        print(json.dumps({"fold": number, **rows[-1]}, default=float), flush=True)
    queries = [row["queries"] for row in rows]
    means = {
        name: float(np.average([row[name] for row in rows], weights=queries)) for name in rows[0]
    }
    return {
        "what": "held out, from nothing" if weights is None else f"held out, from {weights}",
        **means,
        "cpu_seconds": sum(row["cpu_seconds"] for row in rows),
        "queries": sum(queries),
        "folds": rows,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--overfit-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=100, help="Of a held-out run.")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--weights", type=Path, help="A folder of a trained viclip_tiny.")
    parser.add_argument("--only", choices=("overfit", "held-out"))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row, default=float), flush=True)
        if asked.json:
            asked.json.write_text(json.dumps(rows, indent=1, default=float) + "\n", "utf-8")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = captioned(make_source(asked.media, folder))
        print(f"{len(source.clips)} clips of {len(set(source.sources or ()))} sources", flush=True)
        if asked.only != "held-out":
            note(overfit(source, folder / "overfit", asked.overfit_steps))
        if asked.only != "overfit":
            for weights in (None, asked.weights) if asked.weights else (None,):
                runs = folder / ("tuned" if weights else "fresh")
                note(held_out(source, runs, asked.steps, asked.folds, weights))


if __name__ == "__main__":
    main()
