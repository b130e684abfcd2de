"""What is going to be rendered: plans of shots, transitions and events, before any pixel exists."""

from dataclasses import dataclass
from fractions import Fraction

from internvid.synthetic.truth import Borders, CameraMove, SoundTruth


@dataclass(frozen=True)
class ObjectPlan:
    """One shape and its way across the screen.

    Attributes:
        shape: a word of `vocabulary.SHAPES`.
        colour: a word of `vocabulary.COLOURS`.
        size: a word of `vocabulary.SIZES`.
        motion: a word of `vocabulary.MOTION_PHRASES`.
        x: horizontal anchor, fraction of the width (the middle of the way).
        y: vertical anchor, fraction of the height.
        reach: length of the way, fraction of the width (left, right) or of the height (up, down).
    """

    shape: str
    colour: str
    size: str
    motion: str
    x: float
    y: float
    reach: float


@dataclass(frozen=True)
class ShotPlan:
    """One shot.

    Attributes:
        seed: paints the backdrop, the shake and the grain.
        kind: scene, still or slide.
        frames: number of clean frames.
        backdrop: a name of `backdrops.PAINTERS`.
        mood: a name of its palettes.
        camera: the move.
        objects: shapes, painted in order.
        borders: black bars.
        sound: what is heard.
        grain: standard deviation of sensor noise, levels of 255.
        tint: if given, the backdrop keeps only its luma and takes this colour: two tints of one
            seed differ in colour alone.
        mean_luma: if given, the backdrop is scaled to this mean luma (0-255).
    """

    seed: int
    kind: str
    frames: int
    backdrop: str
    mood: str
    camera: CameraMove
    objects: tuple[ObjectPlan, ...]
    borders: Borders
    sound: SoundTruth
    grain: float
    tint: str | None = None
    mean_luma: float | None = None


@dataclass(frozen=True)
class TransitionPlan:
    """What lies between two shots.

    Attributes:
        kind: cut, dissolve, fade or wipe.
        style: black, white; left, right, up, down, clock, iris; or "".
        frames: number of mixed frames: 0 for a cut, else even and at least 4.
        contrast: what a hard cut keeps equal: similar-brightness, colour-only, or "".
    """

    kind: str
    style: str = ""
    frames: int = 0
    contrast: str = ""


@dataclass(frozen=True)
class EventPlan:
    """A distractor.

    Attributes:
        kind: as in `EventTruth`.
        first_frame: first changed frame, counted from the start of the video.
        last_frame: last changed frame.
        shot_index: the shot it lies in.
        amount: strength (flash: weight of white; light_change: gain; near_object: radius / height).
        detail: words of a title, side of an object.
        ramp_frames: frames over which a title or a light change comes (and a title goes).
    """

    kind: str
    first_frame: int
    last_frame: int
    shot_index: int
    amount: float
    detail: str
    ramp_frames: int


@dataclass(frozen=True)
class VideoPlan:
    """A whole video: `transitions[i]` lies between shots i and i + 1."""

    name: str
    theme: str
    codec: str
    width: int
    height: int
    fps: Fraction
    has_audio: bool
    shots: tuple[ShotPlan, ...]
    transitions: tuple[TransitionPlan, ...]
    events: tuple[EventPlan, ...]
    slideshows: tuple[tuple[int, int, str], ...]

    @property
    def clean_starts(self) -> tuple[int, ...]:
        """The first clean frame of every shot, counted from the start of the video."""
        starts = [0]
        for shot, transition in zip(self.shots, self.transitions, strict=False):
            starts.append(starts[-1] + shot.frames + transition.frames)
        return tuple(starts)

    @property
    def frames(self) -> int:
        """Number of frames of the video."""
        return sum(shot.frames for shot in self.shots) + sum(
            transition.frames for transition in self.transitions
        )
