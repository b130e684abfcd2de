"""Sets of clips that are found once and then used by many statements: by texts, of subsets.

A set is a table of the numbers that stand for ids of clips. Texts are read where they lie, since
they are most of a dataset's bytes.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import Facet, Query
from internvid.browse.server.narrow_copy import CLIP_NUMBER
from internvid.dataset.answers.verdict_log import Review
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

_MOST_SETS = 24
# A statement may have been made with a set that nobody has looked up since; it begins at once.
_GRACE_SECONDS = 60.0
_CORRECTED = "_corrected"


class ClipSets:
    """Makes sets and forgets the oldest.

    Args:
        dataset: whose clips.
        connection: has `narrow` attached; sets become tables of it.
        reviews: what people recorded now, by clip.
    """

    def __init__(
        self,
        dataset: Dataset,
        connection: duckdb.DuckDBPyConnection,
        reviews: Callable[[], Mapping[str, Review]],
    ) -> None:
        self._dataset, self._connection, self._reviews = dataset, connection, reviews
        self._whole: duckdb.DuckDBPyConnection | None = None
        self._known: collections.OrderedDict[tuple[Any, ...], str] = collections.OrderedDict()
        self._forgotten: collections.deque[tuple[float, str]] = collections.deque()
        self._lock = threading.RLock()
        self._number = 0

    def conditions(self, query: Query, without: str | None = None) -> list[str]:
        """SQL conditions over `narrow.clips` for the subsets and the texts of a query."""
        parts = []
        for condition in query.conditions:
            facet = condition.facet
            if facet.kind == "text" and facet.name != without:
                parts.append(_in(self._of_text([facet], str(condition.parameters[0]))))
        if query.search:
            parts.append(_in(self._of_text(query.texts, query.search)))
        if query.subset is not None:
            parts.append(self.of_subset(query.subset))
        if query.outside is not None:
            parts.append(f"not {self.of_subset(query.outside)}")
        return parts

    def of_subset(self, name: str) -> str:
        """A condition over `narrow.clips`: the clips of a subset.

        Raises:
            MisuseError: there is none of that name.
        """
        path = self._dataset.subset_path(name)
        key = ("subset", name, path.stat().st_mtime_ns)
        return _in(self._made(key, [f"select clip_id from read_parquet({_list(path)})"]))

    def _of_text(self, facets: Sequence[Facet], text: str) -> str:
        # Corrections come while pages are looked at: a set with them is made anew.
        corrected = [each for each in facets if self._is_correction(each)]
        selects = [self._select(each, text) for each in facets if each not in corrected]
        key: tuple[Any, ...] = ("text", tuple(each.name for each in facets), text)
        ids: list[str] = []
        if corrected:
            names = {each.name.removesuffix(_CORRECTED) for each in corrected}
            wanted = text.lower()
            ids = [
                clip_id
                for clip_id, review in self._reviews().items()
                if any(wanted in review.corrections.get(name, "").lower() for name in names)
            ]
            key += (tuple(sorted(ids)),)
        return self._made(key, selects, ids)

    def _is_correction(self, facet: Facet) -> bool:
        name = facet.name.removesuffix(_CORRECTED)
        return facet.name.endswith(_CORRECTED) and any(
            name in review.corrections for review in self._reviews().values()
        )

    def _select(self, facet: Facet, text: str) -> str:
        columns = self._dataset.record.columns.get(self._dataset.record.cut or "", {})
        literal = "'" + text.replace("'", "''") + "'"
        if facet.name in columns:
            view = '"column_' + facet.name.replace('"', '""') + '"'
            return (
                f"select clip_id from {view} where status = 'ok' and not is_stale "
                f"and contains(lower(value), lower({literal}))"
            )
        return f"select clip_id from all_clips where contains(lower({facet.sql}), lower({literal}))"

    def _made(self, key: tuple[Any, ...], selects: Sequence[str], ids: Sequence[str] = ()) -> str:
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
            self._number += 1
            name = f"narrow.set_{self._number}"
            cursor = self._connection.cursor()
            cursor.execute(f"create table {name} (id ubigint)")
            reading = self._views().cursor()
            for select in selects:
                given = reading.sql(f"select {CLIP_NUMBER} as id from ({select})")
                cursor.register("given", given.to_arrow_reader(100_000))
                cursor.execute(f"insert into {name} select * from given")
                cursor.unregister("given")
            if ids:
                cursor.execute(f"insert into {name} select hash(unnest(?))", [list(ids)])
            self._known[key] = name
            if len(self._known) > _MOST_SETS:
                _, oldest = self._known.popitem(last=False)
                self._forgotten.append((time.monotonic(), oldest))
            self._drop_forgotten(cursor)
            return name

    def _drop_forgotten(self, cursor: duckdb.DuckDBPyConnection) -> None:
        until = time.monotonic() - _GRACE_SECONDS
        while self._forgotten and self._forgotten[0][0] < until:
            _, name = self._forgotten.popleft()
            cursor.execute(f"drop table {name}")

    def _views(self) -> duckdb.DuckDBPyConnection:
        if self._whole is None:
            self._whole = self._dataset.unlocked()
            self._whole.execute("set memory_limit = '300MB'")
        return self._whole

    def close(self) -> None:
        """Let go of the dataset's files."""
        if self._whole is not None:
            self._whole.close()


def _in(table: str) -> str:
    return f"(internvid_id in (select id from {table}))"


def _list(path: Path) -> str:
    return quoted([path])
