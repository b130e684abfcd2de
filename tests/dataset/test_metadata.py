"""What tables say of sources: one schema on disk, columns in the views, never lost in silence."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import DatasetFormatError
from internvid.dataset.layout import Layout
from internvid.dataset.sources.metadata import (
    expressions,
    join_kinds,
    kinds_of,
    readable,
    row_to_json,
)
from internvid.dataset.tables import VIDEO_SCHEMA
from internvid.pipeline.build import BuildSummary, build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.sources import find_sources
from tests.media import write_video
from tests.trees import digest_tree


def table_of(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def views_of(data: Path) -> dict[str, Any]:
    rows = internvid.open(data).sql("select uri, views from videos").fetchall()
    return {Path(uri).name: views for uri, views in rows}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, str]:
    """Tables and a folder that say different things of three videos."""
    for at, name in enumerate("abc"):
        write_video(tmp_path / "some" / f"{name}.mp4", seed=at, frames=12)
    (tmp_path / "folder").mkdir()
    shutil.move(tmp_path / "some" / "c.mp4", tmp_path / "folder" / "c.mp4")
    return {
        "numbers": table_of(tmp_path / "n.csv", "uri,views,title", "some/a.mp4,3,first"),
        "folder": str(tmp_path / "folder"),
        "words": table_of(tmp_path / "w.csv", "uri,Language,views", "some/b.mp4,sr,many"),
    }


@pytest.mark.parametrize("order", [("numbers", "folder", "words"), ("words", "folder", "numbers")])
def test_any_engine_reads_all_parts_whatever_the_tables_said(
    order: tuple[str, ...], inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    for name in order:
        summary = build([inputs[name]], tmp_path / "data", recipe, workers=1)
    files = sorted(Path(summary.videos_files).parent.glob("*.parquet"))
    assert len(files) == 3
    # Polars and others that refuse a second schema have none to refuse.
    assert all(pq.read_schema(path).equals(VIDEO_SCHEMA) for path in files)
    with duckdb.connect() as connection:
        found = connection.sql(f"select * from '{summary.videos_files}'").to_arrow_table()
        told = connection.sql(
            f"select metadata->>'views' from '{summary.videos_files}' order by 1"
        ).fetchall()
    assert (found.column_names, found.num_rows) == (VIDEO_SCHEMA.names, 3)
    assert told == [("3",), ("many",), (None,)]
    for frame in (
        pytest.importorskip("pandas").read_parquet(files[0].parent),
        pyarrow.dataset.dataset(files[0].parent).to_table().to_pandas(),
    ):
        said = [json.loads(text) for text in frame["metadata"].dropna()]
        assert sorted(said, key=lambda row: "title" not in row) == [
            {"title": "first", "views": "3"}, {"Language": "sr", "views": "many"},
        ]  # fmt: skip
    assert views_of(tmp_path / "data") == {"a.mp4": "3", "b.mp4": "many", "c.mp4": None}


def test_numbers_stay_numbers_until_a_word_comes(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    whole = table_of(tmp_path / "whole.jsonl", '{"uri": "some/a.mp4", "views": 3}')
    build([whole, inputs["folder"]], tmp_path / "data", recipe, workers=1)
    assert views_of(tmp_path / "data") == {"a.mp4": 3, "c.mp4": None}
    half = table_of(tmp_path / "half.jsonl", '{"uri": "some/b.mp4", "views": 2.5}')
    build([half], tmp_path / "data", recipe, workers=1)
    assert views_of(tmp_path / "data") == {"a.mp4": 3.0, "b.mp4": 2.5, "c.mp4": None}
    build([inputs["words"]], tmp_path / "data", recipe, workers=1)
    assert views_of(tmp_path / "data") == {"a.mp4": "3", "b.mp4": "many", "c.mp4": None}


def test_new_metadata_of_a_known_source_is_taken_and_nothing_is_scanned(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    first = build([inputs["numbers"], inputs["folder"]], tmp_path / "data", recipe, workers=1)
    clips = internvid.open(tmp_path / "data").clips(rejected=True)
    # The file need not even be there.
    (tmp_path / "some" / "a.mp4").rename(tmp_path / "elsewhere.mp4")
    table_of(tmp_path / "n.csv", "uri,views,title", f"{tmp_path}/some/a.mp4,8,first")
    again = build([inputs["numbers"]], tmp_path / "data", recipe, workers=1)
    assert again.scanned == 0
    assert any("other metadata than before: 1" in note for note in again.notes)
    assert (again.videos, again.clips, again.rejected) == (
        first.videos, first.clips, first.rejected,
    )  # fmt: skip
    assert views_of(tmp_path / "data") == {"a.mp4": "8", "c.mp4": None}
    assert internvid.open(tmp_path / "data").clips(rejected=True).equals(clips)
    # What is said once more, or not said, changes nothing.
    before = digest_tree(tmp_path / "data")
    shutil.move(tmp_path / "elsewhere.mp4", tmp_path / "some" / "a.mp4")
    for asked in (inputs["numbers"], str(tmp_path / "some" / "a.mp4")):
        assert build([asked], tmp_path / "data", recipe, workers=1).notes == ()
    assert digest_tree(tmp_path / "data") == before


def test_metadata_stays_when_the_bytes_change(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    build([inputs["numbers"]], tmp_path / "data", recipe, workers=1)
    write_video(tmp_path / "some" / "a.mp4", seed=9)
    assert build([str(tmp_path / "some" / "a.mp4")], tmp_path / "data", recipe).scanned == 1
    assert views_of(tmp_path / "data") == {"a.mp4": "3"}


def test_a_build_stopped_while_it_takes_metadata_ends_in_the_same_bytes(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(data: Path, workers: int) -> BuildSummary:
        table = table_of(
            tmp_path / "o.csv", "uri,views", "some/a.mp4,9", "some/b.mp4,1", "some/x.mp4,2"
        )
        return build([table], data, recipe, workers=workers)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("whole", "stopped"):
        build([inputs["numbers"], inputs["words"]], tmp_path / name, recipe, workers=1)
    shutil.copy(tmp_path / "folder" / "c.mp4", tmp_path / "some" / "x.mp4")
    other(tmp_path / "whole", 1)
    for step in ("build._Run.scan", "shares.scan_pass.ScanPass._note", "build._Run.cut"):
        monkeypatch.setattr(f"internvid.pipeline.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            other(tmp_path / "stopped", 2)
        monkeypatch.undo()
    other(tmp_path / "stopped", 2)
    assert digest_tree(tmp_path / "stopped") == digest_tree(tmp_path / "whole")


def test_another_scan_has_the_new_metadata_too(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    build([inputs["numbers"]], tmp_path / "data", recipe, workers=1)
    table_of(tmp_path / "n.csv", "uri,views", "some/a.mp4,4")
    fast = internvid.recipes.default()
    for made in (recipe, fast):
        build([inputs["numbers"]], tmp_path / "data", made, workers=1)
        assert views_of(tmp_path / "data") == {"a.mp4": "4"}


def test_another_source_id_is_refused_aloud(
    inputs: dict[str, str], recipe: Recipe, tmp_path: Path
) -> None:
    build([inputs["numbers"]], tmp_path / "data", recipe, workers=1)
    before = internvid.open(tmp_path / "data").videos()["source_id"].to_pylist()
    table_of(tmp_path / "n.csv", "uri,views,source_id", "some/a.mp4,4,mine")
    summary = build([inputs["numbers"]], tmp_path / "data", recipe, workers=1)
    assert any("another source_id than before: 1" in note for note in summary.notes)
    assert views_of(tmp_path / "data") == {"a.mp4": "4"}
    assert internvid.open(tmp_path / "data").videos()["source_id"].to_pylist() == before


def test_rows_that_say_something_else_of_the_same_video_are_mentioned(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    lines = ("a.mp4,1", "b.mp4,1", "a.mp4,2", "b.mp4,1")
    sources = find_sources([table_of(tmp_path / "t.csv", "uri,views", *lines)])
    assert [json.loads(text) for text in sources.table["metadata"].to_pylist()] == [
        {"views": "1"}
    ] * 2
    (note,) = sources.notes
    assert "say other things of it: 1" in note
    assert "a.mp4" in note


def test_a_build_says_what_it_passed_over(
    inputs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(tmp_path / "n.csv", "uri,views", "some/a.mp4,1", "some/a.mp4,2")
    asked = ["build", table, "-o", str(tmp_path / "data"), "--no-report", "--workers", "1"]
    assert main([*asked, "--json"]) == 0
    said = capsys.readouterr()
    (note,) = json.loads(said.out)["notes"]
    assert f"note: {note}" in said.err
    assert str(tmp_path / "some" / "a.mp4") in note


def test_a_dataset_of_the_format_before_is_refused_with_a_way_on(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.create()
    record = json.loads(layout.record_path.read_text())
    layout.record_path.write_text(json.dumps({**record, "format_version": 1}))
    with pytest.raises(DatasetFormatError, match="format version 1") as caught:
        internvid.open(tmp_path / "data")
    assert "build it anew" in str(caught.value)


def test_every_kind_of_value_comes_back_from_the_text_as_it_was() -> None:
    moment = dt.datetime.fromisoformat("2024-05-01T12:30:15.250")
    table = pa.table(
        {
            "whole": [3, None],
            "part": [0.1, float("nan")],
            "flag": [True, None],
            "day": [dt.date(2024, 5, 1), None],
            "moment": pa.array([moment, None], pa.timestamp("ns")),
            "large": pa.array([2**64 - 1, None], pa.uint64()),
            "tags": [["a", "b"], None],
            "word": ["it's \u00e9", None],
            "nothing": pa.nulls(2),
            "a/b~c": [1, None],
            "": [7, None],
            "Status": ["mine", None],
            "status": ["yours", None],
        }
    )
    plain = pa.table(
        [readable(table.column(at)) for at in range(len(table.column_names))], table.column_names
    )
    texts = [row_to_json(row) for row in plain.to_pylist()]
    assert texts[1] == "{}"
    kinds = kinds_of(table)
    chosen = ", ".join(f'{sql} as "{name}"' for name, sql in expressions(kinds, ["status"]))
    with duckdb.connect() as connection:
        connection.register("sources", pa.table({"metadata": texts}))
        rows = connection.sql(f"select {chosen} from sources").to_arrow_table()
    first, second = rows.to_pylist()
    assert first == {
        "whole": 3, "part": 0.1, "flag": True, "day": dt.date(2024, 5, 1), "moment": moment,
        "large": str(2**64 - 1), "tags": '["a","b"]', "word": "it's \u00e9", "nothing": None,
        "a/b~c": 1, "meta_": 7, "meta_Status": "mine", "meta_meta_status": "yours",
    }  # fmt: skip
    assert set(second.values()) == {None}


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("BIGINT", "DOUBLE", "DOUBLE"),
        ("BIGINT", "VARCHAR", "VARCHAR"),
        ("BOOLEAN", "BIGINT", "VARCHAR"),
        ("DATE", "TIMESTAMP", "TIMESTAMP"),
        ("UNKNOWN", "BIGINT", "BIGINT"),
    ],
)
def test_types_that_differ_join_the_same_either_way(first: str, second: str, both: str) -> None:
    assert join_kinds({"x": first}, {"x": second}) == {"x": both}
    assert join_kinds({"x": second}, {"x": first}) == {"x": both}
    assert list(join_kinds({"z": first}, {"a": second})) == ["a", "z"]
