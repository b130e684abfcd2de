"""A Lance dataset: rows, blobs and queries, read by Lance."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from internvid.core.errors import DependencyMissingError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.lance_table import LanceExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from tests.publishing.lance_process import publish_lance, read_lance

SMALL = "cut.size=48"


def test_lance_reads_every_column_and_the_videos_as_blobs(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    manifest = publish_lance(dataset.root, folder, SMALL)
    read = read_lance(folder, "duration_seconds > 2.5")
    clips = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    assert len(read["rows"]) == manifest["windows"] == len(clips)
    for row in read["rows"]:
        clip = clips[row["clip_id"]]
        assert row["file_name"] == f"{clip['clip_id']}.mp4"
        assert {column: row[column] for column in clip} == clip
        assert row["text"] == clip["measured"]
        assert row["decoded"] == row["frames"] == clip["end_frame"] - clip["start_frame"]
    expected = {name for name, clip in clips.items() if clip["duration_seconds"] > 2.5}
    assert set(read["found"]) == expected
    files = {path for path in (folder / "clips.lance").rglob("*") if path.is_file()}
    listed = {path.relative_to(folder).as_posix() for path in files}
    assert set(manifest["files"]) == listed == {row["file"] for row in manifest["checksums"]}
    assert not (folder / NOTES).exists()


@pytest.mark.slow
def test_a_killed_export_goes_on_to_the_same_rows(dataset: Dataset, tmp_path: Path) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "parts"), "--exporter", "lance"]
    process = subprocess.Popen(
        [sys.executable, "-m", "internvid", *words, "--set", SMALL],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes = tmp_path / "parts" / NOTES / "videos" / NOTES / "clips"
    while process.poll() is None and len(list(notes.glob("*/*.json"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "manifest.json").exists()
    assert list(notes.glob("*/*.json"))
    for name in ("parts", "whole"):
        publish_lance(dataset.root, tmp_path / name, SMALL)
    assert read_lance(tmp_path / "parts") == read_lance(tmp_path / "whole")


def test_without_lance_it_says_what_to_install(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(DependencyMissingError) as caught:
        publish(dataset, tmp_path / "out", LanceExporter())
    assert "internvid[lance]" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()
