"""Finds the exact first frame of shots where a fast scan skipped frames.

A thin timeline says that a shot begins somewhere between two kept frames. There the skipped frames
are compared with both neighbours: in passing, where the pass suspected it, else by reading the
stream again from the key frame before.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
_MOST_FRAMES = 64  # from one kept frame to the next


@dataclass(frozen=True)
class Gap:
    """Skipped frames between two kept ones: `row - 1` and `row` of the timeline."""

    row: int
    before_pts: int
    after_pts: int


@dataclass
class GapReader:
    """Finds the first frames of shots in passing, where a thin pass read what it else skips.

    Attributes:
        leads: for rows of the timeline, ticks by which their shot began earlier.
    """

    leads: dict[int, int] = field(default_factory=dict)
    _row: int = -1
    _kept: VideoFrame | None = None
    _gap: GapSampler | None = None

    def keep(self, frame: VideoFrame) -> None:
        """Take the next frame that has a row in the timeline."""
        self._row += 1
        if self._gap is not None:
            self._gap.add(frame)
            first, end = self._gap.first_of_shot(), frame.pts
            # A clock that was started again inside the gap says nothing.
            if first is not None and end is not None and first <= end:
                self.leads[self._row] = end - first
            self._gap = None
        self._kept = frame

    def add(self, frame: VideoFrame) -> None:
        """Take a frame between two of these."""
        if self._gap is None and self._kept is not None:
            self._gap = GapSampler()
            self._gap.add(self._kept)
        if self._gap is not None:
            self._gap.add(frame)


class GapSampler:
    """Small planes of the frames of a gap, from the kept one before to the kept one after it.

    Attributes:
        is_usable: False once a frame had no time, or there were too many.
    """

    def __init__(self) -> None:
        self._sampler = PlaneSampler(batch_frames=_MOST_FRAMES)
        self._times: list[int] = []
        self.is_usable = True

    def add(self, frame: VideoFrame) -> None:
        """Take the next frame in order of display."""
        if frame.pts is None or not self._sampler.room:
            self.is_usable = False
        if self.is_usable and frame.pts is not None:
            self._sampler.add(frame, 0.0)
            self._times.append(frame.pts)

    def spans(self, gap: Gap) -> bool:
        """Whether its first and last frame are those that enclose the gap."""
        return self._times[:1] == [gap.before_pts] and self._times[-1:] == [gap.after_pts]

    def first_of_shot(self) -> int | None:
        """Stream time of the first frame that is nearer to the last than to the first."""
        batch = self._sampler.take()
        if batch is None or not self.is_usable:
            return None
        pictures = batch.luma_half
        to_before = _distances(pictures, pictures[0])
        to_after = _distances(pictures, pictures[-1])
        return self._times[int(np.argmax(to_after < to_before))]


def refine(
    path: Path,
    timeline: Timeline,
    start_pts: int,
    maximum_frame_bytes: int,
    known: Mapping[int, int] | None = None,
) -> Timeline:
    """The timeline with its `lead` column filled: ticks between a row and its shot's beginning.

    Args:
        path: the source.
        timeline: of a fast scan; `lead` is 1 where a row may hide an earlier beginning.
        start_pts: stream ticks of the first displayed frame.
        maximum_frame_bytes: as in the scan.
        known: leads of rows that were found in passing: not read again.
    """
    leads = np.zeros(len(timeline), np.uint32)
    known = known or {}
    options = DecodeOptions(
        skip_loop_filter="all", thin=True, maximum_frame_bytes=maximum_frame_bytes
    )
    for gaps in _by_group(find_gaps(timeline, start_pts), timeline):
        unknown = [gap for gap in gaps if gap.row not in known]
        leads[[gap.row for gap in gaps]] = [known.get(gap.row, 0) for gap in gaps]
        if not unknown:
            continue
        try:
            with open_video(path, options) as opened:
                for gap, first in firsts_of_shots(opened, unknown):
                    leads[gap.row] = gap.after_pts - first
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


def _by_group(gaps: Sequence[Gap], timeline: Timeline) -> list[list[Gap]]:
    """Gaps of one group of pictures together: one reading from its key frame serves them all."""
    keys = np.flatnonzero(timeline.stored[LEAD] == 0)
    groups = itertools.groupby(gaps, lambda gap: int(np.searchsorted(keys, gap.row)))
    return [list(group) for _key, group in groups]


def firsts_of_shots(opened: VideoPass, gaps: Sequence[Gap]) -> Iterator[tuple[Gap, int]]:
    """For each gap the stream time of its first frame that is nearer to its end.

    Args:
        opened: a thin pass, not read yet.
        gaps: in order, best of one group of pictures. One of which not every frame can be had is
            left out.
    """
    if gaps[0].before_pts > (opened.stream.start_time or 0):
        opened.container.seek(gaps[0].before_pts, stream=opened.stream, backward=True)
    waiting, sampler = list(gaps), GapSampler()
    for frame in _full_inside(opened, gaps):
        while waiting and frame.pts is not None and frame.pts >= waiting[0].before_pts:
            gap = waiting[0]
            sampler.add(frame)
            if frame.pts < gap.after_pts and sampler.is_usable:
                break
            first = sampler.first_of_shot() if sampler.spans(gap) else None
            if first is not None:
                yield gap, first
            waiting, sampler = waiting[1:], GapSampler()
        if not waiting:
            return


def _distances(
    pictures: npt.NDArray[np.float32], one: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    change = np.abs(pictures - one).astype(np.float64)
    return np.asarray(change.mean(axis=(1, 2)))


def _full_inside(opened: VideoPass, gaps: Sequence[Gap]) -> Iterator[VideoFrame]:
    """Frames, thin but for the gaps, of which every one is read.

    Lazily, so that a damaged stream that never reaches a gap's end is not held in memory.
    """
    begins = [gap.before_pts for gap in gaps]
    for packet in opened.container.demux(opened.stream):
        # In decoding order the frame after the gap comes before those inside it.
        at = bisect.bisect_left(begins, packet.pts) - 1 if packet.pts is not None else -1
        is_inside = at >= 0 and packet.pts is not None and packet.pts <= gaps[at].after_pts
        opened.skip(thin=not is_inside)
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in decoded if isinstance(frame, VideoFrame))
