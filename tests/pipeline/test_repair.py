"""A record that was lost, and videos that were moved."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid import recipes
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.curate.select import select
from internvid.curate.selectors import Random
from internvid.dataset.store import Dataset
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.repair import DAMAGED, repair
from internvid.pipeline.status import read_status
from tests.cli.speaking import Capture, read_json, spoken
from tests.media import write_video, write_videos
from tests.trees import digest_tree

KNOWN = [make() for make in recipes.RECIPES.values()]


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset.root, tmp_path / "data"))


def forget_configurations(data: Path) -> None:
    for kept in [*data.rglob("recipe.json"), *data.rglob("columns.json")]:
        kept.unlink()
    (data / "sources" / "types.json").unlink()


@pytest.mark.parametrize(
    "harm", ["", "{", "[]", '{"format": "internvid-dataset"}', "gone", "half", "foreign", b"\xff"]
)
def test_a_record_is_made_again_as_it_was(harm: str | bytes, copied: Path) -> None:
    path = copied / "dataset.json"
    before = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "foreign":
        path.write_text(json.dumps({**json.loads(before), "cut": "../../x"}))
    else:
        path.write_bytes(before[:300] if harm == "half" else os.fsencode(harm))
    with pytest.raises(DatasetFormatError) as caught:
        internvid.open(copied)
    assert harm == '{"format": "internvid-dataset"}' or "internvid repair" in str(caught.value.hint)
    damaged = path.read_bytes() if path.exists() else None
    done = repair(copied)
    assert path.read_bytes() == before
    assert (done.intact, done.notes, done.columns) == (False, (), ("measured",))
    assert damaged is None or (copied / DAMAGED).read_bytes() == damaged
    assert repair(copied).intact


def test_a_dataset_of_0_1_0_is_known_by_its_fingerprints(copied: Path) -> None:
    """Those have no configurations beside their parts."""
    path = copied / "dataset.json"
    before = path.read_bytes()
    forget_configurations(copied)
    path.unlink()
    assert repair(copied, KNOWN).notes == ()
    assert path.read_bytes() == before


def test_without_all_that_the_parts_still_say_most(copied: Path, dataset: Dataset) -> None:
    forget_configurations(copied)
    (copied / "dataset.json").unlink()
    shutil.rmtree(copied / "runs")
    done = repair(copied)
    assert any("configuration" in note for note in done.notes)
    opened = internvid.open(copied)
    assert opened.clips().equals(dataset.clips())
    assert opened.record.column_recipes[opened.record.columns[done.cut or ""]["measured"]] == {
        "value_type": "string", "extras": {}, "verb": "caption",
    }  # fmt: skip


@pytest.mark.slow
def test_of_several_cuts_the_latest_run_counts(recipe: Recipe, tmp_path: Path) -> None:
    write_videos(tmp_path / "videos", 2)
    data = tmp_path / "data"
    table = tmp_path / "t.jsonl"
    rows = [{"uri": f"videos/v00{at}.mp4", "views": at, "day": "2024-05-01"} for at in range(2)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    types = {"day": "date"}
    for made in (recipe, recipes.default(), recipe):
        build([str(table)], data, made, workers=1, types=types)
    select(internvid.open(data), Random(count=1), "one")
    before = (data / "dataset.json").read_bytes()
    (data / "dataset.json").write_bytes(b"")
    assert repair(data).notes == ()
    assert (data / "dataset.json").read_bytes() == before
    assert internvid.open(data).subsets() == ["one"]
    # Where even the types are lost, they are those of the values.
    (data / "sources" / "types.json").unlink()
    (data / "dataset.json").unlink()
    assert "types of metadata" in repair(data).notes[0]
    assert internvid.open(data).record.metadata == {"day": "VARCHAR", "views": "BIGINT"}


@pytest.mark.slow
def test_a_build_goes_on_after_a_repair(recipe: Recipe, tmp_path: Path) -> None:
    write_videos(tmp_path / "videos", 2)
    for name in ("whole", "repaired"):
        build([str(tmp_path / "videos")], tmp_path / name, recipe, workers=1)
    (tmp_path / "repaired" / "dataset.json").unlink()
    repair(tmp_path / "repaired")
    write_video(tmp_path / "videos" / "z.mp4", level=200)
    for name in ("whole", "repaired"):
        summary = build([str(tmp_path / "videos")], tmp_path / name, recipe, workers=1)
        assert summary.scanned == 1
    assert digest_tree(tmp_path / "whole") == digest_tree(tmp_path / "repaired")


def test_a_record_of_another_version_is_left_alone(copied: Path) -> None:
    path = copied / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 1}))
    before = path.read_bytes()
    with pytest.raises(DatasetFormatError, match="format version 1"):
        repair(copied)
    assert path.read_bytes() == before


def test_what_is_no_dataset_is_not_made_one(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(DatasetFormatError, match="holds no part"):
        repair(tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())


def uris(data: Path) -> list[tuple[str, str]]:
    rows = internvid.open(data).sql("select uri, status from videos order by uri").fetchall()
    return [(str(uri), str(status)) for uri, status in rows]


@pytest.fixture
def moved(recipe: Recipe, tmp_path: Path) -> Path:
    """A dataset of `old/` with a copy, whose videos now lie in `new=place/`."""
    write_videos(tmp_path / "old" / "deep", 2)
    shutil.copy(tmp_path / "old" / "deep" / "v000.mp4", tmp_path / "old" / "w.mp4")
    build([str(tmp_path / "old")], tmp_path / "data", recipe, workers=1)
    (tmp_path / "old").rename(tmp_path / "new=place")
    return tmp_path / "data"


def test_moved_videos_have_their_new_place_everywhere(moved: Path, recipe: Recipe) -> None:
    new = moved.parent / "new=place"
    pair = f"{moved.parent}/old={new}"
    summary = build([str(new)], moved, recipe, workers=1, moved=[pair])
    assert (summary.scanned, summary.duplicates) == (0, 1)
    assert "moved: 3, of which 3 are at their new place" in summary.notes[0]
    assert uris(moved) == [
        (f"{new}/deep/v000.mp4", "ok"),
        (f"{new}/deep/v001.mp4", "ok"),
        (f"{new}/w.mp4", "duplicate"),
    ]
    ((error,),) = (
        internvid.open(moved).sql("select error from videos where status = 'duplicate'").fetchall()
    )
    assert error == f"has the same bytes as {new}/deep/v000.mp4"
    assert read_status(moved)["videos"] == {"ok": 2, "failed": 0, "duplicate": 1, "pending": 0}
    # No table of any other engine has the old place either.
    for path in moved.rglob("*.parquet"):
        assert f"{moved.parent}/old/".encode() not in path.read_bytes() or "clips" in path.parts
    # The same parts as a dataset has that was built there.
    shutil.rmtree(moved / "runs")
    build([str(new)], moved.parent / "fresh", recipe, workers=1)
    found, expected = digest_tree(moved), digest_tree(moved.parent / "fresh")
    assert found == expected


def test_videos_found_again_before_they_were_said_to_be_moved(moved: Path, recipe: Recipe) -> None:
    """A build of the new folder alone called them duplicates of those at the old one."""
    new = moved.parent / "new=place"
    assert build([str(new)], moved, recipe, workers=1).duplicates == 4
    build([str(new)], moved, recipe, workers=1, moved=[f"{moved.parent}/old={new}"])
    assert [status for _, status in uris(moved)] == ["ok", "ok", "duplicate"]
    rows = internvid.open(moved).videos().to_pylist()
    assert all(row["width"] for row in rows if row["status"] == "ok")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("{root}/elsewhere={root}/new=place", "no source of the dataset lies at"),
        ("{root}/ol={root}/new=place", "no source of the dataset lies at"),
        ("{root}/old={root}/nowhere", "none of 3 sources is at its new place"),
        ("{root}/old", "is not OLD=NEW"),
    ],
)
def test_a_move_that_cannot_be_changes_nothing(
    pair: str, words: str, moved: Path, recipe: Recipe
) -> None:
    before = digest_tree(moved)
    with pytest.raises(MisuseError, match=words):
        build(
            [str(moved.parent / "new=place")],
            moved,
            recipe,
            workers=1,
            moved=[pair.format(root=moved.parent)],
        )
    assert digest_tree(moved) == before


def test_the_verb_repairs_and_moves(moved: Path, capsys: Capture) -> None:
    new = moved.parent / "new=place"
    (moved / "dataset.json").write_text("{")
    code, out, err = spoken(capsys, "repair", moved, "--remap", f"{moved.parent}/old={new}")
    assert code == 0
    assert "made anew" in out
    assert "moved: 3" in err
    done: Any = read_json(capsys, "repair", moved)
    assert done["intact"]
    assert done["parts"] == 1
    rows: Any = read_json(capsys, "list", moved, "--rejected")
    assert {Path(row["uri"]).exists() for row in rows} == {True}
