"""Readable files with odd time, geometry or pixels."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import Colorspace

from internvid.synthetic.encode import (
    BITEXACT,
    VideoFormat,
    add_video_stream,
    encode_picture,
    write_video,
)
from internvid.synthetic.odd import boxes
from internvid.synthetic.odd.oddity import OddFile
from internvid.synthetic.odd.reel import (
    FPS,
    FRAMES,
    HEIGHT,
    SECONDS,
    WIDTH,
    reel_format,
    render_reel,
    write_reel,
)
from internvid.synthetic.painting.shot_rendering import FrameArray

WHOLE = OddFile(
    name="",
    oddity="",
    frames=FRAMES,
    least_frames=FRAMES,
    duration_seconds=SECONDS,
    width=WIDTH,
    height=HEIGHT,
)


def write_odd_media(folder: Path, seed: int) -> list[OddFile]:
    """Write the files that a careful reader reads completely."""
    reel = render_reel(seed)
    return [
        *_containers(folder, reel),
        *_clocks(folder, reel),
        *_edits(folder, reel),
        *_geometry(folder, seed, reel),
        *_pixels(folder, reel),
    ]


def _containers(folder: Path, reel: list[FrameArray]) -> list[OddFile]:
    """Usual codecs and containers."""
    x265 = "pools=none:frame-threads=1:log-level=none"
    rows = (
        ("plain.mp4", "nothing: H.264 with B-frames in MP4", reel_format()),
        ("vp9.webm", "VP9 in WebM", reel_format(codec="vp9")),
        ("mpeg4.avi", "MPEG-4 part 2 in AVI", reel_format(codec="mpeg4")),
        (
            "av1.mp4",
            "AV1 in MP4",
            reel_format(codec="libsvtav1", preset="10", svtav1_params="lp=1"),
        ),
        ("hevc.mp4", "HEVC", reel_format(codec="libx265", preset="ultrafast", x265_params=x265)),
        ("lossless.mkv", "FFV1", replace(reel_format(codec="ffv1"), pixel_format="yuv444p")),
        ("motion-jpeg.avi", "MJPEG", replace(reel_format(codec="mjpeg"), pixel_format="yuvj420p")),
    )
    made = []
    for name, oddity, how in rows:
        with silent_svt():
            write_reel(folder / name, reel, how)
        made.append(replace(WHOLE, name=name, oddity=oddity))
    return [*made, *_special_containers(folder, reel)]


def _special_containers(folder: Path, reel: list[FrameArray]) -> list[OddFile]:
    """A GIF, fragments, a single frame."""
    _write_gif(folder / "animation.gif", reel)
    flags = "frag_keyframe+empty_moov+default_base_moof"
    write_timed(folder / "fragments.mp4", reel, list(range(FRAMES)), 1 / FPS, movflags=flags)
    write_reel(folder / "one-frame.mp4", reel[:1])
    return [
        replace(
            WHOLE,
            name="animation.gif",
            oddity="an animated GIF, 20 frames a second",
            duration_seconds=FRAMES / 20,
        ),
        replace(
            WHOLE,
            name="fragments.mp4",
            oddity="fragmented MP4; the first frame is shown two frames late",
            first_pts_seconds=float(2 / FPS),
        ),
        replace(
            WHOLE,
            name="one-frame.mp4",
            oddity="one frame",
            frames=1,
            least_frames=1,
            duration_seconds=float(1 / FPS),
        ),
    ]


@contextmanager
def silent_svt() -> Iterator[None]:
    """Keep the AV1 encoder, which logs past FFmpeg, from writing on stderr; only errors remain."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before


def _write_gif(path: Path, reel: list[FrameArray]) -> None:
    """GIF counts time in hundredths of a second, so the reel runs at 20 frames a second."""
    how = VideoFormat("gif", WIDTH, HEIGHT, Fraction(20), pixel_format="rgb8")
    write_video(path, reel, how)


def write_timed(
    path: Path, reel: list[FrameArray], ticks: list[int], time_base: Fraction, movflags: str = ""
) -> None:
    """Encode frames at given times.

    Args:
        path: output.
        reel: pictures (H, W, 3).
        ticks: time of every frame, increasing.
        time_base: seconds per tick.
        movflags: options of the MP4 writer.
    """
    height, width = reel[0].shape[:2]
    options = {**BITEXACT, **({"movflags": movflags} if movflags else {})}
    with av.open(str(path), "w", options=options) as container:
        stream = add_video_stream(container, reel_format(width, height))
        stream.codec_context.time_base = time_base
        for picture, tick in zip(reel, ticks, strict=True):
            container.mux(encode_picture(stream, picture, tick, time_base))
        container.mux(stream.encode(None))


def _clocks(folder: Path, reel: list[FrameArray]) -> list[OddFile]:
    """Variable rates, delayed starts, a hole in time, timestamps that start again."""
    tick = Fraction(1, 1000)
    steps = [(20, 40, 100, 33)[(index * 7) % 4] for index in range(FRAMES)]
    uneven = [sum(steps[:index]) for index in range(FRAMES)]
    lasting = (uneven[-1] + steps[-1]) / 1000
    even = [round(index * 1000 / FPS) for index in range(FRAMES)]
    made = []
    for name in ("variable-rate.mkv", "variable-rate.mp4"):
        write_timed(folder / name, reel, uneven, tick)
        made.append(
            replace(
                WHOLE,
                name=name,
                oddity="variable frame rate (20 to 100 ms a frame)",
                duration_seconds=lasting,
            )
        )
    write_timed(folder / "late-start.mkv", reel, [3000 + one for one in even], tick)
    made.append(
        replace(
            WHOLE,
            name="late-start.mkv",
            oddity="the first frame is shown at 3 s",
            first_pts_seconds=3.0,
        )
    )
    write_timed(folder / "late-start.ts", reel, [10000 + one for one in even], tick)
    made.append(replace(WHOLE, name="late-start.ts", oddity="MPEG-TS that starts at about 10 s"))
    write_timed(
        folder / "time-hole.mkv",
        reel,
        [one + (8000 if index >= 24 else 0) for index, one in enumerate(even)],
        tick,
    )
    made.append(
        replace(
            WHOLE,
            name="time-hole.mkv",
            oddity="8 s without a frame in the middle",
            duration_seconds=SECONDS + 8,
        )
    )
    once = (folder / "late-start.ts").read_bytes()
    (folder / "time-restart.ts").write_bytes(once + once)
    twice = replace(
        WHOLE,
        name="time-restart.ts",
        oddity="timestamps start again in the middle",
        frames=None,
        duration_seconds=None,
    )
    return [*made, replace(twice, least_frames=2 * FRAMES - 4)]


def _edits(folder: Path, reel: list[FrameArray]) -> list[OddFile]:
    """Edit lists that skip the first frames or delay the start; headers that lie."""
    data = write_reel(folder / "edit-skips-start.mp4", reel)
    movie, media = boxes.timescales(data)
    length, start = boxes.edit_of(data)
    skipped = 10
    cut = (length - round(skipped * movie / FPS), start + round(skipped * media / FPS))
    (folder / "edit-skips-start.mp4").write_bytes(boxes.with_edits(data, [cut]))
    (folder / "edit-delays-start.mp4").write_bytes(
        boxes.with_edits(data, [(movie // 2, -1), (length, start)])
    )
    (folder / "claims-ten-hours.mp4").write_bytes(boxes.claiming_seconds(data, 36000))
    (folder / "claims-huge-picture.mp4").write_bytes(boxes.claiming_size(data, 20000, 20000))
    matroska = write_reel(folder / "claims-ten-hours.mkv", reel)
    (folder / "claims-ten-hours.mkv").write_bytes(_claiming_hours(matroska, 10))
    shown = FRAMES - skipped
    return [
        replace(
            WHOLE,
            name="edit-skips-start.mp4",
            oddity="an edit list hides the first 10 frames",
            frames=shown,
            least_frames=shown,
            duration_seconds=float(shown / FPS),
            first_shown_frame=skipped,
        ),
        replace(
            WHOLE,
            name="edit-delays-start.mp4",
            oddity="an empty edit delays the start by 0.5 s",
            first_pts_seconds=0.5,
        ),
        replace(
            WHOLE,
            name="claims-ten-hours.mp4",
            oddity="the header claims ten hours, the samples last 2 s",
        ),
        replace(
            WHOLE,
            name="claims-ten-hours.mkv",
            oddity="the header claims ten hours, the frames last 2 s",
        ),
        replace(
            WHOLE,
            name="claims-huge-picture.mp4",
            oddity="the header claims 20000 x 20000 pixels, the codec has 160 x 120",
        ),
    ]


def _claiming_hours(matroska: bytes, hours: int) -> bytes:
    """Return a Matroska file whose Duration element (id 4489, 8-byte float, milliseconds) lies."""
    place = matroska.index(b"\x44\x89\x88") + 3
    return matroska[:place] + struct.pack(">d", hours * 3.6e6) + matroska[place + 8 :]


def _geometry(folder: Path, seed: int, reel: list[FrameArray]) -> list[OddFile]:
    """Rotation, odd sizes, pixels that are not square."""
    made = []
    data = write_reel(folder / "plain.mp4", reel)
    for degrees in (90, 180, 270):
        name = f"turned-{degrees}.mp4"
        (folder / name).write_bytes(boxes.turned(data, degrees, WIDTH, HEIGHT))
        sides = (WIDTH, HEIGHT) if degrees == 180 else (HEIGHT, WIDTH)
        oddity = f"to be turned clockwise by {degrees} degrees"
        made.append(
            replace(
                WHOLE,
                name=name,
                oddity=oddity,
                width=sides[0],
                height=sides[1],
                clockwise_degrees=degrees,
            )
        )
    for name, wide, tall, codec in (
        ("odd-size.webm", 161, 121, "vp9"),
        ("odd-size.avi", 161, 121, "mpeg4"),
        ("tiny.mp4", 16, 16, "h264"),
    ):
        write_reel(
            folder / name, render_reel(seed, FRAMES, wide, tall), reel_format(wide, tall, codec)
        )
        made.append(
            replace(WHOLE, name=name, oddity=f"{wide} x {tall} pixels", width=wide, height=tall)
        )
    with av.open(str(folder / "wide-pixels.mp4"), "w", options=BITEXACT) as container:
        stream = add_video_stream(container, reel_format())
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number, picture in enumerate(reel):
            container.mux(encode_picture(stream, picture, number, 1 / FPS))
        container.mux(stream.encode(None))
    made.append(
        replace(
            WHOLE,
            name="wide-pixels.mp4",
            oddity="pixels 4:3 as wide as high",
            width=round(WIDTH * 4 / 3),
        )
    )
    return made


def _pixels(folder: Path, reel: list[FrameArray]) -> list[OddFile]:
    """Deep, grey, full-chroma, full-range, interlaced pixels; a BT.709 tag."""
    rows = (
        ("ten-bit.mp4", "10 bits a sample", "yuv420p10le", reel_format()),
        ("full-chroma.mp4", "4:4:4 chroma", "yuv444p", reel_format()),
        ("grey.mkv", "luma only", "gray", reel_format(codec="ffv1")),
        ("full-range.mp4", "full-range samples (0-255)", "yuvj420p", reel_format()),
        (
            "interlaced.mp4",
            "coded as interlaced, top field first",
            "yuv420p",
            reel_format(flags="+ilme+ildct", x264_params="tff=1"),
        ),
    )
    made = []
    for name, oddity, pixels, how in rows:
        write_reel(folder / name, reel, replace(how, pixel_format=pixels))
        made.append(replace(WHOLE, name=name, oddity=oddity))
    _write_high_definition_colours(folder / "bt709.mp4", reel)
    made.append(replace(WHOLE, name="bt709.mp4", oddity="colours of BT.709, tagged so"))
    return made


def _write_high_definition_colours(path: Path, reel: list[FrameArray]) -> None:
    """H.264 with BT.709 samples and tags; underscores stay in these option names."""
    tags = {
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "color_range": "tv",
    }
    how = replace(reel_format(), options=tags)
    with av.open(str(path), "w", options=BITEXACT) as container:
        stream = add_video_stream(container, how)
        for number, picture in enumerate(reel):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            samples = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            samples.pts, samples.time_base = number, 1 / FPS
            container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
