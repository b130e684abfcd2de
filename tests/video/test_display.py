"""Pictures as a player shows them: every display matrix, sizes and pixel aspects that change."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.frame import VideoFrame
from PIL import Image

from internvid.scan.picks import StoredPick
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.synthetic.odd import boxes
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.decode import Picture, open_video
from internvid.video.pick import PickRule
from internvid.video.planes import PlaneSampler
from internvid.video.reader import FrameSpan, SpanReader
from internvid.video.span import read_span

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 96, 64
EVERY_FRAME = ScanRecipe(observers=("luma",), audio=False, picks=PickRule(per_second=25))


def corners(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Four plain corners, each of its own colour, as they are decoded."""
    picture = np.empty((height, width, 3), np.uint8)
    colours = ((200, 40, 40), (40, 180, 40)), ((40, 40, 200), (210, 210, 210))
    for row, column in product((0, 1), (0, 1)):
        half = (slice(row * height // 2, (row + 1) * height // 2),
                slice(column * width // 2, (column + 1) * width // 2))  # fmt: skip
        picture[half] = colours[row][column]
    return picture


def write(path: Path, pictures: list[Pixels], codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "8"}
        for picture in pictures:
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def picks_of(path: Path) -> list[StoredPick]:
    kept: list[StoredPick] = []
    scan_video(path, EVERY_FRAME, kept.append)
    return kept


def opened_jpeg(pick: StoredPick) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(pick.jpeg)).convert("RGB"))


def published(path: Path) -> list[Pixels]:
    """The pixels of a clip that is the whole file."""
    with open_video(path) as opened:
        count = sum(isinstance(item, Picture) for item in opened.read())
        start, end = opened.report.start_pts, opened.report.end_ticks
    data = (
        cut_clip(SpanReader(path), FrameSpan(start, start + end, 0, count), CutPlan())
        .windows[0]
        .data
    )
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def moved(picture: Pixels, a: int, b: int, c: int, d: int) -> Pixels:
    """The picture with each pixel where the matrix puts it: (x, y) -> (a x + c y, b x + d y)."""
    rows, columns = np.indices(picture.shape[:2])
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    shown = np.empty((y.max() + 1, x.max() + 1, 3), np.uint8)
    shown[y, x] = picture
    return shown


MATRICES = [(a, 0, 0, d) for a, d in product((1, -1), (1, -1))] + [
    (0, b, c, 0) for b, c in product((1, -1), (1, -1))
]


@pytest.mark.parametrize("matrix", MATRICES)
def test_pictures_are_shown_as_the_matrix_says(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    """All eight: turned, mirrored, both, in picks, in what the signals see and in the pixels."""
    path = write(tmp_path / "a.mp4", [corners()] * 3)
    content = bytearray(boxes.body(path.read_bytes(), ("moov", "trak", "tkhd")))
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", content, 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(boxes.with_body(path.read_bytes(), ("moov", "trak", "tkhd"), bytes(content)))
    expected = moved(corners(), *matrix).astype(int)

    pick = picks_of(path)[0]
    assert (pick.height, pick.width) == expected.shape[:2]
    for shown in (
        opened_jpeg(pick),
        published(path)[0],
        read_span(path, lambda _n: [0]).frames[0],
    ):
        assert shown.shape == expected.shape
        assert np.abs(shown.astype(int) - expected).mean() < 8

    sampler = PlaneSampler()
    with open_video(path) as opened:
        for item in opened.read():
            assert isinstance(item, Picture)
            sampler.add(item.frame, 0.0)
    batch = sampler.take()
    assert batch is not None
    seen = batch.luma[0][18::36, 32::64]
    tones = expected @ [0.299, 0.587, 0.114] * 219 / 255 + 16
    middle = tones[expected.shape[0] // 4 :: expected.shape[0] // 2][
        :, expected.shape[1] // 4 :: expected.shape[1] // 2
    ]
    assert np.abs(seen - middle).max() < 4


def test_a_matrix_that_flattens_the_picture_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [corners()] * 2)
    content = bytearray(boxes.body(path.read_bytes(), ("moov", "trak", "tkhd")))
    struct.pack_into(">9i", content, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    path.write_bytes(boxes.with_body(path.read_bytes(), ("moov", "trak", "tkhd"), bytes(content)))
    assert np.abs(opened_jpeg(picks_of(path)[0]).astype(int) - corners()).mean() < 8


def with_orientation(path: Path, words: str) -> bytes:
    """50 frames of the corners as MPEG-TS, of which only key frames say how they are shown."""
    plain = write(path.with_suffix(".mp4"), [corners()] * 50)
    with av.open(str(plain)) as source, av.open(str(path), "w", format="mpegts") as made:
        stream = source.streams.video[0]
        target = made.add_stream_from_template(stream)
        filters = BitStreamFilterContext(f"h264_mp4toannexb{words}", stream, target)
        for packet in source.demux(stream):
            for filtered in filters.filter(packet if packet.dts is not None else None):
                filtered.stream = target
                made.mux(filtered)
    return path.read_bytes()


def test_an_orientation_of_key_frames_holds_for_those_that_follow(tmp_path: Path) -> None:
    """A recording that is joined of an upright part and one on its side, mirrored."""
    words = ",h264_metadata=display_orientation=insert:rotate=90:flip=horizontal"
    path = tmp_path / "both.ts"
    path.write_bytes(
        with_orientation(tmp_path / "1.ts", "") + with_orientation(tmp_path / "2.ts", words)
    )
    sizes = [(pick.facts.frame >= 50, pick.width, pick.height) for pick in picks_of(path)]
    assert set(sizes) == {(False, 96, 64), (True, 64, 96)}


def write_ts(path: Path, size: tuple[int, int], aspect: Fraction, codec: str = "libx264") -> bytes:
    """50 frames of the corners; with B frames, so that the decoder holds some back."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        stream.options = {"bf": "2"}
        for number in range(50):
            picture = corners(*size).copy()
            picture[: size[1] // 8, : 2 * number + 2] = 255 - 5 * number
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize(
    ("second", "aspect", "shown"),
    [
        ((96, 160), Fraction(1), (96, 160)),
        ((192, 64), Fraction(1), (192, 64)),
        ((96, 64), Fraction(32, 27), (114, 64)),
        ((144, 64), Fraction(64, 81), (114, 64)),
    ],
)
def test_each_picture_keeps_its_own_aspect(
    second: tuple[int, int],
    aspect: Fraction,
    shown: tuple[int, int],
    codec: str,
    tmp_path: Path,
) -> None:
    first = write_ts(tmp_path / "1.ts", (WIDTH, HEIGHT), Fraction(1), codec)
    path = tmp_path / "both.ts"
    path.write_bytes(first + write_ts(tmp_path / "2.ts", second, aspect, codec))
    picks = picks_of(path)
    # At a change of size the MPEG-2 decoder loses the frame that it holds back.
    start = min(pick.facts.frame for pick in picks if (pick.width, pick.height) != (96, 64))
    assert 49 <= start <= 53
    assert {(pick.width, pick.height) for pick in picks if pick.facts.frame >= start} == {shown}
    picture = opened_jpeg(picks[-1])
    # The same corners, each as large as before in its own picture.
    assert np.abs(picture[-8:, -8:].astype(int) - 210).max() < 12
    assert np.abs(picture[-8:, :8].astype(int) - (40, 40, 200)).max() < 25


def test_pixels_of_a_clip_keep_one_size_and_every_aspect(tmp_path: Path) -> None:
    first = write_ts(tmp_path / "1.ts", (96, 64), Fraction(1))
    path = tmp_path / "both.ts"
    path.write_bytes(first + write_ts(tmp_path / "2.ts", (96, 128), Fraction(1)))
    frames = read_span(path, range).frames
    assert frames.shape[1:] == (64, 96, 3)
    # A picture of 3:4 between two bars: 48 of 96 columns.
    bars = np.concatenate([frames[-1][:, :20], frames[-1][:, -20:]])
    assert bars.max() < 12
    assert np.abs(frames[-1][50:60, 55:65].astype(int) - 210).max() < 12
    assert np.abs(published(path)[-1][50:60, 55:65].astype(int) - 210).max() < 12
