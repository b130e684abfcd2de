"""The fast scan decodes less and finds the same cuts at the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvid.scan import refine as refining
from internvid.scan.refine import Gap, firsts_of_shots
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.default import DefaultDetector
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.truth import World
from internvid.video.decode import Between, DecodeOptions, Picture, open_video

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
        assert list(firsts_of_shots(opened, [Gap(1, 0, 10**12)])) == []


CUTS = (42, 58, 109)  # each a frame that the thin pass skips
FPS = 25


def stills(cuts: tuple[int, ...], frames: int) -> Iterator[np.ndarray]:
    """A picture of coloured cells, another one after each cut."""
    random = np.random.default_rng(3)
    picture = np.zeros(0)
    for at in range(frames):
        if at == 0 or at in cuts:
            cells = random.integers(30, 220, (12, 20, 3), np.uint8)
            picture = cells.repeat(16, axis=0).repeat(16, axis=1)
        yield picture


@pytest.fixture(scope="module")
def unkeyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cuts in one group of pictures: the encoder was told to place no key frames there."""
    path = tmp_path_factory.mktemp("unkeyed") / "v.mp4"
    options = {"bf": "3", "b-adapt": "0", "x264-params": "scenecut=0:b-pyramid=none"}
    how = VideoFormat("h264", 320, 192, Fraction(FPS), keyframe_interval=500, options=options)
    write_video(path, stills(CUTS, 150), how)
    return path


def test_first_frames_of_shots_are_found_in_passing(
    unkeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refining, "open_video", pytest.fail)
    times, rows = cuts(unkeyed, "fast")
    assert times == [cut / FPS for cut in CUTS]
    assert rows < 60


def test_one_more_reading_serves_all_gaps_of_a_group_of_pictures(
    unkeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[Path] = []

    def open_and_count(path: Path, options: DecodeOptions) -> object:
        readings.append(path)
        return open_video(path, options)

    monkeypatch.setattr(refining, "open_video", open_and_count)
    monkeypatch.setattr("internvid.video.thin.Suspicion.wants", lambda _self, _packet: False)
    times, _rows = cuts(unkeyed, "fast")
    assert times == [cut / FPS for cut in CUTS]
    assert readings == [unkeyed]


def test_gaps_that_meet_share_the_frame_between_them(unkeyed: Path) -> None:
    with open_video(unkeyed, DecodeOptions(thin=True)) as opened:
        kept = [item.frame.pts for item in opened.read() if isinstance(item, Picture)]
    at = next(at for at, time in enumerate(kept) if time is not None and time * FPS > 42 * 12800)
    gaps = [Gap(k, int(kept[k - 1] or 0), int(kept[k] or 0)) for k in (at, at + 1)]
    with open_video(unkeyed, DecodeOptions(thin=True)) as opened:
        found = dict(firsts_of_shots(opened, gaps))
    assert list(found) == gaps
    assert found[gaps[0]] * FPS == 42 * 12800


def test_little_is_read_for_nothing(world: World) -> None:
    """Where nothing begins, the thin pass leaves out what it always left out."""
    options = DecodeOptions(thin=True, is_suspicious=True)
    video = next(video for video in world.videos if video.codec == "h264")
    with open_video(world.path(video.name), options) as opened:
        read = [type(item) for item in opened.read()]
    assert read.count(Between) < 0.1 * (video.frames - read.count(Picture))
