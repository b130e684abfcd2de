"""The words the synthetic world is made of: colours, shapes, motions, camera moves.

Everything that is rendered is described with these words, so that captions, classifiers and tests
share one vocabulary. All tuples are ordered and stable: seeds keep their meaning as long as these
do.
"""

from collections.abc import Mapping
from types import MappingProxyType

RGB = tuple[int, int, int]

COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (214, 32, 36),
        "orange": (245, 134, 20),
        "yellow": (246, 222, 40),
        "green": (36, 166, 60),
        "cyan": (40, 208, 218),
        "blue": (34, 72, 216),
        "purple": (134, 44, 190),
        "pink": (250, 130, 190),
    }
)
"""Object colours by name, sRGB 0-255."""

SHAPES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "star",
    "cross",
    "ring",
    "heart",
    "diamond",
)

DIRECTIONS: tuple[str, ...] = ("left", "right", "up", "down")
MOTIONS: tuple[str, ...] = (*DIRECTIONS, "grow", "shrink", "blink", "stay")
"""Motions of an object, as seen on the screen."""

MOTION_PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "left": "moves to the left",
        "right": "moves to the right",
        "up": "moves up",
        "down": "moves down",
        "grow": "grows larger",
        "shrink": "shrinks",
        "blink": "blinks on and off",
        "stay": "stays in place",
        "circle": "moves in a circle",
        "bounce": "bounces up and down",
    }
)
"""A verb phrase for each motion; "circle" and "bounce" occur in the long videos only."""

CAMERA_PHRASES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("static", "none"): "the camera is still",
        ("pan", "left"): "the camera pans left",
        ("pan", "right"): "the camera pans right",
        ("tilt", "up"): "the camera tilts up",
        ("tilt", "down"): "the camera tilts down",
        ("zoom", "in"): "the camera zooms in",
        ("zoom", "out"): "the camera zooms out",
        ("shake", "none"): "the camera shakes",
    }
)
"""A clause for each (kind, direction); "pan right" means that the content moves left."""

SIZES: Mapping[str, float] = MappingProxyType({"small": 0.085, "medium": 0.125, "large": 0.175})
"""Object radius as a fraction of the frame height."""

TONES: tuple[str, ...] = ("dark", "grey", "bright")
"""Background tones of training clips."""
