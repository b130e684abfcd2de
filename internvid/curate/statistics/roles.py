"""Which column of a table is its source, its caption, its category: found by known names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from internvid.core.errors import MisuseError

_NUMBERS = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\))$", re.IGNORECASE
)
_TEXT = re.compile(r"(VARCHAR|ENUM\(.*\))$", re.IGNORECASE)
_VALUES = ("category", "language", "date", "owner", "talking_head")

# Names by which columns go, letters and digits only; the first that a table has counts.
_ONE = {
    "source": ("videoid", "sourceid", "youtubeid", "video", "videopath", "url", "uri"),
    "key": ("clipid", "id"),
    "start": ("startseconds", "start", "starttime"),
    "end": ("endseconds", "end", "endtime"),
    "seconds": ("durationseconds", "duration", "clipduration", "seconds"),
    "category": ("category", "categories", "youtubecategory", "topic", "genre"),
    "language": ("language", "lang", "videolanguage", "audiolanguage"),
    "caption_language": ("captionlanguage", "textlanguage"),
    "date": ("uploaddate", "uploadedat", "publishedat", "publishdate", "year", "date"),
    "owner": ("owner", "channelid", "channel", "uploader", "uploaderid", "creator", "author"),
    "width": ("width", "videowidth"),
    "height": ("height", "videoheight"),
    "video_seconds": ("videodurationseconds", "videoduration", "videoseconds"),
    "talking_head": ("istalkinghead", "talkinghead", "talkingheads", "hastalkinghead"),
}
_CAPTION = re.compile(r"caption(?!language)")
_OTHER_TEXT = frozenset({"text", "description", "sentence", "transcript", "subtitle", "asr"})
_SCORE = re.compile(r"(score|similarity|umtsim|clipsim|aesthetic)s?$")
_NO_SCORE = re.compile(r"transition|camera")


@dataclass(frozen=True)
class Roles:
    """Column names by what they hold; None or empty where a table has no such column.

    Attributes:
        source: the video a clip is of.
        key: one value a row, by which samples are drawn.
        start, end, seconds: times of a clip, in seconds; its length is `seconds`, or else the
            difference of the two.
        captions: texts. scores: numbers. values: further words or flags whose shares to show.
        category, language, owner: of the video. date: when it was uploaded.
        caption_language: of the texts.
        width, height: in pixels. video_seconds: length of the whole video.
        talking_head: a flag, or a word, that tells talking heads.
    """

    source: str | None = None
    key: str | None = None
    start: str | None = None
    end: str | None = None
    seconds: str | None = None
    captions: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    category: str | None = None
    language: str | None = None
    caption_language: str | None = None
    date: str | None = None
    owner: str | None = None
    width: str | None = None
    height: str | None = None
    video_seconds: str | None = None
    talking_head: str | None = None

    @property
    def value_columns(self) -> tuple[tuple[str, str], ...]:
        """(role, column) of every column whose values are counted."""
        named = [(role, getattr(self, role)) for role in _VALUES]
        return (
            *((role, column) for role, column in named if column is not None),
            *(("value", column) for column in self.values),
        )


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB's holds numbers."""
    return _NUMBERS.match(kind) is not None


def find_roles(columns: Mapping[str, str], captions: Sequence[str] = ()) -> Roles:
    """The roles that columns have by their names and types.

    Args:
        columns: name -> type, as DuckDB writes it.
        captions: columns that are known to hold texts; without any, they are found by name.
    """
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in [*columns][::-1]}
    found: dict[str, Any] = {
        role: next((plain[name] for name in names if name in plain), None)
        for role, names in _ONE.items()
    }
    for role in ("start", "end", "seconds", "width", "height", "video_seconds"):
        column = found[role]
        if column is not None and not _NUMBERS.match(columns[column]):
            found[role] = None
    texts = [name for name, kind in columns.items() if _TEXT.match(kind)]
    if not captions:
        named = {name: re.sub(r"[\W_]", "", name.lower()) for name in texts}
        captions = [name for name in texts if _CAPTION.search(named[name])]
        captions = captions or [name for name in texts if named[name] in _OTHER_TEXT]
    scores = [
        name
        for name, kind in columns.items()
        if _NUMBERS.match(kind)
        and _SCORE.search(re.sub(r"[\W_]", "", name.lower()))
        and not _NO_SCORE.search(name.lower())
    ]
    return Roles(captions=tuple(captions), scores=tuple(scores), **found)


def with_columns(roles: Roles, assigned: Sequence[str], columns: Mapping[str, str]) -> Roles:
    """Roles with some columns named by hand.

    Args:
        roles: found by name.
        assigned: `ROLE=COLUMN`, for example `owner=studio` or `value=shot_type`; `captions`,
            `scores` and `values` take several. `ROLE=` leaves a role out.
        columns: name -> type of the table.

    Raises:
        MisuseError: no such role, no such column, or a column that cannot have that role.
    """
    several = {"caption": "captions", "score": "scores", "value": "values"}
    known = [field.name for field in fields(Roles)]
    given: dict[str, list[str]] = {}
    for one in assigned:
        role, equals, column = one.partition("=")
        role = several.get(role, role)
        if not equals or role not in known:
            raise MisuseError(
                f"--column {one!r} is not ROLE=COLUMN with a known role",
                hint=f"roles: {', '.join(known)}",
            )
        if column and column not in columns:
            raise MisuseError(
                f"--column {one!r}: there is no column {column!r}",
                hint=f"columns: {', '.join(columns)}",
            )
        if column and role == "scores" and not _NUMBERS.match(columns[column]):
            raise MisuseError(f"--column {one!r}: {column} holds {columns[column]}, not numbers")
        if column and role == "captions" and not _TEXT.match(columns[column]):
            raise MisuseError(f"--column {one!r}: {column} holds {columns[column]}, not texts")
        given.setdefault(role, []).extend([column] if column else [])
    changes: dict[str, Any] = {}
    for role, names in given.items():
        is_several = role in several.values()
        changes[role] = tuple(dict.fromkeys(names)) if is_several else next(reversed(names), None)
    return replace(roles, **changes)
