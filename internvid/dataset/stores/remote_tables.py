"""Tables in stores: small ones are kept here whole, those of pictures are read by ranges."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.errors import DependencyMissingError
from internvid.dataset.stores.store_cache import is_kept
from internvid.dataset.stores.store_path import StorePath

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 16
# Of a video or a clip only some row groups are needed.
_LARGE = frozenset({"picks", "timelines"})
_SMALL_BYTES = 4 << 20


def is_read_by_ranges(path: Path) -> bool:
    """Whether a table is not fetched whole for a part of its rows."""
    if not isinstance(path, StorePath):
        return False
    if path.parent.name not in _LARGE and "pick_sets" not in path.parts:
        return False
    facts = path.remote.facts(path.key)
    return facts is not None and facts.size > _SMALL_BYTES and not is_kept(Path(path.plain), facts)


def parquet_source(path: Path) -> Any:
    """What pyarrow opens a table by: a path, or a file that is read by ranges."""
    if is_read_by_ranges(path):
        assert isinstance(path, StorePath)
        return path.remote.opened(path.key)
    return path


def sql_name(path: Path) -> str:
    """How DuckDB opens a table: the name of a file here, or the address of one in a store."""
    if not isinstance(path, StorePath):
        return str(path)
    return str(path) if is_read_by_ranges(path) else path.pinned()


def sql_names(paths: Iterable[Path]) -> list[str]:
    """`sql_name` of many; those in a store are fetched at once."""
    wanted = list(paths)
    if sum(isinstance(path, StorePath) for path in wanted) < 2:
        return [sql_name(path) for path in wanted]
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        return list(pool.map(sql_name, wanted))


def register_stores(connection: duckdb.DuckDBPyConnection, paths: Iterable[Path]) -> None:
    """Let a connection open addresses in the stores of some paths.

    Which of them its statements may open is another matter: see `open_locked`.
    """
    schemes = {os.fsdecode(str(path)).partition("://")[0]
               for path in paths if isinstance(path, StorePath)}  # fmt: skip
    if not schemes:
        return
    try:
        from obstore.fsspec import FsspecStore
    except ImportError as error:
        raise DependencyMissingError(
            "queries of datasets in object stores need fsspec, which is not installed",
            hint="pip install 'internvid[s3]'",
        ) from error
    from internvid.dataset.stores.remote import client_options

    for scheme in sorted(schemes):
        connection.register_filesystem(FsspecStore(scheme, client_options=client_options(scheme)))
