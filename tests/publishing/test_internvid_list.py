"""Ids, times, captions and scores as InternVid publishes them, read back by `select`."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.parts import commit_table, read_part
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.internvid_list import InternVidExporter, _time, _youtube_id
from internvid.publishing.publish import publish


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def seconds_of(text: str) -> float:
    time = datetime.strptime(text, "%H:%M:%S.%f")  # noqa: DTZ007 - no day is meant
    return time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6


@pytest.fixture(scope="module")
def tube(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A copy whose sources are YouTube videos."""
    folder = tmp_path_factory.mktemp("tube") / "data"
    shutil.copytree(dataset.root, folder)
    (path,) = folder.glob("cuts/*/clips/*.parquet")
    table = read_part(path)
    ids = [f"youtube:{name[:10]}-" for name in table["video_id"].to_pylist()]
    path.unlink()
    at = table.column_names.index("source_id")
    commit_table(path, table.set_column(at, "source_id", pa.array(ids, pa.string())))
    return internvid.open(folder)


def test_lines_have_the_published_keys_and_times_to_the_millisecond(
    tube: Dataset, tmp_path: Path
) -> None:
    manifest = publish(tube, tmp_path / "out", InternVidExporter(aesthetic="brightness"))
    lines = lines_of(tmp_path / "out" / "clips.jsonl")
    rows = tube.clips().to_pylist()
    keys = ["YoutubeID", "Start_timestamp", "End_timestamp", "Caption", "Aesthetic_Score"]
    assert all(list(line) == keys for line in lines)
    assert len(lines) == len(rows) == manifest["clips"]
    for line, row in zip(lines, rows, strict=True):
        assert line["YoutubeID"] == f"{row['video_id'][:10]}-"
        assert line["Caption"] == row["measured"]
        assert line["Aesthetic_Score"] == row["brightness"]
        assert seconds_of(line["Start_timestamp"]) == pytest.approx(row["start_seconds"], abs=5e-4)
        assert seconds_of(line["End_timestamp"]) == pytest.approx(row["end_seconds"], abs=5e-4)


def test_select_reads_the_list_back(tube: Dataset, tmp_path: Path) -> None:
    publish(tube, tmp_path / "out", InternVidExporter())
    chosen = internvid.select(
        tmp_path / "out" / "clips.jsonl",
        "where",
        argument="end_seconds - start_seconds > 2 and contains(caption, 'camera')",
        out=tmp_path / "chosen.parquet",
    )
    expected = [
        row
        for row in tube.clips().to_pylist()
        if round(row["end_seconds"], 3) - round(row["start_seconds"], 3) > 2
        and "camera" in row["measured"]
    ]
    assert 0 < chosen.clips == len(expected) < len(tube)
    table = pd.read_parquet(tmp_path / "chosen.parquet")
    assert list(table["Caption"]) == [row["measured"] for row in expected]


def test_sources_that_are_no_youtube_videos_are_named_by_their_uri(
    dataset: Dataset, tmp_path: Path
) -> None:
    publish(dataset, tmp_path / "out", InternVidExporter(caption=""))
    lines = lines_of(tmp_path / "out" / "clips.jsonl")
    names = {Path(uri).name for (uri,) in dataset.sql("select uri from videos").fetchall()}
    assert {line["uri"] for line in lines} <= names
    assert {line["YoutubeID"] for line in lines} == {None}
    assert not any("Caption" in line for line in lines)
    whole = publish(dataset, tmp_path / "whole", InternVidExporter(), keep_paths=True)
    assert whole["clips"] == len(lines)
    assert lines_of(tmp_path / "whole" / "clips.jsonl")[0]["uri"].startswith("/")
    chosen = internvid.select(
        tmp_path / "out" / "clips.jsonl", "cap", argument=1, out=tmp_path / "one.jsonl"
    )
    assert chosen.clips == len({line["uri"] for line in lines})


@pytest.mark.parametrize(
    ("uri", "source_id", "found"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=4", None, "dQw4w9WgXcQ"),
        ("https://www.youtube.com/watch?list=a&v=dQw4w9WgXcQ", None, "dQw4w9WgXcQ"),
        ("https://youtu.be/dQw4w9WgXcQ", "x", "dQw4w9WgXcQ"),
        ("https://m.youtube.com/shorts/dQw4w9WgXcQ?a", None, "dQw4w9WgXcQ"),
        ("film.mp4", "youtube:dQw4w9WgXcQ", "dQw4w9WgXcQ"),
        ("https://vimeo.com/watch?v=dQw4w9WgXcQ", None, None),
        ("https://youtu.be/dQw4w9WgXcQ-longer", None, None),
        ("dQw4w9WgXcQ.mp4", None, None),
    ],
)
def test_a_youtube_id_is_known_by_the_address_or_the_source(
    uri: str, source_id: str | None, found: str | None
) -> None:
    query = f"select {_youtube_id()} from (select ? as internvid_uri, ?::varchar as source_id)"
    assert duckdb.execute(query, [uri, source_id]).fetchall() == [(found,)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (111.578, "00:01:51.578"),
        (3661.0004, "01:01:01.000"),
        (360000.5, "100:00:00.500"),
    ],
)
def test_times_are_written_to_the_nearest_millisecond(seconds: float, text: str) -> None:
    query = f"select {_time('s')} from (select ?::double as s)"
    assert duckdb.execute(query, [seconds]).fetchall() == [(text,)]


def test_a_column_that_clips_lack_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="similarity='umt'"):
        publish(dataset, tmp_path / "out", InternVidExporter(similarity="umt"))
