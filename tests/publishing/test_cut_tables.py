"""What `publish` shows of a plan: windows by frames and size, and what falls out by which rule."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import av
import pytest

import internvid
from internvid.cli.app import main
from internvid.cli.cut_tables import cut_tables
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan


def test_buckets_are_the_files_that_are_written(dataset: Dataset, tmp_path: Path) -> None:
    exporter = FolderExporter(cut=CutPlan(fps=8, frames="8k+1", size="90", multiple=8))
    planned = internvid.plan_publication(dataset, exporter=exporter)
    publish(dataset, tmp_path / "out", exporter)
    found: Counter[tuple[int, int, int]] = Counter()
    for path in (tmp_path / "out").glob("*.mp4"):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            found[stream.frames, stream.width, stream.height] += 1
    listed = {
        (each["frames"], each["width"], each["height"]): each["windows"]
        for each in planned["buckets"]
    }
    assert listed == found
    assert sum(each["hours"] for each in planned["buckets"]) == pytest.approx(
        planned["hours"], abs=1e-5
    )


def test_a_picture_below_the_multiple_is_left_out_by_the_plan_and_by_the_export(
    dataset: Dataset, tmp_path: Path
) -> None:
    videos = [row for row in dataset.videos().to_pylist() if row["status"] == "ok"]
    heights = {row["video_id"]: row["height"] for row in videos}
    multiple = 2 * (min(heights.values()) // 2) + 2
    exporter = FolderExporter(cut=CutPlan(fps=8, maximum_frames=9, size="", multiple=multiple))
    small = sum(heights[row["video_id"]] < multiple for row in dataset.clips().to_pylist())
    assert small > 0
    planned = internvid.plan_publication(dataset, exporter=exporter)
    manifest = publish(dataset, tmp_path / "out", exporter)
    assert planned["dropped"] == manifest["dropped"] == {"too_small": small}
    assert manifest["missing"] == []
    assert manifest["clips"] == planned["clips"]


def test_a_turned_video_of_oblong_pixels_is_planned_as_it_is_shown(
    media: Path, tmp_path: Path
) -> None:
    """What the scan wrote of turn and pixels gives the size that the cut makes of the pictures."""
    names = ("exo__sample_display_orientation_90.ts", "skv__carphone_pristine.mp4", "mma__demo.mp4")
    files = [path for name in names for path in media.rglob(name)]
    if not files:
        pytest.skip(f"none of {', '.join(names)} is there")
    internvid.build(files, tmp_path / "data", workers=2)
    dataset = internvid.open(tmp_path / "data")
    exporter = JsonListExporter(
        caption="", trigger="sks", cut=CutPlan(fps=4, maximum_frames=3, size="64", multiple=2)
    )
    planned = internvid.plan_publication(dataset, exporter=exporter)
    manifest = publish(dataset, tmp_path / "out", exporter)
    for counts in (planned, manifest):
        for each in counts["buckets"]:
            each.pop("hours")
    assert manifest["missing"] == []
    assert len(planned["buckets"]) > 1
    assert planned["buckets"] == manifest["buckets"]


def test_a_terminal_shows_units_rules_and_what_could_not_be_written() -> None:
    buckets = [
        {"frames": 81, "width": 832, "height": 480, "windows": 3, "hours": 3 * 81 / 16 / 3600},
        {"frames": 49, "width": 480, "height": 832, "windows": 1, "hours": 49 / 16 / 3600},
    ]
    report = {
        "clips": 3, "windows": 4, "hours": 0.005069, "unused_hours": 0.001,
        "dropped": {"no_caption": 2, "too_short_for_grid": 1},
        "dropped_hours": {"no_caption": 0.1, "too_short_for_grid": 0.0001},
        "buckets": buckets, "captions": {"measured": 3},
        "tokens": {"limit": 77, "counted_by": "clip", "texts_over_limit": 0, "longest": 40},
    }  # fmt: skip
    missing = [{"reason": "source_gone", "start_seconds": 1.0, "end_seconds": 3.5}]
    assert cut_tables(report, missing).splitlines() == [
        "windows by frames and size",
        "frames     size  seconds each  windows   share  together",
        "    81  832x480          5.06        3  75.0 %    15.2 s",
        "    49  480x832          3.06        1  25.0 %     3.1 s",
        "",
        "                       clips  windows        time",
        "in windows                 3        4      18.2 s",
        "  rest of these clips                       3.6 s",
        "no_caption                 2           6 min 00 s  no text in the caption column",
        "too_short_for_grid         1                0.4 s  shorter than any frame count",
        "source_gone                1                2.5 s  could not be written",
        "all                        7",
        "",
        "texts: none over 77 tokens; the longest has 40",
    ]


def test_many_buckets_become_two_tables_that_lose_nothing() -> None:
    buckets = [
        {"frames": 4 * at + 1, "width": 16 * side, "height": 64, "windows": at, "hours": at / 900}
        for at in range(1, 20)
        for side in (5, 6)
    ]
    report = {
        "clips": 1, "windows": 380, "hours": 1.0, "unused_hours": 0.0, "dropped": {},
        "dropped_hours": {}, "buckets": buckets,
    }  # fmt: skip
    by_frames, by_size, _ = cut_tables(report).split("\n\n")
    assert "(7 more)" in by_frames
    for part in (by_frames, by_size):
        column = part.splitlines()[1].index("windows") + len("windows")
        counts = [int(line[:column].split()[-1]) for line in part.splitlines()[2:]]
        assert sum(counts) == 380


def test_the_command_shows_the_tables_before_and_after(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "out"), "--exporter", "folder"]
    words += ["--set", "caption=camera_direction", "--set", "cut.size=48", "--set", "cut.fps=8"]
    words += ["--set", "cut.maximum_frames=9"]
    assert main([*words, "--plan"]) == 0
    planned = capsys.readouterr().out
    assert main(words) == 0
    written = capsys.readouterr().out
    assert "windows by frames and size" in planned
    assert "no text in the caption column" in planned
    assert planned.split("\n\n", 1)[1] == written.split("\n\n", 1)[1]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert f"{manifest['clips']} clips in {len(manifest['files'])} files" in written


def test_an_exporter_that_plans_nothing_shows_its_clips(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "out"), "--exporter", "frames", "--plan"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "in windows" in out
    assert "windows by frames" not in out
