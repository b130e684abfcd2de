"""The camera observer measures what the camera really does, at any frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from internvid.core.contracts import Observer
from internvid.scan.observers.camera import CameraObserver
from tests.signals.tracks import make_frames, make_times, observe


# At 5 fps a pan of a width a second leaves too little in common between two frames.
@pytest.mark.parametrize("fps", [5, 10, 24, 29.97, 60])
@pytest.mark.parametrize("speed", [0.02, 0.3, -0.7])
def test_pan_speed_is_measured(fps: float, speed: float) -> None:
    times = make_times(3, fps)
    timeline = observe(make_frames(lambda t: (speed * t, 0, 0), times), times)
    inside = slice(len(times) // 5, -max(1, len(times) // 5))
    assert timeline.column("camera_x")[inside].mean() == pytest.approx(speed, rel=0.06, abs=0.003)
    assert abs(timeline.column("camera_y")[inside].mean()) < 0.01
    assert timeline.column("camera_confidence")[inside].min() > 0.7


@pytest.mark.parametrize("speed", [0.03, -0.4])
def test_tilt_speed_is_measured(speed: float) -> None:
    times = make_times(3, 25)
    timeline = observe(make_frames(lambda t: (0, speed * t, 0), times), times)
    assert timeline.column("camera_y")[5:-5].mean() == pytest.approx(speed, rel=0.06, abs=0.003)


@pytest.mark.parametrize("rate", [0.04, 0.3, -0.2])
def test_zoom_rate_is_measured(rate: float) -> None:
    times = make_times(3, 30)
    timeline = observe(make_frames(lambda t: (0, 0, rate * t), times), times)
    assert timeline.column("camera_zoom")[5:-5].mean() == pytest.approx(rate, rel=0.1, abs=0.004)


def test_a_large_thing_that_moves_does_not_take_the_camera_along() -> None:
    times = make_times(2, 25)
    luma = make_frames(lambda t: (0, 0, 0), times)
    other = make_frames(lambda t: (0, 0, 0), times, seed=5)
    for at, time in enumerate(times):
        left = round(20 + 30 * time)
        luma[at, 15:60, left : left + 45] = other[at, 15:60, 20:65]
    timeline = observe(luma, times)
    assert np.abs(timeline.column("camera_x")).mean() < 0.01
    assert timeline.column("object_motion")[5:].mean() > 5


def test_black_bars_do_not_hold_a_pan_back() -> None:
    times = make_times(2, 25)
    luma = make_frames(lambda t: (0.2 * t, 0, 0), times)
    luma[:, :9] = luma[:, -9:] = 16
    timeline = observe(luma, times)
    assert timeline.column("camera_x")[5:-5].mean() == pytest.approx(0.2, rel=0.05)
    assert np.median(timeline.column("bar_rows")) == pytest.approx(18 / 72, abs=0.02)
    assert timeline.column("bar_columns").max() == 0


def test_a_cut_has_no_velocity_and_no_confidence() -> None:
    times = make_times(2, 25)
    still = make_frames(lambda t: (0, 0, 0), times)
    other = make_frames(lambda t: (0, 0, 0), times, seed=9)
    timeline = observe(np.concatenate([still[:25], other[25:]]), times)
    assert timeline.column("camera_confidence")[24:27].min() == 0
    assert np.abs(timeline.column("camera_x")).max() == 0


def test_a_flash_and_a_fade_are_no_motion() -> None:
    times = make_times(3, 25)
    luma = make_frames(lambda t: (0, 0, 0), times)
    luma *= np.linspace(1, 0.4, len(times), dtype=np.float32)[:, None, None]
    luma[30] = np.minimum(luma[30] + 60, 235)
    timeline = observe(luma, times)
    assert np.abs(timeline.column("camera_x")).mean() < 0.003
    assert np.abs(timeline.column("camera_zoom")).mean() < 0.01


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_batches_do_not_matter(batch: int) -> None:
    times = make_times(1.5, 30)
    luma = make_frames(lambda t: (0.2 * t, 0.05 * t, 0.1 * t), times)
    whole, parts = observe(luma, times, 1000), observe(luma, times, batch)
    for name in CameraObserver.columns:
        assert np.allclose(whole.column(name), parts.column(name), atol=0.02), name


@pytest.mark.parametrize("level", [0.0, 16.0, 128.0, 255.0])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_blank_pictures_give_zeros(level: float, count: int) -> None:
    times = make_times(count / 25, 25)
    timeline = observe(np.full((count, 72, 128), level, np.float32), times)
    for name in ("camera_x", "camera_y", "camera_zoom", "object_motion"):
        assert np.abs(timeline.column(name)).max() == 0, name


def test_noise_is_finite_and_goes_nowhere() -> None:
    random = np.random.default_rng(3)
    times = make_times(2, 25)
    timeline = observe((random.random((50, 72, 128)) * 255).astype(np.float32), times)
    assert timeline.column("camera_confidence").mean() < 0.3


def test_uneven_and_repeated_times_are_taken() -> None:
    random = np.random.default_rng(3)
    times = np.sort(random.random(60) * 3).tolist()
    times[20:24] = [times[20]] * 4
    timeline = observe(make_frames(lambda t: (0.3 * t, 0, 0), times), times)
    assert timeline.column("camera_x")[10:-10].mean() == pytest.approx(0.3, rel=0.25)


def test_repeated_frames_do_not_change_the_speed() -> None:
    times = make_times(3, 60)
    luma = make_frames(lambda t: (0.2 * int(t * 30 + 1e-6) / 30, 0, 0), times)
    timeline = observe(luma, times)
    assert timeline.column("camera_x")[10:-10].mean() == pytest.approx(0.2, rel=0.1)


def test_it_is_an_observer_of_eight_bytes() -> None:
    assert isinstance(CameraObserver(), Observer)
    assert sum(np.dtype(spec.dtype).itemsize for spec in CameraObserver.columns.values()) == 8
