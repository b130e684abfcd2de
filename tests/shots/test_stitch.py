"""Clips hold frames of one shot only, and long takes are split at quiet points."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from internvid.core.types import ColumnSpec, Shot, Timeline, TimeSpan
from internvid.shots.stitch import Stitch


def still_timeline(seconds: float, fps: int = 10, quiet_at: float | None = None) -> Timeline:
    count = int(seconds * fps)
    motion = np.full(count, 5.0, np.float32)
    if quiet_at is not None:
        motion[int(quiet_at * fps)] = 0.0
    return Timeline(
        "0" * 32,
        np.arange(count, dtype=np.int64),
        Fraction(1, fps),
        seconds,
        {"motion": motion},
        {"motion": ColumnSpec("float32")},
    )


@pytest.mark.parametrize(("kind", "faint"), [("dissolve", 0.08), ("fade", 0.08), ("wipe", 0.16)])
def test_a_gradual_transition_belongs_to_no_clip(kind: str, faint: float) -> None:
    shots = [
        Shot(TimeSpan(0, 5), "start", 1.0),
        Shot(TimeSpan(5, 10), kind, 0.9, transition_seconds=1.0),
    ]
    first, second = Stitch().stitch(still_timeline(10, fps=50), shots)
    # Nor do its faint ends, which the measured length leaves out.
    assert 4.48 - faint < first.span.end_seconds <= 4.5 - faint + 1e-9
    assert 5.5 + faint - 1e-9 <= second.span.start_seconds < 5.52 + faint


def test_a_cut_loses_no_frame() -> None:
    shots = [Shot(TimeSpan(0, 5), "start", 1.0), Shot(TimeSpan(5, 10), "cut", 0.9)]
    first, second = Stitch().stitch(still_timeline(10), shots)
    assert (first.span, second.span) == (TimeSpan(0, 5), TimeSpan(5, 10))


def test_weak_boundaries_are_joined_when_asked() -> None:
    shots = [
        Shot(TimeSpan(0, 3), "start", 1.0),
        Shot(TimeSpan(3, 6), "cut", 0.3),
        Shot(TimeSpan(6, 10), "cut", 0.9),
    ]
    clips = Stitch(join_below_score=0.5).stitch(still_timeline(10), shots)
    assert [clip.span for clip in clips] == [TimeSpan(0, 6), TimeSpan(6, 10)]


def test_a_long_take_is_split_at_its_quiet_point_and_never_too_long() -> None:
    timeline = still_timeline(30, quiet_at=14.0)
    clips = Stitch(maximum_seconds=16.0).stitch(timeline, [Shot(TimeSpan(0, 30), "start", 1.0)])
    assert [clip.transition for clip in clips] == ["start", "split"]
    assert clips[0].span.end_seconds == pytest.approx(14.0)
    assert max(clip.span.duration_seconds for clip in clips) <= 16.0 + 1e-9


def test_a_shot_that_is_all_transition_gives_no_clip() -> None:
    shots = [
        Shot(TimeSpan(0, 1), "start", 1.0),
        Shot(TimeSpan(1, 1.5), "dissolve", 0.9, transition_seconds=1.2),
        Shot(TimeSpan(1.5, 4), "cut", 0.9),
    ]
    clips = Stitch().stitch(still_timeline(4), shots)
    assert [clip.span.start_seconds for clip in clips] == [0.0, 1.5]


@pytest.mark.parametrize("maximum", [0.5, 1.0, 2.0, 3.0, 6.0, 10.0, 59.9, 60.0])
@pytest.mark.parametrize("fps", [10, 24, 30])
def test_no_piece_is_longer_than_the_maximum_nor_a_sliver(maximum: float, fps: int) -> None:
    random = np.random.default_rng(int(maximum * 10) + fps)
    for seconds in (maximum * 2, maximum * 3 + 0.1, 119.0):
        timeline = still_timeline(seconds, fps)
        timeline.stored["motion"][:] = random.random(len(timeline))
        end = len(timeline) / fps
        clips = Stitch(maximum_seconds=maximum).stitch(
            timeline, [Shot(TimeSpan(0, end), "start", 1.0)]
        )
        assert clips[0].span.start_seconds == 0
        assert clips[-1].span.end_seconds == pytest.approx(seconds)
        for before, after in itertools.pairwise(clips):
            assert before.span.end_seconds == after.span.start_seconds
        lengths = [clip.span.duration_seconds for clip in clips]
        assert max(lengths) <= maximum + 1e-6
        assert min(lengths) >= 0.3 * maximum


def test_frames_that_last_longer_than_the_maximum_are_pieces_of_their_own() -> None:
    clips = Stitch(maximum_seconds=0.3).stitch(
        still_timeline(5, fps=1), [Shot(TimeSpan(0, 5), "start", 1.0)]
    )
    assert [clip.span.duration_seconds for clip in clips] == [1.0] * 5


def test_without_motion_pieces_are_equal() -> None:
    timeline = still_timeline(100)
    timeline.stored.pop("motion")
    clips = Stitch(maximum_seconds=30.0).stitch(timeline, [Shot(TimeSpan(0, 100), "start", 1.0)])
    assert [clip.span.duration_seconds for clip in clips] == pytest.approx([25.0] * 4)
