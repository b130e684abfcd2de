"""Samples of frames: the same places whatever the size, the format and the turn."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from internvid.video import planes
from internvid.video.display.orientation import Orientation
from internvid.video.planes import (
    GRID_HEIGHT,
    GRID_WIDTH,
    PlaneBatch,
    PlaneSampler,
    mean_levels,
)

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"]
SIZES = [(640, 360), (426, 240), (640, 272), (854, 480), (1920, 1080), (30, 20)]
# Share of a side by which the grid may lie aside, so that its step is a whole number of pixels.
ASIDE = 0.03


def fill(width: int, height: int, name: str, luma: np.ndarray, chroma: np.ndarray) -> VideoFrame:
    """A frame of levels [H, W]; U is `chroma`, V is 255 less that."""
    frame = VideoFrame(width, height, name)
    deep = "10" in name
    for plane, levels in zip(frame.planes, (luma, chroma, 255 - chroma), strict=True):
        down, across = height / plane.height, width / plane.width
        rows = (np.arange(plane.height) * down).astype(int)
        columns = (np.arange(plane.width) * across).astype(int)
        room = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8)
        room = room.reshape(plane.height, -1)[:, : plane.width]
        room[...] = levels[rows][:, columns] * (4 if deep else 1)
    return frame


def sample(frame: VideoFrame) -> PlaneBatch:
    sampler = PlaneSampler()
    sampler.add(frame, 0.0)
    batch = sampler.take()
    assert batch is not None
    return batch


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_samples_lie_where_the_grid_says(width: int, height: int, name: str) -> None:
    down, across = np.indices((height, width))
    luma, chroma = 20 + 200 * (across + 0.5) / width, 20 + 200 * (down + 0.5) / height
    batch = sample(fill(width, height, name, luma, chroma))
    columns = 20 + 200 * (np.arange(GRID_WIDTH) + 0.5) / GRID_WIDTH
    rows = 20 + 200 * (np.arange(GRID_HEIGHT) + 0.5) / GRID_HEIGHT
    # One pixel of luma, two of chroma, and what the grid may lie aside.
    assert np.abs(batch.luma[0] - columns).max() <= 200 * (1 / width + ASIDE / 2) + 1
    assert np.abs(batch.u[0] - rows[:, None]).max() <= 200 * (2 / height + ASIDE / 2) + 1
    assert np.abs(batch.u.astype(int) + batch.v - 255).max() <= 1


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_noise_from_pixel_to_pixel_is_averaged(width: int, height: int, name: str) -> None:
    down, across = np.indices((height, width))
    luma = 100 + 10 * (down % 2) + 31 * (across % 2)
    batch = sample(fill(width, height, name, luma, np.full((height, width), 128)))
    assert np.abs(batch.luma - 120.5).max() <= 0.25
    assert set(np.unique(batch.u)) == {128}


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_samples_turn_with_the_picture(
    turns: int, is_mirrored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    width, height = (360, 640) if turns % 2 else (640, 360)
    down, across = np.indices((height, width))
    luma = np.round(20 + 150 * (across + 0.5) / width + 60 * (down + 0.5) / height)
    chroma = np.round(20 + 60 * (across + 0.5) / width + 150 * (down + 0.5) / height)
    shown = [plane[:, ::-1] if is_mirrored else plane for plane in (luma, chroma)]
    upright = fill(640, 360, "yuv444p", *(np.rot90(plane, turns) for plane in shown))
    straight = sample(upright)
    way = Orientation(90 * turns, is_mirrored)
    monkeypatch.setattr(planes, "orientation_of", lambda _frame: way)
    turned = sample(fill(width, height, "yuv444p", luma, chroma))
    assert np.abs(turned.luma - straight.luma).max() <= 1.5
    assert np.abs(turned.u.astype(int) - straight.u).max() <= 2


def test_a_batch_has_room_for_what_it_says() -> None:
    grey = np.full((48, 64), 90)
    frame = fill(64, 48, "yuv420p", grey, grey)
    sampler = PlaneSampler(batch_frames=3)
    for seconds in (0.0, 0.5, 1.0):
        assert sampler.room
        sampler.add(frame, seconds)
    assert not sampler.room
    assert set(np.unique(sampler.latest(2))) == {4 * 90}
    batch = sampler.take()
    assert batch is not None
    assert batch.pts_seconds.tolist() == [0.0, 0.5, 1.0]
    assert sampler.take() is None
    assert sampler.room == 3


def test_means_of_sampled_levels_have_no_rounding_error() -> None:
    cells = GRID_HEIGHT * GRID_WIDTH // 4
    levels = np.random.default_rng(0).integers(0, 16 * 255 + 1, (5, cells)) / 16
    levels[0] = 255
    exact = levels.sum(axis=1) / cells
    assert (mean_levels(levels.astype(np.float32)) == exact.astype(np.float32)).all()
