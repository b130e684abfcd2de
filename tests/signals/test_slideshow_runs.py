"""A gallery that a detector cut at every picture is a slideshow still, and a calm film is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from internvid.core.contracts import PickFacts, RelatingSignal
from internvid.core.types import Shot, Timeline, TimeSpan
from internvid.dataset.tables import VideoRow
from internvid.pipeline.cutting import ScannedVideo, cut_video
from internvid.pipeline.recipe import CutRecipe
from internvid.signals.motion import MotionSignal
from internvid.signals.slideshow import SlideshowSignal
from tests.signals.tracks import Way, make_frames, make_times, observe

FPS = 25
STILL: Way = lambda t: (0, 0, 0)  # noqa: E731
GLIDE: Way = lambda t: (0.05 * t, 0, 0)  # noqa: E731
HAND: Way = lambda t: (  # noqa: E731
    0.05 * t + 0.012 * np.sin(5 * t), 0.012 * np.sin(7 * t + 1), 0
)  # fmt: skip


class Given:
    """A detector that was told the shots."""

    version = 1

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds

    def detect(self, timeline: Timeline) -> list[Shot]:
        ends = [*self.bounds[1:], timeline.duration_seconds]
        kinds = ["start", *["cut"] * (len(self.bounds) - 1)]
        return [
            Shot(TimeSpan(a, b), kind, 1.0)
            for a, b, kind in zip(self.bounds, ends, kinds, strict=True)
        ]


def make_film(
    ways: Sequence[Way], seconds: float = 2.0, seeds: Sequence[int] = ()
) -> tuple[Timeline, list[float]]:
    """One shot for each way the camera goes, each over its own landscape."""
    each = round(seconds * FPS)
    times = make_times(each / FPS * len(ways), FPS)
    parts = [
        make_frames(way, times[:each], seed=seeds[n] if seeds else n) for n, way in enumerate(ways)
    ]
    return observe(np.concatenate(parts), times), [n * each / FPS for n in range(len(ways))]


def cut(
    timeline: Timeline, bounds: Sequence[float], picks: Sequence[PickFacts] = ()
) -> list[dict[str, Any]]:
    """The rows of the clips table for shots that are known."""
    video: VideoRow = {"source_id": "s", "start_pts": 0}
    signal = SlideshowSignal()
    recipe = CutRecipe(detector=Given(bounds), signals=(signal,))
    return cut_video(ScannedVideo(video, timeline, picks), recipe, [signal])


def flags(rows: Sequence[dict[str, Any]]) -> list[bool]:
    return [row["is_slideshow"] for row in rows]


@pytest.mark.parametrize("way", [STILL, GLIDE])
def test_every_clip_of_a_cut_gallery_is_part_of_a_slideshow(way: Way) -> None:
    rows = cut(*make_film([way] * 4))
    assert flags(rows) == [True] * 4
    assert [row["slideshow_pictures"] for row in rows] == [4] * 4
    assert {row["reason"] for row in rows} == {"slideshow"}
    assert min(row["slideshow_confidence"] for row in rows) > 0.7


@pytest.mark.parametrize("way", [STILL, GLIDE])
def test_two_pictures_are_no_gallery(way: Way) -> None:
    rows = cut(*make_film([HAND, way, way, HAND]))
    assert flags(rows) == [False] * 4
    assert {row["slideshow_pictures"] for row in rows} == {0}


def test_the_film_around_a_gallery_is_no_part_of_it() -> None:
    rows = cut(*make_film([HAND, STILL, STILL, STILL, HAND]))
    assert flags(rows) == [False, True, True, True, False]


def test_a_hand_that_pans_is_no_machine() -> None:
    rows = cut(*make_film([HAND] * 5))
    assert flags(rows) == [False] * 5
    assert max(row["glide_likeness"] for row in rows) < 0.4


def test_a_calm_shot_beside_stills_stays_out() -> None:
    rows = cut(*make_film([GLIDE, STILL, STILL, STILL, GLIDE]))
    assert flags(rows) == [False, True, True, True, False]


def test_pictures_shown_for_long_or_in_a_flash_are_no_gallery() -> None:
    assert not any(flags(cut(*make_film([STILL] * 3, seconds=16))))
    assert not any(flags(cut(*make_film([STILL] * 5, seconds=0.4))))


def test_one_picture_cut_by_mistake_is_no_gallery() -> None:
    timeline, bounds = make_film([STILL] * 4, seeds=[3, 3, 3, 3])
    one = [PickFacts(25 + 50 * n, 1.0 + 2 * n, 10.0, 0xF0F0, bytes(11)) for n in range(4)]
    other = [PickFacts(p.frame, p.pts_seconds, 10.0, 0xFFFF << 12 * n, bytes(11))
             for n, p in enumerate(one)]  # fmt: skip
    assert flags(cut(timeline, bounds, one)) == [False] * 4
    assert flags(cut(timeline, bounds, other)) == [True] * 4


@pytest.mark.parametrize("way", [STILL, GLIDE])
@pytest.mark.parametrize("missed", [1, 2, 3])
def test_a_change_that_no_detector_saw_hides_no_gallery(way: Way, missed: int) -> None:
    timeline, bounds = make_film([way] * 4)
    rows = cut(timeline, [bound for n, bound in enumerate(bounds) if n != missed])
    assert flags(rows) == [True] * 3
    assert {row["slideshow_pictures"] for row in rows} == {4}


def test_scraps_of_a_transition_are_passed_and_shots_are_not() -> None:
    for scrap, joins in ((0.4, True), (0.8, False)):
        times = make_times(8 + scrap, FPS)
        ends = [4.0, 4 + scrap, times[-1] + 1 / FPS]
        shots = [make_frames(STILL, times, seed=n) for n in range(4)]
        moving = make_frames(lambda t: (1.2 * t, 0, 0), times, seed=9)
        at = np.searchsorted(times, [0, 2, ends[0] - 1e-6, ends[1] - 1e-6, ends[1] + 2 - 1e-6])
        parts = [shots[0][: at[1]], shots[1][at[1] : at[2]], moving[at[2] : at[3]],
                 shots[2][at[3] : at[4]], shots[3][at[4] :]]  # fmt: skip
        timeline = observe(np.concatenate(parts), times)
        rows = cut(timeline, [times[n] for n in at])
        assert flags(rows) == [joins] * 5, scrap


def test_black_leaders_are_no_pictures() -> None:
    times = make_times(8, FPS)
    timeline = observe(np.full((200, 72, 128), 16, np.float32), times)
    assert not any(flags(cut(timeline, [0.0, 2.0, 4.0, 6.0])))


def test_only_signals_that_relate_are_asked() -> None:
    assert isinstance(SlideshowSignal(), RelatingSignal)
    assert not isinstance(MotionSignal(), RelatingSignal)
