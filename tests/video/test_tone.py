"""High dynamic range comes out as the picture that it codes, and says what it was."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from internvid.dataset.parts import rows_to_table
from internvid.dataset.tables import VIDEO_SCHEMA
from internvid.pipeline.scanning import _facts_row
from internvid.scan.picks import StoredPick
from internvid.scan.scan import ScanRecipe, ScanResult, scan_video
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.display.tone import to_standard
from internvid.video.reader import FrameSpan, SpanReader

Array = npt.NDArray[np.float64]
WIDE = np.asarray([[0.627404, 0.329283, 0.043313], [0.069097, 0.919540, 0.011362],
                   [0.016391, 0.088013, 0.895595]])  # fmt: skip
FORMATS = {
    "libx265": ("yuv420p10le", {"x265-params": "log-level=none", "crf": "8"}),
    "libx264": ("yuv420p10le", {"crf": "8"}),
    "ffv1": ("gbrp10le", {}),
    "libvpx-vp9": ("yuv420p", {"crf": "8", "deadline": "realtime", "cpu-used": "8"}),
}


def scene() -> Array:
    """Colours of BT.709 [64, 96, 3], 0 to 1, none above two thirds: below where light is bent."""
    picture = np.empty((64, 96, 3))
    colours = ((0.6, 0.1, 0.1), (0.1, 0.5, 0.1), (0.1, 0.1, 0.6),
               (0.65, 0.65, 0.65), (0.4, 0.4, 0.4), (0.6, 0.5, 0.2))  # fmt: skip
    for at, colour in enumerate(colours):
        row, column = divmod(at, 3)
        picture[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = colour
    return picture


def pq(nits: Array) -> Array:
    """ST 2084."""
    power = (nits / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(nits: Array) -> Array:
    """BT.2100, for a display of 1000 cd/m^2."""
    shown = nits / 1000
    luminance = shown @ [0.2627, 0.6780, 0.0593]
    light = shown * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    high = a * np.log(np.maximum(12 * light - b, 1e-9)) + c
    return np.where(light <= 1 / 12, np.sqrt(3 * light), high)


def write(path: Path, signal: Array, codec: str, tags: tuple[int, int, int]) -> Path:
    """Ten frames of non-linear red, green, blue, tagged with (transfer, primaries, matrix)."""
    pixel_format, options = FORMATS[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width = signal.shape[:2]
        stream.pix_fmt, stream.options = pixel_format, options
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = tags
        context.color_range = 1
        deep = np.rint(signal * 65535).astype(np.uint16)
        for _ in range(10):
            frame = VideoFrame.from_ndarray(deep, format="rgb48le").reformat(
                format=pixel_format, dst_colorspace=tags[2], threads=1
            )
            frame.colorspace = tags[2]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def scanned(path: Path) -> tuple[ScanResult, npt.NDArray[np.int64]]:
    kept: list[StoredPick] = []
    result = scan_video(path, ScanRecipe(observers=("luma",), audio=False), kept.append)
    return result, np.asarray(Image.open(io.BytesIO(kept[0].jpeg)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("kind", "codec", "suffix"),
    [("pq", "libx265", "mp4"), ("hlg", "libx265", "mkv"), ("hlg", "libx264", "mov"),
     ("pq", "libvpx-vp9", "webm"), ("pq", "ffv1", "mkv")],
)  # fmt: skip
def test_the_same_scene_in_every_range(kind: str, codec: str, suffix: str, tmp_path: Path) -> None:
    plain = scene()
    nits = 203 * plain**2.4 @ WIDE.T
    coded = {"pq": pq, "hlg": hlg}[kind](nits)
    tags = ({"pq": 16, "hlg": 18}[kind], 9, 9)
    wide = write(tmp_path / f"wide.{suffix}", coded, codec, tags)
    result, shown = scanned(wide)
    standard, _ = scanned(write(tmp_path / "standard.mp4", plain, "libx264", (1, 1, 1)))

    rows = rows_to_table(map(_facts_row, (result, standard)), VIDEO_SCHEMA)
    assert rows.column("dynamic_range").to_pylist() == [kind, "sdr"]
    # Eight bits of PQ are 3 % of light apart.
    near = 14 if codec == "libvpx-vp9" else 8
    middles = np.s_[16::32, 16::32]
    assert np.abs(shown[middles] - plain[middles] * 255).max() <= near
    for name in ("luma_mean", "u_mean", "v_mean"):
        levels = [each.timeline.column(name).mean() for each in (result, standard)]
        assert levels[0] == pytest.approx(levels[1], abs=3), name

    end = result.start_pts + result.report.end_ticks
    pixels_of = FrameSpan(result.start_pts, end, 0, result.report.frames)
    with av.open(
        io.BytesIO(cut_clip(SpanReader(wide), pixels_of, CutPlan()).windows[0].data)
    ) as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(pixels[middles].astype(int) - plain[middles] * 255).max() <= near + 6


def test_highlights_are_compressed_in_order_and_keep_their_hue() -> None:
    nits = np.asarray([[n, n, n] for n in (0, 1, 50, 90, 203, 400, 999, 4000)], np.float64)
    levels = to_standard(pq(nits).astype(np.float32), "pq", wide=True)[:, 0]
    assert levels[:4] == pytest.approx((nits[:4, 0] / 203) ** (1 / 2.4), abs=0.003)
    assert 0.87 < levels[4] < 0.93
    assert (np.diff(levels[:7]) > 0.01).all()
    assert levels[6:] == pytest.approx([1, 1], abs=0.005)
    red = to_standard(pq(np.asarray([[800.0, 200, 200]])).astype(np.float32), "pq", wide=False)[0]
    assert (red[0] / red[1]) ** 2.4 == pytest.approx(4, rel=0.05)
