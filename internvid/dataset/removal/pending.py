"""Removals that are not done yet: from the moment they are written every reader passes over them.

`removals/pending/` holds, until the data is purged, the ids themselves:

- `request-<digest>.parquet`: written without the write lock, because another process held it.
- `purge-<digest>.parquet`: the ids with all that goes with them, found under the lock.
- `plan-<digest>.json`: what is purged, beside it (see `internvid.dataset.removal.purge_plan`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import DatasetFormatError
from internvid.core.system.temporary import is_temporary
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, read_part
from internvid.dataset.removal.tombstones import KINDS, SOURCE, URI, VIDEO, Member, removals_folder

if TYPE_CHECKING:
    import duckdb

CLIP, PART = "clip", "part"
REQUEST, PURGE, PLAN = "request-", "purge-", "plan-"
VIEW = "internvid_removed"
"""Name under which the removed ids stand in a DuckDB connection: `kind`, `id`."""
NAMING = ("group", "of")
"""Columns of a column of duplicates that hold ids of other clips."""
SAME = "has the same bytes as "
"""What `error` says of a duplicate, before the uri of the source that was scanned."""
_SCHEMA = pa.schema([(name, pa.string()) for name in ("kind", "id", "group_kind", "group")])
_ERROR = (
    f"if(starts_with(error, '{SAME}') and error[{len(SAME) + 1}:] in "
    f"(select id from {VIEW} where kind = '{URI}'), null, error)"
)


class IdRow(NamedTuple):
    """An id of a pending removal: a `Member`, or what goes with it (clips, names of parts)."""

    kind: str
    id: str
    group_kind: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Removed:
    """Ids that are removed.

    Attributes:
        videos, sources, uris: a row of `videos` with any of them is gone.
        clips: ids of the clips of these videos, under every cut.
        files: names of the pending files that name them.
    """

    videos: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()

    def hides(self, uri: str | None, video_id: str | None, source_id: str | None) -> bool:
        """Whether a source is gone, by any of its ids."""
        return uri in self.uris or video_id in self.videos or source_id in self.sources

    def without_clips(self, table: pa.Table) -> pa.Table:
        """The rows of a table with `clip_id` whose clips are not gone."""
        gone = [clip_id in self.clips for clip_id in table["clip_id"].to_pylist()]
        return table.filter(pc.invert(pa.array(gone, pa.bool_()))) if any(gone) else table

    def rows(self) -> pa.Table:
        """`kind` and `id` of each."""
        kinds = ((VIDEO, self.videos), (SOURCE, self.sources), (URI, self.uris), (CLIP, self.clips))
        rows = [(kind, text) for kind, texts in kinds for text in sorted(texts)]
        return pa.table(
            [pa.array([row[at] for row in rows], pa.string()) for at in (0, 1)],
            names=["kind", "id"],
        )


def pending_folder(layout: Layout) -> Path:
    """Where removals lie that are not done."""
    return removals_folder(layout) / "pending"


def pending_files(layout: Layout, beginning: str) -> list[Path]:
    """Files of one sort (`REQUEST`, `PURGE`, `PLAN`), in order."""
    found = pending_folder(layout).glob(f"{beginning}*")
    # One that is being written is none yet.
    return sorted(path for path in found if not is_temporary(path.name))


def pending_removal(layout: Layout) -> Removed | None:
    """What readers pass over; None where no removal is pending.

    Raises:
        DatasetFormatError: a pending file is damaged.
    """
    # Where nothing is pending, this look is all that it costs.
    if not pending_folder(layout).is_dir():
        return None
    while True:
        paths = [*pending_files(layout, REQUEST), *pending_files(layout, PURGE)]
        try:
            rows = [row for path in paths for row in read_ids(path)]
        except DatasetFormatError:
            if all(path.exists() for path in paths):
                raise
            continue  # it was done, or went on under another name, meanwhile
        return removed_of(rows, [path.name for path in paths]) if paths else None


def removed_of(rows: Iterable[IdRow], files: Sequence[str] = ()) -> Removed:
    """The ids in rows."""
    found: dict[str, set[str]] = {kind: set() for kind in (*KINDS, CLIP, PART)}
    for row in rows:
        found[row.kind].add(row.id)
    videos, sources, uris, clips = (frozenset(found[kind]) for kind in (*KINDS, CLIP))
    return Removed(videos, sources, uris, clips, tuple(files))


def read_ids(path: Path) -> list[IdRow]:
    """The rows of a pending file.

    Raises:
        DatasetFormatError: it is missing or damaged.
    """
    table = read_part(path, _SCHEMA.names)
    columns = (table[name].to_pylist() for name in _SCHEMA.names)
    return [IdRow(*row) for row in zip(*columns, strict=True)]


def members_of(rows: Iterable[IdRow]) -> list[Member]:
    """The rows that later builds refuse."""
    return [
        Member(row.group_kind, row.group, row.kind, row.id)
        for row in rows
        if row.group_kind is not None and row.group is not None
    ]


def write_ids(layout: Layout, beginning: str, rows: Iterable[IdRow]) -> Path:
    """Write a pending file whole; from now on every reader obeys it."""
    ordered = sorted(set(rows), key=lambda row: tuple(each or "" for each in row))
    digest = hashlib.sha256("\n".join(map(repr, ordered)).encode("utf-8", "surrogatepass"))
    path = pending_folder(layout) / f"{beginning}{digest.hexdigest()[:16]}.parquet"
    columns = zip(*ordered, strict=True)
    arrays = [pa.array(each, pa.string()) for each in columns]
    commit_table(path, pa.Table.from_arrays(arrays, schema=_SCHEMA))
    return path


def hide_removed(
    connection: duckdb.DuckDBPyConnection, views: dict[str, str], removed: Removed | None
) -> dict[str, str]:
    """Views of a dataset that show nothing of removed videos.

    Args:
        connection: is given the ids.
        views: name -> SELECT, see `internvid.dataset.store`.
        removed: what is pending; nothing is changed when None.
    """
    if removed is None:
        return views
    # A table, because cursors of the connection do not see what is registered with it.
    connection.register("given", removed.rows())
    connection.execute(f"create table {VIEW} as select * from given")
    connection.unregister("given")
    return {name: _hiding(name, statement) for name, statement in views.items()}


def _hiding(name: str, statement: str) -> str:
    columns = {"timelines": (VIDEO,), "picks": (VIDEO,), "videos": KINDS}.get(name, ())
    conditions = [f"not coalesce({each} in ({_ids(each)}), false)" for each in columns]
    if name.startswith("column_"):
        conditions = [f"clip_id not in ({_ids(CLIP)})"]
    if not conditions:
        return statement
    shown = f"* replace ({_ERROR} as error)" if name == "videos" else "*"
    return f"select {shown} from ({statement}) where {' and '.join(conditions)}"


def _ids(kind: str) -> str:
    return f"select id from {VIEW} where kind = '{kind}'"
