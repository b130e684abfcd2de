"""How many clips a limit leaves, from the columns of all clips.

A clip has the first reason that rejected it. When the limit of a filter moves, what is recorded
holds for all clips but those of its own: kept ones pass every other filter, and clips with another
reason stay rejected by that one. Clips that the filter itself rejected passed those before it;
whether those after it would reject them is computed from their columns.

Columns are copied as float32. A value that equals the limit as float32 may lie on either side of it
as it is stored: such clips are counted once more in the stored columns where a count must be exact.
"""

from __future__ import annotations

import functools
import math
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from internvid.browse.server.conditions import Facet
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.limit_rules import Limits, NamedRule, named_rules
from internvid.dataset.current import CURRENT_VIDEOS
from internvid.dataset.duckdb_connection import quoted

BINS, DRAWN_BINS = 4096, 64
EXAMPLES = 12
_MOST_KEPT = 64
_EXACT = frozenset({"FLOAT", "BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT"})


_Key = tuple[str, str | None]


@dataclass(frozen=True)
class Spread:
    """How a column is spread over the clips that its limits decide about.

    Attributes:
        low, high: of all clips of the dataset.
        counts, seconds: clips in each of `BINS` equal bins, and their length.
        without, without_seconds: clips that have no such number: null fails no filter.
        rejected: clips that the filter rejects as it is recorded.
        later: of these, those that a later filter rejects too, which no limit brings back.
        unsure: clips that equal a limit of such a later filter as float32.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    seconds: tuple[float, ...]
    without: int
    without_seconds: float
    rejected: int
    later: int
    unsure: int

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.high - self.low) / BINS or 1.0

    def bin_of(self, value: float) -> int:
        """The bin that a number falls into; the first and last take what lies beyond."""
        return min(BINS - 1, max(0, math.floor((value - self.low) / self.width)))


@dataclass(frozen=True)
class Left:
    """What limits leave.

    Attributes:
        clips: kept. seconds: their length.
        is_exact: whether no clip lies so near a limit that float32 cannot tell its side.
    """

    clips: int
    seconds: float
    is_exact: bool


class LimitCounts:
    """Counts of clips by limit.

    Args:
        desk: of the dataset.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.rules = named_rules(desk.dataset.record)
        self._spreads: dict[_Key, Spread] = {}
        # The limit that does not move need not be counted again.
        self._counted_beyond: dict[tuple[_Key, float, str], tuple[int, float, int]] = {}
        self._lock = threading.Lock()

    def spread(self, limits: Limits) -> Spread:
        """How the column is spread; counted once a run for each filter and column."""
        key = _key(limits)
        with self._lock:
            known = self._spreads.get(key)
            if known is None:
                known = self._spreads[key] = self._counted(limits)
            return known

    def _counted(self, limits: Limits) -> Spread:
        cursor, name = self._desk.table.cursor(), _copied(limits.facet)
        ends = f"select min({name}), max({name}) from narrow.clips where isfinite({name})"
        low, high = (float(end or 0.0) for end in cursor.execute(ends).fetchall()[0])
        width = (high - low) / BINS or 1.0
        rows = cursor.execute(
            f"select {_bin(limits.facet, low, width)}, count(*), sum(internvid_seconds) "
            f"from narrow.clips where {self._decided(limits)} group by 1"
        ).fetchall()
        counts, seconds, without = [0] * BINS, [0.0] * BINS, (0, 0.0)
        for at, clips, length in rows:
            if at is None:
                without = (int(clips), float(length or 0))
            else:
                counts[at], seconds[at] = int(clips), float(length or 0)
        rejected = later = unsure = 0
        if limits.rule is not None:
            others = self._others(limits.rule)
            rejected, passing, unsure = cursor.execute(
                f"select count(*), count(*) filter ({self._pass(others)}), "
                f"count(*) filter ({self._equal(others)}) from narrow.clips "
                f"where reason = {_text(limits.rule.reason)}"
            ).fetchall()[0]
            later = rejected - passing
        return Spread(low, high, tuple(counts), tuple(seconds), *without, rejected, later, unsure)

    def _others(self, rule: NamedRule) -> list[NamedRule]:
        """Filters that may reject what this one rejected: those after it, or of its reason."""
        at = self.rules.index(rule)
        return [
            each
            for number, each in enumerate(self.rules)
            if number > at or (number < at and each.reason == rule.reason)
        ]

    def not_computed(self, limits: Limits) -> list[str]:
        """Later filters whose columns are not there: they are taken to reject nothing."""
        others = [] if limits.rule is None else self._others(limits.rule)
        return [each.name for each in others if self._facet(each) is None]

    def _facet(self, rule: NamedRule) -> Facet | None:
        found = self._desk.table.facets.get(rule.column)
        return found if found is not None and found.kind in ("number", "flag") else None

    def _decided(self, limits: Limits, kind: str = "float") -> str:
        """SQL: the clips that the limits alone decide about."""
        if limits.rule is None:
            return "kept"
        passing = self._pass(self._others(limits.rule), kind)
        return f"(kept or (reason = {_text(limits.rule.reason)} and {passing}))"

    def _pass(self, others: Sequence[NamedRule], kind: str = "float") -> str:
        parts = ["true"]
        for rule in others:
            facet = self._facet(rule)
            if facet is not None:
                parts.append(_passes(facet, rule.minimum, rule.maximum, kind))
        return " and ".join(parts)

    def _equal(self, others: Sequence[NamedRule]) -> str:
        parts = ["false"]
        for rule in others:
            facet = self._facet(rule)
            if facet is not None and facet.kind == "number":
                ends = (end for end in (rule.minimum, rule.maximum) if end is not None)
                parts += [f"coalesce({_copied(facet)} = {end!r}::float, false)" for end in ends]
        return " or ".join(parts)

    def left(self, limits: Limits) -> Left:
        """What the limits leave: a look into one bin for each of them."""
        spread = self.spread(limits)
        clips = spread.without + sum(spread.counts)
        seconds = spread.without_seconds + math.fsum(spread.seconds)
        doubtful = spread.unsure
        for limit, sign in ((limits.minimum, "<"), (limits.maximum, ">")):
            if limit is not None:
                gone, length, equal = self._beyond(limits, spread, limit, sign)
                clips, seconds, doubtful = clips - gone, seconds - length, doubtful + equal
        is_exact = not doubtful or not self._is_rounded(limits)
        return Left(clips, max(0.0, seconds), is_exact)

    def _beyond(
        self, limits: Limits, spread: Spread, limit: float, sign: str
    ) -> tuple[int, float, int]:
        """Clips beyond a limit, their seconds, and how many equal it as float32."""
        value = _float32(limit)
        key = (_key(limits), value, sign)
        with self._lock:
            known = self._counted_beyond.get(key)
        if known is not None:
            return known
        at = spread.bin_of(value)
        outer = slice(0, at) if sign == "<" else slice(at + 1, BINS)
        low, high = (spread.low + spread.width * step for step in (at - 1, at + 2))
        name = _copied(limits.facet)
        edges = (
            f"{name} between {low!r}::float and {high!r}::float and " if 0 < at < BINS - 1 else ""
        )
        row = self._desk.table.cursor().execute(
            f"select count(*) filter ({name} {sign} {value!r}::float), "
            f"coalesce(sum(internvid_seconds) filter ({name} {sign} {value!r}::float), 0), "
            f"count(*) filter ({name} = {value!r}::float) from narrow.clips where {edges}"
            f"{_bin(limits.facet, spread.low, spread.width)} = {at} and {self._decided(limits)}"
        )
        clips, seconds, equal = row.fetchall()[0]
        found = (
            sum(spread.counts[outer]) + int(clips),
            math.fsum(spread.seconds[outer]) + float(seconds),
            int(equal),
        )
        with self._lock:
            while len(self._counted_beyond) >= _MOST_KEPT:
                self._counted_beyond.pop(next(iter(self._counted_beyond)))
            self._counted_beyond[key] = found
        return found

    def exact(self, limits: Limits) -> Left:
        """What the limits leave, counted in the stored columns."""
        name = limits.facet.sql
        number = f"case when isnan({name}::double) then null else {name} end"
        kept = _limited(number, limits.minimum, limits.maximum, "double")
        if self._type(limits.facet) == "FLOAT":
            kept = _limited(number, limits.minimum, limits.maximum, "float")
        row = self._desk.dataset.connection.cursor().execute(
            f"select count(*), coalesce(sum(duration_seconds), 0) from {self._stored(limits)} "
            f"where {self._decided(limits, 'double')} and {kept}"
        )
        clips, seconds = row.fetchall()[0]
        return Left(int(clips), float(seconds), is_exact=True)

    def _stored(self, limits: Limits) -> str:
        """A FROM clause of stored clips: without captions and scores where none is needed."""
        dataset = self._desk.dataset
        record = dataset.record
        names = [limits.facet.name]
        if limits.rule is not None:
            names += [each.column for each in self._others(limits.rule)]
        files = [dataset.layout.clips(record.cut or "", part) for part in dataset.parts]
        clips = (
            f"(select * from read_parquet({quoted(files)}) where video_id in ({CURRENT_VIDEOS}))"
        )
        columns = dataset.connection.cursor().sql(f"select * from {clips} limit 0").columns
        return f"{clips} clips" if set(names) <= set(columns) else "all_clips"

    def _is_rounded(self, limits: Limits) -> bool:
        others = [] if limits.rule is None else self._others(limits.rule)
        facets = [limits.facet, *filter(None, map(self._facet, others))]
        return any(self._type(facet) not in _EXACT for facet in facets)

    def _type(self, facet: Facet) -> str:
        return self._types.get(facet.name, "")

    @functools.cached_property
    def _types(self) -> dict[str, str]:
        # Once a run: with many parts it takes a while.
        cursor = self._desk.dataset.connection.cursor()
        clips = cursor.sql("select * from all_clips limit 0")
        return dict(zip(clips.columns, map(str, clips.types), strict=True))

    def examples(self, limits: Limits, side: str) -> dict[str, list[dict[str, Any]]]:
        """Clips nearest to a limit: `inside`, which pass, and `outside`, which it rejects.

        Args:
            limits: of a column.
            side: minimum or maximum.
        """
        limit = limits.minimum if side == "minimum" else limits.maximum
        if limit is None:
            return {"inside": [], "outside": []}
        inside, outside = (">=", "<") if side == "minimum" else ("<=", ">")
        other = limits.maximum if side == "minimum" else limits.minimum
        facing = "<=" if side == "minimum" else ">="
        name = _copied(limits.facet)
        bounded = "" if other is None else f" and {name} {facing} {other!r}::float"
        return {
            "inside": self._nearest(limits, limit, inside, bounded),
            "outside": self._nearest(limits, limit, outside, ""),
        }

    def _nearest(
        self, limits: Limits, limit: float, sign: str, further: str
    ) -> list[dict[str, Any]]:
        name, value = _copied(limits.facet), _float32(limit)
        upward = sign.startswith(">")
        edge = self._enough(self.spread(limits), value, upward=upward)
        near = f"{name} {'<=' if upward else '>='} {edge!r}::float and "
        found = self._desk.table.cursor().execute(
            f"select rowid from narrow.clips where {near}{name} {sign} {value!r}::float{further} "
            f"and not isnan({name}) and {self._decided(limits)} "
            f"order by {name} {'asc' if upward else 'desc'}, rowid limit {EXAMPLES}"
        )
        return self._desk.cards(self._desk.table.places([row[0] for row in found.fetchall()]))

    def _enough(self, spread: Spread, value: float, *, upward: bool) -> float:
        """How far to look from a limit until there are enough clips."""
        at, step, seen = spread.bin_of(value), 1 if upward else -1, 0
        # Not the bin of the limit itself, of which a part lies on the other side.
        place = at + step
        while 0 <= place < BINS and seen < EXAMPLES:
            seen += spread.counts[place]
            place += step
        if not 0 <= place < BINS:
            return spread.high if upward else spread.low
        return spread.low + spread.width * (place + (1 if upward else 0))


def _key(limits: Limits) -> _Key:
    return limits.facet.name, None if limits.rule is None else limits.rule.name


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _copied(facet: Facet) -> str:
    """A column as float32, in which it is copied."""
    return f"{facet.sql}::int::float" if facet.kind == "flag" else f"{facet.sql}::float"


def _bin(facet: Facet, low: float, width: float) -> str:
    number = f"({_copied(facet)}::double - {low!r}::double) / {width!r}::double"
    place = f"least({BINS - 1}, greatest(0, floor({number})))::int"
    is_none = f"{facet.sql} is null or isnan({_copied(facet)})"
    return f"case when {is_none} then null else {place} end"


def _passes(facet: Facet, low: float | None, high: float | None, kind: str) -> str:
    stored = f"{facet.sql}::int" if facet.kind == "flag" else facet.sql
    return _limited(_copied(facet) if kind == "float" else stored, low, high, kind)


def _limited(number: str, low: float | None, high: float | None, kind: str) -> str:
    parts = ["true"]
    if low is not None:
        parts.append(f"coalesce({number} >= {low!r}::{kind}, true)")
    if high is not None:
        parts.append(f"coalesce({number} <= {high!r}::{kind}, true)")
    return f"({' and '.join(parts)})"


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
