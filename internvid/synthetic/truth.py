"""What is true of a rendered world, as typed records with a JSON form.

Conventions. Frames are counted from 0. `start_frame` is inside and `end_frame` is outside (half-
open), times are frame / fps. Shots tile the video: a gradual boundary lies at its midpoint. A
gradual transition is given as [first mixed frame, last mixed frame], both inside. Directions are
those of the camera: "pan right" means that the camera turns right, so the picture content moves
left; "tilt up" moves the content down; "zoom in" enlarges it. Speeds are fractions of the frame
WIDTH per second for pan and tilt, growth per second for zoom (0.1 = content is 1.1 times larger
after one second, or 1.1 times smaller for "out"), and the standard deviation of the displacement
as a fraction of the width for shake.
"""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from internvid.core.errors import InternvidError
from internvid.core.types import Shot, TimeSpan

FORMAT = "internvid-world"
VERSION = 1
TRUTH_NAME = "truth.json"

Record = TypeVar("Record")


class WorldUnreadableError(InternvidError):
    """The folder holds no truth file that this version can read."""


@dataclass(frozen=True)
class CameraMove:
    """How the camera moves during a whole shot.

    Attributes:
        kind: static, pan, tilt, zoom or shake.
        direction: left, right, up, down, in, out, or none (static, shake).
        speed: see the module's conventions; 0 for static.
    """

    kind: str
    direction: str
    speed: float


@dataclass(frozen=True)
class ObjectTruth:
    """One moving shape.

    Attributes:
        shape: a word of `vocabulary.SHAPES`.
        colour: a word of `vocabulary.COLOURS`.
        size: small, medium or large.
        motion: a word of `vocabulary.MOTION_PHRASES`, as seen on the screen.
        radius_pixels: size in the middle of the shot.
    """

    shape: str
    colour: str
    size: str
    motion: str
    radius_pixels: float


@dataclass(frozen=True)
class SoundTruth:
    """What is heard during a shot.

    Attributes:
        kind: silence, tone or noise; "none" where the video has no sound track.
        level_db: RMS level relative to full scale; None for silence and none.
        pitch_hz: frequency of a tone, else None.
    """

    kind: str
    level_db: float | None
    pitch_hz: float | None


@dataclass(frozen=True)
class Borders:
    """Black bars in pixels."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class TransitionTruth:
    """How a shot begins.

    Attributes:
        kind: start, cut, dissolve, fade or wipe.
        style: "" or what exactly: black, white (fade), left, right, up, down, clock, iris
            (wipe; where its edge goes).
        first_frame: first mixed frame; of a cut and a start, the first frame of the new shot.
        last_frame: last mixed frame; of a cut and a start, the same as `first_frame`.
        contrast: similar-brightness, colour-only or "" (hard cuts: what they keep equal).
    """

    kind: str
    style: str
    first_frame: int
    last_frame: int
    contrast: str

    @property
    def frames(self) -> int:
        """Number of mixed frames, 0 for a cut and a start."""
        return 0 if self.kind in ("start", "cut") else self.last_frame - self.first_frame + 1


@dataclass(frozen=True)
class ShotTruth:
    """One shot.

    Attributes:
        index: position in the video.
        start_frame: first frame (midpoint of a gradual boundary).
        end_frame: first frame that no longer belongs to the shot.
        start_seconds: start_frame / fps.
        end_seconds: end_frame / fps.
        clean_start_frame: first frame that shows only this shot.
        clean_end_frame: first frame after the clean ones.
        transition: how the shot begins.
        kind: scene (live), still (one frozen frame) or slide (a picture of a slideshow).
        camera: the camera move.
        objects: shapes, foreground first.
        backdrop: a name of `backdrops.PAINTERS`.
        mood: its palette.
        tone: dark, medium or bright (by `brightness`).
        brightness: mean luma of the middle clean frame inside the borders, 0 to 1.
        dominant_colours: colour names that fill at least a sixth of that frame, largest first.
        borders: black bars.
        sound: what is heard.
        text: one sentence that describes the shot.
    """

    index: int
    start_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    clean_start_frame: int
    clean_end_frame: int
    transition: TransitionTruth
    kind: str
    camera: CameraMove
    objects: tuple[ObjectTruth, ...]
    backdrop: str
    mood: str
    tone: str
    brightness: float
    dominant_colours: tuple[str, ...]
    borders: Borders
    sound: SoundTruth
    text: str

    @property
    def is_still(self) -> bool:
        """Whether no pixel moves while only this shot is shown."""
        return self.kind in ("still", "slide") and self.camera.kind == "static"


@dataclass(frozen=True)
class EventTruth:
    """Something that happens inside a shot and is no boundary.

    Attributes:
        kind: flash, near_object, title, light_change, fade_in (at the start) or fade_out (at
            the end).
        first_frame: first frame it changes.
        last_frame: last frame it changes (a light change without return lasts until the shot ends).
        shot_index: the shot in which it happens.
        detail: the title's words, the side an object comes from, "brighter" or "darker"; else "".
    """

    kind: str
    first_frame: int
    last_frame: int
    shot_index: int
    detail: str


@dataclass(frozen=True)
class SlideshowTruth:
    """A run of slides [start_frame, end_frame) and its style: hard, soft or ken-burns."""

    start_frame: int
    end_frame: int
    style: str


@dataclass(frozen=True)
class VideoTruth:
    """One rendered video.

    Attributes:
        name: file name inside the world's folder.
        theme: which kind of video it is (travel, nature, night, gallery, action).
        codec: codec name as FFmpeg gives it (h264, vp9).
        width: in pixels.
        height: in pixels.
        fps_numerator: frames per second = numerator / denominator, constant.
        fps_denominator: see above.
        frames: number of frames.
        has_audio: whether there is a sound track.
        shots: in order; they tile the video.
        events: distractors, in order of time.
        slideshows: runs of slides.
        text: one sentence on the whole video.
    """

    name: str
    theme: str
    codec: str
    width: int
    height: int
    fps_numerator: int
    fps_denominator: int
    frames: int
    has_audio: bool
    shots: tuple[ShotTruth, ...]
    events: tuple[EventTruth, ...]
    slideshows: tuple[SlideshowTruth, ...]
    text: str

    @property
    def fps(self) -> Fraction:
        """Frames per second, exact."""
        return Fraction(self.fps_numerator, self.fps_denominator)

    @property
    def duration_seconds(self) -> float:
        """Frames divided by frames per second."""
        return float(self.frames / self.fps)

    @property
    def boundaries(self) -> tuple[TransitionTruth, ...]:
        """The transitions between shots (all but the start)."""
        return tuple(shot.transition for shot in self.shots[1:])

    def core_shots(self) -> list[Shot]:
        """Return the shots as detectors give them, with score 1."""
        return [
            Shot(
                span=TimeSpan(shot.start_seconds, shot.end_seconds),
                transition=shot.transition.kind,
                score=1.0,
                transition_seconds=shot.transition.frames / float(self.fps),
            )
            for shot in self.shots
        ]


@dataclass(frozen=True)
class CopyTruth:
    """A file made from another one of the world.

    Attributes:
        name: file name inside the folder.
        source: file name of the original.
        kind: exact (same bytes), reencoded (other size and bitrate) or subclip (re-encoded part).
        source_start_frame: first frame of the original that it shows.
        source_end_frame: first frame that it no longer shows.
        width: in pixels.
        height: in pixels.
    """

    name: str
    source: str
    kind: str
    source_start_frame: int
    source_end_frame: int
    width: int
    height: int


@dataclass(frozen=True)
class World:
    """A folder of rendered videos and everything that is true of them."""

    folder: Path
    seed: int
    videos: tuple[VideoTruth, ...]
    copies: tuple[CopyTruth, ...]

    @classmethod
    def load(cls, folder: Path | str) -> "World":
        """Read a world's truth file.

        Args:
            folder: where `render_world` wrote it.

        Raises:
            WorldUnreadableError: there is no truth file, or it is of another format or version.
        """
        path = Path(folder) / TRUTH_NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WorldUnreadableError(
                f"cannot read {path}: {error}",
                hint="render the world first: render_world(folder, seed)",
            ) from error
        if (
            not isinstance(data, dict)
            or data.get("format") != FORMAT
            or data.get("version") != VERSION
        ):
            raise WorldUnreadableError(
                f"{path} is not a {FORMAT} file of version {VERSION}", hint="render the world again"
            )
        videos = tuple(build_record(VideoTruth, entry) for entry in data["videos"])
        copies = tuple(build_record(CopyTruth, entry) for entry in data["copies"])
        return cls(folder=Path(folder), seed=data["seed"], videos=videos, copies=copies)

    def save(self) -> Path:
        """Write the truth file into the folder and return its path."""
        data = {
            "format": FORMAT,
            "version": VERSION,
            "seed": self.seed,
            "videos": [dataclasses.asdict(video) for video in self.videos],
            "copies": [dataclasses.asdict(copy) for copy in self.copies],
        }
        path = self.folder / TRUTH_NAME
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return path

    def path(self, name: str) -> Path:
        """Return where a file of the world lies."""
        return self.folder / name


def build_record(kind: type[Record], data: Any) -> Record:
    """Build a frozen record from the plain data that `dataclasses.asdict` and JSON made of it.

    Args:
        kind: a dataclass, or the type of one of its fields.
        data: plain JSON data.
    """
    built: Any = _build(kind, data)
    return typing.cast("Record", built)


def _build(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        return tuple(_build(typing.get_args(kind)[0], entry) for entry in data)
    if origin is types.UnionType:
        return data
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(
            **{
                field.name: _build(hints[field.name], data[field.name])
                for field in dataclasses.fields(kind)
            }
        )
    return data
