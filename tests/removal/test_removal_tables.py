"""Take-down lists: ids are text, one bad row refuses the list, unknown ids are refused later."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import InternvidError, MisuseError, SourceMissingError
from internvid.pipeline.build import build
from internvid.pipeline.removal.id_tables import RemovalRequest, read_id_table
from tests.cli.speaking import Capture, read_json
from tests.media import write_video
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import Desk, small


def cells(path: Path) -> list[tuple[str, Any]]:
    return [(kind, value) for _, kind, value in read_id_table(path)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "source_id\n007\n1e5\n\n", [("source_id", "007"), ("source_id", "1e5")]),
        ("a.csv", 'uri,note\n"x, ""y"".mp4",n\n', [("uri", 'x, "y".mp4')]),
        ("a.csv", "video_id,uri\n,a.mp4\n", [("uri", "a.mp4")]),
        ("a.csv", "\ufeffuri\r\na.mp4\r\n", [("uri", "a.mp4")]),
        ("a.tsv", "uri\tx\na b.mp4\t1\n", [("uri", "a b.mp4")]),
        ("a.jsonl", '{"source_id": 7}\n{"source_id": 1.50}\n"any"\n',
         [("source_id", "7"), ("source_id", "1.50"), ("id", "any")]),
        ("a.txt", "\n 007 \nx's \"id\"\n", [("id", "007"), ("id", "x's \"id\"")]),
        ("a.txt", "", []),
        ("a.csv", "uri\n", []),
    ],
)  # fmt: skip
def test_ids_stay_the_text_that_they_are(
    name: str, text: str, expected: Sequence[object], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert cells(path) == expected


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "", "has none of the columns video_id, source_id, uri; it has: none"),
        ("a.csv", "id\n1\n", "it has: id"),
        ("a.csv", "uri,b\nx\n", "line 2: 1 cells, the header has 2"),
        ("a.jsonl", '{"uri": "a"}\n{"x": 1}\n', "has none of the columns"),
        ("a.jsonl", '{"uri"\n', "line 1: no JSON"),
        ("a.jsonl", "[1]\n", "no JSON object"),
        ("a.jsonl", '{"uri": ["a"]}\n', r"\['a'\] is no id"),
        ("a.jsonl", '{"uri": true}\n', "True is no id"),
        ("a.csv", "video_id\nnot-hex\n", "line 2: 'not-hex' is no video id"),
        ("a.csv", "source_id,source_id\nfilm:ann,film:bob\n", "two columns 'source_id'"),
        ("a.parquet", "no parquet", "cannot be read as a table"),
        ("a.json", "{}", "its suffix is .json"),
        ("ids", "x", "its suffix is missing"),
    ],
)
def test_a_list_with_a_bad_row_is_refused_whole(name: str, text: str, why: str, desk: Desk) -> None:
    path = desk.root / name
    path.write_text(text)
    with pytest.raises(MisuseError, match=why):
        internvid.remove(desk.data, desk.video("cat"), tables=path)
    assert not (desk.data / "removals").exists()


@pytest.mark.parametrize("given", [7, b"x", None])
def test_an_id_that_is_no_text_is_refused(given: object, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="is no id"):
        RemovalRequest(sources=[given]).wanted()  # type: ignore[list-item]
    path = tmp_path / "a.mp4"
    wanted = RemovalRequest(uris=[path]).wanted()  # type: ignore[list-item]
    assert wanted == RemovalRequest(uris=[str(path)]).wanted()


def test_a_list_names_videos_by_any_of_their_ids(desk: Desk, capsys: Capture) -> None:
    table = pa.table(
        {
            "video_id": [desk.video("ann").upper(), None, None, "0" * 32],
            "source_id": [None, "film:cat", None, None],
            "uri": [None, None, desk.uri("dan"), None],
        }
    )
    pq.write_table(table, desk.root / "down.parquet")
    (desk.root / "down.txt").write_text("film:eve\nnever seen\n")
    done = read_json(
        capsys, "remove", desk.data, "--table", desk.root / "down.parquet",
        "--table", desk.root / "down.txt",
    )  # fmt: skip
    assert done["removed_videos"] == 4
    assert done["unknown"] == ["0" * 32, "never seen"]
    assert traces(desk.data, names_of(desk, "ann", "cat", "dan", "eve")) == []
    assert internvid.open(desk.data).sql("select distinct video_id from clips").fetchall() == [
        (desk.video("bob"),)
    ]
    # The same list again: nothing is left to do, and nothing changes.
    done = read_json(capsys, "remove", desk.data, "--table", desk.root / "down.parquet")
    assert (done["already"], done["unknown"], done["removed_videos"]) == (4, [], 0)


@pytest.mark.slow
def test_what_a_list_names_is_refused_before_it_ever_came(tmp_path: Path) -> None:
    first, later = (write_video(tmp_path / f"{name}.mp4", seed=at, level=60 + 40 * at)
                    for at, name in enumerate("ab"))  # fmt: skip
    (tmp_path / "list.jsonl").write_text(json.dumps({"uri": str(first), "source_id": 7}) + "\n")
    build([str(tmp_path / "list.jsonl")], tmp_path / "data", small(), workers=1)
    (tmp_path / "down.csv").write_text("uri,source_id\nb.mp4,\n,9\n")
    done = internvid.remove(tmp_path / "data", tables=tmp_path / "down.csv")
    assert done.unknown == ("b.mp4", "9")
    with (tmp_path / "list.jsonl").open("a") as file:
        file.write(json.dumps({"uri": str(later), "source_id": 8}) + "\n")
        file.write(json.dumps({"uri": "nowhere.mp4", "source_id": 9}) + "\n")
    summary = build([str(tmp_path / "list.jsonl")], tmp_path / "data", small(), workers=1)
    assert (summary.removed, summary.scanned, summary.failures) == (2, 0, 0)
    # A number is the text that it stands as.
    assert internvid.remove(tmp_path / "data", sources="7").removed_videos == 1


@pytest.mark.slow
def test_ids_with_quotes_reach_no_query(tmp_path: Path) -> None:
    hard = tmp_path / 'it\'s a "film"; drop table clips --.mp4'
    write_video(hard, seed=1)
    write_video(tmp_path / "other.mp4", seed=2, level=150)
    source = "o'brien \"\\ %s {x}"
    rows = [{"uri": str(hard), "source_id": source}, {"uri": str(tmp_path / "other.mp4")}]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build([str(tmp_path / "list.jsonl")], tmp_path / "data", small(), workers=1)
    done = internvid.remove(tmp_path / "data", sources=source)
    assert (done.removed_videos, done.removed_sources) == (1, 1)
    assert traces(tmp_path / "data", [hard.name, source, "o'brien"]) == []
    assert len(internvid.open(tmp_path / "data")) > 0


def test_an_empty_list_removes_nothing_and_is_no_error(desk: Desk, capsys: Capture) -> None:
    (desk.root / "down.csv").write_text("video_id\n")
    assert read_json(capsys, "remove", desk.data, "--table", desk.root / "down.csv")[
        "removed_videos"
    ] == 0  # fmt: skip
    assert not (desk.data / "removals").exists()


def test_one_request_has_each_id_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\nx\n" + "a" * 32 + "\n")
    wanted = RemovalRequest(tables=[tmp_path / "a.txt"]).wanted()
    assert [each.text for each in wanted] == ["x", "a" * 32]
    assert wanted[0].ids == (("source_id", "x"), ("uri", "x"))
    assert [kind for kind, _ in wanted[1].ids] == ["video_id", "source_id", "uri"]
    with pytest.raises(SourceMissingError):
        list(read_id_table(tmp_path))


@pytest.mark.slow
def test_a_list_of_a_million_ids(desk: Desk) -> None:
    """Nearly all of them are unknown, as those of a common list are."""
    path = desk.root / "down.csv"
    lines = (f"{at:032x}\n" for at in range(1, 1_000_000))
    path.write_text("video_id\n" + "".join(lines) + desk.video("cat") + "\n")
    began = time.process_time()
    done = internvid.remove(desk.data, tables=path)
    seconds = time.process_time() - began
    assert (done.removed_videos, len(done.unknown)) == (1, 999_999)
    assert seconds < 120
    size = (desk.data / "removals" / "tombstones.parquet").stat().st_size
    assert size < 120e6
    began = time.process_time()
    assert desk.build().removed == 1
    print(f"remove {seconds:.0f} s, {size / 1e6:.0f} MB, then build "
          f"{time.process_time() - began:.0f} s, peak "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")  # fmt: skip
    assert traces(desk.data, [desk.video("cat")]) == []


def test_errors_are_of_the_family(desk: Desk) -> None:
    for wrong in ({"videos": "x"}, {"tables": desk.root / "none.csv"}, {"uris": "\0"}):
        with pytest.raises(InternvidError) as error:
            internvid.remove(desk.data, **wrong)  # type: ignore[arg-type]
        assert error.value.hint
