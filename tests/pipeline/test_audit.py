"""The audit finds texts that do not belong to their clips, and unhealthy ones."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.annotate.audit import audit
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.shots.stitch import Stitch
from internvid.synthetic.fakes import EchoCaptioner, HashScorer, OracleScorer
from tests.media import write_video
from tests.pipeline.annotators import Embedder, Narrator


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred short clips with texts, a score and vectors."""
    folder = tmp_path_factory.mktemp("audited")
    for number in range(6):
        path = folder / "videos" / f"v{number}.mp4"
        write_video(path, level=40 + 20 * number, frames=170, seed=number)
    stitch = Stitch(maximum_seconds=1.0)
    cut = CutRecipe(ContentDetector(), stitch, signals=("audio",), filters=())
    recipe = Recipe("test", cut, ScanRecipe(observers=("content", "luma")))
    build([str(folder / "videos")], folder / "data", recipe, workers=2)
    annotate(folder / "data", EchoCaptioner(), "echo", workers=2)
    annotate(folder / "data", Narrator(more_frames=3), "told")
    annotate(folder / "data", HashScorer(), "hash", workers=1)
    annotate(folder / "data", Embedder(), "place", workers=1)
    return folder / "data"


@pytest.fixture
def data(stock: Path, tmp_path: Path) -> Path:
    shutil.copytree(stock, tmp_path / "data")
    return tmp_path / "data"


Change = Callable[[list[dict[str, Any]]], set[str]]


def rewrite(dataset: Path, name: str, change: Change) -> set[str]:
    """Rewrites a column's file as somebody careless would; returns the clips that are wrong now."""
    (path,) = dataset.glob(f"cuts/*/columns/{name}@*/part-00000.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    wrong = change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    return wrong


def swapped(*names: str) -> Change:
    """Swaps these columns, or all but the id, between pairs of 5 % of the rows."""

    def change(rows: list[dict[str, Any]]) -> set[str]:
        count = max(2, round(0.05 * len(rows)) // 2 * 2)
        places = random.Random(3).sample(range(len(rows)), count)
        for one, two in zip(places[::2], places[1::2], strict=True):
            for name in names or [key for key in rows[one] if key != "clip_id"]:
                rows[one][name], rows[two][name] = rows[two][name], rows[one][name]
        return {rows[place]["clip_id"] for place in places}

    return change


def broken(dataset: Path, name: str) -> set[str]:
    (found,) = audit(dataset, [name], language="")
    return {one.clip_id for one in found.broken}


def test_an_untouched_dataset_is_whole(data: Path) -> None:
    found = {column.column: column for column in audit(data, language="")}
    assert set(found) == {"echo", "told", "hash", "place"}
    count = internvid.open(data).clips().num_rows
    assert count >= 90
    for column in found.values():
        assert column.rows == column.sealed == count
        assert column.broken == []
        assert column.compared == 0


@pytest.mark.parametrize("name", ["echo", "told"])
@pytest.mark.parametrize("what", [("value",), ("value", "seal"), ("value", "seal", "frames"), ()])
def test_every_swapped_text_is_found_by_its_seal(
    name: str, what: tuple[str, ...], data: Path
) -> None:
    wrong = rewrite(data, name, swapped(*what))
    assert len(wrong) >= 4
    assert broken(data, name) == wrong


@pytest.mark.parametrize("key", ["prompt", "words", "lines", "status", "frames"])
def test_whatever_is_edited_breaks_the_seal(key: str, data: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> set[str]:
        row = rows[7]
        edited = {
            "prompt": "another", "words": 99, "lines": ["x"], "status": "skipped",
            "frames": row["frames"][:-1],
        }  # fmt: skip
        row[key] = edited[key]
        return {row["clip_id"]}

    wrong = rewrite(data, "told", change)
    assert broken(data, "told") == wrong


def test_a_rewritten_picture_breaks_the_texts_made_from_it(data: Path) -> None:
    (path,) = data.glob("scans/*/picks/part-00000.parquet")
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(at) for at in range(file.metadata.num_row_groups)]
    rows = groups[0].to_pylist()
    rows[0]["jpeg"] = rows[1]["jpeg"]
    groups[0] = pa.Table.from_pylist(rows, schema=groups[0].schema)
    with pq.ParquetWriter(path, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)
    assert len(broken(data, "echo")) == 1
    assert broken(data, "hash") == set(), "made from the clip's id alone"


def test_a_picture_that_is_gone_and_a_clip_that_is_none(data: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> set[str]:
        rows[0]["frames"] = [99999]
        rows[1]["clip_id"] = "0" * 32
        return set()

    rewrite(data, "echo", change)
    (found,) = audit(data, ["echo"], language="")
    assert sorted(one.reason for one in found.broken) == ["clip", "picture"]


def test_swapped_texts_are_suspicious_to_a_scorer(data: Path) -> None:
    (before,) = audit(data, ["echo"], OracleScorer(), language="")
    assert before.suspicious == []
    assert before.compared == before.rows
    assert before.own_score == 1.0
    assert before.shuffled_score is not None
    assert before.shuffled_score < 0.5
    wrong = rewrite(data, "echo", swapped("value"))
    (found,) = audit(data, ["echo"], OracleScorer(), language="")
    suspicious = {one.clip_id for one in found.suspicious}
    assert len(suspicious & wrong) >= 0.95 * len(wrong)
    assert suspicious <= wrong


def test_unhealthy_texts_are_counted_by_reason(data: Path) -> None:
    sick = [
        "I'm sorry, but I can't help with that.",
        "the dog the dog the dog the dog the dog",
        "...",
    ]

    def change(rows: list[dict[str, Any]]) -> set[str]:
        for row, text in zip(rows, sick, strict=False):
            row["value"] = text
        return set()

    rewrite(data, "told", change)
    (found,) = audit(data, ["told"], language="")
    assert {"refusing", "looping", "empty"} <= set(found.health)
    assert {one.value for one in found.unhealthy} >= set(sick)


def test_misuse_is_told(data: Path) -> None:
    with pytest.raises(MisuseError, match="no column 'nope'"):
        audit(data, ["nope"])
    with pytest.raises(MisuseError, match="reads no text"):
        audit(data, ["echo"], HashScorer())
