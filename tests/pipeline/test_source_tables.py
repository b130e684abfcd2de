"""Tables of sources: text stays text, and a bad row costs itself."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError
from internvid.curate.select import select
from internvid.curate.selectors import Where
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.source_tables import NOTED
from internvid.pipeline.sources import Sources, find_sources
from internvid.pipeline.status import read_status
from tests.media import write_video, write_videos


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def said(sources: Sources) -> dict[str, Any]:
    """Name of the file -> its metadata."""
    rows = sources.table.to_pylist()
    return {Path(row["uri"]).name: json.loads(row["metadata"] or "null") for row in rows}


def ids(sources: Sources) -> list[str | None]:
    found: list[str | None] = sources.table["source_id"].to_pylist()
    return found


def test_ids_of_a_csv_are_what_they_were(tmp_path: Path) -> None:
    long = "123456789012345678901234567890"
    rows = [
        f"{name}.mp4,{one}" for name, one in zip("abcd", ("007", "7", long, "1e5"), strict=True)
    ]
    assert ids(find_sources([write(tmp_path / "t.csv", "uri,source_id", *rows)])) == [
        "007", "7", long, "1e5",
    ]  # fmt: skip
    rows = [f"{name}.mp4\t{one}" for name, one in zip("ab", ("0123", "123"), strict=True)]
    table = write(tmp_path / "t.tsv", "uri\tyoutube_id", *rows)
    assert ids(find_sources([table])) == ["youtube:0123", "youtube:123"]


def test_cells_of_a_csv_are_text_and_empty_ones_say_nothing(tmp_path: Path) -> None:
    table = write(
        tmp_path / "t.csv",
        "\ufeffuri,zip,flag,day,country,note",
        "a.mp4,01234,true,2024-05-01,NA,",
        'b.mp4,,,,"","two\nlines, and ""quotes"""',
    )
    sources = find_sources([table])
    assert said(sources) == {
        "a.mp4": {"zip": "01234", "flag": "true", "day": "2024-05-01", "country": "NA"},
        "b.mp4": {"note": 'two\nlines, and "quotes"'},
    }
    assert set(sources.kinds.values()) == {"VARCHAR"}
    assert sources.notes == ()


def test_given_types_are_read_and_what_does_not_fit_is_named(tmp_path: Path) -> None:
    table = write(
        tmp_path / "t.csv",
        "uri,views,share,flag,day,moment",
        "a.mp4,3,0.5,true,2024-05-01,2024-05-01 10:00:00",
        "b.mp4,007,half,maybe,May,",
        "c.mp4,NA,nan,,,",
    )
    types = {"views": "bigint", "share": "double", "flag": "boolean", "day": "date"}
    sources = find_sources([table], types | {"moment": "timestamp"})
    assert said(sources) == {
        "a.mp4": {
            "views": 3, "share": 0.5, "flag": True, "day": "2024-05-01",
            "moment": "2024-05-01T10:00:00",
        },
        "b.mp4": {"views": "007", "share": "half", "flag": "maybe", "day": "May"},
        "c.mp4": {},
    }  # fmt: skip
    assert sources.kinds["views"] == "BIGINT"
    (aside,) = sources.tables
    assert (aside.rows, aside.values) == (0, 4)
    assert {line for line, _ in aside.first} == {3}
    assert "views is text, the column a whole number" in [reason for _, reason in aside.first]
    assert "values 4 (line 3: " in sources.notes[0]


@pytest.mark.parametrize(
    ("types", "words"),
    [({"views": "int128"}, "is no type"), ({"vews": "bigint"}, "no table has the column 'vews'")],
)
def test_types_that_cannot_be_are_refused(
    types: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalidError, match=words):
        find_sources([write(tmp_path / "t.csv", "uri,views", "a.mp4,1")], types)


def test_one_bad_row_of_a_csv_costs_itself(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    lines = [
        b"uri,title", b"a.mp4,one", b",no uri", b'" ",blank', b"b.mp4", b"c.mp4,x,y", b"",
        b"d.mp4,caf\xe9", b'e.mp4,"two', b'lines"', b"f.mp4," + b"x" * 200_000, b"g.mp4,last",
        b"h\0.mp4,null",
    ]  # fmt: skip
    table.write_bytes(b"\n".join(lines) + b"\n")
    sources = find_sources([str(table)])
    assert list(said(sources)) == ["a.mp4", "e.mp4", "g.mp4"]
    (aside,) = sources.tables
    assert [line for line, _ in aside.first] == [3, 4, 5, 6, 8, 11, 13]
    assert aside.rows == 7
    reasons = dict(aside.first)
    assert "no uri" in reasons[3]
    assert "1 cells, the header 2" in reasons[5]
    assert "no Unicode" in reasons[8]
    assert "field larger" in reasons[11]
    (note,) = sources.notes
    assert f"set aside of {table}: rows 7 (line 3: it has no uri; line 4: " in note


def test_one_bad_row_of_a_jsonl_costs_itself(tmp_path: Path) -> None:
    table = write(
        tmp_path / "t.jsonl",
        '{"uri": "a.mp4", "views": 3, "tags": ["x"]}',
        '{"uri": "b.mp4", "views": "many"}',
        "",
        '{"uri": "", "views": 1}',
        '{"uri": null}',
        '{"uri": ["c.mp4"]}',
        '{"uri": "d.mp4", "views": 4.5',
        "[1, 2]",
        '{"uri": "e.mp4", "title": "\\ud800"}',
        '{"uri": "f.mp4", "source_id": {"a": 1}}',
        '{"uri": "g.mp4", "views": 5, "new": {"deep": null}}',
        "[" * 100_000,
    )
    sources = find_sources([table])
    assert said(sources) == {
        "a.mp4": {"views": 3, "tags": ["x"]},
        "b.mp4": {"views": "many"},
        "g.mp4": {"views": 5, "new": {"deep": None}},
    }
    assert sources.kinds == {"new": "VARCHAR", "tags": "VARCHAR", "views": "BIGINT"}
    (aside,) = sources.tables
    assert (aside.rows, aside.values) == (8, 1)
    assert [line for line, _ in aside.first] == [2, 4, 5, 6, 7, 8, 9, 10, 12]
    assert dict(aside.first)[2] == "views is text, the column a whole number"


def test_values_without_a_common_type_make_a_text_column(tmp_path: Path) -> None:
    rows = [json.dumps({"uri": f"{at}.mp4", "x": x}) for at, x in enumerate([1, "a", 2, "b"])]
    sources = find_sources([write(tmp_path / "t.jsonl", *rows)])
    assert sources.kinds == {"x": "VARCHAR"}
    assert [row["x"] for row in said(sources).values()] == [1, "a", 2, "b"]


def test_a_row_of_a_parquet_table_without_a_uri_costs_itself(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uri": ["a.mp4", None, "b.mp4"],
            "source_id": [7, 8, None],
            "day": [dt.date(2024, 5, 1), None, None],
            "price": pa.array([1, 2, None], pa.decimal128(5, 2)),
            "none": pa.nulls(3),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    sources = find_sources([str(tmp_path / "t.parquet")])
    assert said(sources) == {"a.mp4": {"day": "2024-05-01", "price": 1.0}, "b.mp4": {}}
    assert ids(sources) == ["7", None]
    assert sources.kinds == {"day": "DATE", "none": "UNKNOWN", "price": "DOUBLE"}
    assert sources.tables[0].first == [(2, "it has no uri")]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "uri,a\n,1\n,2\n", "names no source: 2 rows"),
        ("t.csv", "path,a\nx.mp4,1\n", "has no column `uri`"),
        ("t.csv", "uri,a,a\nx.mp4,1,2\n", "names a column twice"),
        ("t.csv", "", "is empty"),
        ("t.jsonl", '{"path": "a.mp4"}\n', "has no column `uri`"),
        ("t.jsonl", '[{"uri": "a.mp4"}]\n', "names no source: 1 rows"),
        ("t.parquet", "no parquet", "cannot be read as a table"),
    ],
)
def test_a_table_of_which_nothing_can_be_used_is_refused(
    name: str, text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigInvalidError, match=words):
        find_sources([str(tmp_path / name)])


def test_only_the_first_of_many_bad_rows_are_kept(tmp_path: Path) -> None:
    lines = [",x" if at % 2 else f"{at}.mp4,x" for at in range(1000)]
    (aside,) = find_sources([write(tmp_path / "t.csv", "uri,a", *lines)]).tables
    assert aside.rows == 500
    assert [line for line, _ in aside.first] == list(range(3, 3 + 2 * NOTED, 2))


def test_a_build_says_and_remembers_what_was_set_aside(recipe: Recipe, tmp_path: Path) -> None:
    write_videos(tmp_path, 2)
    table = write(tmp_path / "t.csv", "uri,views", "v000.mp4,3", ",4", "v001.mp4,5")
    data = tmp_path / "data"
    summary = build([table], data, recipe, workers=1, types={"views": "bigint"})
    assert (summary.videos, summary.set_aside) == (2, 1)
    assert any("line 3: it has no uri" in note for note in summary.notes)
    (aside,) = read_status(data)["set_aside"]
    assert aside == {
        "table": table, "rows": 1, "values": 0, "first": [{"line": 3, "reason": "it has no uri"}],
    }  # fmt: skip
    opened = internvid.open(data)
    assert opened.sql("select views from videos order by uri").fetchall() == [(3,), (5,)]
    assert opened.sql("select sum(views) from videos").fetchall() == [(8,)]
    # The dataset knows the type from now on; a table that was put right is no trouble any more.
    write(tmp_path / "t.csv", "uri,views", "v000.mp4,3", "v001.mp4,6")
    summary = build([table], data, recipe, workers=1)
    assert (summary.scanned, summary.set_aside) == (0, 0)
    assert internvid.open(data).sql("select sum(views) from videos").fetchall() == [(9,)]
    assert read_status(data)["set_aside"] == []


def test_a_comparison_of_text_with_a_number_says_what_to_do(recipe: Recipe, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    build([write(tmp_path / "t.csv", "uri,views", "a.mp4,3")], tmp_path / "data", recipe, workers=1)
    data = internvid.open(tmp_path / "data")
    with pytest.raises(ConfigInvalidError, match="explicit cast") as caught:
        select(data, Where("views > 2"), "some")
    assert "--type views=bigint" in str(caught.value.hint)
    build(
        [str(tmp_path / "t.csv")], tmp_path / "data", recipe, workers=1, types={"views": "bigint"}
    )
    assert select(internvid.open(tmp_path / "data"), Where("views > 2"), "some").clips == 1


def test_any_text_comes_back_from_a_csv(tmp_path: Path) -> None:
    """Random cells of digits, signs, quotes and separators."""
    import csv

    draw = random.Random(0)
    cells = ["".join(draw.choices("0123456789eE+-., \"'\n\tx", k=8)) for _ in range(200)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uri", "cell"])
        writer.writerows((f"{at:03d}.mp4", cell) for at, cell in enumerate(cells))
    assert [row["cell"] for row in said(find_sources([str(tmp_path / "t.csv")])).values()] == cells
