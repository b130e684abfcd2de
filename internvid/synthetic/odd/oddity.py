"""What is stated about one odd file."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class OddFile:
    """One odd file and what is true of it.

    Attributes:
        name: file name inside the folder.
        oddity: what is odd, in a few words.
        expected: ok (all frames can be read), partial (some frames can be read) or refused (no
            frame can be read).
        reasons: for refused files, reason words that fit (those of `core.errors.VideoError`);
            any of them is right.
        frames: number of displayed frames; None if the damage decides.
        least_frames: at least this many can be read.
        duration_seconds: from the first displayed frame to the end of the last one; None if
            unknown.
        width: displayed width in pixels: pixels made square, rotation applied.
        height: displayed height in pixels.
        clockwise_degrees: how far a player turns the decoded picture.
        first_pts_seconds: the container's time of the first displayed frame; None if the muxer
            decides.
        first_shown_frame: which rendered frame comes first (read it off the bar, see
            `reel.bar_position`).
        has_audio: whether there is a sound track.
    """

    name: str
    oddity: str
    expected: str = "ok"
    reasons: tuple[str, ...] = field(default=())
    frames: int | None = None
    least_frames: int = 0
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    clockwise_degrees: int = 0
    first_pts_seconds: float | None = None
    first_shown_frame: int = 0
    has_audio: bool = False
