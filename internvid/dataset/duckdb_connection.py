"""DuckDB connections over the tables of a dataset, and which statements they are given.

Conditions and queries come from configurations, notebooks and other people. Those of a locked
connection read the dataset's own tables and reach nothing else: no other file, no host, no
extension, no setting; and nothing but a SELECT is run, so that nothing is written.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.core.errors import MisuseError
from internvid.dataset.stores.remote_tables import register_stores, sql_names
from internvid.dataset.stores.store_path import StorePath

if TYPE_CHECKING:
    import duckdb

_CLOSED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
}

_EMPTY_COLUMN = (
    "select null::varchar as clip_id, null::varchar as value, null::varchar as status, "
    "null::varchar as reason where false"
)
_FILE = "internvid_part"
INTERRUPTED = "Query interrupted"
"""Text of the RuntimeError that DuckDB raises after Ctrl-C."""


def open_connection(files: Iterable[Path] = ()) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that may do all that DuckDB can. `files`: tables that may be in stores."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": os.cpu_count() or 1})
    register_stores(connection, files)
    return _without_bar(connection)


def open_locked(
    files: Iterable[Path],
    folders: Iterable[Path],
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory whose statements can open these files, and no others, for good.

    Args:
        files: the tables.
        folders: all in them can be opened and written too, also what comes later.
        threads: to run on; null for one a core.
        memory_limit: what DuckDB may hold, such as `2GB`; null for its own default.
        spill: a folder for what does not fit; null for DuckDB's own default.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads or os.cpu_count() or 1,
        **_CLOSED,
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if spill is not None:
        config["temp_directory"] = str(spill)
    connection = _without_bar(duckdb.connect(":memory:", config=config))
    # Variables of Python programs are no tables of the dataset.
    connection.execute("set python_enable_replacements = false")
    files, folders = list(files), list(folders)
    register_stores(connection, files)
    connection.execute(f"set allowed_paths = {quoted(files)}")
    inside = [Path(each.plain) if isinstance(each, StorePath) else each for each in folders]
    connection.execute(f"set allowed_directories = {quoted(inside)}")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let Ctrl-C end the queries of a block at once, as KeyboardInterrupt.

    DuckDB itself looks for signals only between long tasks of the calling thread: of a slow query
    that is half a minute later.

    Args:
        connection: whose queries; open until the block ends.
    """
    asked = threading.Event()

    def interrupt() -> None:
        asked.set()
        connection.interrupt()

    try:
        with _woken_by_signals(interrupt):
            yield
    except KeyboardInterrupt as error:
        # It may have come between a query and what DuckDB clears away after it: that is done when
        # nothing holds the frames any more, and needs the connection.
        chain: BaseException | None = error
        while chain is not None:
            traceback.clear_frames(chain.__traceback__)
            chain = chain.__context__
        raise
    except Exception as error:
        # A query that was ended fails, in the words of whoever ran it.
        if asked.is_set() or str(error) == INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def _woken_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call a function in a thread of its own on Ctrl-C, while the main thread is in a query.

    Outside the main thread, and where something else is woken by signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if before != -1:
        signal.set_wakeup_fd(before)

    def watch() -> None:
        while received := os.read(reading, 64):
            if signal.SIGINT in received:
                interrupt()

    watcher = threading.Thread(target=watch, name="internvid-interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def create_views(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Make views, each of which may use those before it: name -> SELECT."""
    for name, statement in views.items():
        connection.execute(f'create view "{name}" as {statement}')


def refuse_all_but_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse what is not one SELECT (also DESCRIBE, SUMMARIZE, SHOW, FROM).

    Raises:
        MisuseError: it is another statement, or several, or none.
        duckdb.Error: it cannot be parsed.
    """
    import duckdb

    kinds = [statement.type for statement in connection.extract_statements(query)]
    if kinds == [duckdb.StatementType.SELECT]:
        return
    what = ", ".join(kind.name for kind in kinds) or "nothing"
    raise MisuseError(
        f"one SELECT is allowed here, this is {what}: {query!r}",
        hint="Dataset.unlocked() gives a connection that runs any statement",
    )


def refuse_all_but_expression(condition: str) -> str:
    """Refuse what is not one expression, such as a condition that ends a statement and adds one.

    Returns:
        The condition in brackets, whatever comments it ends with.

    Raises:
        MisuseError: it is several expressions, a statement, or cannot be parsed.
    """
    import duckdb

    try:
        duckdb.SQLExpression(condition)
        kinds = [each.type for each in duckdb.extract_statements(f"select ({condition}\n)")]
    except duckdb.Error as error:
        raise MisuseError(
            f"{condition!r} is not one SQL expression: {str(error).strip().splitlines()[0]}",
            hint="write one condition over columns, such as: duration_seconds between 2 and 10",
        ) from error
    if kinds != [duckdb.StatementType.SELECT]:
        raise MisuseError(
            f"{condition!r} is not one SQL expression",
            hint="write one condition over columns, such as: duration_seconds between 2 and 10",
        )
    return f"({condition}\n)"


def quoted(paths: Iterable[Path]) -> str:
    """Paths as an SQL list of texts; of tables in stores, the names to open them by."""
    texts = ", ".join("'" + name.replace("'", "''") + "'" for name in sql_names(paths))
    return f"[{texts}]"


def column_view(files: Sequence[Path]) -> str:
    """SELECT of the rows of a column that hold: of a clip with several, the latest generation's."""
    if not files:
        return _EMPTY_COLUMN
    if not any(".g" in file.stem for file in files):
        return f"select * from read_parquet({quoted(files)}, union_by_name = true)"
    # `part-00000` sorts before `part-00000.g001` once the suffix is gone.
    return (
        f"select * exclude ({_FILE}) from read_parquet({quoted(files)}, union_by_name = true, "
        f"filename = '{_FILE}') qualify row_number() over (partition by clip_id "
        f"order by replace({_FILE}, '.parquet', '') desc) = 1"
    )


def _without_bar(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("set enable_progress_bar = false")
    return connection
