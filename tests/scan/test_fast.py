"""The fast scan decodes less and finds the same cuts at the same frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.scan.refine import Gap, first_of_shot
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.default import DefaultDetector
from internvid.synthetic.truth import World
from internvid.video.decode import DecodeOptions, open_video

OBSERVERS = ("content", "luma", "transitions")


def cuts(path: Path, mode: str) -> tuple[list[float], int]:
    """Times of the hard cuts, and how many frames were decoded."""
    recipe = ScanRecipe(observers=OBSERVERS, audio=False, mode=mode)
    timeline = scan_video(path, recipe).timeline
    shots = DefaultDetector().detect(timeline)
    return [s.span.start_seconds for s in shots if s.transition == "cut"], len(timeline)


def test_cuts_lie_at_the_same_frames_though_fewer_are_decoded(world: World) -> None:
    video = next(video for video in world.videos if video.codec == "h264")
    full, all_frames = cuts(world.path(video.name), "full")
    fast, some_frames = cuts(world.path(video.name), "fast")
    assert some_frames < 0.9 * all_frames
    assert full
    assert fast == pytest.approx(full)


def test_a_gap_whose_end_never_comes_keeps_the_boundary_at_the_kept_frame(world: World) -> None:
    video = next(video for video in world.videos if video.codec == "h264")
    with open_video(world.path(video.name), DecodeOptions(thin=True)) as opened:
        beyond = 10**12
        assert first_of_shot(opened, Gap(1, 0, beyond)) == beyond
