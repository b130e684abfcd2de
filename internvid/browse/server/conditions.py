"""What a page shows, as its address says it: every state of the page is an address.

`?kept=all&duration_seconds=2..10&reason=too_still,dark&is_dark=no&measured~=dog&sort=-motion_mean`

| written | meaning |
|---|---|
| `COLUMN=LOW..HIGH` | a number from LOW to HIGH, both included; either may be missing |
| `COLUMN=ONE,TWO` | one of these values; `%2C` is a comma in a value, empty stands for none |
| `COLUMN=yes`, `COLUMN=no` | a flag |
| `COLUMN~=TEXT` | a text that contains TEXT, in any case |
| `q=TEXT` | any caption that contains TEXT |
| `kept=kept`, `rejected`, `all` | which clips; kept ones where nothing is stated |
| `subset=NAME` | clips of a subset |
| `outside=NAME` | clips that are not in a subset |
| `like=TEXT`, `near=CLIP_ID`, `picture=HASH` | the nearest by meaning, the best first |
| `vectors=COLUMN` | by these vectors |
| `least=SCORE` | only those at least so near |
| `same=CLIP_ID` | clips that show the same pictures as that one |
| `sort=COLUMN`, `sort=-COLUMN` | in that order; else in source and time order |
| `sort=random&seed=7` | shuffled |

Nothing of an address becomes SQL: names are looked up among the columns, values are parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["number", "word", "flag", "list", "text"]
_KEPT = {"kept": "kept", "rejected": "not kept", "all": "true"}
_BY_MEANING = ("like", "near", "picture")
_OWN = frozenset(
    {"kept", "sort", "seed", "page", "q", "subset", "outside", "view", "text", "clip", "vectors"}
    | {"least", "same", *_BY_MEANING}
)
_CLIP_ID = re.compile("[0-9a-f]{32}")
_MOST_VALUES = 200
_MOST_TEXT = 500


class AddressUnreadableError(Exception):
    """An address that says nothing that can be shown; the argument says why."""


@dataclass(frozen=True)
class Facet:
    """A column that can be filtered by.

    Attributes:
        name: of the column.
        kind: number, word, flag, list (of words) or text.
    """

    name: str
    kind: Kind

    @property
    def sql(self) -> str:
        """The quoted name."""
        return '"' + self.name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Condition:
    """One condition on one column.

    Attributes:
        facet: the column.
        sql: with `?` for parameters.
        parameters: of it.
    """

    facet: Facet
    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Nearest:
    """What clips shall be near to.

    Attributes:
        kind: a text that they are like, a clip, an uploaded picture.
        value: the text, the id of the clip, the hash of the picture.
        vectors: column of vectors; the first one when empty.
        least: least cosine; None for any.
    """

    kind: str
    value: str
    vectors: str = ""
    least: float | None = None


@dataclass(frozen=True)
class Query:
    """What a page shows.

    Attributes:
        conditions: all hold.
        kept: SQL over `kept` and `reason`.
        search: text that any caption contains; empty for none.
        sort: column; None for source and time order.
        is_descending: the largest first.
        is_random: shuffled by `seed`.
        seed: of the shuffle.
        subset: name of one; None for all clips.
        outside: name of a subset that they are not in; None for none such.
        texts: columns that hold texts.
        nearest: what clips shall be near to; None for nothing.
        same: id of a clip whose pictures they show; empty for none.
    """

    conditions: tuple[Condition, ...] = ()
    kept: str = "kept"
    search: str = ""
    sort: Facet | None = None
    is_descending: bool = False
    is_random: bool = False
    seed: int = 0
    subset: str | None = None
    outside: str | None = None
    texts: tuple[Facet, ...] = ()
    nearest: Nearest | None = None
    same: str = ""

    @property
    def needs_finder(self) -> bool:
        """Whether clips are found by more than conditions: by vectors, or by pictures."""
        return self.nearest is not None or bool(self.same)

    def where(self, without: str | None = None) -> tuple[str, list[Any]]:
        """SQL and its parameters; one column's own conditions may be left out."""
        parts, parameters = [self.kept], list[Any]()
        for each in self.conditions:
            if each.facet.name != without:
                parts.append(each.sql)
                parameters += each.parameters
        if self.search:
            holds = " or ".join(f"contains(lower({each.sql}), lower(?))" for each in self.texts)
            parts.append(f"({holds or 'false'})")
            parameters += [self.search] * len(self.texts)
        return " and ".join(f"({part})" for part in parts), parameters

    @property
    def is_of_subsets(self) -> bool:
        """Whether it matters which subsets a clip is in."""
        return self.subset is not None or self.outside is not None

    @property
    def is_in_order(self) -> bool:
        """Whether clips come in source and time order."""
        return self.sort is None and not self.is_random

    @property
    def is_textual(self) -> bool:
        """Whether texts have to be read."""
        return bool(self.search) or any(each.facet.kind == "text" for each in self.conditions)

    @property
    def names(self) -> frozenset[str]:
        """Columns that it needs."""
        used = {each.facet.name for each in self.conditions}
        if self.sort is not None:
            used.add(self.sort.name)
        if self.search:
            used.update(each.name for each in self.texts)
        return frozenset(used)


def read_query(fields: Iterable[tuple[str, str]], facets: Mapping[str, Facet]) -> Query:
    """What an address says.

    Args:
        fields: name and value of each part, in order.
        facets: name -> column that can be filtered by.

    Raises:
        AddressUnreadableError: a column that there is not, or a value that it cannot have.
    """
    conditions: list[Condition] = []
    own: dict[str, str] = {}
    for name, value in fields:
        if name in _OWN:
            own[name] = value
            continue
        is_contained = name.endswith("~")
        facet = facets.get(name.removesuffix("~"))
        if facet is None:
            raise AddressUnreadableError(f"clips have no column {name.removesuffix('~')!r}")
        conditions.append(_contains(facet, value) if is_contained else _condition(facet, value))
    kept = own.get("kept", "kept")
    if kept not in _KEPT:
        raise AddressUnreadableError(f"kept is one of {', '.join(_KEPT)}, not {kept!r}")
    sort, seed = own.get("sort", ""), own.get("seed", "0")
    facet = facets.get(sort.removeprefix("-"))
    if sort and sort != "random" and (facet is None or facet.kind == "list"):
        raise AddressUnreadableError(f"clips cannot be sorted by {sort.removeprefix('-')!r}")
    if not seed.isdecimal() or len(seed) > 9:
        raise AddressUnreadableError(f"seed is a whole number, not {seed[:20]!r}")
    return Query(
        conditions=tuple(conditions),
        kept=_KEPT[kept],
        search=own.get("q", "")[:_MOST_TEXT].strip(),
        sort=facet if sort != "random" else None,
        is_descending=sort.startswith("-"),
        is_random=sort == "random",
        seed=int(seed),
        subset=own.get("subset") or None,
        outside=own.get("outside") or None,
        texts=tuple(each for each in facets.values() if each.kind == "text"),
        nearest=_nearest(own),
        same=_clip_id("same", own.get("same", "")),
    )


def _nearest(own: Mapping[str, str]) -> Nearest | None:
    given = [(name, own[name].strip()) for name in _BY_MEANING if own.get(name, "").strip()]
    if not given:
        return None
    if len(given) > 1:
        raise AddressUnreadableError(f"one of {', '.join(_BY_MEANING)}, not several")
    kind, value = given[0]
    if kind != "like":
        _clip_id(kind, value)
    least = own.get("least", "")
    try:
        limit = float(least) if least else None
    except ValueError:
        limit = math.nan
    if limit is not None and not math.isfinite(limit):
        raise AddressUnreadableError(f"least is a number from -1 to 1, not {least[:20]!r}")
    return Nearest(kind, value[:_MOST_TEXT], own.get("vectors", "")[:_MOST_TEXT], limit)


def _clip_id(name: str, value: str) -> str:
    if value and not _CLIP_ID.fullmatch(value):
        raise AddressUnreadableError(f"{name} has 32 hexadecimal digits, not {value[:40]!r}")
    return value


def _condition(facet: Facet, value: str) -> Condition:
    if facet.kind == "number":
        return _between(facet, value)
    if facet.kind == "flag":
        known = {"yes": facet.sql, "no": f"not {facet.sql}", "": f"{facet.sql} is null"}
        if value not in known:
            raise AddressUnreadableError(f"{facet.name} is yes or no, not {value[:40]!r}")
        return Condition(facet, known[value])
    if facet.kind == "text":
        return _contains(facet, value)
    values = [part.replace("%2C", ",") for part in value.split(",")]
    if len(values) > _MOST_VALUES:
        raise AddressUnreadableError(f"{facet.name} has more than {_MOST_VALUES} values")
    words = [each for each in values if each]
    parts: list[str] = []
    if words:
        places = ", ".join("?" * len(words))
        parts.append(
            f"list_has_any({facet.sql}, [{places}])"
            if facet.kind == "list"
            else f"{facet.sql} in ({places})"
        )
    if "" in values:
        parts.append(f"{facet.sql} is null")
    return Condition(facet, " or ".join(parts), tuple(words))


def _between(facet: Facet, value: str) -> Condition:
    low, dots, high = value.partition("..")
    try:
        limits = [float(each) if each else None for each in (low, high if dots else low)]
    except ValueError:
        limits = [math.nan]
    if any(each is not None and not math.isfinite(each) for each in limits):
        raise AddressUnreadableError(
            f"{facet.name} is a range of numbers, such as 2..10, not {value[:40]!r}"
        )
    parts: list[str] = []
    parameters: list[float] = []
    for limit, sign in zip(limits, (">=", "<="), strict=True):
        if limit is not None:
            parts.append(f"{facet.sql} {sign} ?")
            parameters.append(limit)
    return Condition(facet, " and ".join(parts) or f"{facet.sql} is not null", tuple(parameters))


def _contains(facet: Facet, value: str) -> Condition:
    if facet.kind not in ("text", "word"):
        raise AddressUnreadableError(f"{facet.name} is no text")
    return Condition(facet, f"contains(lower({facet.sql}), lower(?))", (value[:_MOST_TEXT],))
