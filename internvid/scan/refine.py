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

# What `lead` says of the rows of a thin pass until it is refined: any kept frame; a key frame; a
# key frame that comes earlier than others of the stream, which encoders of these codecs place where
# a shot begins. Key frames at their regular distance lie anywhere, and those of MPEG-2 and MPEG-4
# are shown behind B frames that may belong to either shot.
KEPT, KEY, CUT_KEY = 1, 2, 0
_PLACES_KEYS_AT_CUTS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "vvc"})
_SHARE_OF_LONGEST = 0.8
KindArray = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Gap:
    """Skipped frames between two kept ones: `row - 1` and `row` of the timeline.

    Attributes:
        skipped: how many lie between them.
    """

    row: int
    before_pts: int
    after_pts: int
    skipped: int = 0


@dataclass
class GapReader:
    """Finds the first frames of shots in passing, where a thin pass read what it else skips.

    Attributes:
        leads: for rows of the timeline, ticks by which their shot began earlier, and how many
            frames before the row were seen to find it.
    """

    leads: dict[int, tuple[int, int]] = field(default_factory=dict)
    _row: int = -1
    _kept: VideoFrame | None = None
    _gap: GapSampler | None = None

    def keep(self, frame: VideoFrame) -> None:
        """Take the next frame that has a row in the timeline."""
        self._row += 1
        if self._gap is not None:
            self._gap.add(frame)
            seen = self._gap.frames - 2
            first, end = self._gap.first_of_shot(), frame.pts
            # A clock that was started again inside the gap says nothing.
            if first is not None and end is not None and first <= end:
                self.leads[self._row] = end - first, seen
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

    @property
    def frames(self) -> int:
        """How many were added, those that enclose the gap too."""
        return len(self._times)

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
    shown: npt.NDArray[np.int64],
    maximum_frame_bytes: int,
    known: Mapping[int, tuple[int, int]] | None = None,
) -> Timeline:
    """The timeline with its `lead` column filled: ticks between a row and its shot's beginning.

    Args:
        path: the source.
        timeline: of a fast scan; `lead` says what the row may hide (`KEPT`, `KEY`, `CUT_KEY`).
        shown: int64 [N], times of all frames, skipped ones too, in stream ticks, ascending; the
            first is that of the timeline's first row.
        maximum_frame_bytes: as in the scan.
        known: leads of rows that were found in passing, and how many skipped frames were seen for
            it: not read again where these are all.
    """
    leads = np.zeros(len(timeline), np.uint32)
    known = known or {}
    options = DecodeOptions(
        skip_loop_filter="all", thin=True, maximum_frame_bytes=maximum_frame_bytes
    )
    for gaps in _by_group(find_gaps(timeline, shown), timeline):
        unknown = []
        for gap in gaps:
            lead, seen = known.get(gap.row, (0, -1))
            if seen == gap.skipped:
                leads[gap.row] = lead
            else:
                unknown.append(gap)
        # Where seeking lands too late, the source is read from its start.
        for seeks in (True, False):
            if not unknown:
                break
            try:
                with open_video(path, options) as opened:
                    for gap, first in firsts_of_shots(opened, unknown, seeks=seeks):
                        leads[gap.row] = gap.after_pts - first
                        unknown = [other for other in unknown if other is not gap]
            except (VideoError, av.error.FFmpegError):
                continue  # a damaged stretch keeps the boundary at the kept frame
    stored = {**timeline.stored, LEAD: leads}
    return dataclasses.replace(timeline, stored=stored)


def mark_rows(keys: npt.NDArray[np.bool_], pts: npt.NDArray[np.int64], codec: str) -> KindArray:
    """What each row of a thin pass may hide: `KEPT`, `KEY` or `CUT_KEY`.

    Args:
        keys: bool [N], which kept frames are key frames.
        pts: int64 [N], their times in ticks.
        codec: FFmpeg's name.
    """
    kinds = np.where(keys, KEY, KEPT).astype(np.uint32)
    places = np.flatnonzero(keys)
    if codec in _PLACES_KEYS_AT_CUTS and len(places) > 1:
        apart = np.diff(pts[places])
        early = np.flatnonzero(apart < _SHARE_OF_LONGEST * apart.max()) + 1
        kinds[places[early]] = CUT_KEY
    return kinds


def find_gaps(timeline: Timeline, shown: npt.NDArray[np.int64]) -> list[Gap]:
    """Where a detector may cut and frames before the cut were skipped.

    Args:
        timeline: of a fast scan, not refined yet.
        shown: times of all frames, in stream ticks, ascending.
    """
    suspect = timeline.stored[LEAD] != CUT_KEY
    evidence = np.zeros(len(timeline), bool)
    if "cut" in timeline.stored:
        evidence = timeline.column("cut") >= _LEAST_CUT
    elif "delta_value" in timeline.stored:
        names = ("delta_hue", "delta_saturation", "delta_value")
        evidence = np.sum([timeline.column(name) for name in names], axis=0) / 3 >= _LEAST_CONTENT
    kept = timeline.pts + int(shown[0])
    places = np.searchsorted(shown, kept)
    skipped = np.diff(places, prepend=places[:1]) - 1
    rows = np.flatnonzero(suspect & evidence & (skipped > 0))
    return [
        Gap(int(row), int(kept[row - 1]), int(kept[row]), int(skipped[row]))
        for row in rows
        if row > 0
    ]


def _by_group(gaps: Sequence[Gap], timeline: Timeline) -> list[list[Gap]]:
    """Gaps of one group of pictures together: one reading from its key frame serves them all."""
    keys = np.flatnonzero(timeline.stored[LEAD] != KEPT)
    groups = itertools.groupby(gaps, lambda gap: int(np.searchsorted(keys, gap.row)))
    return [list(group) for _key, group in groups]


def firsts_of_shots(
    opened: VideoPass, gaps: Sequence[Gap], *, seeks: bool = True
) -> Iterator[tuple[Gap, int]]:
    """For each gap the stream time of its first frame that is nearer to its end.

    Args:
        opened: a thin pass, not read yet.
        gaps: in order, best of one group of pictures. One of which not every frame can be had is
            left out.
        seeks: whether reading begins at the key frame before the first gap, not at the start.
    """
    if seeks and gaps[0].before_pts > (opened.stream.start_time or 0):
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
