"""Signals claim what is true, on landscapes under a known camera."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from internvid.core import registry
from internvid.core.contracts import PickFacts, Signal
from internvid.core.types import ColumnSpec, Timeline, TimeSpan
from internvid.signals.audio import AudioSignal
from internvid.signals.borders import BordersSignal
from internvid.signals.camera import CameraSignal
from internvid.signals.colours import ColoursSignal
from internvid.signals.flicker import light_course, reversals
from internvid.signals.hash import HashSignal, hash_distance
from internvid.signals.motion import MotionSignal
from internvid.signals.quality import QualitySignal
from internvid.signals.slideshow import SlideshowSignal
from internvid.signals.stillness import StillnessSignal
from internvid.video.colours import COLOUR_NAMES
from tests.signals.tracks import Way, make_frames, make_times, observe

WAYS: dict[tuple[str, str | None], Way] = {
    ("static", None): lambda t: (0, 0, 0),
    ("pan", "right"): lambda t: (0.03 * t, 0, 0),
    ("pan", "left"): lambda t: (-0.8 * t, 0, 0),
    ("tilt", "up"): lambda t: (0, -0.06 * t, 0),
    ("tilt", "down"): lambda t: (0, 0.5 * t, 0),
    ("zoom", "in"): lambda t: (0, 0, 0.05 * t),
    ("zoom", "out"): lambda t: (0, 0, -0.3 * t),
    ("shake", None): lambda t: (0.01 * np.sin(21 * t), 0.01 * np.sin(17 * t + 1), 0),
    ("mixed", None): lambda t: (0.2 * t, 0.3 * t, 0),
}


def make_pick(at: float, colours: tuple[int, ...] = (), picture_hash: int = 0) -> PickFacts:
    padded = [*colours, *[0] * (len(COLOUR_NAMES) - len(colours))]
    return PickFacts(0, at, 100.0, picture_hash, bytes(padded))


def add_thing(luma: np.ndarray, fps: float) -> None:
    """A bright square that wanders through frames [T, 72, 128], in place."""
    for at in range(len(luma)):
        left = int(30 + 40 * (0.5 + 0.5 * np.sin(at / fps * 2)))
        luma[at, 30:45, left : left + 15] = 225


@pytest.mark.parametrize("fps", [12, 25, 60])
@pytest.mark.parametrize(("move", "direction"), list(WAYS))
def test_camera_moves_are_named(move: str, direction: str | None, fps: float) -> None:
    times = make_times(3, fps)
    luma = make_frames(WAYS[move, direction], times)
    add_thing(luma, fps)
    timeline = observe(luma, times)
    row = CameraSignal().measure(timeline, TimeSpan(0, 3), ())
    assert (row["camera_move"], row["camera_direction"]) == (move, direction)


def test_speed_is_in_widths_per_second() -> None:
    times = make_times(3, 25)
    timeline = observe(make_frames(lambda t: (0.2 * t, 0, 0), times), times)
    row = CameraSignal().measure(timeline, TimeSpan(0.5, 2.5), ())
    assert row["camera_speed"] == pytest.approx(0.2, rel=0.03)
    assert row["camera_confidence"] > 0.9


def test_nothing_is_said_of_a_black_clip() -> None:
    times = make_times(2, 25)
    timeline = observe(np.full((50, 72, 128), 16, np.float32), times)
    row = CameraSignal().measure(timeline, TimeSpan(0, 2), ())
    assert set(row.values()) == {None}


def test_a_neighbouring_shot_does_not_leak_in() -> None:
    times = make_times(4, 25)
    first = make_frames(lambda t: (0.5 * t, 0, 0), times[:50])
    luma = np.concatenate([first, make_frames(lambda t: (0, 0, 0), times[50:], seed=4)])
    timeline = observe(luma, times)
    row = CameraSignal().measure(timeline, TimeSpan(2, 4), ())
    assert row["camera_move"] == "static"
    assert StillnessSignal().measure(timeline, TimeSpan(2, 4), ())["is_still"]
    assert not StillnessSignal().measure(timeline, TimeSpan(0, 2), ())["is_still"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda t: (0.3 * t, 0, 0), lambda t: (0, 0, 0)),
        (lambda t: (0.1 * t, 0, 0), lambda t: (-0.3 * t, 0, 0)),
        (lambda t: (0, -0.4 * t, 0), lambda t: (0.1 * t, 0, 0)),
        (lambda t: (0.01 * np.sin(11 * t), 0.01 * np.sin(13 * t), 0), lambda t: (0, 0, 0)),
    ],
)
def test_two_shots_in_one_clip_leave_no_sure_move(first: Way, second: Way) -> None:
    times = make_times(4, 25)
    luma = np.concatenate([make_frames(first, times[:50]), make_frames(second, times[50:], seed=4)])
    row = CameraSignal().measure(observe(luma, times), TimeSpan(0, 4), ())
    assert row["camera_move"] == "mixed" or row["camera_confidence"] < 0.5


def test_a_small_thing_that_moves_is_not_still() -> None:
    times = make_times(2, 25)
    luma = make_frames(lambda t: (0, 0, 0), times)
    span = TimeSpan(0, 2)
    assert StillnessSignal().measure(observe(luma, times), span, ())["is_still"]
    add_thing(luma, 25)
    row = StillnessSignal().measure(observe(luma, times), span, ())
    assert not row["is_still"]
    assert row["still_share"] < 0.3


def test_coding_noise_leaves_a_still_still() -> None:
    random = np.random.default_rng(0)
    times = make_times(3, 25)
    luma = make_frames(lambda t: (0, 0, 0), times)
    luma += np.repeat(random.standard_normal((6, 72, 128)), 13, axis=0)[:75].astype(np.float32)
    assert StillnessSignal().measure(observe(luma, times), TimeSpan(0, 3), ())["is_still"]


def make_gallery(soft_frames: int, glide: float) -> tuple[np.ndarray, list[float]]:
    """Four pictures of 2 s each, changed hard or soft, at rest or gliding."""
    times = make_times(8, 25)
    views = [make_frames(lambda t: (glide * t, 0, 0), times, seed=n) for n in range(4)]
    luma = np.concatenate([views[n][50 * n : 50 * n + 50] for n in range(4)])
    for number in range(1, 4):
        for step in range(soft_frames):
            at, weight = 50 * number + step, (step + 1) / (soft_frames + 1)
            luma[at] = views[number - 1][at] * (1 - weight) + views[number][at] * weight
    return luma, times


@pytest.mark.parametrize("soft_frames", [0, 12])
@pytest.mark.parametrize("glide", [0.0, 0.05])
def test_galleries_are_slideshows(soft_frames: int, glide: float) -> None:
    luma, times = make_gallery(soft_frames, glide)
    row = SlideshowSignal().measure(observe(luma, times), TimeSpan(0, 8), ())
    assert row["is_slideshow"]
    assert row["picture_changes"] == 3


def test_films_and_single_stills_are_no_slideshows() -> None:
    luma, times = make_gallery(0, 0.0)
    single = SlideshowSignal().measure(observe(luma, times), TimeSpan(2, 4), ())
    assert not single["is_slideshow"]
    add_thing(luma, 25)
    assert not SlideshowSignal().measure(observe(luma, times), TimeSpan(0, 8), ())["is_slideshow"]


def test_strobes_flicker_and_flashes_do_not() -> None:
    times = make_times(2, 25)
    luma = make_frames(lambda t: (0, 0, 0), times)
    luma[20:22] += 80
    once = SlideshowSignal().measure(observe(np.minimum(luma, 235), times), TimeSpan(0, 2), ())
    luma[::4] *= 0.4
    often = SlideshowSignal().measure(observe(np.minimum(luma, 235), times), TimeSpan(0, 2), ())
    assert not once["is_flickering"]
    assert often["is_flickering"]
    assert reversals(np.asarray([0.0, 10, 0, 10, 12, 3]), 5) == 3


def test_things_that_rush_past_do_not_flicker() -> None:
    random = np.random.default_rng(4)
    times = make_times(3, 25)
    # Large leaves, bright and dark, a new lot every frame: the mean jumps with no change of light.
    leaves = random.uniform(20, 220, (75, 4, 4)).astype(np.float32)
    luma = np.kron(leaves, np.ones((18, 32), np.float32))
    timeline = observe(luma, times)
    mean = timeline.column("luma_mean")
    assert reversals(mean, 6.0) / 3 > 4
    row = SlideshowSignal().measure(timeline, TimeSpan(0, 3), ())
    assert not row["is_flickering"]


@pytest.mark.parametrize("speed", [0.0, 0.3, 1.0])
def test_flicker_is_seen_on_whatever_moves(speed: float) -> None:
    times = make_times(3, 25)
    luma = make_frames(lambda t: (speed * t, 0, 0), times)
    assert not SlideshowSignal().measure(observe(luma, times), TimeSpan(0, 3), ())["is_flickering"]
    lit = luma * np.where(np.arange(75) // 3 % 2, 1.0, 0.7).astype(np.float32)[:, None, None]
    row = SlideshowSignal().measure(observe(lit, times), TimeSpan(0, 3), ())
    assert row["is_flickering"]
    assert row["flicker_per_second"] == pytest.approx(25 / 3, rel=0.15)


def test_the_cut_before_a_clip_is_no_light_of_it() -> None:
    mean, motion = np.asarray([50.0, 50, 90, 52]), np.asarray([150.0, 0, 40, 38])
    assert light_course(mean, motion).tolist() == [0, 0, 40, 2]
    assert light_course(mean, motion * 2).tolist() == [0, 0, 0, 0]


def test_motion_is_the_same_at_any_frame_rate() -> None:
    rows = []
    for fps in (12, 25, 50):
        times = make_times(3, fps)
        timeline = observe(make_frames(lambda t: (0.1 * t, 0, 0), times), times)
        rows.append(MotionSignal().measure(timeline, TimeSpan(0, 3), ()))
    for name in ("motion_mean", "camera_motion_mean"):
        values = [row[name] for row in rows]
        assert max(values) < 1.25 * min(values), name
    assert rows[0]["motion_extreme_share"] == 0


def test_frantic_clips_are_extreme() -> None:
    times = make_times(3, 25)
    fast = observe(make_frames(lambda t: (1.5 * t, 0, 0), times), times)
    assert MotionSignal().measure(fast, TimeSpan(0, 3), ())["motion_extreme_share"] > 0.9
    flood = [make_frames(lambda t: (0, 0, 0), [0.0], seed=at // 3) for at in range(75)]
    row = MotionSignal().measure(observe(np.concatenate(flood), times), TimeSpan(0, 3), ())
    assert row["motion_extreme_share"] > 0.5


def test_bars_are_measured_and_left_out_of_the_light() -> None:
    times = make_times(1, 25)
    luma = make_frames(lambda t: (0.1 * t, 0, 0), times)
    plain = QualitySignal().measure(observe(luma, times), TimeSpan(0, 1), ())
    luma[:, :9] = luma[:, -9:] = 16
    timeline = observe(luma, times)
    borders = BordersSignal().measure(timeline, TimeSpan(0, 1), ())
    assert borders["letterbox_share"] == pytest.approx(0.25, abs=0.03)
    assert borders["pillarbox_share"] == 0
    assert borders["has_borders"]
    barred = QualitySignal().measure(timeline, TimeSpan(0, 1), ())
    assert barred["brightness"] == pytest.approx(plain["brightness"], abs=0.05)


def test_colours_are_named_by_share() -> None:
    times = make_times(1, 25)
    timeline = observe(make_frames(lambda t: (0, 0, 0), times), times)
    pick = make_pick(0.5, (0, 0, 60, 0, 0, 0, 0, 0, 150))
    row = ColoursSignal().measure(timeline, TimeSpan(0, 1), [pick])
    assert row["colour_names"] == ["blue", "white"]
    assert row["colour_shares"] == pytest.approx([150 / 255, 60 / 255])
    assert ColoursSignal().measure(timeline, TimeSpan(0, 1), ())["colour_names"] is None


def test_the_hash_is_that_of_the_middle_pick() -> None:
    times = make_times(1, 25)
    timeline = observe(make_frames(lambda t: (0, 0, 0), times), times)
    picks = [make_pick(0.1, picture_hash=1), make_pick(0.5, picture_hash=255), make_pick(0.9)]
    row = HashSignal().measure(timeline, TimeSpan(0, 1), picks)
    assert row["picture_hash"] == "00000000000000ff"
    assert hash_distance(row["picture_hash"], "0" * 16) == 8


@pytest.mark.parametrize("name", list(registry.COMPONENTS["signal"]))
@pytest.mark.parametrize("count", [1, 2, 30])
def test_every_signal_keeps_its_contract(name: str, count: int) -> None:
    times = make_times(count / 25, 25)
    timeline = observe(make_frames(lambda t: (0.1 * t, 0, 0), times), times)
    signal = registry.create("signal", name)
    assert isinstance(signal, Signal)
    for span in (TimeSpan(0, count / 25), TimeSpan(0, 0), TimeSpan(5, 6)):
        for picks in ((), (make_pick(0.0),)):
            row = signal.measure(timeline, span, picks)
            assert set(row) == set(signal.columns)
            for value in row.values():
                assert not isinstance(value, float) or np.isfinite(value)


def test_audio_says_nothing_without_a_track() -> None:
    times = make_times(1, 25)
    timeline = observe(make_frames(lambda t: (0, 0, 0), times), times)
    row = AudioSignal().measure(timeline, TimeSpan(0, 1), ())
    assert set(row.values()) == {None}


def test_the_sound_of_a_neighbour_is_not_heard() -> None:
    spec = ColumnSpec("uint8", 0.5, -100.0)
    levels = np.full(100, -20.0)
    levels[32:68] = -100.0  # the packet that the cut at frame 30 falls into lasts two frames more
    stored = {"loudness": spec.encode(levels)}
    frames = np.arange(100, dtype=np.int64)
    timeline = Timeline("0" * 32, frames, Fraction(1, 25), 4.0, stored, {"loudness": spec})
    row = AudioSignal().measure(timeline, TimeSpan(30 / 25, 70 / 25), ())
    assert (row["is_silent"], row["loudness_peak"]) == (True, None)
    row = AudioSignal().measure(timeline, TimeSpan(0, 30 / 25), ())
    assert row["loudness_mean"] == pytest.approx(-20)
