"""A camera at rest stays one, whatever passes or sways before it; what is unsure is not named."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from internvid.core.types import Timeline, TimeSpan
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.signals.camera import CameraSignal
from tests.signals.tracks import COLUMNS, ROWS, Float, make_texture, make_times, observe, view

TIMES = make_times(4, 12.5)
Draw = Callable[[float], Float]
BACK, INSIDE = make_texture(1), make_texture(2)


def car(width: float, height: float, speed: float, backdrop: Float | None = None) -> Draw:
    """A body of its own texture passes from left to right before a fixed view."""

    def draw(time: float) -> Float:
        picture = view(BACK, 0, 0, 0) if backdrop is None else backdrop.copy()
        left = speed * time - width
        rows = slice(int(ROWS * (0.6 - height / 2)), int(ROWS * (0.6 + height / 2)))
        columns = slice(max(0, round(COLUMNS * left)), max(0, round(COLUMNS * (left + width))))
        picture[rows, columns] = view(INSIDE, -left, 0, 0)[rows, columns]
        return picture

    return draw


def wheat(border: float, speed: float, sway: float) -> Draw:
    """All but a border moves as one: waves that run, or stalks that swing."""
    rows, columns = round(ROWS * border), round(COLUMNS * border)
    inner = np.s_[rows : ROWS - rows, columns : COLUMNS - columns]

    def draw(time: float) -> Float:
        picture = view(BACK, 0, 0, 0)
        way = speed * time + sway * np.sin(np.pi * time)
        picture[inner] = view(INSIDE, way, 0, 0)[inner]
        return picture

    return draw


def pan(speed: float, *fixed: tuple[slice, slice]) -> Draw:
    """A camera that pans, with parts of the picture laid over it that stay."""

    def draw(time: float) -> Float:
        picture = view(BACK, speed * time, 0, 0)
        for part in fixed:
            picture[part] = view(INSIDE, 0, 0, 0)[part]
        return picture

    return draw


def camera_of(draw: Draw) -> dict[str, object]:
    noise = np.random.default_rng(0)
    frames = [draw(time) + noise.normal(0, 1, (ROWS, COLUMNS)) for time in TIMES]
    timeline = observe(np.stack(frames).astype(np.float32), TIMES)
    return CameraSignal().measure(timeline, TimeSpan(0, timeline.duration_seconds), ())


ROAD = np.full((ROWS, COLUMNS), 130, np.float32)
ROAD[:20], ROAD[40:] = 190, 80


@pytest.mark.parametrize(
    "draw",
    [
        car(0.3, 0.3, 0.3), car(0.5, 0.5, 0.4), car(0.8, 0.6, 0.4), car(1.2, 0.8, 0.5),
        car(0.2, 0.2, 0.25, ROAD), car(0.3, 0.3, 0.5, ROAD), car(0.5, 0.4, 0.5, ROAD),
        wheat(0.08, 0.05, 0), wheat(0.08, 0.4, 0), wheat(0.08, 0, 0.05), wheat(0.12, 0.15, 0),
        wheat(0.12, 0.4, 0), wheat(0.12, 0.03, 0.03), wheat(0.2, 0.15, 0), wheat(0.2, 0, 0.05),
        wheat(0.3, 0.4, 0),
    ],
)  # fmt: skip
def test_what_moves_before_a_fixed_camera_is_no_move_of_it(draw: Draw) -> None:
    assert camera_of(draw)["camera_move"] in ("static", None)


@pytest.mark.parametrize(
    "fixed",
    [
        (),
        ((slice(4, 14), slice(104, 124)),),  # a station's logo
        ((slice(16, 64), slice(44, 84)),),  # a body that the camera follows
    ],
)
@pytest.mark.parametrize("speed", [0.03, 0.15, 0.4])
def test_a_pan_stays_one_under_what_is_laid_over_it(
    speed: float, fixed: tuple[tuple[slice, slice], ...]
) -> None:
    row = camera_of(pan(speed, *fixed))
    assert (row["camera_move"], row["camera_direction"]) == ("pan", "right")


def test_what_is_unsure_is_not_named() -> None:
    """Half of the clip pans, the other half stands: neither word is true of it."""
    texture = make_texture(3)
    frames = np.stack([view(texture, 0.2 * max(0.0, time - 2), 0, 0) for time in TIMES])
    timeline = observe(frames, TIMES)
    span = TimeSpan(0, timeline.duration_seconds)
    row = CameraSignal().measure(timeline, span, ())
    sure = row.pop("camera_confidence")
    assert sure < 0.5
    assert set(row.values()) == {None}
    named = CameraSignal(least_sure=0.0).measure(timeline, span, ())
    assert named["camera_move"] == "pan"
    assert named["camera_confidence"] == sure


def test_timelines_of_earlier_scans_are_read() -> None:
    frames = np.stack([pan(0.15)(time) for time in TIMES])
    whole = observe(frames, TIMES)
    stored = {name: column for name, column in whole.stored.items() if name != "camera_rim"}
    old = Timeline(whole.video_id, whole.pts, whole.time_base, whole.duration_seconds, stored,
                   whole.specs)  # fmt: skip
    span = TimeSpan(0, whole.duration_seconds)
    assert CameraSignal().measure(old, span, ())["camera_move"] == "pan"


@pytest.mark.parametrize(
    ("draw", "moves"), [(car(0.8, 0.6, 0.4), ("static", None)), (pan(0.15), ("pan",))]
)
def test_through_an_encoder(draw: Draw, moves: tuple[str | None, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25, 2))
        stream.width, stream.height, stream.pix_fmt = 4 * COLUMNS, 4 * ROWS, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for time in TIMES:
            grey = np.clip(np.rint(draw(time)), 0, 255).astype(np.uint8)
            frame = VideoFrame.from_ndarray(grey.repeat(4, 0).repeat(4, 1), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    result = scan_video(path, ScanRecipe(observers=("luma", "camera"), audio=False))
    span = TimeSpan(0, result.timeline.duration_seconds)
    assert CameraSignal().measure(result.timeline, span, ())["camera_move"] in moves
