"""Subtitle entries to lines: SubRip and WebVTT parsed, marks removed, rolling captions folded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_ARROW = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# Tags by their names, because "x < 5 and y > 3" is none.
_BREAKS = re.compile(r"<br\s*/?>|</?(?:v|p|div)\b(?:\.[^\s<>]*)?(?:\s[^<>\n]{0,200})?>", re.I)
_PLAIN_TAGS = "i|b|u|s|c|ruby|rt|rp|em|strong|small|big|tt|sub|sup|del|ins|strike|lang|font|span|a"
_ATTRIBUTE = r"""[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"']+)"""
_TAGS = re.compile(
    rf"</?(?:{_PLAIN_TAGS})(?:\.[^\s<>]*)?\s*/?>"
    rf"|<(?:font|span|a|[bius])(?:\s+{_ATTRIBUTE})+\s*>"
    r"|<lang(?:\.[^\s<>]*)?\s+[a-z]{2,3}(?:-[a-z0-9]{2,8})*\s*>"
    r"|<\d{1,4}:\d{2}(?::\d{2})?\.\d{1,3}>",
    re.IGNORECASE,
)
_OVERRIDES = re.compile(r"\{\\[^}\n]{0,400}\}|\{/?[ibu]\}")
_DRAWINGS = re.compile(r"\{[^}\n]*\\p[1-9][^}\n]*\}.*?(?:\{[^}\n]*\\p0[^}\n]*\}|\Z)", re.DOTALL)
_EDGES = re.compile(r"^\W+|\W+$")
# What follows within one frame of slow film replaces what was on the screen.
_TOUCHING_SECONDS = 0.05
# Words that grow by others may come after a short pause; what comes whole again is said again.
_GROWING_SECONDS = 1.0
# Fewer words in common, in the midst of a row, may be chance.
_FEWEST_COMMON_WORDS = 3


@dataclass(frozen=True)
class Line:
    """Words and when they are shown, in seconds from the first displayed frame."""

    start_seconds: float
    end_seconds: float
    text: str

    @property
    def middle_seconds(self) -> float:
        """The middle of the time it is shown."""
        return (self.start_seconds + self.end_seconds) / 2


@dataclass(frozen=True)
class Cue:
    """What is on the screen from one time to another, row by row, without marks of style."""

    start_seconds: float
    end_seconds: float
    rows: tuple[str, ...]


def parse(text: str) -> list[Line]:
    """Lines of SubRip or WebVTT; what is neither is passed over, what rolls is folded."""
    return fold(parse_cues(text))


def parse_cues(text: str) -> list[Cue]:
    """Entries of SubRip or WebVTT, in the order of time.

    An entry of WebVTT ends at an empty line; one with a blank in it is a row. SubRip files of
    the wild have empty lines within entries too: there an entry ends where the next begins.
    """
    is_vtt = text.lstrip("\ufeff \t\r\n").startswith("WEBVTT")
    cues: list[Cue] = []
    span: tuple[float, float] | None = None
    rows: list[str] = []

    def close() -> None:
        shown = make_rows("\n".join(rows))
        if span is not None and shown and span[1] > span[0]:
            cues.append(Cue(*span, shown))
        rows.clear()

    for line in _LINE_ENDS.split(text):
        match = _ARROW.match(line)
        if match:
            # The number above an arrow belongs to the entry that begins.
            if rows and rows[-1].strip().isdigit() and span is not None:
                rows.pop()
            close()
            span = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        elif is_vtt and not line:
            close()
            span = None
        elif span is not None:
            rows.append(line)
    close()
    return sorted(cues, key=lambda one: (one.start_seconds, one.end_seconds))


def _seconds(parts: Iterable[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000


def make_rows(text: str) -> tuple[str, ...]:
    """The rows of an entry that say something, without marks of style."""
    bare = _DRAWINGS.sub("", text)
    bare = _BREAKS.sub("\n", bare.replace("\\N", "\n"))
    bare = html.unescape(_OVERRIDES.sub("", _TAGS.sub("", bare)))
    rows = (" ".join(row.split()) for row in _LINE_ENDS.split(bare))
    return tuple(row for row in rows if row)


def plain(text: str) -> str:
    """Words without marks of style, entities and line breaks."""
    return " ".join(make_rows(text))


def fold(cues: Sequence[Cue]) -> list[Line]:
    """Lines of entries; what stays on the screen from one entry to the next appears once.

    Automatic captions roll: each entry repeats rows, or the beginning of a row, of the one that
    it replaces. An entry that comes after a pause repeats nothing, whatever it says.

    Args:
        cues: in the order of time.
    """
    folded: list[Line] = []
    before: Cue | None = None
    for cue in cues:
        words = " ".join(cue.rows).split()
        shown = 0
        if before is not None:
            pause = cue.start_seconds - before.end_seconds
            shown = _shown_words(before.rows, words) if pause <= _GROWING_SECONDS else 0
            if pause > _TOUCHING_SECONDS and not _FEWEST_COMMON_WORDS <= shown < len(words):
                shown = 0
        if shown < len(words):
            text = " ".join(words[shown:])
            folded.append(Line(cue.start_seconds, cue.end_seconds, text))
        before = cue
    return folded


def _shown_words(rows: Sequence[str], words: Sequence[str]) -> int:
    """How many of the words at the beginning are on the screen already, as its last ones."""
    now = [_bare(word) for word in words]
    there = [[_bare(word) for word in row.split()] for row in rows]
    for at in range(len(there)):
        rest = [word for row in there[at:] for word in row]
        if now[: len(rest)] == rest:
            return len(rest)
    last = [word for row in there for word in row]
    for common in range(min(len(last), len(now)), _FEWEST_COMMON_WORDS - 1, -1):
        if last[-common:] == now[:common]:
            return common
    return 0


def _bare(word: str) -> str:
    return _EDGES.sub("", word).casefold() or word
