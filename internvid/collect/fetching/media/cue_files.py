"""Subtitles: WebVTT and SRT as lines of text with times; what is broken in them is counted."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 8 << 20
_TIMES = re.compile(
    r"^\s*(?P<start>(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})\s*-->\s*(?P<end>(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})"
)
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class Cue:
    """A text and when it is shown, seconds."""

    start_seconds: float
    end_seconds: float
    text: str


@dataclass(frozen=True)
class Cues:
    """The cues of a file.

    Attributes:
        cues: by their begin.
        broken: how many were left out, because their times cannot be.
    """

    cues: tuple[Cue, ...]
    broken: int

    def text(self, start_seconds: float | None, end_seconds: float | None, most: int) -> str:
        """What is spoken in a span, or in all; lines that roll up come once.

        Args:
            start_seconds, end_seconds: of the span; both None for all.
            most: characters.
        """
        lines: list[str] = []
        size = 0
        for cue in self.cues:
            if start_seconds is not None and end_seconds is not None:
                if cue.start_seconds >= end_seconds:
                    break
                if cue.end_seconds <= start_seconds:
                    continue
            for line in cue.text.split("\n"):
                if line and line not in lines[-2:]:
                    lines.append(line)
                    size += len(line) + 1
            if size > most:
                break
        return " ".join(lines)[:most]


def read_cues(path: Path) -> Cues:
    """The cues of a WebVTT or SRT file; no file, or one that is none of them, has none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return Cues((), 0)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return parse_cues(text)


def parse_cues(text: str) -> Cues:
    """The cues of the text of a WebVTT or SRT file."""
    cues: list[Cue] = []
    broken = 0
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        at = next((number for number, line in enumerate(lines) if "-->" in line), None)
        if at is None:
            continue
        found = _TIMES.match(lines[at])
        start, end = (_seconds(found[name]) for name in ("start", "end")) if found else (None, None)
        if start is None or end is None or end <= start:
            broken += 1
            continue
        spoken = [_MARKUP.sub("", html.unescape(line)).strip() for line in lines[at + 1 :]]
        kept = "\n".join(line for line in spoken if line)
        if kept:
            cues.append(Cue(start, end, kept))
    return Cues(tuple(sorted(cues, key=lambda cue: cue.start_seconds)), broken)


def _seconds(text: str) -> float | None:
    *hours, minutes, seconds = text.replace(",", ".").split(":")
    if int(minutes) > 59 or float(seconds) >= 60:
        return None
    return int(hours[0] if hours else 0) * 3600 + int(minutes) * 60 + float(seconds)
