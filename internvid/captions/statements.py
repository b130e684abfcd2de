"""What can be stated of a clip with confidence, from its measured columns alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# No column says how wide the picture is: this is a height in widths, of common pictures.
_HEIGHT_WIDTHS = 0.6


@dataclass(frozen=True)
class Certainty:
    """How clear a measurement must be before it is put into words.

    Attributes:
        camera: least `camera_confidence`.
        slow_widths, fast_widths: pans, tilts and zooms up to this, or from this, in the unit of
            `camera_speed`, are called slow or fast; those between get no word. A tilt must be fast
            in widths as well as in heights: a wide picture has few widths to its height.
        dark_below, bright_above: `brightness` so far out that nobody would doubt it.
        main_share: share of the picture from which a colour is what the scene mostly is.
        colour_share: smallest share of a colour that is named at all; smaller areas are often
            the shades between two names.
        loud_dbfs, quiet_dbfs: mean loudness from or up to which sound is loud or low.
        busy_levels: `object_motion_mean` from which much moves.
        steady_light: largest `brightness_range` at which the light is one and the same.
        bar_share: least share of the picture under bars that are mentioned.
    """

    camera: float = 0.62
    slow_widths: float = 0.09
    fast_widths: float = 0.25
    dark_below: float = 0.24
    bright_above: float = 0.67
    main_share: float = 0.4
    colour_share: float = 0.33
    loud_dbfs: float = -20.0
    quiet_dbfs: float = -28.0
    busy_levels: float = 14.0
    steady_light: float = 0.12
    bar_share: float = 0.08


@dataclass(frozen=True)
class Statements:
    """Each statement that is certain; None where it is not.

    Attributes:
        picture: "still" for a frozen picture, "slideshow" for several, else None.
        camera: a word of signals.camera.MOVES but "mixed".
        direction: left, right, up, down, in or out.
        pace: slow or fast.
        light: dark or bright.
        colours: names, largest first; empty if none is clear.
        mostly: whether those colours together fill most of the picture.
        movement: "much", of things before a camera that stays still.
        sound: none, low or loud.
        bars: "above and below", "on both sides" or "all around".
        flickers: whether the light flickers.
    """

    picture: str | None = None
    camera: str | None = None
    direction: str | None = None
    pace: str | None = None
    light: str | None = None
    colours: tuple[str, ...] = ()
    mostly: bool = False
    movement: str | None = None
    sound: str | None = None
    bars: str | None = None
    flickers: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to say."""
        return self != Statements()


def state(row: Mapping[str, Any], certainty: Certainty) -> Statements:
    """The certain statements about one clip.

    Args:
        row: the clip's signal columns by name; absent and null ones say nothing.
        certainty: the limits.
    """
    picture = _picture(row)
    camera, direction, pace = (None, None, None) if picture else _camera(row, certainty)
    colours, mostly = _colours(row, certainty)
    return Statements(
        picture=picture,
        camera=camera,
        direction=direction,
        pace=pace,
        light=_light(row, certainty),
        colours=colours,
        mostly=mostly,
        movement=None if picture else _movement(row, certainty, camera),
        sound=_sound(row, certainty),
        bars=_bars(row, certainty),
        flickers=row.get("is_flickering") is True,
    )


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(value)


def _picture(row: Mapping[str, Any]) -> str | None:
    # One clip of a gallery that was cut at every picture shows a single one of them.
    if row.get("is_slideshow") and row.get("picture_changes") != 0:
        return "slideshow"
    return "still" if row.get("is_still") else None


def _camera(
    row: Mapping[str, Any], certainty: Certainty
) -> tuple[str | None, str | None, str | None]:
    move, sure = row.get("camera_move"), _number(row, "camera_confidence")
    if move not in ("static", "pan", "tilt", "zoom", "shake") or sure is None:
        return None, None, None
    if sure < certainty.camera:
        return None, None, None
    speed = _number(row, "camera_speed")
    pace = None
    if move in ("pan", "tilt", "zoom") and speed is not None:
        pace = "slow" if speed <= certainty.slow_widths else None
        least = speed * _HEIGHT_WIDTHS if move == "tilt" else speed
        pace = "fast" if least >= certainty.fast_widths else pace
    return move, row.get("camera_direction"), pace


def _light(row: Mapping[str, Any], certainty: Certainty) -> str | None:
    brightness, change = _number(row, "brightness"), _number(row, "brightness_range")
    if brightness is None or (change or 0.0) > certainty.steady_light:
        return None
    if brightness < certainty.dark_below:
        return "dark"
    return "bright" if brightness > certainty.bright_above else None


def _colours(row: Mapping[str, Any], certainty: Certainty) -> tuple[tuple[str, ...], bool]:
    pairs = list(zip(row.get("colour_names") or (), row.get("colour_shares") or (), strict=False))
    clear = [(name, share) for name, share in pairs if share >= certainty.colour_share][:2]
    if not clear:
        return (), False
    if clear[0][1] >= 2 * certainty.main_share:
        clear = clear[:1]  # a picture of one colour
    mostly = sum(share for _, share in clear) >= certainty.main_share + 0.2
    return tuple(name for name, _ in clear), mostly


def _movement(row: Mapping[str, Any], certainty: Certainty, camera: str | None) -> str | None:
    level = _number(row, "object_motion_mean")
    # Under a moving camera, edges that do not align perfectly look like things that move.
    if level is None or camera != "static":
        return None
    return "much" if level >= certainty.busy_levels else None


def _sound(row: Mapping[str, Any], certainty: Certainty) -> str | None:
    if row.get("is_silent") is True:
        return "none"
    level = _number(row, "loudness_mean")
    if level is None:
        return None
    if level >= certainty.loud_dbfs:
        return "loud"
    return "quiet" if level <= certainty.quiet_dbfs else None


def _bars(row: Mapping[str, Any], certainty: Certainty) -> str | None:
    above = (_number(row, "letterbox_share") or 0.0) >= certainty.bar_share
    beside = (_number(row, "pillarbox_share") or 0.0) >= certainty.bar_share
    if above and beside:
        return "all around"
    return "above and below" if above else "on both sides" if beside else None
