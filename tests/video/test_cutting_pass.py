"""Clips of a source are decoded in one pass, with little memory and exact colours."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame

from internvid.video import decode
from internvid.video import reader as reading
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_edges import Bars
from internvid.video.cutting.cut_picture import ClipPainter
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_planes import plane_of
from internvid.video.decode import open_video
from internvid.video.display.orientation import Orientation
from internvid.video.probe import VideoFacts
from internvid.video.reader import FrameSpan, SpanReader
from internvid.video.timing.clock import FrameClock
from tests.numbered import Numbered, number_of, write_numbered
from tests.video.test_cutting import decoded

TICK = 512


def span_of(first: int, stop: int) -> FrameSpan:
    return FrameSpan(first * TICK, stop * TICK, first, stop, True)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = Numbered(frames=250, cuts=(), gop=250, options={"x264-params": "open-gop=1"})
    return write_numbered(tmp_path_factory.mktemp("pass") / "n.mp4", how)


def test_clips_in_order_are_decoded_once(numbered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two clips does not begin at a key frame again, and is the same file."""
    opened: list[int] = []
    seek = reading.seek_before
    monkeypatch.setattr(
        reading, "seek_before", lambda video, pts: opened.append(pts) or seek(video, pts)
    )
    reader = SpanReader(numbered)
    edges = (0, 40, 40, 90, 120, 200, 30, 60)
    spans = [span_of(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    together = [cut_clip(reader, span, CutPlan()).windows[0].data for span in spans]
    assert opened == [0, 30 * TICK]  # the last lies before the one before it
    for data, span in zip(together, spans, strict=True):
        shown = [number_of(image) for image in decoded(data)[1]]
        assert shown == list(range(span.first or 0, span.stop or 0))
        (alone,) = cut_clip(SpanReader(numbered), span, CutPlan()).windows
        assert alone.data == data


def test_a_clip_that_fails_leaves_nothing_behind_for_the_next(numbered: Path) -> None:
    reader = SpanReader(numbered)
    cut_clip(reader, span_of(0, 20), CutPlan())

    def stop_early(_opened: object, frames: object) -> None:
        next(frames)  # type: ignore[call-overload]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reader.read(span_of(20, 60), stop_early)
    (window,) = cut_clip(reader, span_of(40, 60), CutPlan()).windows
    assert [number_of(image) for image in decoded(window.data)[1]] == list(range(40, 60))


def test_pictures_that_were_read_are_let_go_of(numbered: Path) -> None:
    """Not only when the collector of circles comes by, which is hundreds of pictures later."""
    gc.collect()
    gc.disable()
    try:
        most = 0
        with open_video(numbered) as opened:
            for at, _item in enumerate(opened.read()):
                if at % 50 == 49:
                    # Not by isinstance, which wakes what other packages hide behind a warning.
                    alive = sum(type(each) is VideoFrame for each in gc.get_objects())
                    most = max(most, alive)
        assert 0 < most < 10
    finally:
        gc.enable()


# --- colours ---------------------------------------------------------------------------------

WEIGHTS = {"bt709": (1, 0.2126, 0.0722), "bt601": (5, 0.299, 0.114), "none": (2, 0.299, 0.114),
           "bt2020": (9, 0.2627, 0.0593)}  # fmt: skip
Planes = list[npt.NDArray[np.float64]]


def planes(frame: VideoFrame) -> Planes:
    return [plane_of(each, each.width, each.height).astype(np.float64) for each in frame.planes]


def gradient(width: int, height: int, *, full: bool) -> VideoFrame:
    """Smooth colours, none so strong that red, green or blue would be cut off."""
    frame = VideoFrame(width, height, "yuv420p")
    least, most = (0, 255) if full else (16, 235)
    for at, plane in enumerate(frame.planes):
        rows, columns = np.mgrid[: plane.height, : plane.width]
        slope = (rows / plane.height, columns / plane.width, 1 - rows / plane.height)[at]
        spread = (most - least) * 0.6 if at == 0 else 60
        middle = (most + least) / 2 if at == 0 else 128
        plane_of(plane, plane.width, plane.height)[...] = np.rint(middle + spread * (slope - 0.5))
    frame.color_range = 2 if full else 1
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


def as_bt709(frame: VideoFrame, red: float, blue: float, *, full: bool) -> Planes:
    """The same colours, reckoned in numbers that are not rounded."""
    luma, *chroma = planes(frame)
    levels, depth = (255, 255) if full else (219, 224)
    bright = (luma - (0 if full else 16)) / levels
    u, v = ((each - 128) / depth for each in chroma)
    r, b = 2 * (1 - red) * v, 2 * (1 - blue) * u
    g = -(red * r + blue * b) / (1 - red - blue)
    more = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return [
        (bright + more.repeat(2, 0).repeat(2, 1)) * 219 + 16,
        (b - more) / 1.8556 * 224 + 128,
        (r - more) / 1.5748 * 224 + 128,
    ]


def facts_of(frame: VideoFrame) -> VideoFacts:
    size = frame.width, frame.height
    one, tick = Fraction(1), Fraction(1, 25)
    return VideoFacts("mov", "h264", "yuv420p", *size, 0, one, 25.0, None, tick, False, 0)


@pytest.mark.parametrize("full", [False, True], ids=["narrow", "full"])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_colours_are_written_as_bt709_and_rounded_once(matrix: str, full: bool) -> None:
    number, red, blue = WEIGHTS[matrix]
    frame = gradient(96, 64, full=full)
    frame.colorspace, frame.pict_type = number, 1
    wanted = as_bt709(frame, red, blue, full=full)
    painter = ClipPainter(facts_of(frame), CutPlan(size=""), Bars())
    painter.begin(frame)
    made = painter.paint(frame)
    assert (made.colorspace, made.color_range) == (1, 1)
    assert made.pict_type == 0
    for have, want in zip(planes(made), wanted, strict=True):
        assert np.abs(have - want).max() < 0.75


@pytest.mark.parametrize("size", [(854, 480), (853, 480), (96, 64), (100, 66), (1366, 768)])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_planes_lie_where_the_painted_picture_has_them(
    size: tuple[int, int], degrees: int, mirrored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also turned and cut down, with sides that encoders and converters like less."""
    frame = gradient(*size, full=False)
    frame.colorspace = 5
    how = Orientation(degrees, mirrored)
    for name in ("internvid.video.display.picture", "internvid.video.cutting.cut_picture"):
        monkeypatch.setattr(f"{name}.orientation_of", lambda _frame: how)
    painter = ClipPainter(facts_of(frame), CutPlan(size="300", multiple=16), Bars())
    painter.begin(frame)
    by_planes, over_rgb = painter.paint(frame), painter._over_rgb(frame)
    assert (by_planes.width, by_planes.height) == painter.size
    for have, want in zip(planes(by_planes), planes(over_rgb), strict=True):
        assert np.abs(have - want).max() < 5
        assert np.abs(have - want).mean() < 1.5


def test_av_takes_planes_that_were_cut(numbered: Path) -> None:
    """Of a part whose rows are longer than the picture."""
    (window,) = cut_clip(SpanReader(numbered), span_of(0, 9), CutPlan(size="64x96")).windows
    with av.open(str(numbered)) as source:
        wanted = next(iter(source.decode(video=0))).to_ndarray(format="gray")[:, 32:96]
    _, images = decoded(window.data)
    assert images[0].shape == (96, 64, 3)
    assert np.abs(images[0].mean(axis=2) - wanted).mean() < 25


@pytest.mark.parametrize("windows", ["whole", "slide"])
def test_frames_that_no_window_shows_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: str
) -> None:
    """And the files are those that one gets with all frames decoded."""
    how = Numbered(frames=250, cuts=(), gop=120, options={"bf": "3", "b_strategy": "0"})
    path = write_numbered(tmp_path / "n.mp4", how)
    plan = CutPlan(fps=7, maximum_frames=9 if windows == "slide" else None, windows=windows)
    spans = [span_of(*pair) for pair in ((3, 41), (41, 100), (130, 250))]
    decoded_frames: list[int] = []
    show = FrameClock.show

    def counting(clock: FrameClock, frame: VideoFrame) -> list[tuple[VideoFrame, int]]:
        decoded_frames.append(frame.pts or 0)
        return show(clock, frame)

    monkeypatch.setattr(FrameClock, "show", counting)
    reader = SpanReader(path)
    sparing = [[each.data for each in cut_clip(reader, span, plan).windows] for span in spans]
    fewer = len(decoded_frames)
    decoded_frames.clear()
    monkeypatch.setattr(decode, "_LEAVES_OUT", frozenset())
    reader = SpanReader(path)
    whole = [[each.data for each in cut_clip(reader, span, plan).windows] for span in spans]
    assert sparing == whole
    assert sum(map(len, whole)) >= len(spans)
    assert fewer < 0.8 * len(decoded_frames)
