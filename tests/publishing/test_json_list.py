"""A JSON list of videos: read by the rules that trainers document."""

from __future__ import annotations

import json
from pathlib import Path

import av

from internvid.dataset.store import Dataset
from internvid.pipeline.sources import find_sources
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan

SLIDE = CutPlan(fps=8, frames="8k+1", maximum_frames=17, windows="slide", size="64x48")


def test_every_window_is_a_row_under_the_names_that_trainers_look_for(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    manifest = publish(dataset, folder, JsonListExporter(trigger="sks", cut=SLIDE))
    rows = json.loads((folder / "dataset.json").read_text("utf-8"))
    assert len(rows) == manifest["windows"] > manifest["clips"] > 0
    assert {row["video"] for row in rows} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.mp4")
    }
    for row in rows[:5]:
        assert row["video"] == row["file_path"]
        assert row["caption"] == row["prompt"] == row["text"]
        assert row["text"].startswith("sks ")
        assert row["type"] == "video"
        with av.open(str(folder / row["video"])) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(video=0))
            assert (frames, stream.width, stream.height) == (row["num_frames"], 64, 48)
            assert stream.average_rate == row["fps"] == 8


def test_the_manifest_says_of_each_clip_which_files_it_became(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    manifest = publish(dataset, folder, JsonListExporter(cut=SLIDE))
    samples = manifest["samples"]
    assert sorted(name for each in samples for name in each["files"]) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.mp4")
    )
    rows = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    for each in samples:
        row = rows[each["clip_id"]]
        assert each["video_id"] == row["video_id"]
        assert each["start_seconds"] == row["start_seconds"]
        assert len(each["frames"]) == len(each["seconds"]) == len(each["files"])
    assert manifest["indexes"] == [
        {"file": "dataset.json", "form": "json", "path_field": "video", "root": "", "base": ""}
    ]


def test_its_videos_can_be_built_anew(dataset: Dataset, tmp_path: Path) -> None:
    # A dataset has a file of the same name, and its videos are no sources.
    publish(dataset, tmp_path / "films" / "out", JsonListExporter(cut=SLIDE))
    found = find_sources([str(tmp_path / "films")]).table
    assert found.num_rows == len(list((tmp_path / "films").rglob("*.mp4"))) > 0
