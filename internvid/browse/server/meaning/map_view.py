"""What a map shows: each clip as a point, or how many lie where, where there are too many."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from internvid.browse.server.conditions import AddressUnreadableError, Facet, Query
from internvid.browse.server.narrow_table import VERDICT, NarrowTable, Place
from internvid.dataset.store import Dataset
from internvid.searching.mapping.map_columns import VectorMap

MOST_POINTS = 200_000
CELLS = 512
NOTHING = 255
"""The shade of clips that have no such value."""
_SHADES = 254
_MOST_WORDS = 8
_SHADED = ("number", "word", "flag")


@dataclass(frozen=True)
class Box:
    """A part of the plane, its limits included."""

    left: float
    right: float
    low: float
    high: float


@dataclass(frozen=True)
class Shades:
    """What the shades of a map stand for.

    Attributes:
        facet: the column.
        low, high: of a number: shade 0 and shade 254; clips beyond have these too.
        words: of a word or a flag: what shade 0, 1 ... stands for; one more is all others.
    """

    facet: Facet
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()

    def sql(self) -> tuple[str, list[Any]]:
        """The shade of a row, 0 to 254 or null, and parameters."""
        if self.facet.kind == "number":
            width = (self.high - self.low) or 1.0
            share = f"({self.facet.sql} - {self.low!r}) / {width!r}"
            return f"least({_SHADES}, greatest(0, round({_SHADES} * {share})))::utinyint", []
        if self.facet.kind == "flag":
            return f"{self.facet.sql}::utinyint", []
        where = f"list_position(?::varchar[], {self.facet.sql})"
        shade = f"coalesce({where} - 1, {len(self.words)})::utinyint"
        return f"case when {self.facet.sql} is not null then {shade} end", [list(self.words)]


@dataclass(frozen=True)
class MapPart:
    """What lies in a part of a map.

    Attributes:
        kind: `points`, each clip, or `density`, cells of a grid of 512 by 512.
        clips: how many there are.
        data: of points: float32 x, float32 y, uint8 shade of all; of cells: uint32 number (row
            times 512 and column, from the lowest x and y), uint32 clips, uint8 shade of all. All
            of one kind stand together, in the byte order of Intel.
    """

    kind: Literal["points", "density"]
    clips: int
    data: bytes


class MapView:
    """The maps of a dataset.

    Attributes:
        names: of the maps; `<name>_x` and `<name>_y` are their columns.

    Args:
        dataset: that has them.
        table: with the columns of the clips.
        most_points: so many clips are drawn each at most.
    """

    def __init__(
        self, dataset: Dataset, table: NarrowTable, most_points: int = MOST_POINTS
    ) -> None:
        self._table, self._most = table, most_points
        record = dataset.record
        columns = record.columns.get(record.cut or "", {})
        made_by = {
            name: str(record.column_recipes.get(key, {}).get("component", ""))
            for name, key in columns.items()
        }
        own = f":{VectorMap.__name__}"
        self.names = [
            name.removesuffix("_x")
            for name, component in sorted(
                made_by.items(), key=lambda each: (each[0] != "map_x", each[0])
            )
            if name.endswith("_x")
            and component.endswith(own)
            and made_by.get(f"{name[:-2]}_y", "").endswith(own)
            and {name, f"{name[:-2]}_y"} <= set(table.facets)
        ]
        self._known: dict[str, Box | Shades] = {}
        self._lock = threading.Lock()

    def axes(self, name: str) -> tuple[Facet, Facet]:
        """The columns of a map.

        Raises:
            AddressUnreadableError: there is none of that name.
        """
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise AddressUnreadableError(f"there is no map {name[:60]!r}; there are: {known}")
        return self._table.facets[f"{name}_x"], self._table.facets[f"{name}_y"]

    def bounds(self, name: str) -> Box:
        """The part of the plane that has clips."""
        x, y = self.axes(name)
        with self._lock:
            known = self._known.get(f"box {name}")
        if not isinstance(known, Box):
            found = self._table.cursor().execute(
                f"select min({x.sql}), max({x.sql}), min({y.sql}), max({y.sql}) from narrow.clips"
            )
            known = Box(*(float(each or 0.0) for each in found.fetchall()[0]))
            with self._lock:
                self._known[f"box {name}"] = known
        return known

    def shades(self, column: str) -> Shades:
        """What a map is coloured by.

        Raises:
            AddressUnreadableError: no such column, or none that can be a colour.
        """
        facet = self._table.facets.get(column)
        if facet is None or facet.kind not in _SHADED:
            raise AddressUnreadableError(f"a map cannot be coloured by {column[:60]!r}")
        with self._lock:
            known = self._known.get(f"shades {column}")
        if not isinstance(known, Shades):
            known = self._read_shades(facet)
            if column != VERDICT.name:  # people change it
                with self._lock:
                    self._known[f"shades {column}"] = known
        return known

    def _read_shades(self, facet: Facet) -> Shades:
        if facet.kind == "flag":
            return Shades(facet, words=("no", "yes"))
        cursor = self._table.cursor()
        rows, _ = self._table.rows_of(Query(kept="true"), needs=facet)
        if facet.kind == "word":
            words = cursor.execute(
                f"select {facet.sql}, count(*) from {rows} and {facet.sql} is not null "
                f"group by 1 order by 2 desc, 1 limit {_MOST_WORDS}"
            ).fetchall()
            return Shades(facet, words=tuple(str(word) for word, _ in words))
        # Few clips that are far out would make all others look the same.
        (limits,) = cursor.execute(
            f"select quantile_cont({facet.sql}, [0.01, 0.99]) from narrow.clips "
            f"where isfinite({facet.sql})"
        ).fetchall()
        low, high = limits[0] or (0.0, 1.0)
        return Shades(facet, float(low), float(high))

    def count(self, query: Query, name: str) -> int:
        """How many clips of a query the map has."""
        rows, parameters = self._rows(query, name)
        x, _ = self.axes(name)
        found = self._table.cursor().execute(f"select count({x.sql}) from {rows}", parameters)
        return int(found.fetchall()[0][0])

    def part(self, query: Query, name: str, box: Box, column: str = "") -> MapPart:
        """What lies in a part of a map.

        Args:
            query: which clips; its limits of the map's own columns do not count.
            name: of the map.
            box: the part.
            column: that it is coloured by; empty for none.
        """
        x, y = self.axes(name)
        shade, of_shade = self.shades(column).sql() if column else ("null::utinyint", [])
        needed = self.shades(column).facet if column else None
        rows, parameters = self._rows(query, name, needed)
        cursor = self._table.cursor()
        inside = (
            f"{x.sql} between {box.left!r} and {box.right!r} "
            f"and {y.sql} between {box.low!r} and {box.high!r}"
        )
        chosen = f"select * from {rows}"
        counted = f"select count(*) from ({chosen}) where {inside}"
        ((clips,),) = cursor.execute(counted, parameters).fetchall()
        if clips <= self._most:
            found = cursor.execute(
                f"select {x.sql}::float as x, {y.sql}::float as y, "
                f"coalesce({shade}, {NOTHING})::utinyint as shade from ({chosen}) where {inside}",
                [*of_shade, *parameters],
            ).fetchnumpy()
            return MapPart("points", int(clips), _bytes(found, ("<f4", "<f4", "u1")))
        mean = "mode" if column and self.shades(column).facet.kind != "number" else "avg"
        found = cursor.execute(
            f"select (row * {CELLS} + col)::uinteger as cell, count(*)::uinteger as clips, "
            f"coalesce(round({mean}(shade)), {NOTHING})::utinyint as shade from ("
            f"select {_cell(y, box.low, box.high)} as row, {_cell(x, box.left, box.right)} as col, "
            f"{shade} as shade from ({chosen}) where {inside}) group by 1",
            [*of_shade, *parameters],
        ).fetchnumpy()
        return MapPart("density", int(clips), _bytes(found, ("<u4", "<u4", "u1")))

    def nearest(
        self, query: Query, name: str, at: tuple[float, float], reach: float
    ) -> Place | None:
        """The clip that is nearest to a place of a map; None where none is within reach."""
        x, y = self.axes(name)
        rows, parameters = self._rows(query, name)
        left, low = at
        apart = f"(({x.sql} - {left!r}) ** 2 + ({y.sql} - {low!r}) ** 2)"
        inside = (
            f"{x.sql} between {left - reach!r} and {left + reach!r} "
            f"and {y.sql} between {low - reach!r} and {low + reach!r}"
        )
        cursor = self._table.cursor()
        cursor.execute(
            f"select internvid_video, internvid_start_pts from (select * from {rows}) where "
            f"{inside} and {apart} <= {reach**2!r} order by {apart}, 1, 2 limit 1",
            parameters,
        )
        found = cursor.fetchone()
        if found is None:
            return None
        row = (
            self._table.cursor()
            .execute("select part, video_id from narrow.videos where video = ?", [found[0]])
            .fetchone()
        )
        assert row is not None
        return Place(str(row[0]), str(row[1]), int(found[1]))

    def _rows(self, query: Query, name: str, needed: Facet | None = None) -> tuple[str, list[Any]]:
        own = {each.name for each in self.axes(name)}
        conditions = tuple(each for each in query.conditions if each.facet.name not in own)
        plain = replace(query, conditions=conditions, sort=None)
        return self._table.rows_of(plain, needs=needed)


def read_box(text: str) -> Box:
    """Four numbers: the limits of x, then those of y.

    Raises:
        AddressUnreadableError: they are not.
    """
    return Box(*_numbers(text, 4, "a part of a map is four numbers, low to high, x before y"))


def read_place(text: str) -> tuple[float, float, float]:
    """Three numbers: x, y and how far around.

    Raises:
        AddressUnreadableError: they are not.
    """
    x, y, reach = _numbers(text, 3, "a place of a map is three numbers: x, y, reach")
    return x, y, reach


def _numbers(text: str, count: int, what: str) -> list[float]:
    try:
        found = [float(each) for each in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(math.isfinite(each) and abs(each) < 1e12 for each in found):
        raise AddressUnreadableError(f"{what}, not {text[:60]!r}")
    return found


def _cell(facet: Facet, low: float, high: float) -> str:
    width = (high - low) / CELLS or 1.0
    return f"least({CELLS - 1}, greatest(0, floor(({facet.sql} - {low!r}) / {width!r})))::uinteger"


def _bytes(columns: Mapping[str, Any], kinds: tuple[str, ...]) -> bytes:
    arrays = (np.ma.filled(each, 0) for each in columns.values())
    return b"".join(
        np.ascontiguousarray(each, dtype=kind).tobytes()
        for each, kind in zip(arrays, kinds, strict=True)
    )
