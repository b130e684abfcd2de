"""Finds the exact first frame of shots where a fast scan skipped frames.

A thin timeline says that a shot begins somewhere between two kept frames. Only there the stream is
read again, from the key frame before, and the skipped frames are compared with both neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from internvid.core.errors import VideoError
from internvid.core.types import LEAD, ColumnSpec, Timeline
from internvid.video.decode import DecodeOptions, VideoPass, open_video
from internvid.video.planes import PlaneSampler

LEAD_SPEC = ColumnSpec("uint32", 1.0, unit="ticks", meaning="how much earlier the shot began")

# Evidence below which no detector cuts, whatever its threshold in practice. Content values grow
# with the time between kept frames, so they serve only where the better evidence is absent.
_LEAST_CUT = 0.35
_LEAST_CONTENT = 27.0


@dataclass(frozen=True)
class Gap:
    """Skipped frames between two kept ones: `row - 1` and `row` of the timeline."""

    row: int
    before_pts: int
    after_pts: int


def refine(path: Path, timeline: Timeline, start_pts: int, maximum_frame_bytes: int) -> Timeline:
    """The timeline with its `lead` column filled: ticks between a row and its shot's beginning.

    Args:
        path: the source.
        timeline: of a fast scan; `lead` is 1 where a row may hide an earlier beginning.
        start_pts: stream ticks of the first displayed frame.
        maximum_frame_bytes: as in the scan.
    """
    leads = np.zeros(len(timeline), np.uint32)
    gaps = find_gaps(timeline, start_pts)
    if gaps:
        options = DecodeOptions(
            skip_loop_filter="all", thin=True, maximum_frame_bytes=maximum_frame_bytes
        )
        for gap in gaps:
            try:
                with open_video(path, options) as opened:
                    leads[gap.row] = gap.after_pts - first_of_shot(opened, gap)
            except (VideoError, av.error.FFmpegError):
                continue  # a damaged stretch keeps the boundary at the kept frame
    stored = {**timeline.stored, LEAD: leads}
    return dataclasses.replace(timeline, stored=stored)


def find_gaps(timeline: Timeline, start_pts: int) -> list[Gap]:
    """Where a detector may cut and frames before the cut were skipped."""
    suspect = timeline.stored[LEAD] > 0
    evidence = np.zeros(len(timeline), bool)
    if "cut" in timeline.stored:
        evidence = timeline.column("cut") >= _LEAST_CUT
    elif "delta_value" in timeline.stored:
        names = ("delta_hue", "delta_saturation", "delta_value")
        evidence = np.sum([timeline.column(name) for name in names], axis=0) / 3 >= _LEAST_CONTENT
    steps = np.diff(timeline.pts, prepend=timeline.pts[:1])
    least = np.min(steps[1:], initial=np.iinfo(np.int64).max)
    rows = np.flatnonzero(suspect & evidence & (steps > 1.5 * least))
    return [
        Gap(int(row), start_pts + int(timeline.pts[row - 1]), start_pts + int(timeline.pts[row]))
        for row in rows
        if row > 0
    ]


def first_of_shot(opened: VideoPass, gap: Gap) -> int:
    """Stream time of the first frame in the gap that is nearer to its end than to its beginning."""
    if gap.before_pts > (opened.stream.start_time or 0):
        opened.container.seek(gap.before_pts, stream=opened.stream, backward=True)
    sampler = PlaneSampler(batch_frames=64)
    times: list[int] = []
    for frame in _full_from(opened, gap):
        if frame.pts is None or frame.pts < gap.before_pts:
            continue
        sampler.add(frame, 0.0)
        times.append(frame.pts)
        if frame.pts >= gap.after_pts or not sampler.room:
            break
    batch = sampler.take()
    if batch is None or times[0] != gap.before_pts or times[-1] != gap.after_pts:
        return gap.after_pts
    pictures = batch.luma_half
    to_before = _distances(pictures, pictures[0])
    to_after = _distances(pictures, pictures[-1])
    return times[int(np.argmax(to_after < to_before))]


def _distances(
    pictures: npt.NDArray[np.float32], one: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    change = np.abs(pictures - one).astype(np.float64)
    return np.asarray(change.mean(axis=(1, 2)))


def _full_from(opened: VideoPass, gap: Gap) -> Iterator[VideoFrame]:
    """Frames from the gap's beginning on: thin until there, then every one.

    Lazily, so that a damaged stream that never reaches the gap's end is not held in memory.
    """
    context = opened.stream.codec_context
    for packet in opened.container.demux(opened.stream):
        # In decoding order the frame after the gap comes before those inside it.
        if packet.pts is not None and packet.pts > gap.before_pts:
            context.skip_frame = "DEFAULT"
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in decoded if isinstance(frame, VideoFrame))
