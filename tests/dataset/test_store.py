"""A dataset opened from Python: what a notebook does first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import ComponentUnknownError, DatasetFormatError, MisuseError
from internvid.dataset.layout import Layout
from internvid.dataset.sources.uris import path_to_uri, uri_to_path
from internvid.dataset.store import Dataset
from tests.media import write_video


def test_clips_become_a_data_frame(dataset: Dataset) -> None:
    clips = internvid.open(str(dataset.root) + "/").clips()
    frame = clips.to_pandas()
    assert len(frame) == clips.num_rows > 0
    assert {"clip_id", "start_seconds", "end_seconds", "measured"} <= set(frame.columns)
    assert frame["kept"].all()
    assert len(dataset.clips(rejected=True)) >= len(frame)


def test_every_view_answers_sql(dataset: Dataset) -> None:
    for view in ("videos", "clips", "all_clips", "picks", "timelines"):
        ((count,),) = dataset.sql(f"select count(*) from {view}").fetchall()
        assert count > 0, view


def test_parts_without_later_columns_open_with_nulls(dataset: Dataset, tmp_path: Path) -> None:
    later = ["is_mirrored", "dynamic_range", "scan_mode"]
    root = tmp_path / "old"
    shutil.copytree(dataset.root, root)
    parts = sorted(root.glob("scans/*/videos/*.parquet"))
    for part in parts:
        pq.write_table(pq.read_table(part).drop_columns(later), part)
    opened = internvid.open(root)
    assert parts
    assert opened.videos().num_rows == dataset.videos().num_rows
    assert opened.sql(f"select distinct {', '.join(later)} from videos").fetchall() == [
        (None, None, None)
    ]
    assert opened.clips().equals(dataset.clips())


def test_pictures_are_upright_images_in_time_order(dataset: Dataset) -> None:
    row = dataset.clips().to_pylist()[0]
    pictures = dataset.pictures(row["clip_id"][:10])
    times = [seconds for seconds, _ in pictures]
    assert times == sorted(times)
    assert row["start_seconds"] - 0.01 <= times[0] <= times[-1] < row["end_seconds"]
    assert all(image.mode == "RGB" and min(image.size) <= 256 for _, image in pictures)


def test_it_says_what_it_is_in_one_line(dataset: Dataset) -> None:
    text = repr(dataset)
    assert str(dataset.root) in text
    assert "default@" in text
    assert len(text.splitlines()) == 1


def test_reading_imports_no_pandas(dataset: Dataset) -> None:
    code = (
        "import sys, internvid; from internvid.curate.select import select; "
        "from internvid.curate.selectors import Random; "
        f"data = internvid.open({str(dataset.root)!r}); data.clips(); data.videos(); "
        "select(data, Random(count=1), 'no-pandas'); print('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "False", done.stderr


def test_unknown_and_ambiguous_clips_are_named(dataset: Dataset) -> None:
    with pytest.raises(MisuseError, match="no clip begins"):
        dataset.clip("0" * 32)
    for wrong in ("", "x' or 1=1 --", "../.."):
        with pytest.raises(MisuseError, match="not a clip id"):
            dataset.clip(wrong)
    with pytest.raises(MisuseError, match="no subset 'nothing'"):
        dataset.clips("nothing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged"),
        ("\udcff", "damaged"),
        ("[]", "not written by internvid"),
        ('{"format": "another"}', "not written by internvid"),
        ('{"format": "internvid-dataset", "format_version": 99}', "format version 99"),
    ],
)
def test_a_record_that_is_not_ours_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetFormatError, match=words):
        internvid.open(tmp_path)


def test_a_dataset_without_a_build_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetFormatError, match="is not a dataset"):
        internvid.open(tmp_path)
    Layout(tmp_path / "new").create()
    with pytest.raises(DatasetFormatError, match="no finished build"):
        internvid.open(tmp_path / "new").clips()


def test_build_takes_what_people_type(tmp_path: Path) -> None:
    source = write_video(tmp_path / "it's a %20 #1.mp4")
    summary = internvid.build(source, str(tmp_path / "da'ta"), workers=1)
    assert summary.videos == 1
    again = internvid.build([str(source)], tmp_path / "da'ta", "internvid", workers=1)
    assert (again.scanned, again.videos) == (0, 1)
    opened = internvid.open(tmp_path / "da'ta")
    assert opened.videos()["uri"].to_pylist() == [str(source)]
    assert json.loads(opened.layout.record_path.read_text())["cut"].startswith("internvid@")
    with pytest.raises(ComponentUnknownError, match="no recipe 'nope'"):
        internvid.build(source, tmp_path / "other", "nope")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "name", [b"plain.mp4", b"caf\xc3\xa9.mp4", b"caf\xe9%20.mp4", b"a\nb.mp4", b"http:x"]
)
def test_every_file_name_survives_as_a_uri(name: bytes) -> None:
    import os

    path = os.fsdecode(b"/folder/" + name)
    uri = path_to_uri(path)
    uri.encode("utf-8")
    assert os.fsencode(uri_to_path(uri)) == os.fsencode(path)


def test_an_open_dataset_shows_the_columns_that_it_is_given(
    dataset: Dataset, tmp_path: Path
) -> None:
    data = internvid.open_dataset(shutil.copytree(dataset.root, tmp_path / "data"))
    watcher = internvid.open_dataset(data.root)
    assert "echo" not in data.clips().column_names
    internvid.caption(data, "echo", workers=1)
    internvid.score(data, "hash", workers=1)
    assert {"echo", "hash"} <= set(data.clips().column_names)
    assert "echo" not in watcher.clips().column_names
    watcher.refresh()
    assert watcher.clips().equals(data.clips())
    internvid.drop_column(data, "hash")
    assert "hash" not in data.clips().column_names
