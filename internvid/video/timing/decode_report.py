"""What one pass over a source met: frames, damage, times that had to be rebuilt."""

from __future__ import annotations

from dataclasses import dataclass

from internvid.core.errors import VideoUnreadableError

# Beyond this share of damaged frames little is left that the source really showed.
MOST_DAMAGED_SHARE = 0.5


@dataclass
class DecodeReport:
    """What one pass met. Filled while frames are read; final once they are exhausted.

    Attributes:
        frames: displayed frames so far.
        start_pts: stream ticks of the first displayed frame.
        end_ticks: end of the last frame, in ticks after `start_pts`.
        damaged_packets: packets the decoder refused.
        damaged_frames: frames the decoder flagged as corrupt.
        repaired_times: frames whose time was missing or did not grow.
        truncated: whether reading ended with an error.
    """

    frames: int = 0
    start_pts: int = 0
    end_ticks: int = 0
    damaged_packets: int = 0
    damaged_frames: int = 0
    repaired_times: int = 0
    truncated: bool = False

    def refuse_rubble(self) -> None:
        """Refuse a source of which little can be seen: encrypted, or its bytes were lost.

        Raises:
            VideoUnreadableError: more than half of its frames are damaged (reason `damaged`).
        """
        damaged = self.damaged_packets + self.damaged_frames
        whole = self.frames + self.damaged_packets
        if damaged > MOST_DAMAGED_SHARE * whole:
            raise VideoUnreadableError(
                f"{damaged} of {whole} frames are damaged; a source with more than "
                f"{MOST_DAMAGED_SHARE:.0%} is not used",
                reason="damaged",
                hint="fetch it again; if it is encrypted, decrypt it first",
            )
