"""Data on stdout, talk on stderr."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TRY_AGAIN = "to try them again: the same build with --retry"
INSTANTS = frozenset({"start_seconds", "end_seconds", "pts_seconds"})
_CELL_CHARACTERS = 200
# What drives a terminal instead of being shown by it, and marks that turn the order of text round.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def say(text: str = "") -> None:
    """Talk to the person: stderr."""
    print(_CONTROL.sub("\ufffd", text), file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Data for people: stdout. Captions are not ours: no control character of theirs goes out."""
    print(_CONTROL.sub("\ufffd", text), flush=True)


def put_json(value: Any) -> None:
    """Data for programs: one JSON value on stdout, on one line unless a person reads it."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(jsonable(value), ensure_ascii=False, indent=indent, allow_nan=False)
    print(text, flush=True)


def jsonable(value: Any) -> Any:
    """The value with dataclasses, paths and tuples turned into plain JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: jsonable(item) for key, item in vars(value).items()}
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], columns: list[str] | None = None) -> str:
    """Aligned plain text of rows, numbers to the right; long texts lose their end.

    Columns of `INSTANTS` are times in a video: shown so that they lie in the frame they mean.
    """
    if not rows:
        return "(nothing)"
    names = columns or list(rows[0])
    cells = [[_cell(row.get(name), name) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[at]) for row in cells)) for at, name in enumerate(names)]
    numeric = [
        all(isinstance(row.get(name), (int, float)) or row.get(name) is None for row in rows)
        for name in names
    ]
    lines = ["  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))]
    for row in cells:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(parts))
    return "\n".join(line.rstrip() for line in lines)


def table_of_figures(rows: Sequence[Mapping[str, str]]) -> str:
    """A table whose texts are numbers, to the right, but for the first column."""
    if not rows:
        return "(nothing)"
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    lines = []
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [row[name].rjust(width) for name, width in zip(names, widths, strict=True)]
        lines.append("  ".join([row[names[0]].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def instant_text(seconds: float) -> str:
    """A time in a video in thousandths of a second, never behind it."""
    from internvid.core.types import instant  # imports numpy, which --help has no need of

    return f"{instant(seconds):.3f}"


def _cell(value: Any, name: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = float(instant_text(value)) if name in INSTANTS else value
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.0f}"
    text = str(value).replace("\n", " ")
    is_long = len(text) > _CELL_CHARACTERS
    return text[: _CELL_CHARACTERS - 1] + "…" if is_long else text


def duration(seconds: float) -> str:
    """A length of time for people: 4.2 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class StageProgress:
    """Says how far a stage is, at its beginning and end and every tenth of it."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def __call__(self, stage: str, done: int, of: int) -> None:
        """So far of so much of a stage."""
        tenth = 10 * done // max(of, 1)
        if (stage, tenth) != self._last:
            self._last = (stage, tenth)
            say(f"{stage}: {done}/{of}")
