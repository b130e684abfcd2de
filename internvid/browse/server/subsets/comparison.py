"""Two subsets beside each other: what they share, what only one has, and why."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import AddressUnreadableError, Facet, Query
from internvid.browse.server.meaning.waiting import StillWorkingError
from internvid.dataset.duckdb_connection import quoted

if TYPE_CHECKING:
    import duckdb

    from internvid.browse.server.desk import Desk

SAMPLE = 12
_MOST_KEPT = 16
_PATIENCE_SECONDS = 1.5


@dataclass(frozen=True)
class Pair:
    """Names of two subsets; empty stands for all kept clips."""

    a: str
    b: str


class Comparison:
    """Compares subsets of one dataset, for pages.

    Args:
        desk: of the dataset.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._lock = threading.Lock()

    def read_pair(self, a: str, b: str) -> Pair:
        """What an address names.

        Raises:
            AddressUnreadableError: both are the same.
            MisuseError: there is no such subset.
        """
        for name in (a, b):
            if name:
                self._desk.dataset.subset_path(name)
        if a == b:
            raise AddressUnreadableError("these are the same clips: choose two subsets")
        return Pair(a, b)

    def counts(self, pair: Pair) -> dict[str, Any]:
        """Clips and hours of both, of what they share, of what only one has."""
        parts = ("in_a", "in_b", "in_a and in_b", "in_a and not in_b", "in_b and not in_a")
        sums = ", ".join(
            f"count(*) filter (where {part}), "
            f"coalesce(sum(internvid_seconds) filter (where {part}), 0)"
            for part in parts
        )
        row = self._cursor().execute(f"select {sums} from {self._sides(pair)}").fetchall()[0]
        names = ("a", "b", "shared", "only_a", "only_b")
        return {
            name: {"clips": int(row[2 * at]), "hours": round(float(row[2 * at + 1]) / 3600, 6)}
            for at, name in enumerate(names)
        }

    def reasons(self, pair: Pair) -> dict[str, Any]:
        """Why one side lacks what the other has, as `internvid diff` counts it.

        Kept for as long as neither subset changes.
        """
        key = (pair.a, pair.b, *(self._stamp(name) for name in (pair.a, pair.b)))
        with self._lock:
            known = self._known.get(key)
            if known is None:
                known = {
                    "only_a_reasons": self._lacking(pair.a, pair.b),
                    "only_b_reasons": self._lacking(pair.b, pair.a),
                }
                while len(self._known) >= _MOST_KEPT:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = known
            return known

    def _lacking(self, mine: str, other: str) -> dict[str, int]:
        """Reasons for which one side lacks clips that the other has, the commonest first."""
        path = self._desk.dataset.layout.rejected_by(other) if other else None
        if path is not None and path.exists():
            return self._rejected(mine, other, path)
        why = "if(kept, '', reason)" if other else "reason"
        table = self._desk.table
        found = self._cursor().execute(
            f"select coalesce(nullif({why}, ''), 'not_chosen'), count(*) from narrow.clips "
            f"where {table.of_subset(mine)} and not {table.of_subset(other)} "
            "group by 1 order by 2 desc, 1"
        )
        return {reason: int(number) for reason, number in found.fetchall()}

    def _rejected(self, mine: str, other: str, path: Path) -> dict[str, int]:
        """Reasons recorded with a subset: which of its rules rejected a clip."""
        dataset = self._desk.dataset
        recorded = (
            "(select clip_id, any_value(reason) as recorded from "
            f"read_parquet({quoted([path])}) group by 1)"
        )
        with dataset.reading():
            found = dataset.connection.cursor().execute(
                "select coalesce(nullif(coalesce(recorded, if(kept, '', reason)), ''), "
                f"'not_chosen'), count(*) from all_clips left join {recorded} using (clip_id) "
                f"where {self._takes(mine)} and not {self._takes(other)} "
                "group by 1 order by 2 desc, 1"
            )
            return {reason: int(number) for reason, number in found.fetchall()}

    def column(self, pair: Pair, facet: Facet) -> dict[str, Any]:
        """How a column is spread over both sides; of a number also its means."""
        table = self._desk.table
        a, b = (Query(subset=name or None) for name in (pair.a, pair.b))
        if facet.kind == "number":
            first, second = table.histogram(facet, a), table.histogram(facet, b)
            mean_a, mean_b = self._means(pair, facet)
            return {
                "mean_a": mean_a, "mean_b": mean_b,
                "kind": "number", "low": first.low, "high": first.high,
                "a": first.counts, "b": second.counts,
                "without_a": first.without, "without_b": second.without,
            }  # fmt: skip
        counts_a, counts_b = dict(table.values(facet, a)), dict(table.values(facet, b))
        names = sorted(
            {*counts_a, *counts_b},
            key=lambda name: (-counts_a.get(name, 0) - counts_b.get(name, 0), name or ""),
        )
        values = [
            {"value": name, "a": counts_a.get(name, 0), "b": counts_b.get(name, 0)}
            for name in names
        ]
        return {"kind": "word", "values": values}

    def _means(self, pair: Pair, facet: Facet) -> tuple[float | None, float | None]:
        # Copied as float32; summed as double, lest millions of them lose digits.
        number = f"{facet.sql}::double"
        means = ", ".join(
            f"avg({number}) filter (where {side} and isfinite({number}))"
            for side in ("in_a", "in_b")
        )
        (found,) = self._cursor().execute(f"select {means} from {self._sides(pair)}").fetchall()
        return _finite(found[0]), _finite(found[1])

    def sample(self, pair: Pair, side: str, seed: int) -> list[dict[str, Any]]:
        """Some clips that only one side has, drawn by a seed, ready to be shown."""
        part = {"a": "in_a and not in_b", "b": "in_b and not in_a"}[side]
        found = self._cursor().execute(
            f"select number from {self._sides(pair)} where {part} "
            f"order by hash(internvid_id, ?), number limit {SAMPLE}",
            [seed],
        )
        places = self._desk.table.places([number for (number,) in found.fetchall()])
        return self._desk.cards(places)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        table = self._desk.table
        if not table.wait(_PATIENCE_SECONDS):
            raise StillWorkingError(f"the columns are copied: {table.copied:.0%}")
        return table.cursor()

    def _sides(self, pair: Pair) -> str:
        """All clips, each with whether it is in A and in B."""
        table = self._desk.table
        marks = f"{table.of_subset(pair.a)} as in_a, {table.of_subset(pair.b)} as in_b"
        return f"(select rowid as number, *, {marks} from narrow.clips)"

    def _takes(self, name: str) -> str:
        if not name:
            return "kept"
        path = quoted([self._desk.dataset.subset_path(name)])
        return f"(clip_id in (select clip_id from read_parquet({path})))"

    def _stamp(self, name: str) -> int:
        return self._desk.dataset.subset_path(name).stat().st_mtime_ns if name else 0


def _finite(value: Any) -> float | None:
    return None if value is None else float(value)
