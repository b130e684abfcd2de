"""A table of clips becomes a cut of its own, beside ours."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import internvid
from internvid.core.errors import MisuseError, SourceMissingError
from internvid.dataset.cuts import use_cut
from internvid.pipeline.build import build
from tests.numbered import Numbered, number_of, write_numbered
from tests.pipeline.given.tables_of_given import (
    RECIPE,
    build_given,
    rejected_of,
    spans_of,
    times,
    write_jsonl,
    write_parquet,
)
from tests.trees import digest_tree


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of 100 frames, 25 a second; the second has other pictures."""
    folder = tmp_path_factory.mktemp("videos")
    write_numbered(folder / "first.mp4", Numbered(frames=100, cuts=(30, 60)))
    write_numbered(folder / "second.mp4", Numbered(frames=100, cuts=(45,)))
    return folder


def rows_of(videos: Path) -> list[dict[str, Any]]:
    first, second = str(videos / "first.mp4"), str(videos / "second.mp4")
    return [
        {"path": first, **times(10, 40), "caption": "a dog runs", "score": 5.5, "lang": "en"},
        {"path": first, **times(35, 60), "caption": "a cat", "score": 4.0, "lang": "de"},
        {"path": first, **times(60, 70), "caption": None, "score": None, "lang": "de"},
        {"path": second, **times(0, 100), "caption": "all of it", "score": 1.0, "lang": "en"},
    ]


def test_stated_spans_are_the_clips_and_their_captions_a_column(
    videos: Path, tmp_path: Path
) -> None:
    table = write_parquet(tmp_path / "clips.parquet", rows_of(videos))
    summary = build_given(tmp_path / "data", table)
    assert (summary.given_rows, summary.clips, summary.rejected) == (4, 4, 0)
    data = internvid.open(tmp_path / "data")
    rows = data.sql(
        "select start_frame, end_frame, given, given_score, given_lang, given_start_seconds, "
        "transition, kept, filter_reason, filter_value, measured is not null from clips "
        "order by video_id, start_frame"
    ).fetchall()
    expected = [
        (10, 40, "a dog runs", 5.5, "en", 0.4, "given", True, "", None, True),
        (35, 60, "a cat", 4.0, "de", 1.4, "given", True, "", None, True),
        # Under a second: kept all the same, with the word of the filter beside.
        (60, 70, None, None, "de", 2.4, "given", True, "too_short", 0.4, True),
        (0, 100, "all of it", 1.0, "en", 0.0, "given", True, "", None, True),
    ]
    assert sorted(rows, key=repr) == sorted(expected, key=repr)
    columns = {each["column"]: each for each in internvid.status(data)["columns"]}
    assert (columns["given"]["ok"], columns["given"]["skipped"]) == (3, 1)
    assert [audited.broken for audited in internvid.audit(data, language="")] == [[], []]


def test_the_pictures_of_a_stated_clip_are_those_of_its_span(videos: Path, tmp_path: Path) -> None:
    table = write_parquet(tmp_path / "clips.parquet", rows_of(videos))
    build_given(tmp_path / "data", table)
    data = internvid.open(tmp_path / "data")
    for clip_id, start, stop in data.sql(
        "select clip_id, start_frame, end_frame from clips"
    ).fetchall():
        numbers = [number_of(np.asarray(image)) for _, image in data.pictures(clip_id)]
        assert numbers or stop - start < 15
        assert all(start <= number < stop for number in numbers)


def test_selections_read_captions_and_columns_of_the_table(videos: Path, tmp_path: Path) -> None:
    table = write_parquet(tmp_path / "clips.parquet", rows_of(videos))
    build_given(tmp_path / "data", table)
    chosen = internvid.select(
        tmp_path / "data", internvid.Where("given like '%dog%' and given_score > 5"), "dogs"
    )
    assert chosen.clips == 1


def test_both_cuts_lie_beside_one_another_and_share_the_scan(videos: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "data"
    build([str(videos)], dataset, RECIPE, workers=1)
    before = digest_tree(dataset / "cuts")
    table = write_parquet(tmp_path / "clips.parquet", rows_of(videos))
    summary = build_given(dataset, table)
    assert summary.scanned == 0
    assert {
        name: each for name, each in digest_tree(dataset / "cuts").items() if name in before
    } == before
    data = internvid.open(dataset)
    assert str(data.record.cut).startswith("given@")
    assert len(data) == 4
    stated = spans_of(data)
    assert use_cut(dataset, "test").before == data.record.cut
    data.refresh()
    assert "given" not in data.sql("select * from clips limit 0").columns
    assert set(data.sql("select transition from clips").fetchall()) <= {("start",), ("cut",)}
    internvid.use_cut(data, "given")
    assert spans_of(data) == stated
    # The plain build finds its cut done, and it is the current one again.
    assert build([str(videos)], dataset, RECIPE, workers=1).scanned == 0
    data.refresh()
    assert str(data.record.cut).startswith("test@")


def test_a_cut_that_is_not_there_is_refused_by_name(videos: Path, tmp_path: Path) -> None:
    table = write_parquet(tmp_path / "clips.parquet", rows_of(videos))
    build_given(tmp_path / "data", table)
    with pytest.raises(MisuseError, match="no cut 'default'; it has: given@"):
        use_cut(tmp_path / "data", "default")


def test_of_several_cuts_of_a_name_the_one_that_was_built_last_is_meant(
    videos: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "data"
    tables = [
        write_parquet(tmp_path / f"{count}.parquet", rows_of(videos)[:count]) for count in (2, 3)
    ]
    for table in tables:
        build_given(dataset, table)
    three = str(internvid.open(dataset).record.cut)
    (two,) = {path.name for path in (dataset / "cuts").iterdir()} - {three}
    build([str(videos)], dataset, RECIPE, workers=1)
    assert use_cut(dataset, "given").cut == three
    assert use_cut(dataset, two).cut == two
    assert len(internvid.open(dataset)) == 2
    # The current cut has the name already.
    assert use_cut(dataset, "given").cut == two
    use_cut(dataset, "test")
    for path in (dataset / "runs").glob("*/run.json"):
        path.unlink()
    with pytest.raises(MisuseError, match=r"several cuts 'given': given@\w+, given@\w+"):
        use_cut(dataset, "given")


def test_rows_that_are_no_clips_are_kept_with_their_reasons(videos: Path, tmp_path: Path) -> None:
    first = str(videos / "first.mp4")
    nan = float("nan")
    bad: list[dict[str, Any]] = [
        {"path": first, "start_seconds": 2.0, "end_seconds": 1.0, "caption": "reversed"},
        {"path": first, "start_seconds": 90.0, "end_seconds": 91.0, "caption": "outside"},
        {"path": first, "start_seconds": nan, "end_seconds": 1.0, "caption": "not a number"},
        {"path": first, "start_seconds": None, "end_seconds": 1.0, "caption": "no start"},
        {"path": first, "start_seconds": 0.101, "end_seconds": 0.109, "caption": "short"},
        {"path": first, "start_seconds": 0.401, "end_seconds": 1.599, "caption": "again"},
        {"path": str(videos / "gone.mp4"), **times(0, 10), "caption": "no file"},
    ]
    table = write_parquet(tmp_path / "clips.parquet", [*rows_of(videos), *bad])
    summary = build_given(tmp_path / "data", table)
    reasons = {
        "again": "same_span",
        "no file": "no_video",
        "no start": "no_time",
        "not a number": "malformed_time",
        "outside": "out_of_video",
        "reversed": "reversed_time",
        "short": "shorter_than_a_frame",
    }
    data = internvid.open(tmp_path / "data")
    assert {row["caption"]: row["reason"] for row in rejected_of(data)} == reasons
    assert summary.given_rejected == dict.fromkeys(sorted(reasons.values()), 1)
    assert internvid.status(data)["given_rejected"] == summary.given_rejected
    assert summary.given_rows == summary.clips + sum(summary.given_rejected.values()) == 11
    assert (10, 40, "a dog runs") in spans_of(data)


def test_a_file_that_comes_back_has_its_clips(videos: Path, tmp_path: Path) -> None:
    path = tmp_path / "later.mp4"
    rows = [*rows_of(videos), {"path": str(path), **times(0, 30), "caption": "late"}]
    table = write_parquet(tmp_path / "clips.parquet", rows)
    assert build_given(tmp_path / "data", table).given_rejected == {"no_video": 1}
    write_numbered(path, Numbered(frames=60, cuts=(10,)))
    summary = build_given(tmp_path / "data", table)
    assert (summary.scanned, summary.clips, summary.given_rejected) == (1, 5, {})


def test_what_is_stated_of_a_copy_is_stated_of_its_video(videos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes((videos / "first.mp4").read_bytes())
    rows = [*rows_of(videos), {"path": str(copy), **times(70, 99), "caption": "of the copy"}]
    build_given(tmp_path / "data", write_parquet(tmp_path / "clips.parquet", rows))
    assert (70, 99, "of the copy") in spans_of(internvid.open(tmp_path / "data"))


def test_times_are_those_of_the_source_and_a_fetched_section_begins_later(
    videos: Path, tmp_path: Path
) -> None:
    first = str(videos / "first.mp4")
    rows: list[dict[str, Any]] = [
        {"source_id": "youtube:abc", "uri": "https://host/abc", "path": first,
         "start_seconds": 61.0, "end_seconds": 62.0, "offset_seconds": 60.2, "status": "fetched",
         "reason": None, "caption": "in a section",
         "metadata": '{"umt_score": 0.4, "words": ["a"], "title": "T", "width": 9}'},
        {"source_id": "youtube:def", "uri": "https://host/def", "path": None,
         "start_seconds": 1.0, "end_seconds": 2.0, "offset_seconds": None, "status": "failed",
         "reason": "geo", "caption": "not there", "metadata": None},
        {"source_id": "youtube:ghi", "uri": "https://host/ghi", "path": "second.mp4",
         "start_seconds": None, "end_seconds": None, "offset_seconds": None, "status": "ok",
         "reason": None, "caption": "whole", "metadata": '{"umt_score": 0.25}'},
    ]  # fmt: skip
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "second.mp4").write_bytes((videos / "second.mp4").read_bytes())
    table = write_parquet(folder / "table.parquet", rows)
    summary = build_given(tmp_path / "data", folder)
    data = internvid.open(tmp_path / "data")
    assert data.sql(
        "select source_id, start_frame, end_frame, given, given_start_seconds, given_umt_score, "
        "given_uri, json_extract_string(given_metadata, '$.words[0]') from clips order by 1"
    ).fetchall() == [
        ("youtube:abc", 20, 45, "in a section", 61.0, 0.4, "https://host/abc", "a"),
        ("youtube:ghi", 0, 100, "whole", None, 0.25, "https://host/ghi", None),
    ]
    # What is said of the whole source is metadata of its video.
    assert "given_title" not in data.sql("select * from clips limit 0").columns
    assert "given_width" not in data.sql("select * from clips limit 0").columns
    described = "select title, address from videos order by title nulls last"
    expected = [("T", "https://host/abc"), (None, "https://host/ghi")]
    assert data.sql(described).fetchall() == expected
    assert summary.set_aside == 1
    (aside,) = internvid.status(data)["set_aside"]
    assert aside["table"] == str(table)
    assert aside["first"] == [{"line": 2, "reason": "it was not fetched: failed, geo"}]
    # The same table as a table of sources: its files are cut anew, with the same metadata.
    summary = build([str(table)], tmp_path / "cut", RECIPE, workers=1)
    assert (summary.videos, summary.set_aside, len(summary.notes)) == (2, 1, 1)
    anew = internvid.open(tmp_path / "cut")
    assert anew.sql(described).fetchall() == expected
    assert anew.sql("select distinct transition from clips").fetchall() != [("given",)]


@pytest.mark.slow
def test_another_order_of_rows_is_the_same_cut_and_other_captions_are_another_column(
    videos: Path, tmp_path: Path
) -> None:
    rows = rows_of(videos)
    build_given(tmp_path / "one", write_parquet(tmp_path / "clips.parquet", rows))
    random.Random(1).shuffle(rows)
    table = write_parquet(tmp_path / "shuffled.parquet", rows)
    build_given(tmp_path / "two", table)
    ignored = ("aside.json",)
    one, two = (digest_tree(tmp_path / name) for name in ("one", "two"))
    assert {k: v for k, v in one.items() if not k.endswith(ignored)} == {
        k: v for k, v in two.items() if not k.endswith(ignored)
    }
    cut = internvid.open(tmp_path / "two").record.cut
    for row in rows:
        row["caption"] = row["caption"] and row["caption"].upper()
    build_given(tmp_path / "two", write_parquet(table, rows))
    data = internvid.open(tmp_path / "two")
    assert data.record.cut == cut
    assert (10, 40, "A DOG RUNS") in spans_of(data)
    assert len(list((tmp_path / "two/cuts" / str(cut) / "columns").glob("given@*"))) == 2
    rows[0]["end_seconds"] += 0.2
    build_given(tmp_path / "two", write_parquet(table, rows))
    assert internvid.open(tmp_path / "two").record.cut != cut


def test_several_tables_are_one_cut_with_the_columns_of_all(videos: Path, tmp_path: Path) -> None:
    first, second = str(videos / "first.mp4"), str(videos / "second.mp4")
    one = write_parquet(
        tmp_path / "one.parquet", [{"path": first, **times(0, 30), "caption": "a", "score": 1}]
    )
    two = write_jsonl(
        tmp_path / "two.jsonl",
        [{"uri": second, **times(0, 30), "caption": "b", "score": 2.5, "note": "x"}],
    )
    build_given(tmp_path / "data", one, two)
    data = internvid.open(tmp_path / "data")
    assert data.sql("select given, given_score, given_note from clips order by 1").fetchall() == [
        ("a", 1.0, None),
        ("b", 2.5, "x"),
    ]


def test_tables_that_state_no_clip_are_refused_and_leave_nothing(
    videos: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "data"
    missing = write_parquet(tmp_path / "ids.parquet", [{"source_id": "abc", **times(0, 10)}])
    with pytest.raises(MisuseError, match=r"names no files(.|\n)*--videos FOLDER"):
        build_given(dataset, missing)
    with pytest.raises(SourceMissingError, match="no row states a clip of a file that is there"):
        build_given(dataset, missing, videos=videos)
    with pytest.raises(MisuseError, match="is no table of clips"):
        build_given(dataset, videos / "first.mp4")
    with pytest.raises(SourceMissingError, match="has no clips"):
        build_given(dataset, videos)
    with pytest.raises(SourceMissingError, match="matches nothing"):
        build_given(dataset, tmp_path / "nothing.parquet")
    assert not dataset.exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith("internvid-rows")] == []
    with pytest.raises(MisuseError, match="where the videos of a table"):
        internvid.build(videos, dataset, video_folder=videos)
    with pytest.raises(MisuseError, match="types are given to columns of tables of sources"):
        internvid.build(missing, dataset, given=True, types={"score": "bigint"})
