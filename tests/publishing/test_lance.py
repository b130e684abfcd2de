"""A Lance dataset: rows, blobs and queries, read by Lance."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import lance
import pytest

from internvid.core.errors import DependencyMissingError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.lance_table import LanceExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from internvid.video.cutting.cut_plan import CutPlan

SMALL = CutPlan(size="48")


def rows_in(folder: Path) -> dict[str, dict[str, Any]]:
    """File name -> columns and bytes of the video."""
    table = lance.dataset(str(folder / "clips.lance"))
    names = [name for name in table.schema.names if name != "video"]
    rows = table.to_table(columns=names).to_pylist()
    blobs = table.take_blobs("video", indices=list(range(len(rows))))
    return {
        row["file_name"]: {**row, "video": blob.read()}
        for row, blob in zip(rows, blobs, strict=True)
    }


def test_lance_reads_every_column_and_the_videos_as_blobs(dataset: Dataset, tmp_path: Path) -> None:
    manifest = publish(dataset, tmp_path / "out", LanceExporter(cut=SMALL))
    rows = rows_in(tmp_path / "out")
    clips = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    assert len(rows) == manifest["windows"] == len(clips)
    for name, row in rows.items():
        clip = clips[row["clip_id"]]
        assert name == f"{clip['clip_id']}.mp4"
        assert {column: row[column] for column in clip} == clip
        assert row["text"] == clip["measured"]
        with av.open(io.BytesIO(row["video"])) as container:
            assert sum(1 for _ in container.decode(video=0)) == row["frames"]
    table = lance.dataset(str(tmp_path / "out" / "clips.lance"))
    found = table.to_table(columns=["clip_id"], filter="duration_seconds > 2.5").to_pylist()
    assert {row["clip_id"] for row in found} == {
        name for name, clip in clips.items() if clip["duration_seconds"] > 2.5
    }
    listed = {path.relative_to(tmp_path / "out").as_posix() for path in
              (tmp_path / "out" / "clips.lance").rglob("*") if path.is_file()}  # fmt: skip
    assert set(manifest["files"]) == listed == {row["file"] for row in manifest["checksums"]}
    assert not (tmp_path / "out" / NOTES).exists()


@pytest.mark.slow
def test_a_killed_export_goes_on_to_the_same_rows(dataset: Dataset, tmp_path: Path) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "parts"), "--exporter", "lance"]
    words += ["--set", "cut.size=48"]
    process = subprocess.Popen(
        [sys.executable, "-m", "internvid", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes = tmp_path / "parts" / NOTES / "videos" / NOTES / "clips"
    while process.poll() is None and len(list(notes.glob("*/*.json"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "manifest.json").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in notes.glob("*/*.json")}
    publish(dataset, tmp_path / "parts", LanceExporter(cut=SMALL))
    publish(dataset, tmp_path / "whole", LanceExporter(cut=SMALL))
    assert kept
    assert rows_in(tmp_path / "parts") == rows_in(tmp_path / "whole")


def test_without_lance_it_says_what_to_install(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(DependencyMissingError) as caught:
        publish(dataset, tmp_path / "out", LanceExporter())
    assert "internvid[lance]" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()
