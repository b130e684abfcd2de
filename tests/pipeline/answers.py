"""What tests of the annotate pass ask of a dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import internvid
from internvid.dataset.store import Dataset
from internvid.pipeline.recipe import Recipe
from internvid.shots.stitch import Stitch
from tests.trees import digest_tree


def small_recipe(recipe: Recipe, name: str = "test") -> Recipe:
    """Clips of a second or so, no captions."""
    stitch = Stitch(maximum_seconds=1.0)
    cut = dataclasses.replace(recipe.cut, stitch=stitch, filters=())
    return dataclasses.replace(recipe, name=name, cut=cut, captioners={})


def rows(dataset: Path, name: str) -> dict[str, dict[str, Any]]:
    table = internvid.open(dataset).sql(f'select * from "column_{name}"').to_arrow_table()
    found = {row["clip_id"]: row for row in table.to_pylist()}
    assert len(found) == table.num_rows
    return found


def kept(dataset: Path) -> list[str]:
    return list(internvid.open(dataset).clips()["clip_id"].to_pylist())


def files(dataset: Path, name: str) -> list[str]:
    return sorted(path.name for path in dataset.glob(f"cuts/*/columns/{name}@*/*.parquet"))


def columns_of(dataset: Path) -> dict[str, str]:
    return {name: digest for name, digest in digest_tree(dataset).items() if "columns" in name}


def asked(log: Path) -> list[str]:
    return [line for line in log.read_text().split() if line != "setup"] if log.exists() else []


def dataset_picks(dataset: Dataset, clip_id: str) -> Any:
    from internvid.dataset.picks import StoredPicks

    row = dataset.clip(clip_id)
    assert dataset.record.scan is not None
    for part in dataset.parts:
        stored = StoredPicks(dataset.layout.scanned(dataset.record.scan, "picks", part))
        picks = stored.of(row["video_id"], row["start_frame"], row["end_frame"])
        if len(picks):
            return picks[:]
    return []


def sources(data: Path) -> list[str]:
    return list(internvid.open(data).videos()["uri"].to_pylist())
