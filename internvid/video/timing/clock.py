"""Times of displayed frames: the stream's own where it has them, rebuilt where it has not.

Containers such as AVI and MXF store when a packet is decoded, not when its frame is shown; what the
demuxer then states as presentation time grows in decoding order and is wrong for every reordered
frame. A decoder puts out one frame for each packet in order of display, so that the n-th frame
shown has the n-th smallest of the packets' times.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median_low
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

from internvid.video.timing.decode_report import DecodeReport

# A clock that jumps back by more was started again: packets in decoding order, frames in that of
# display, which damage may change a little.
_RESTART_SECONDS = Fraction(1, 5)
_RESTART_SHOWN_SECONDS = 1.0
# Recordings whose parts may have any clock: FFmpeg too takes a greater step ahead for another clock
# there, and itself makes such a step of one back, as the 33 bits of these times may have run out.
_JOINED = frozenset({"mpegts", "mpeg"})
_GAP_SECONDS = 10
# Frames kept back while it is open whether packets were lost or times are those of decoding:
# encoders rarely reorder over more.
_MOST_HELD = 8
# After so many losses a stream's times are taken as they are.
_MOST_LOSSES = 3
# No codec holds more packets back.
_MOST_PACKETS = 64
_REMEMBERED_STEPS = 33


def is_other_clock(end_seconds: float, seconds: float, container: str) -> bool:
    """Whether what follows in order of display has its time from another clock.

    Args:
        end_seconds: where the part before ended.
        seconds: where the next one begins.
        container: FFmpeg's name.
    """
    is_ahead = container in _JOINED and seconds - end_seconds > _GAP_SECONDS
    return is_ahead or end_seconds - seconds > _RESTART_SECONDS


@dataclass(frozen=True)
class Jumps:
    """How far a clock may jump, in ticks, before it counts as another one.

    Attributes:
        back: this far back, in decoding order.
        ahead: this far ahead; None where any gap is one.
    """

    back: int
    ahead: int | None

    @classmethod
    def of(cls, time_base: Fraction, container: str) -> Jumps:
        """Those of a stream.

        Args:
            time_base: seconds per tick.
            container: FFmpeg's name.
        """
        ahead = round(_GAP_SECONDS / time_base) if container in _JOINED else None
        return cls(round(_RESTART_SECONDS / time_base), ahead)

    def are_met(self, packet: Packet[Any], latest: int | None, decoded: int | None) -> bool:
        """Whether the clock starts again with a packet.

        Args:
            packet: the next one in decoding order.
            latest: latest time of display so far, in ticks.
            decoded: time of decoding of the packet before.
        """
        dts = packet.dts
        time = packet.pts if packet.pts is not None else dts
        if time is not None and latest is not None:
            if self.ahead is not None and time - latest > self.ahead:
                return True
            # Frames shown before another may come behind it, but no key frame does.
            if latest - time > self.back and packet.is_keyframe:
                return True
        return decoded is not None and dts is not None and decoded - dts > self.back


_Time = tuple[int, int]
"""Place in a stream: which run of its clock, and the time in it."""


@dataclass
class _Durations:
    """How long the frame that was shown last stays.

    A frame carries the duration of its packet, and MP4 knows only the time from one packet to the
    next in decoding order: with reordered frames of changing rate it is that of another frame.
    """

    _steps: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_STEPS))
    _stated: int = 0
    _since_wrong: int = _REMEMBERED_STEPS

    def add(self, step: int | None, stated: int) -> None:
        """Take the next frame: ticks since the one before, and the duration it carries."""
        if step is not None:
            self._steps.append(step)
            # Times are rounded to ticks.
            is_right = abs(step - self._stated) <= 1
            self._since_wrong = self._since_wrong + 1 if is_right else 0
        self._stated = stated

    def last(self, typical: int) -> int:
        """Ticks that the last frame is shown for.

        Args:
            typical: of a frame, where nothing is known.
        """
        if self._stated > 0 and self._since_wrong >= len(self._steps):
            return self._stated
        return max(1, median_low(self._steps) if self._steps else typical)


@dataclass
class FrameClock:
    """Turns frames and the packets they come from into ticks that start at 0 and always grow.

    A clock that jumps back was started again (recordings put one behind the other): the rest
    follows where the frames before it ended.

    Attributes:
        report: is called with each frame: how many, where they end, how many times were rebuilt.
        time_base: seconds per tick of the stream.
        fps: frame rate the header claims, 0 when unknown.
        container: FFmpeg's name.
        is_whole: whether every packet is decoded, so that missing frames mean something.
    """

    report: DecodeReport
    time_base: Fraction
    fps: float
    container: str = ""
    is_whole: bool = True
    _packets: list[_Time] = field(default_factory=list)
    _held: list[tuple[VideoFrame, _Time]] = field(default_factory=list)
    _is_decoding_order: bool = False
    _losses: int = 0
    _run: int = 0
    _latest: int | None = None
    _decoded: int | None = None
    _ticks: int = -1
    _last: _Time | None = None
    _shift: int = 0
    _durations: _Durations = field(default_factory=_Durations)
    _recent: deque[tuple[int, int]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED_STEPS + _MOST_PACKETS)
    )

    def __post_init__(self) -> None:
        fps = self.fps if self.fps > 0 else 25.0
        self._typical = max(1, round(Fraction(1 / fps) / self.time_base))
        self._jumps = Jumps.of(self.time_base, self.container)
        self._jump_shown = round(_RESTART_SHOWN_SECONDS / self.time_base)

    def send(self, packet: Packet[Any]) -> None:
        """Take note of a packet before it is decoded."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.size or packet.is_discard:
            return
        if self._jumps.are_met(packet, self._latest, self._decoded):
            self._run += 1
            self._latest = None
        self._latest = time if self._latest is None else max(self._latest, time)
        self._decoded = packet.dts
        if not self.is_whole:
            self._recent.append((time, packet.duration or 0))
        heapq.heappush(self._packets, (self._run, time))
        if len(self._packets) > _MOST_PACKETS:
            heapq.heappop(self._packets)

    def refuse(self, packet: Packet[Any]) -> None:
        """Forget a packet that the decoder could not use."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and (self._run, time) in self._packets:
            self._packets.remove((self._run, time))
            heapq.heapify(self._packets)

    def show(self, frame: VideoFrame) -> list[tuple[VideoFrame, int]]:
        """Take the next displayed frame; frames whose time is certain now, with their ticks."""
        own = self._own(frame)
        if self._held:
            self._held.append((frame, own or self._held[-1][1]))
            return self._settle(is_last=False)
        if own is None or self._is_decoding_order:
            return [(frame, self._stamp(frame, self._next(own), own))]
        is_first = self._ticks < 0
        jumps = bool(self._packets) and self._packets[0] < own
        goes_back = self._last is not None and own < self._last
        if self.is_whole and not is_first and self._losses < _MOST_LOSSES and jumps:
            self._held.append((frame, own))
            return []
        if goes_back and self.is_whole:
            self._is_decoding_order = True
            return [(frame, self._stamp(frame, self._next(own), own))]
        self._forget(own)
        return [(frame, self._stamp(frame, own, own))]

    def finish(self) -> list[tuple[VideoFrame, int]]:
        """Frames still kept back, with their ticks; the report then states the end."""
        settled = self._settle(is_last=True) if self._held else []
        if self._recent and self.report.frames:
            self._set_end_of_packets()
        else:
            self._set_end()
        return settled

    def _own(self, frame: VideoFrame) -> _Time | None:
        """The time that the frame carries, in the run of the clock that its packet belongs to."""
        if frame.pts is None:
            return None
        runs = [run for run, time in self._packets if time == frame.pts]
        if runs:
            return min(runs), frame.pts
        last = self._last or (0, 0)
        return last[0], frame.pts

    def _next(self, own: _Time | None) -> _Time | None:
        return heapq.heappop(self._packets) if self._packets else own

    def _forget(self, upto: _Time) -> None:
        while self._packets and self._packets[0] <= upto:
            heapq.heappop(self._packets)

    def _settle(self, *, is_last: bool) -> list[tuple[VideoFrame, int]]:
        """Decide on the frames kept back, if that can be done."""
        times = [time for _frame, time in self._held]
        goes_back = any(later < time for time, later in itertools.pairwise(times))
        if not (goes_back or is_last or len(self._held) >= _MOST_HELD):
            return []
        held, self._held = self._held, []
        self._is_decoding_order = goes_back
        self._losses += not goes_back
        settled = []
        for frame, own in held:
            time: _Time | None = own
            if goes_back:
                time = self._next(own)
            else:
                self._forget(own)
            settled.append((frame, self._stamp(frame, time, own)))
        return settled

    def _stamp(self, frame: VideoFrame, time: _Time | None, own: _Time | None) -> int:
        """Ticks of a frame that is shown at `time`; None is one frame after the last."""
        report, last = self.report, self._ticks
        is_first = report.frames == 0
        if is_first:
            report.start_pts = time[1] if time else 0
        else:
            self._set_end()
        is_repaired = time is None or time != own
        if time is None:
            ticks = 0 if is_first else last + self._typical
        else:
            if self._last is not None and time[0] > self._last[0]:
                self._shift += report.end_ticks - (time[1] - report.start_pts + self._shift)
                is_repaired = True
            ticks = time[1] - report.start_pts + self._shift
            self._last = time
            if ticks <= last and last - ticks > self._jump_shown:
                self._shift += report.end_ticks - ticks
                ticks = report.end_ticks
                is_repaired = True
        if ticks <= last:
            ticks = last + 1
            is_repaired = True
        report.repaired_times += is_repaired
        self._durations.add(ticks - last if last >= 0 else None, frame.duration)
        self._ticks = ticks
        report.frames += 1
        return ticks

    def _set_end(self) -> None:
        if self.report.frames:
            self.report.end_ticks = self._ticks + self._durations.last(self._typical)

    def _set_end_of_packets(self) -> None:
        """The end where frames were skipped, which a pass over all of them would state."""
        recent = sorted(self._recent)[-_REMEMBERED_STEPS - 1 :]
        durations = _Durations()
        for at, (time, stated) in enumerate(recent):
            durations.add(time - recent[at - 1][0] if at else None, stated)
        end = recent[-1][0] - self.report.start_pts + durations.last(self._typical)
        self.report.end_ticks = max(end, self._ticks + 1)
