"""The default detector finds what was put in, and only that."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import Shot, Timeline
from internvid.evaluation.benchmarks.shot_metrics import Mark, score_boundaries
from internvid.scan.transitions.observer import TransitionObserver
from internvid.shots.default import Boundary, DefaultDetector

Array = npt.NDArray[np.float32]
Clip = npt.NDArray[np.float32]
FPS = 25


@dataclass
class Batch:
    luma: Array
    u: Array
    v: Array
    pts_seconds: npt.NDArray[np.float64]

    @property
    def luma_half(self) -> Array:
        return halve(self.luma)

    @property
    def u_half(self) -> Array:
        return halve(self.u)

    @property
    def v_half(self) -> Array:
        return halve(self.v)


def halve(planes: Array) -> Array:
    return planes.reshape(len(planes), 36, 2, 64, 2).mean(axis=(2, 4), dtype=np.float32)


def draw_scene(seed: int, rows: int = 108, columns: int = 256) -> Array:
    """A wide picture [3, rows, columns] of soft patches with some detail, 16 to 235."""
    random = np.random.default_rng(seed)
    planes = np.stack(
        [
            np.full((rows, columns), level)
            for level in (random.uniform(70, 170), *random.uniform(105, 150, 2))
        ]
    )
    for size, strength in ((3, 34.0), (6, 24.0), (12, 16.0), (36, 9.0)):
        cells = (
            random.normal(size=(3, size, size * 2))
            * np.array([strength, strength / 4, strength / 4])[:, None, None]
        )
        y, x = np.linspace(0, size - 1.01, rows), np.linspace(0, 2 * size - 1.01, columns)
        low_y, low_x = y.astype(int), x.astype(int)
        part_y, part_x = (y - low_y)[:, None], x - low_x
        corner = [
            cells[:, np.minimum(low_y + a, size - 1)[:, None], np.minimum(low_x + b, 2 * size - 1)]
            for a in (0, 1)
            for b in (0, 1)
        ]
        planes = planes + (corner[0] * (1 - part_y) + corner[2] * part_y) * (1 - part_x)
        planes = planes + (corner[1] * (1 - part_y) + corner[3] * part_y) * part_x
    return np.clip(planes, 16, 235).astype(np.float32)


def film(seed: int, frames: int, pixels_a_frame: float = 0.5) -> Clip:
    """A slow pan over a drawn scene, [T, 3, 72, 128], with a little grain."""
    scene = draw_scene(seed)
    random = np.random.default_rng(seed + 1000)
    starts = np.clip(np.arange(frames) * pixels_a_frame, 0, 127).astype(int)
    clip = np.stack([scene[:, 18:90, start : start + 128] for start in starts])
    return (clip + random.normal(0, 1.0, clip.shape)).astype(np.float32)


def scan(
    clip: Clip, seconds: npt.NDArray[np.float64] | None = None, batch_frames: int = 50
) -> Timeline:
    times = np.arange(len(clip)) / FPS if seconds is None else seconds
    clip = np.clip(np.rint(clip), 0, 255).astype(np.float32)
    observer = TransitionObserver()
    for k in range(0, len(clip), batch_frames):
        part = clip[k : k + batch_frames]
        observer.observe(Batch(part[:, 0], part[:, 1], part[:, 2], times[k : k + batch_frames]))
    stored = {
        name: observer.columns[name].encode(values) for name, values in observer.finish().items()
    }
    pts = np.rint(np.nan_to_num(times) * 90000).astype(np.int64)
    end = float(times[-1]) + 1 / FPS if len(times) else 0.0
    return Timeline("", pts, Fraction(1, 90000), end, stored, TransitionObserver.columns)


def detect(clip: Clip, seconds: npt.NDArray[np.float64] | None = None) -> list[Shot]:
    return DefaultDetector().detect(scan(clip, seconds))


def join(one: Clip, other: Clip, weights: npt.NDArray[np.float64]) -> Clip:
    """`one`, then a mix by weights [n] or [n, 72, 128], then `other`."""
    n = len(weights)
    part = weights.reshape(n, 1, *(weights.shape[1:] or (1, 1)))
    mixed = one[-n:] * (1 - part) + other[:n] * part
    return np.concatenate([one[:-n], mixed, other[n:]]).astype(np.float32)


def test_hard_cut_begins_at_the_first_frame_of_the_new_shot() -> None:
    shots = detect(np.concatenate([film(1, 60), film(2, 60), film(3, 50)]))
    assert [s.transition for s in shots] == ["start", "cut", "cut"]
    assert [s.span.start_seconds for s in shots] == pytest.approx([0, 60 / FPS, 120 / FPS])


def test_shots_tile_the_video() -> None:
    shots = detect(np.concatenate([film(1, 60), film(2, 60)]))
    assert shots[0].span.start_seconds == 0
    assert shots[-1].span.end_seconds == pytest.approx(120 / FPS)
    assert all(a.span.end_seconds == b.span.start_seconds for a, b in pairwise(shots))


@pytest.mark.parametrize("frames", [6, 12, 25, 40])
def test_dissolve_is_one_boundary_inside_it(frames: int) -> None:
    clip = join(film(4, 80), film(5, 80), np.arange(1, frames + 1) / (frames + 1))
    shots = detect(clip)
    assert [s.transition for s in shots] == ["start", "dissolve"]
    begin = (80 - frames) / FPS
    assert begin - 0.05 <= shots[1].span.start_seconds <= begin + frames / FPS + 0.05
    assert 0.3 < shots[1].transition_seconds / ((frames + 1) / FPS) < 2.2


def test_wipe_is_one_boundary_inside_it() -> None:
    edges = np.linspace(0, 128, 20)[:, None, None]
    weights = np.broadcast_to(np.arange(128)[None, None, :] < edges, (20, 72, 128)).astype(
        np.float64
    )
    shots = detect(join(film(6, 70), film(7, 70), weights))
    assert [s.transition for s in shots] == ["start", "wipe"]
    assert 50 / FPS <= shots[1].span.start_seconds <= 70 / FPS


def test_push_is_one_boundary_inside_it() -> None:
    one, other = film(60, 90, 0.1), film(61, 90, 0.1)
    pushed = []
    for k in range(1, 16):
        strip = np.concatenate([one[60 + k], other[k]], axis=2)
        pushed.append(strip[:, :, 8 * k : 8 * k + 128])
    shots = detect(np.concatenate([one[:60], np.stack(pushed), other[15:]]))
    assert len(shots) == 2
    assert 60 / FPS <= shots[1].span.start_seconds <= 75 / FPS


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_cut_with_one_mixed_frame_is_one_boundary(share: float) -> None:
    clip = join(film(62, 60), film(63, 60), np.array([share]))
    starts = [s.span.start_seconds for s in detect(clip)]
    assert starts == pytest.approx([0, 60 / FPS], abs=0.06)


def test_cut_beside_a_still_graphic_is_found() -> None:
    clip = np.concatenate([film(64, 60), film(65, 60)])
    clip[:, :, :, :40] = film(66, 1)[:, :, :, :40]
    clip[:, :, 54:] = film(66, 1)[:, :, 54:]
    assert [s.span.start_seconds for s in detect(clip)] == pytest.approx([0, 60 / FPS])


def fade(clip: Clip, strengths: npt.NDArray[np.float64]) -> Clip:
    black = np.array([16, 128, 128], np.float32)[None, :, None, None]
    return (black + (clip - black) * strengths[:, None, None, None]).astype(np.float32)


def test_fade_through_black_is_one_boundary_in_the_middle_of_the_black() -> None:
    down = np.concatenate([np.ones(50), np.linspace(1, 0, 15), np.zeros(3)])
    clip = np.concatenate([fade(film(8, 68), down), fade(film(9, 68), down[::-1])])
    shots = detect(clip)
    assert [s.transition for s in shots] == ["start", "fade"]
    assert shots[1].span.start_seconds == pytest.approx(68 / FPS, abs=0.12)
    assert shots[1].transition_seconds == pytest.approx(36 / FPS, rel=0.5)


def test_fades_that_open_and_end_the_video_are_no_boundaries() -> None:
    strengths = np.concatenate(
        [np.zeros(5), np.linspace(0, 1, 20), np.ones(60), np.linspace(1, 0, 20), np.zeros(5)]
    )
    assert len(detect(fade(film(10, len(strengths), 0.3), strengths))) == 1


@pytest.mark.parametrize("flash_frames", [1, 2, 3])
def test_flash_is_no_boundary(flash_frames: int) -> None:
    clip = film(11, 100)
    clip[50 : 50 + flash_frames, 0] = 0.25 * clip[50 : 50 + flash_frames, 0] + 170
    assert len(detect(clip)) == 1


def test_still_picture_with_noise_is_one_shot() -> None:
    random = np.random.default_rng(0)
    clip = film(12, 1).repeat(100, axis=0) + random.normal(0, 6, (100, 3, 72, 128))
    assert len(detect(clip.astype(np.float32))) == 1


def test_fast_pan_is_one_shot() -> None:
    scene = draw_scene(13, columns=512)
    starts = np.concatenate([np.zeros(30), np.linspace(0, 380, 32), np.full(30, 380)]).astype(int)
    assert len(detect(np.stack([scene[:, 18:90, s : s + 128] for s in starts]))) == 1


def test_title_over_a_shot_is_no_boundary() -> None:
    clip = film(14, 100)
    clip[40:80, 0, 52:64, 20:100:2] = 235
    assert len(detect(clip)) == 1


def test_dark_scenes_with_little_contrast_are_cut() -> None:
    dark = np.concatenate([film(15, 50), film(16, 50)])
    dark[:, 0] = 16 + (dark[:, 0] - 16) * 0.3
    assert [s.span.start_seconds for s in detect(dark)] == pytest.approx([0, 50 / FPS])


def test_run_of_quarter_second_shots_is_cut_at_each() -> None:
    clip = np.concatenate([film(40, 50), *(film(41 + k, 7) for k in range(5)), film(47, 50)])
    starts = [s.span.start_seconds for s in detect(clip)]
    assert starts == pytest.approx([0, *((50 + 7 * k) / FPS for k in range(6))])


def test_cut_that_changes_only_colours_is_found() -> None:
    clip = film(50, 100)
    clip[50:, 1:] = 256 - clip[50:, 1:] + np.array([30, -35], np.float32)[None, :, None, None]
    assert [s.span.start_seconds for s in detect(clip)] == pytest.approx([0, 50 / FPS])


def test_result_does_not_depend_on_batches() -> None:
    clip = join(np.concatenate([film(17, 90), film(18, 90)]), film(19, 90), np.arange(1, 13) / 13)
    one, other = scan(clip, batch_frames=300), scan(clip, batch_frames=7)
    assert all(np.array_equal(one.stored[name], other.stored[name]) for name in one.stored)


def test_every_second_frame_still_shows_the_cut() -> None:
    clip = np.concatenate([film(20, 60), film(21, 60)])
    starts = [s.span.start_seconds for s in detect(clip[::2], np.arange(0, 120, 2) / FPS)]
    assert starts == pytest.approx([0, 60 / FPS], abs=0.05)


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_very_short_videos_are_one_shot(frames: int) -> None:
    shots = detect(film(22, frames))
    assert len(shots) == 1
    assert shots[0].transition == "start"


def test_no_frames_no_shots() -> None:
    assert detect(np.zeros((0, 3, 72, 128), np.float32)) == []


@pytest.mark.parametrize("fps", [1.0, 240.0, 1000.0])
def test_any_frame_rate_is_read(fps: float) -> None:
    clip = np.concatenate([film(23, 40, 0.05), film(24, 40, 0.05)])
    shots = detect(clip, np.arange(80) / fps)
    assert [s.transition for s in shots] == ["start", "cut"]
    assert shots[1].span.start_seconds == pytest.approx(40 / fps)


def test_strange_times_and_black_pictures_do_not_break_it() -> None:
    black = np.full((60, 3, 72, 128), 16, np.float32)
    assert len(detect(black)) == 1
    assert len(detect(film(25, 60), np.zeros(60))) == 1
    times = np.arange(60) / FPS
    times[20:25] = np.nan
    assert all(np.isfinite(v).all() for v in scan(film(26, 60), times).stored.values())


def test_window_of_a_fast_video_stays_bounded() -> None:
    observer = TransitionObserver()
    piece = film(27, 64)
    for k in range(60):
        observer.observe(
            Batch(piece[:, 0], piece[:, 1], piece[:, 2], (np.arange(64) + 64 * k) / 1000)
        )
        held = observer._window
        assert held.luma.nbytes + held.thumbs.nbytes < 12 * 2**20


def test_higher_threshold_gives_no_more_shots() -> None:
    timeline = scan(
        join(np.concatenate([film(28, 60), film(29, 60)]), film(30, 60), np.arange(1, 5) / 5)
    )
    counts = [len(DefaultDetector(t, t).detect(timeline)) for t in (0.05, 0.3, 0.6, 0.95, 1.0)]
    assert counts == sorted(counts, reverse=True)


def test_impossible_thresholds_are_refused() -> None:
    with pytest.raises(ConfigInvalidError):
        DefaultDetector(cut_threshold=0.0)
    with pytest.raises(ConfigInvalidError):
        DefaultDetector(shortest_seconds=-1.0)


def test_scoring_follows_the_rules() -> None:
    marks = [
        Mark("cut", 1.0, 1.0),
        Mark("dissolve", 2.0, 3.0),
        Mark("fade_in", 5.0, 6.0),
        Mark("distractor", 7.0, 7.5),
    ]
    counts = score_boundaries([1.1, 2.2, 2.8, 5.5, 7.2, 9.0], marks)
    assert (counts.found, counts.false, counts.missed) == (2, 3, 0)
    assert score_boundaries([1.13], marks).missed == 2
    assert score_boundaries([1.05, 1.08], [Mark("cut", 1.0, 1.0), Mark("cut", 1.1, 1.1)]).found == 2
    assert score_boundaries([], []).f1 == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5), st.integers(0, 60)), max_size=60),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_the_strongest_of_close_boundaries_are_chosen(
    found: list[tuple[int, int, int]], shortest_seconds: float
) -> None:
    boundaries = [
        Boundary(at / 20, "dissolve" if length else "cut", score / 5, length / 20)
        for at, score, length in found
    ]
    detector = DefaultDetector(shortest_seconds=shortest_seconds)
    kept: list[Boundary] = []
    for one in sorted(boundaries, key=lambda b: (-b.score, b.seconds)):
        if all(detector._are_apart(one, other) for other in kept):
            kept.append(one)
    assert detector._choose(boundaries) == sorted(kept, key=lambda b: b.seconds)
