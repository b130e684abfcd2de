"""How numbers, times and texts are written on the page. Pure functions, no clock, no locale."""

from __future__ import annotations

import math
import unicodedata

# Invisible characters that reorder or hide the text around them: a file name may hold any.
_HIDDEN = frozenset(
    "\u200b\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def number(value: float | None) -> str:
    """Three significant digits, short: 0.087, 12.3, 4,120, 1.2M."""
    if value is None:
        return "–"
    return _digits(value).replace("-", "\N{MINUS SIGN}")


def _digits(value: float) -> str:
    size = abs(value)
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if size == 0:
        return "0"
    if size >= 9_999_500:
        return f"{value / 1e6:,.0f}M"
    if size >= 999_500:
        return f"{value / 1e6:.1f}M"
    if size >= 100:
        return f"{value:,.0f}"
    if size < 0.0005:
        return f"{value:.0e}".replace("e-0", "e-")
    digits = min(4, 2 - math.floor(math.log10(size)))
    text = f"{value:.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: int) -> str:
    """A whole number with separators."""
    return f"{value:,}"


def plural(value: int, word: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{value:,} {word}" if value == 1 else f"{value:,} {word}s"


def share(part: float, whole: float) -> str:
    """A percentage that says 0 % and 100 % only when they are exact."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1 %"
    if 99 < percent < 100:
        return ">99 %"
    return f"{percent:.0f} %"


def footage(seconds: float) -> str:
    """A length of footage in the unit that fits: 8.1 s, 12.4 min, 760 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"


def clock(seconds: float) -> str:
    """A place in a video: 0:15.95, 1:02:03.40."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest / 100:05.2f}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def shorten(text: object, limit: int = 160) -> str:
    """One line of at most `limit` characters, hidden and control characters made visible.

    The cut goes through the middle, because both the beginning and the end tell names apart.
    """
    raw = str(text)
    clean = "".join(_visible(character) for character in raw[: 4 * limit])
    line = " ".join(clean.split())
    if len(raw) > 4 * limit:
        line += "…"
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"


def _visible(character: str) -> str:
    if character in _HIDDEN or (
        unicodedata.category(character) == "Cc" and character not in "\t\n\r"
    ):
        return "\N{REPLACEMENT CHARACTER}"
    return character


def label(column: str) -> str:
    """A column's name for people: `motion_mean` becomes `Motion mean`."""
    known = {
        "duration_seconds": "Length",
        "transition": "Begins with",
        "transition_score": "Transition score",
        "colour_names": "Colours",
        "fps": "Frame rate",
    }
    if column in known:
        return known[column]
    words = column.removesuffix("_seconds").removesuffix("_fps").removesuffix("_pixels")
    words = words.replace("_", " ").strip() or column
    return words[:1].upper() + words[1:]


def unit(column: str) -> str:
    """The unit that a column's name ends in, short."""
    units = {"_seconds": "s", "_fps": "fps", "_pixels": "px", "_bytes": "B", "_degrees": "°"}
    for suffix, short in units.items():
        if column.endswith(suffix):
            return short
    return "fps" if column == "fps" else ""
