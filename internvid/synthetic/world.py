"""Renders whole worlds: several long videos, copies of them, and the truth about both."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from internvid.core.errors import InternvidError
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.painting.shot_rendering import FrameArray
from internvid.synthetic.scripts.script import write_script
from internvid.synthetic.scripts.themes import THEMES
from internvid.synthetic.truth import CopyTruth, VideoTruth, World
from internvid.synthetic.video import VideoRenderer

DEFAULT_SIZE = (320, 180)
DEFAULT_SECONDS = 30.0
DEMO_SECONDS = 23.0
KEYFRAME_INTERVALS: tuple[int, ...] = (50, 90, 48, 60, 250)


def render_world(
    folder: Path | str,
    seed: int,
    videos: int = 5,
    *,
    seconds: float = DEFAULT_SECONDS,
    size: tuple[int, int] = DEFAULT_SIZE,
    copies: bool = True,
) -> World:
    """Render videos with complete truth into a folder.

    The files are the same, byte for byte, for the same arguments on one machine.
    Files of the same names are replaced.

    Args:
        folder: is made if it does not exist.
        seed: any integer from 0; another seed is another world.
        videos: how many originals; they take the themes in turn.
        seconds: each video ends with the first part that reaches this length.
        size: (width, height) in pixels, both even and at least 64.
        copies: whether to add an exact copy, a re-encoded copy and a sub-clip.

    Returns:
        The truth, which also lies in `truth.json`.

    Raises:
        InternvidError: an argument is out of range.
    """
    if seed < 0 or videos < 1 or seconds <= 0 or min(size) < 64 or size[0] % 2 or size[1] % 2:
        raise InternvidError(
            f"cannot render seed={seed}, videos={videos}, seconds={seconds}, size={size}",
            hint="seed >= 0, videos >= 1, seconds > 0, width and height even and >= 64",
        )
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    truths = tuple(_render_video(target, seed, number, seconds, size) for number in range(videos))
    made = _render_copies(target, truths) if copies else ()
    world = World(folder=target, seed=seed, videos=truths, copies=made)
    world.save()
    return world


def render_demo(folder: Path | str, seed: int = 0) -> World:
    """Render the small world that `internvid demo` shows: five videos, about two minutes in all.

    Args:
        folder: is made if it does not exist.
        seed: any integer from 0.
    """
    return render_world(folder, seed, videos=len(THEMES), seconds=DEMO_SECONDS)


def _render_video(
    folder: Path, seed: int, number: int, seconds: float, size: tuple[int, int]
) -> VideoTruth:
    theme = THEMES[number % len(THEMES)]
    name = f"{number:02d}-{theme.name}{theme.suffix}"
    plan = write_script(theme, name, (seed, number), seconds, size)
    how = VideoFormat(
        codec=plan.codec,
        width=plan.width,
        height=plan.height,
        fps=plan.fps,
        keyframe_interval=KEYFRAME_INTERVALS[number % len(KEYFRAME_INTERVALS)],
    )
    renderer = VideoRenderer(plan)
    written = write_video(folder / name, renderer.frames(), how, renderer.sound())
    if written != plan.frames:
        raise InternvidError(f"{name}: planned {plan.frames} frames but rendered {written}")
    return renderer.truth()


def _render_copies(folder: Path, truths: tuple[VideoTruth, ...]) -> tuple[CopyTruth, ...]:
    """Make an exact copy, a smaller re-encoded copy and a sub-clip of the originals."""
    exact, again, part = (truths[number % len(truths)] for number in (2, 0, 1))
    name = f"copy-exact{Path(exact.name).suffix}"
    shutil.copyfile(folder / exact.name, folder / name)
    whole = CopyTruth(name, exact.name, "exact", 0, exact.frames, exact.width, exact.height)
    small = CopyTruth(
        "copy-reencoded.mp4",
        again.name,
        "reencoded",
        0,
        again.frames,
        again.width * 3 // 8 * 2,
        again.height * 3 // 8 * 2,
    )
    first, last = part.frames // 4, part.frames * 2 // 3
    piece = CopyTruth(
        "copy-subclip.mp4", part.name, "subclip", first, last, part.width, part.height
    )
    reencode(folder, small, again.fps, quality=32)
    reencode(folder, piece, part.fps, quality=26)
    return (whole, small, piece)


def reencode(folder: Path, copy: CopyTruth, fps: Fraction, quality: int) -> None:
    """Write the H.264 file that a copy's record describes, without sound.

    Args:
        folder: holds the source and receives the copy.
        copy: what to make.
        fps: frames per second of the source.
        quality: constant rate factor, larger is worse.
    """
    how = VideoFormat("h264", copy.width, copy.height, fps, options={"crf": str(quality)})
    write_video(folder / copy.name, _copied_frames(folder, copy), how)


def _copied_frames(folder: Path, copy: CopyTruth) -> Iterator[FrameArray]:
    """Decode the frames that a copy shows, at its size."""
    with av.open(str(folder / copy.source)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(stream)):
            if number >= copy.source_end_frame:
                return
            if number >= copy.source_start_frame:
                picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
                yield np.asarray(
                    picture.resize((copy.width, copy.height), Image.Resampling.BILINEAR)
                )
