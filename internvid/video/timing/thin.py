"""Passes that leave out frames no other frame needs, and where they had better not."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from av.packet import Packet

Skip = Literal["BIDIR", "NONREF"]

# A frame that cannot be predicted from those before it takes a packet this many times as large as
# the largest of the last few, and at least this share of a key frame's. So do three of the four
# cuts of the marked files behind which frames are skipped (the fourth begins the second frame of
# its file); of all B frames of the real files one in fifty is read.
_TIMES_LARGEST = 2
_SHARE_OF_KEY = 0.3
_REMEMBERED = 8


def skipped_frames(codec: str) -> Skip:
    """FFmpeg's name of the frames that a thin pass of a codec leaves out."""
    # For HEVC `bidir` would leave key frames only, and few of them.
    return "BIDIR" if codec == "h264" else "NONREF"


@dataclass
class Suspicion:
    """Says packet by packet whether frames around it had better not be skipped.

    Where a shot begins and the encoder placed no key frame, the first frame after it that a thin
    pass keeps is far larger than those before. In decoding order it comes ahead of the frames
    between, so that these can still be decoded: the only way to learn of the shot's first frame
    without going through the group of pictures once more. Sizes alone tell, so this may err on
    either side; it then costs time and nothing else.
    """

    _latest: int | None = None
    _is_roused: bool = False
    _key_size: int = 0
    _sizes: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def wants(self, packet: Packet[Any]) -> bool:
        """Whether to decode this packet, the next one in decoding order, in full."""
        pts, size = packet.pts, packet.size
        if pts is None or not size:
            return False
        if packet.is_keyframe:  # encoders place them at cuts: no doubt about what they begin
            self._latest, self._key_size, self._is_roused = pts, size, False
        elif self._latest is None or pts > self._latest:  # others may be predicted from it
            self._latest = pts
            most = _TIMES_LARGEST * max(self._sizes, default=size)
            self._is_roused = size > max(most, _SHARE_OF_KEY * self._key_size)
            self._sizes.append(min(size, most))  # one cut shall not hide the next
        return self._is_roused
