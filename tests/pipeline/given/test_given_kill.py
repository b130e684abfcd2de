"""Given clips: kill -9 at any moment, other numbers of workers, removals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import internvid
from internvid.dataset.parts import read_part
from tests.media import write_videos
from tests.numbered import Numbered, write_numbered
from tests.pipeline.given.tables_of_given import build_given, spans_of, times, write_parquet
from tests.trees import digest_tree


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stated clips of each of 70 videos, one of them out of the video: two parts."""
    root = tmp_path_factory.mktemp("many")
    rows = [
        {"path": str(path), **span, "caption": f"{path.stem} {number}", "score": number}
        for path in write_videos(root / "videos", 70)
        for number, span in enumerate([times(0, 5, 10), times(5, 12, 10), times(90, 99, 10)])
    ]
    return write_parquet(root / "clips.parquet", rows)


def start(table: Path, dataset: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "internvid", "build", str(table), "--given", "--no-report"]
    command += ["-o", str(dataset), "--workers", str(workers)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.slow
def test_killed_builds_end_in_the_same_bytes(table: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    assert start(table, tmp_path / "whole" / "data", 2).wait() == 0
    seconds = time.monotonic() - started
    draw = random.Random(3)
    folder = tmp_path / "killed"
    for _ in range(4):
        process = start(table, folder / "data", draw.choice([1, 2, 3]))
        time.sleep(draw.uniform(0.2, 1.1) * seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert start(table, folder / "data", 1).wait() == 0
    assert digest_tree(folder / "data") == digest_tree(tmp_path / "whole" / "data")
    # What killed builds had converted went with the next one.
    assert [path.name for path in folder.iterdir()] == ["data"]


@pytest.mark.slow
def test_parts_that_are_missing_are_made_again_with_the_same_bytes(
    table: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "data"
    build_given(dataset, table, workers=2)
    expected = digest_tree(dataset)
    (cut,) = (dataset / "cuts").iterdir()
    (cut / "clips" / "part-00001.parquet").unlink()
    (column,) = cut.glob("columns/given@*")
    (column / "part-00000.parquet").unlink()
    assert build_given(dataset, table, workers=1).scanned == 0
    assert digest_tree(dataset) == expected


def test_removed_videos_leave_no_rejected_row_behind(tmp_path: Path) -> None:
    paths = [
        write_numbered(tmp_path / "videos" / f"{name}.mp4", Numbered(frames=60, cuts=cuts))
        for name, cuts in {"stays": (20,), "goes": (33,)}.items()
    ]
    rows = [
        {"path": str(path), "source_id": path.stem, **span, "caption": f"{path.stem} {number}"}
        for path in paths
        for number, span in enumerate([times(0, 30), times(900, 930)])
    ]
    table = write_parquet(tmp_path / "clips.parquet", rows)
    build_given(tmp_path / "data", table)
    receipt = internvid.remove(tmp_path / "data", sources=["goes"])
    assert receipt is not None
    data = internvid.open(tmp_path / "data")
    assert [caption for *_, caption in spans_of(data)] == ["stays 0"]
    (rejected,) = (tmp_path / "data/cuts").glob("given@*/given_rejected/*.parquet")
    assert read_part(rejected)["caption"].to_pylist() == ["stays 1"]
    held = b"goes 0", b"goes 1"
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [path for path in files if any(each in path.read_bytes() for each in held)] == []
    # Built again, it stays removed.
    assert build_given(tmp_path / "data", table).removed == 1
    assert [caption for *_, caption in spans_of(internvid.open(tmp_path / "data"))] == ["stays 0"]
