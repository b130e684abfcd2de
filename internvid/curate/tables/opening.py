"""Opens a table of clips: Parquet as it lies, text files converted once, nothing read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.curate.tables.faults import Faults
from internvid.curate.tables.files import TableFiles, find_files
from internvid.curate.tables.known_layouts import Columns, Layout, layout_of
from internvid.curate.tables.rows import Origin, Rows
from internvid.curate.tables.scratch import scratch_folder
from internvid.curate.tables.standard import (
    HIDDEN,
    Scan,
    refuse_taken_names,
    scan_sql,
    standard_sql,
)
from internvid.curate.tables.text.converting import Converted, convert, convert_parquet
from internvid.curate.tables.text.copying import header_of
from internvid.curate.tables.text.delimited import DELIMITERS
from internvid.curate.tables.text.keyed import read_keyed
from internvid.curate.tables.text.sniffing import TextTable, sniff
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import interruptible, open_locked
from internvid.dataset.parts import reading_part

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "2GB"


@contextmanager
def open_rows(
    source: Path | str,
    *,
    layout: str | None = None,
    scratch: Path | None = None,
    writable: Sequence[Path] = (),
    threads: int | None = None,
    memory_limit: str = MEMORY_LIMIT,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Rows]:
    """A table of clips as one relation, until the block ends.

    Parquet is read where it lies. Text files, and tables with one row a video, are first converted
    to one Parquet file in `scratch`, in blocks of a few megabytes; it is removed at the end.

    Args:
        source: a file, a folder or a glob of Parquet, jsonl, json, csv or tsv.
        layout: its layout by name; null to recognise it by its columns.
        scratch: a folder for conversion and for what DuckDB spills; null for the system's.
        writable: folders that statements of the connection may write (and read).
        threads: of DuckDB and of the conversion; null for one a core.
        memory_limit: what DuckDB may hold before it spills.
        progress: called while text is converted, with the bytes read so far, decompressed.

    Raises:
        SourceMissingError: nothing is there.
        MisuseError: it is no table that is known; the message has its columns.
        DatasetFormatError: a Parquet file is damaged.
        StorageError: `scratch` is full.
    """
    files = find_files(source)
    with ExitStack() as held:
        folder = held.enter_context(scratch_folder(scratch))
        scan, origin, faults = _opened(
            files, source, layout, _Conversion(folder, threads, progress)
        )
        connection = held.enter_context(
            open_locked(
                scan.files,
                writable,
                threads=threads,
                memory_limit=memory_limit,
                spill=folder / "spill",
            )
        )
        held.enter_context(interruptible(connection))
        yield _rows(connection, scan, origin, faults)


def _opened(
    files: TableFiles, source: Path | str, layout: str | None, conversion: _Conversion
) -> tuple[Scan, Origin, Faults]:
    if files.form != "parquet":
        keyed = read_keyed(files, conversion.folder / "rows.jsonl")
        files, without_clips = keyed or (files, [])
        table = sniff(files, source, layout)
        opened = _of_converted(files, table.layout, conversion.of_text(table), table)
        for line in without_clips:
            opened[2].add(line)
        return opened
    schema, is_uniform = _parquet_schema(files, source)
    refuse_taken_names(schema.names, source)
    fitting = layout_of(schema.names, layout, source)
    if fitting.expands:
        converted = conversion.of_parquet(files, schema, fitting)
        return _of_converted(files, fitting, converted, None)
    scan = Scan(files.paths, dict.fromkeys(schema.names, ""), frozenset(), fitting, is_uniform)
    return scan, Origin(files, files.paths, schema), Faults()


@dataclass(frozen=True)
class _Conversion:
    """Where and how a table is converted."""

    folder: Path
    threads: int | None
    progress: Callable[[int], None] | None

    def of_text(self, table: TextTable) -> Converted:
        return convert(
            table, self.folder / "rows.parquet", threads=self.threads, progress=self.progress
        )

    def of_parquet(self, files: TableFiles, schema: pa.Schema, layout: Layout) -> Converted:
        return convert_parquet(files.paths, schema, layout, self.folder / "rows.parquet")


def _of_converted(
    files: TableFiles, layout: Layout, converted: Converted, table: TextTable | None
) -> tuple[Scan, Origin, Faults]:
    paths = (converted.path,)
    scan = Scan(paths, dict.fromkeys(converted.schema.names, ""), frozenset(), layout)
    is_verbatim = table is not None and not layout.expands
    has_header = is_verbatim and files.form in DELIMITERS and table is not None and table.has_header
    header = header_of(files.paths[0]) if has_header else b""
    origin = Origin(files, paths, converted.schema, is_verbatim, header)
    return scan, origin, converted.faults


def _rows(
    connection: duckdb.DuckDBPyConnection, scan: Scan, origin: Origin, faults: Faults
) -> Rows:
    described = connection.execute(
        f"describe select * from {scan_sql(scan.files, is_uniform=scan.is_uniform)}"
    ).fetchall()
    kinds = {row[0]: row[1] for row in described}
    own = {name: kind for name, kind in kinds.items() if not name.startswith(HIDDEN)}
    hidden = frozenset(kinds) - frozenset(own)
    inside = _kinds_inside(connection, scan)
    known = Scan(scan.files, own, hidden, scan.layout, scan.is_uniform, inside)
    if Columns(own, inside).first(scan.layout.source) is None:
        raise MisuseError(
            f"{scan.files[0]} looks like a table in the layout {scan.layout.name}, and has no "
            f"{' or '.join(scan.layout.source)}",
            hint="add a column clip_id or source_id, and open it with the layout own",
        )
    relation = connection.sql(standard_sql(known))
    return Rows(connection, relation, tuple(own), scan.layout.name, faults, origin)


def _kinds_inside(connection: duckdb.DuckDBPyConnection, scan: Scan) -> dict[str, str]:
    """Types of the parts of columns that the layout reads, of those that are there."""
    import duckdb

    table, kinds = scan_sql(scan.files, is_uniform=scan.is_uniform), {}
    for name in scan.layout.inside:
        part = ".".join(map(quoted_name, name.split(".")))
        with suppress(duckdb.BinderException):
            kinds[name] = str(connection.sql(f"select {part} from {table}").types[0])
    return kinds


def _parquet_schema(files: TableFiles, source: Path | str) -> tuple[pa.Schema, bool]:
    """The columns of all files, and whether they are equal in each."""
    schemas = []
    for path in files.paths:
        with reading_part(path):
            schemas.append(pq.read_schema(path))
    first = schemas[0]
    if all(each.equals(first) for each in schemas):
        return first, True
    try:
        return pa.unify_schemas(schemas, promote_options="permissive"), False
    except pa.ArrowException as error:
        raise DatasetFormatError(
            f"the files of {source} do not fit together: {error}",
            hint="name those with equal columns by a glob",
        ) from error
