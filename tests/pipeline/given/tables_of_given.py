"""Tables that state clips of numbered videos, and what a build made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.captions.measured import MeasuredCaptioner
from internvid.curate.filters import DEFAULT_FILTERS
from internvid.dataset.parts import read_part
from internvid.dataset.store import Dataset
from internvid.pipeline.build import BuildSummary, build
from internvid.pipeline.given.given_table import GivenInputs
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector

Row = Mapping[str, Any]
# One filter, of clips under a second, and one signal: tests are about spans.
RECIPE = Recipe(
    name="test",
    scan=ScanRecipe(observers=("content", "luma")),
    cut=CutRecipe(ContentDetector(), signals=("audio", "quality"), filters=DEFAULT_FILTERS[:1]),
    captioners={"measured": MeasuredCaptioner()},
)


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return path


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def build_given(
    dataset: Path, *tables: Path, videos: Path | None = None, workers: int = 1
) -> BuildSummary:
    inputs = GivenInputs(tuple(map(str, tables)), videos)
    return build(inputs, dataset, RECIPE, workers=workers)


def spans_of(data: Dataset) -> list[tuple[int, int, str | None]]:
    """(first frame, first frame after it, caption) of each clip, in time order."""
    query = (
        "select start_frame, end_frame, given from clips order by source_id, start_frame, end_frame"
    )
    return data.sql(query).fetchall()


def rejected_of(data: Dataset) -> list[dict[str, Any]]:
    cut = data.record.cut or ""
    rows = [
        row
        for part in data.parts
        for row in read_part(data.layout.given_rejected(cut, part)).to_pylist()
    ]
    return sorted(rows, key=lambda row: (row["reason"], row["caption"] or ""))


def times(frame: int, stop: int, fps: int = 25) -> dict[str, float]:
    return {"start_seconds": round(frame / fps, 3), "end_seconds": round(stop / fps, 3)}
