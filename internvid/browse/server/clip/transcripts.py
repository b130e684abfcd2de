"""What is spoken in a clip, line by line, with the times at which each is to be heard.

A dataset stores the words of a clip as one text, its lines with their starts and ends, and of
recognised speech the time of each word. Columns made before lines were stored have their starts
alone: there the words' times say where a line ends, or the subtitles of the source, which are read
again, and believed only if they give the very text that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from internvid.core.types import TimeSpan
from internvid.scores.cues import Line
from internvid.scores.encodings import EncodingUnknownError
from internvid.scores.subtitles import subtitles_beside, subtitles_inside

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk

_LAST_WORD_SECONDS = 0.6


def transcript_of(
    desk: Desk, row: Mapping[str, Any], answer: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The lines of a clip; None where nothing is spoken in it.

    Args:
        desk: of the dataset.
        row: of the clip.
        answer: of its column of what is spoken, from `answers_of_clip`.

    Returns:
        `column`, `kind` (beside, inside, speech), `lines` (`start`, `end`, `text`; seconds in the
        source). A text whose lines are not known any more is one line.
    """
    text, extras = answer["value"], answer["extras"]
    if answer["status"] != "ok" or not text:
        return None
    starts: list[float] = list(extras.get("starts") or ())
    span = TimeSpan(row["start_seconds"], row["end_seconds"])
    lines = (
        _as_stored(starts, extras, text)
        or _by_words(starts, extras, text)
        or _by_subtitles(desk, row, span, starts, text, answer)
        or [Line(starts[0] if starts else span.start_seconds, span.end_seconds, text)]
    )
    return {
        "column": answer["column"],
        "kind": extras.get("kind", ""),
        "lines": [
            {"start": each.start_seconds, "end": each.end_seconds, "text": each.text}
            for each in lines
        ],
    }


def _as_stored(starts: Sequence[float], extras: Mapping[str, Any], text: str) -> list[Line]:
    """Lines as the column has them; none where it has none, or they are not those of the text."""
    ends, texts = list(extras.get("ends") or ()), list(extras.get("lines") or ())
    if not texts or not len(starts) == len(ends) == len(texts) or " ".join(texts) != text:
        return []
    return [Line(*each) for each in zip(starts, ends, texts, strict=True)]


def _by_words(starts: Sequence[float], extras: Mapping[str, Any], text: str) -> list[Line]:
    """Lines whose words have times; none where the words are not those of the text."""
    words = list(extras.get("words") or ())
    firsts, lasts = list(extras.get("word_starts") or ()), list(extras.get("word_ends") or ())
    if not words or not starts or len(firsts) != len(words) or len(lasts) != len(words):
        return []
    if "".join(words).split() != text.split() and " ".join(words).split() != text.split():
        return []
    joint = "" if any(word.startswith(" ") for word in words) else " "
    limits = [*starts[1:], float("inf")]
    lines = []
    at = 0
    for start, limit in zip(starts, limits, strict=True):
        first = at
        while at < len(words) and firsts[at] < limit - 1e-3:
            at += 1
        if at > first:
            inside = joint.join(words[first:at]).strip()
            lines.append(Line(start, max(lasts[at - 1], start + _LAST_WORD_SECONDS), inside))
    return lines


def _by_subtitles(
    desk: Desk,
    row: Mapping[str, Any],
    span: TimeSpan,
    starts: Sequence[float],
    text: str,
    answer: Mapping[str, Any],
) -> list[Line]:
    """Lines of the subtitles beside or inside the source, if these are what was stored."""
    found = desk.media.source_file(row["part"], row["video_id"])
    read = {"beside": subtitles_beside, "inside": subtitles_inside}.get(
        answer["extras"].get("kind", "")
    )
    if found is None or read is None:
        return []
    try:
        subtitles = read(found[0], answer["made"]["settings"].get("language", ""))
    except (EncodingUnknownError, OSError):
        return []
    lines = [] if subtitles is None else subtitles.lines
    inside = [line for line in lines if span.contains(line.middle_seconds)]
    is_same = " ".join(line.text for line in inside) == text
    is_timed = [round(line.start_seconds, 3) for line in inside] == list(starts)
    return inside if is_same and is_timed else []
