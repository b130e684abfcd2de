"""The kinds of long videos: what each theme shows, and in which order its parts come."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

Place = tuple[str, str]


@dataclass(frozen=True)
class Theme:
    """A kind of video.

    Attributes:
        name: goes into the file name.
        suffix: container.
        codec: a name of `encode.ENCODERS`.
        fps: frames per second.
        has_audio: whether a sound track is written.
        seconds: shortest and longest clean part of a scene.
        transitions: shares of cut, dissolve, fade, wipe between scenes; dealt like cards, at
            least one each.
        places: (backdrop, mood) of its scenes.
        parts: order of parts: scene, still, burst, colour, similar, hard, soft, ken-burns.
        events: distractors it contains.
        borders: "all" (cinema bars everywhere), "some" or "none".
        fastest_pan: widths per second.
        grain: standard deviation of sensor noise, levels of 255.
    """

    name: str
    suffix: str
    codec: str
    fps: Fraction
    has_audio: bool
    seconds: tuple[float, float]
    transitions: Mapping[str, float]
    places: tuple[Place, ...]
    parts: tuple[str, ...]
    events: tuple[str, ...]
    borders: str
    fastest_pan: float
    grain: float


_DAY: tuple[Place, ...] = (
    ("mountains", "day"),
    ("mountains", "snow"),
    ("dunes", "day"),
    ("sea", "day"),
    ("sea", "tropical"),
    ("city", "day"),
    ("meadow", "spring"),
    ("forest", "summer"),
    ("clouds", "day"),
    ("bricks", "white"),
)
_EVENING: tuple[Place, ...] = (
    ("mountains", "dusk"),
    ("dunes", "dusk"),
    ("sea", "sunset"),
    ("city", "dusk"),
    ("clouds", "sunset"),
    ("forest", "autumn"),
    ("meadow", "autumn"),
)
_NIGHT: tuple[Place, ...] = (
    ("city", "night"),
    ("mountains", "night"),
    ("stars", "blue"),
    ("stars", "violet"),
    ("lights", "warm"),
    ("lights", "cold"),
    ("sea", "night"),
    ("forest", "dark"),
    ("bricks", "dark"),
    ("clouds", "storm"),
    ("marble", "black"),
)
_INDOORS: tuple[Place, ...] = (
    ("tiles", "blue"),
    ("tiles", "earth"),
    ("tiles", "pale"),
    ("tiles", "green"),
    ("bricks", "red"),
    ("bricks", "white"),
    ("marble", "white"),
    ("marble", "green"),
    ("marble", "rose"),
    ("lights", "bright"),
    ("lights", "warm"),
)
MIDDLE_PLACES: tuple[Place, ...] = (
    ("mountains", "day"),
    ("dunes", "day"),
    ("sea", "tropical"),
    ("city", "day"),
    ("meadow", "spring"),
    ("forest", "summer"),
    ("tiles", "earth"),
    ("bricks", "red"),
    ("marble", "rose"),
    ("clouds", "day"),
)
"""Places of medium brightness, for cuts that keep the brightness."""

THEMES: tuple[Theme, ...] = (
    Theme(
        name="travel",
        suffix=".mp4",
        codec="h264",
        fps=Fraction(25),
        has_audio=True,
        seconds=(2.0, 4.2),
        transitions=MappingProxyType({"cut": 0.6, "dissolve": 0.25, "fade": 0.05, "wipe": 0.1}),
        places=(*_DAY, *_EVENING),
        parts=("scene", "scene", "colour", "scene", "scene", "still", "similar", "scene", "burst"),
        events=("title", "near_object", "flash"),
        borders="some",
        fastest_pan=0.5,
        grain=1.5,
    ),
    Theme(
        name="nature",
        suffix=".mkv",
        codec="h264",
        fps=Fraction(30),
        has_audio=True,
        seconds=(2.4, 4.8),
        transitions=MappingProxyType({"cut": 0.2, "dissolve": 0.45, "fade": 0.2, "wipe": 0.15}),
        places=(*_EVENING, *_DAY),
        parts=("scene", "scene", "scene", "scene", "similar", "scene", "still"),
        events=("light_change", "fade_in", "title"),
        borders="all",
        fastest_pan=0.35,
        grain=0.0,
    ),
    Theme(
        name="night",
        suffix=".webm",
        codec="vp9",
        fps=Fraction(24),
        has_audio=False,
        seconds=(1.8, 4.0),
        transitions=MappingProxyType({"cut": 0.5, "dissolve": 0.2, "fade": 0.15, "wipe": 0.15}),
        places=_NIGHT,
        parts=("scene", "scene", "scene", "burst", "scene", "scene", "still"),
        events=("flash", "flash", "light_change", "fade_out"),
        borders="none",
        fastest_pan=0.6,
        grain=2.0,
    ),
    Theme(
        name="gallery",
        suffix=".mp4",
        codec="h264",
        fps=Fraction(30000, 1001),
        has_audio=True,
        seconds=(2.0, 3.6),
        transitions=MappingProxyType({"cut": 0.4, "dissolve": 0.3, "fade": 0.1, "wipe": 0.2}),
        places=(*_INDOORS, *_EVENING),
        parts=("scene", "hard", "scene", "soft", "scene", "ken-burns", "scene"),
        events=("title",),
        borders="some",
        fastest_pan=0.4,
        grain=0.0,
    ),
    Theme(
        name="action",
        suffix=".mp4",
        codec="h264",
        fps=Fraction(30),
        has_audio=False,
        seconds=(1.5, 2.8),
        transitions=MappingProxyType({"cut": 0.75, "dissolve": 0.1, "fade": 0.05, "wipe": 0.1}),
        places=(*_DAY, *_NIGHT, *_INDOORS),
        parts=(
            "scene",
            "burst",
            "scene",
            "scene",
            "similar",
            "scene",
            "burst",
            "scene",
            "colour",
            "scene",
        ),
        events=("flash", "near_object", "near_object", "flash"),
        borders="some",
        fastest_pan=0.8,
        grain=1.5,
    ),
)
"""The themes in the order in which the videos of a world take them."""
