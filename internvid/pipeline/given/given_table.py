"""Every clip that the inputs of a build state, as one sorted Parquet file that is read by part.

Tables are streamed by DuckDB: what is held in memory are the uris of their sources, as for every
build.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvid.core.errors import MisuseError, SourceMissingError
from internvid.curate.tables.expressions import quoted_text
from internvid.curate.tables.opening import MEMORY_LIMIT, open_rows
from internvid.curate.tables.rows import Rows
from internvid.curate.tables.scratch import scratch_folder
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import interruptible, open_locked, quoted
from internvid.dataset.parts import reading_part
from internvid.dataset.sources.metadata import join_kinds, row_to_json
from internvid.dataset.stores.store_path import StorePath
from internvid.pipeline.given.file_names import (
    NamePlaces,
    write_file_index,
    write_resolved_names,
)
from internvid.pipeline.given.packed_clips import StatedInput, stated_inputs
from internvid.pipeline.given.source_keys import about_source
from internvid.pipeline.given.stated_columns import StatedColumns, stated_columns
from internvid.pipeline.source_tables import NOTED, SetAside, kind_of
from internvid.pipeline.sources import SOURCES_OF_TABLES, Sources

if TYPE_CHECKING:
    import duckdb

_GROUP_ROWS = 1 << 15
_SQL_TYPES = {"int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN", "string": "VARCHAR"}
_VIEW = "stated_rows"
# Stems by which a file is looked for below the folder of the videos, in this order.
_STEMS = ("clip_name", "video_name", "file_stem")
_HALF = (1 << 64) - 1
_SPAN = ("uri", "start_seconds", "end_seconds", "fault")


@dataclass(frozen=True)
class GivenTable:
    """The rows that tables state, each with its file.

    Attributes:
        path: Parquet, sorted by uri and times: `uri`, `source_id`, `start_seconds`, `end_seconds`
            (seconds of the local file; both null for the whole of it), `fault`, `caption`, `rank`
            (among rows of one uri and span, in the order of the tables), then the columns of
            `kinds`.
        kinds: further column -> type, for the table of clips.
        rows: how many there are.
        spans: digest of all that decides the clips; the order of rows is not in it.
        texts: digest of captions and spans.
        has_captions: whether any row has a caption.
        sources: the files, and what was set aside.
    """

    path: Path
    kinds: Mapping[str, str]
    rows: int
    spans: str
    texts: str
    has_captions: bool
    sources: Sources


@dataclass(frozen=True)
class GivenInputs:
    """What a build of stated clips is pointed at.

    Attributes:
        tables: files and globs of tables, folders of exported clips, tar shards.
        video_folder: where files lie that are called by the ids of a table, and where tar shards
            are unpacked to; None where tables name files.
    """

    tables: tuple[str, ...]
    video_folder: Path | None = None


@contextmanager
def open_given(
    inputs: GivenInputs,
    scratch: Path | None,
    progress: Callable[[int], None] | None = None,
    *,
    keeps_unpacked: bool = True,
) -> Iterator[GivenTable]:
    """Read what the inputs of a build state, until the block ends.

    Args:
        inputs: tables, and exports.
        scratch: a folder for what is converted and sorted; null for the system's.
        progress: called while text is converted, with the bytes read so far.
        keeps_unpacked: whether tar shards are unpacked to `video_folder`; else to the scratch
            folder, which goes.

    Raises:
        SourceMissingError: an input names nothing, or no row names a file.
        MisuseError: an input is no table of clips, or needs `video_folder`.
        StorageError: `scratch` is full.
    """
    with ExitStack() as held:
        folder = held.enter_context(scratch_folder(scratch))
        reader = _Reader(folder, inputs.video_folder, progress)
        target = inputs.video_folder
        if target is not None and not keeps_unpacked:
            target = folder / "unpacked"
        for each in stated_inputs(inputs.tables, target, folder):
            reader.take(each)
        yield reader.joined(inputs.tables)


def scratch_beside(dataset: Path) -> Path | None:
    """Where to convert: beside the dataset, where there is room; else the system's folder."""
    if isinstance(dataset, StorePath):
        return None
    place = dataset.absolute().parent
    return place if place.is_dir() and os.access(place, os.W_OK) else None


@dataclass(frozen=True)
class _Staged:
    """The rows of one table whose files are known."""

    path: Path
    kinds: Mapping[str, str]


class _Reader:
    """Takes one table after another, then joins them."""

    def __init__(
        self, folder: Path, video_folder: Path | None, progress: Callable[[int], None] | None
    ) -> None:
        self.folder, self.video_folder, self.progress = folder, video_folder, progress
        self.index: Path | None = None
        self.staged: list[_Staged] = []
        self.aside: list[SetAside] = []

    def take(self, stated: StatedInput) -> None:
        """Take the rows of one table."""
        number = len(self.staged)
        with open_rows(
            stated.table,
            layout=stated.layout,
            scratch=self.folder,
            writable=[self.folder],
            progress=self.progress,
        ) as rows:
            rows.relation.create_view(_VIEW)
            columns = stated_columns(rows, _VIEW, stated.file_column)
            if not columns.has_file_column and self.video_folder is None:
                raise MisuseError(
                    f"{stated.name} names no files: it has no column `path` or `uri`",
                    hint="name the folder of the videos, in files called by its ids: "
                    "--videos FOLDER",
                )
            raw = self.folder / f"raw-{number}.parquet"
            rows.connection.execute(f"copy ({columns.query}) to {quoted_text(str(raw))}")
            out = self.folder / f"rows-{number}.parquet"
            self._with_files(rows.connection, raw, stated, columns, out)
            self.aside.append(self._set_aside(rows, out, stated))
            raw.unlink()
        self.staged.append(_Staged(out, columns.kinds))

    def _with_files(
        self,
        connection: duckdb.DuckDBPyConnection,
        raw: Path,
        stated: StatedInput,
        columns: StatedColumns,
        out: Path,
    ) -> None:
        """Write the rows with the uri of the file of each; null where there is none."""
        joins, choices = "", []
        start, end = "start_seconds", "end_seconds"
        video_folder = None if stated.names_every_file else self.video_folder
        if columns.has_file_column:
            names = self.folder / "names.parquet"
            places = NamePlaces(stated.folder, video_folder, stated.base)
            write_resolved_names(connection, raw, names, places)
            joins += f" left join read_parquet({quoted([names])}) named on named.name = stated.name"
            choices.append("named.uri")
        if video_folder is not None:
            index = self._index(video_folder)
            for number, name in enumerate(_STEMS):
                joins += (
                    f" left join {_first_of_each_name(index)} of_{number} "
                    f"on of_{number}.name = stated.{name}"
                )
                choices.append(f"of_{number}.uri")
            # A file that is called by the clip's own name is the clip; a whole video may be, too.
            is_clip = "of_0.uri is not null and clip_name is distinct from video_name"
            if columns.has_file_column:
                is_clip = f"named.uri is null and {is_clip}"
            start, end = (f"case when {is_clip} then null else {each} end" for each in (start, end))
        further = "".join(f", {quoted_name(name)}" for name in columns.kinds)
        connection.execute(
            f"copy (select place, line, coalesce({', '.join(choices)}) as uri, source_id, "
            f"{start} as start_seconds, {end} as end_seconds, fault, caption, unfetched, "
            f"address, source_metadata, coalesce(stated.name, video_name) as name{further} "
            f"from read_parquet({quoted([raw])}) stated{joins}) to {quoted_text(str(out))}"
        )

    def _index(self, video_folder: Path) -> Path:
        if self.index is None:
            self.index = self.folder / "files.parquet"
            write_file_index(video_folder, self.index)
        return self.index

    def _set_aside(self, rows: Rows, out: Path, stated: StatedInput) -> SetAside:
        """What a table has that names no file."""
        reason = (
            "case when unfetched is not null then 'it was not fetched: ' || unfetched "
            "when name is null then 'it names no file' "
            f"else {quoted_text(self._no_file())} || name end"
        )
        query = f"from read_parquet({quoted([out])}) where unfetched is not null or uri is null"
        (count,) = rows.connection.execute(f"select count(*) {query}").fetchone()  # type: ignore[misc]
        first = rows.connection.execute(
            f"select line, {reason} {query} order by place limit {NOTED}"
        ).fetchall()
        lines = [(int(line), str(text)) for line, text in first]
        lines += [(each.line, f"it is no row: {each.reason}") for each in rows.faults.kept[:NOTED]]
        lines += stated.lost
        count += rows.faults.total + len(stated.lost)
        return SetAside(os.path.abspath(stated.name), count, 0, sorted(lines)[:NOTED])

    def _no_file(self) -> str:
        where = f"below {self.video_folder} " if self.video_folder is not None else ""
        return f"no file {where}is called "

    def joined(self, inputs: Sequence[str]) -> GivenTable:
        """All rows that have a file, sorted; and what they say altogether.

        Raises:
            SourceMissingError: no row has.
        """
        kinds = _joined_kinds(self.staged)
        path = self.folder / "given.parquet"
        with ExitStack() as held:
            connection = held.enter_context(
                open_locked(
                    [],
                    [self.folder],
                    memory_limit=MEMORY_LIMIT,
                    spill=self.folder / "spill",
                )
            )
            held.enter_context(interruptible(connection))
            _write_sorted(connection, self.staged, kinds, path)
            sources, source_kinds = _sources(connection, [each.path for each in self.staged])
            rows, spans, texts, captions = _digests(connection, path, kinds)
        notes = tuple(each.note() for each in self.aside if each)
        if not rows:
            raise SourceMissingError(
                f"{', '.join(inputs)}: no row states a clip of a file that is there"
                + "".join(f"; {note}" for note in notes),
                hint="give each row the path of its file in a column `path` or `uri`, or name the "
                "folder of the videos: --videos FOLDER",
            )
        found = Sources(sources, source_kinds, notes, tuple(self.aside))
        return GivenTable(path, kinds, rows, spans, texts, captions > 0, found)


def _first_of_each_name(index: Path) -> str:
    return f"(select name, min(uri) as uri from read_parquet({quoted([index])}) group by name)"


def _sources(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[Path]
) -> tuple[pa.Table, dict[str, str]]:
    """The files, sorted by uri, with the metadata of their sources; and its types."""
    rows = connection.sql(
        "select uri, min(source_id) as source_id, min(address) as address, "
        "min(source_metadata) as metadata "
        f"from read_parquet({quoted(staged)}, union_by_name = true) "
        "where uri is not null and unfetched is null group by uri order by uri"
    ).to_arrow_table()
    kinds: dict[str, str] = {}
    texts: list[str | None] = []
    for batch in rows.select(["address", "metadata"]).to_batches(8192):
        for row in batch.to_pylist():
            known = about_source(row["metadata"], row["address"])
            kinds = join_kinds(kinds, {key: kind_of(value) for key, value in known.items()})
            texts.append(row_to_json(known) if known else None)
    columns = [rows["uri"], rows["source_id"], pa.array(texts, pa.string())]
    table = pa.Table.from_arrays(columns, names=SOURCES_OF_TABLES.names).cast(SOURCES_OF_TABLES)
    return table.combine_chunks(), kinds


def _joined_kinds(staged: Sequence[_Staged]) -> dict[str, str]:
    """One type for each column of several tables."""
    kinds: dict[str, str] = {}
    for each in staged:
        for name, kind in each.kinds.items():
            before = kinds.setdefault(name, kind)
            if before != kind:
                kinds[name] = "double" if {before, kind} == {"int64", "double"} else "string"
    return dict(sorted(kinds.items()))


def _write_sorted(
    connection: duckdb.DuckDBPyConnection,
    staged: Sequence[_Staged],
    kinds: Mapping[str, str],
    out: Path,
) -> None:
    tables = []
    for number, each in enumerate(staged):
        columns = "".join(
            f", {quoted_name(name) if name in each.kinds else 'null'}::{_SQL_TYPES[kind]} "
            f"as {quoted_name(name)}"
            for name, kind in kinds.items()
        )
        tables.append(
            f"select {number} as table_number, place, uri, source_id, start_seconds, end_seconds, "
            f"fault, caption{columns} from read_parquet({quoted([each.path])}) "
            "where uri is not null and unfetched is null"
        )
    order = "uri, start_seconds nulls first, end_seconds nulls first, fault nulls first"
    names = "".join(f", {quoted_name(name)}" for name in kinds)
    ranked = (
        f"select *, row_number() over (partition by {', '.join(_SPAN)} "
        f"order by table_number, place) - 1 as rank from ({' union all '.join(tables)})"
    )
    connection.execute(
        f"copy (select uri, source_id, start_seconds, end_seconds, fault, caption, rank{names} "
        f"from ({ranked}) order by {order}, rank) to {quoted_text(str(out))} "
        f"(format parquet, row_group_size {_GROUP_ROWS})"
    )


def _digests(
    connection: duckdb.DuckDBPyConnection, path: Path, kinds: Mapping[str, str]
) -> tuple[int, str, str, int]:
    """How many rows, the digest of their spans and further columns, of their texts; and captions.

    Digests of rows are added up, so their order does not count; the rank of rows that state one
    span twice does, because the first of them gives the clip its text.
    """
    spans = (*_SPAN, "rank", *kinds)
    texts = (*_SPAN, "rank", "caption")
    hashes = ", ".join(
        f"md5_number({_row_text(names)}) as {name}"
        for name, names in {"spans": spans, "texts": texts}.items()
    )
    sums = ", ".join(
        f"sum(({name} {half})::uhugeint::hugeint)::varchar"
        for name in ("spans", "texts")
        for half in (f"& {_HALF}::uhugeint", ">> 64")
    )
    found = connection.execute(
        f"select count(*), count(caption), {sums} from "
        f"(select caption, {hashes} from read_parquet({quoted([path])}))"
    ).fetchone()
    assert found is not None
    rows, captions, *numbers = found
    columns = sorted(kinds.items())
    return (
        rows,
        _short_digest(rows, columns, numbers[:2]),
        _short_digest(rows, (), numbers[2:]),
        captions,
    )


def _row_text(names: Sequence[str]) -> str:
    """A row as one text: each value with its length before it, so that no two rows are one."""
    texts = (f"{quoted_name(name)}::varchar" for name in names)
    return "concat(" + ", ".join(f"coalesce(strlen({t}) || ':' || {t}, '-')" for t in texts) + ")"


def _short_digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode("utf-8"), digest_size=16).hexdigest()


def rows_of_files(path: Path, uris: Collection[str]) -> pa.Table:
    """The rows of some files, in the order of the table; only row groups that hold any are read.

    Args:
        path: of a `GivenTable`.
        uris: of the files.
    """
    wanted = sorted(uris)
    with reading_part(path), pq.ParquetFile(path) as file:
        column = file.schema_arrow.get_field_index("uri")
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if _may_hold(file.metadata.row_group(group).column(column).statistics, wanted)
        ]
        rows = file.read_row_groups(groups, use_threads=False)
    return rows.filter(pc.is_in(rows["uri"], pa.array(wanted, pa.string())))


def _may_hold(statistics: Any, wanted: Sequence[str]) -> bool:
    """Whether a row group may have one of some sorted texts, by its least and largest."""
    if statistics is None or not statistics.has_min_max:
        return True
    at = bisect_left(wanted, statistics.min)
    return at < len(wanted) and wanted[at] <= statistics.max
