"""Videos whose pictures show their own number, so that any frame says where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

WIDTH, HEIGHT = 128, 96
FPS = 25
_BITS = 8


@dataclass(frozen=True)
class Numbered:
    """How a numbered video is written.

    Attributes:
        codec: an encoder of FFmpeg.
        container: FFmpeg's name, None for that of the suffix.
        frames: how many.
        cuts: numbers of frames with which the colour of the background changes.
        times: of each frame, in ticks of `time_base`; one after another by default.
        time_base: seconds per tick, one frame by default.
        b_frames: most of them in a row.
        gop: frames from key frame to key frame.
        options: of the encoder.
        is_still: whether each shot is one picture of coloured cells without numbers.
    """

    codec: str = "libx264"
    container: str | None = None
    frames: int = 50
    cuts: tuple[int, ...] = (20, 37)
    times: Sequence[int] | None = None
    time_base: Fraction = Fraction(1, FPS)
    b_frames: int = 3
    gop: int = 12
    options: dict[str, str] = field(default_factory=dict)
    is_still: bool = False


def picture(number: int, shot: int) -> npt.NDArray[np.uint8]:
    """uint8 RGB [96, 128, 3] that shows a number below 256 and the colour of a shot.

    In Gray code: from one number to the next one cell changes, which is no cut.
    """
    image = np.full((HEIGHT, WIDTH, 3), 40 + 60 * (shot % 3), np.uint8)
    image[..., shot % 3] = 210
    for bit in range(_BITS):
        image[8:40, bit * 16 : (bit + 1) * 16] = 235 if (number ^ number >> 1) >> bit & 1 else 20
    return image


def cells(shot: int) -> npt.NDArray[np.uint8]:
    """uint8 RGB [96, 128, 3]: the cells of a shot, others in each."""
    random = np.random.default_rng(shot)
    colours = random.integers(30, 220, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return colours.repeat(8, axis=0).repeat(8, axis=1)


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """The number that a picture [H, W, 3] of any size shows."""
    scale = image.shape[0] / HEIGHT
    rows = slice(round(14 * scale), round(34 * scale))
    levels = [
        image[rows, round((16 * bit + 4) * scale) : round((16 * bit + 12) * scale)].mean()
        for bit in range(_BITS)
    ]
    number = 0
    for bit in reversed(range(_BITS)):
        number |= ((levels[bit] > 128) ^ (number >> (bit + 1) & 1)) << bit
    return number


def number_of_frame(frame: VideoFrame) -> int:
    """The number that a decoded frame shows."""
    return number_of(frame.to_ndarray(format="rgb24"))


def write_numbered(path: Path, how: Numbered | None = None) -> Path:
    """Write frames 0, 1, 2, ... that show their numbers."""
    how = how or Numbered()
    path.parent.mkdir(parents=True, exist_ok=True)
    options = dict(how.options)
    if how.codec == "libx264":
        given = options.pop("x264-params", "")
        parameters = f"bframes={how.b_frames}:b-adapt=0:scenecut=0:keyint={how.gop}:{given}"
        options = {"preset": "veryfast", "x264-params": parameters.rstrip(":"), **options}
    if how.codec == "libx265":
        parameters = f"bframes={how.b_frames}:scenecut=0:keyint={how.gop}:log-level=none"
        options = {"preset": "ultrafast", "x265-params": parameters, **options}
    with av.open(str(path), "w", format=how.container) as container:
        stream: Any = container.add_stream(how.codec, rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = how.gop
        stream.codec_context.max_b_frames = how.b_frames
        stream.codec_context.time_base = how.time_base
        stream.options = options
        for number in range(how.frames):
            shot = sum(number >= cut for cut in how.cuts)
            image = cells(shot) if how.is_still else picture(number, shot)
            frame = VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number if how.times is None else how.times[number]
            frame.time_base = how.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_packed(path: Path, frames: int = 50) -> Path:
    """MPEG-4 in AVI as DivX and XviD pack it: a P and a B frame share a packet.

    The packet after the last B frame of a run is one that holds no picture.
    """
    plain = path.with_suffix(".plain.avi")
    write_numbered(plain, Numbered("mpeg4", frames=frames, b_frames=2))
    with av.open(str(plain)) as source, av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        pictures = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        start = pictures[0].find(_PICTURE)
        pictures[0] = pictures[0][:start] + b"\0\0\1\xb2DivX503b1393p" + pictures[0][start:]
        for number, data in enumerate(_pack(pictures)):
            packet: Any = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, FPS)
            packet.pts = packet.dts = number
            packet.is_keyframe = _kind(data) == 0
            container.mux(packet)
    plain.unlink()
    return path


_PICTURE = b"\0\0\1\xb6"
_NO_PICTURE = _PICTURE + b"\x51\x00\x3f"


def _kind(data: bytes) -> int:
    """0 for an I, 1 for a P, 2 for a B picture."""
    return data[data.find(_PICTURE) + 4] >> 6


def _pack(pictures: Sequence[bytes]) -> list[bytes]:
    packed: list[bytes] = []
    at = 0
    while at < len(pictures):
        is_pair = _kind(pictures[at]) != 2 and [_kind(p) for p in pictures[at + 1 : at + 2]] == [2]
        if not is_pair:
            packed.append(pictures[at])
            at += 1
            continue
        packed.append(pictures[at] + pictures[at + 1])
        at += 2
        while at < len(pictures) and _kind(pictures[at]) == 2:
            packed.append(pictures[at])
            at += 1
        packed.append(_NO_PICTURE)
    return packed
