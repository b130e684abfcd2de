"""Keys of rows: 64 bits that say what a row names, the same on any machine and in any order.

A row that has a name of its own (`clip_id`, the name of a clip's file) has the key of that text,
any other the key of its source video and its times. The hash is MD5, cut to its first 8 bytes, and
the mixing of `draws`: both are fixed for good, unlike DuckDB's `hash()`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from internvid.curate.draws import mix, mixed_query

# Times are compared as whole microseconds; no time is this number, which no time reaches.
_NO_TIME = 0xFFFFFFFFFFFFFFFF
_MOST_SECONDS = 1e12
_LOW_BITS = 0xFFFFFFFFFFFFFFFF


def name_keys(names: Sequence[str | None]) -> NDArray[np.uint64]:
    """Keys of texts.

    Args:
        names: [N]; null counts as the empty text.

    Returns:
        [N]: the first 8 bytes of MD5 over UTF-8, little-endian.
    """
    digests = (hashlib.md5((name or "").encode("utf-8"), usedforsecurity=False) for name in names)
    return np.array([int.from_bytes(each.digest()[:8], "little") for each in digests], np.uint64)


def row_keys(
    source_ids: Sequence[str | None], start_seconds: ArrayLike, end_seconds: ArrayLike
) -> NDArray[np.uint64]:
    """Keys of rows that are named by a source video and two times.

    Args:
        source_ids: [N].
        start_seconds: [N]; NaN for none.
        end_seconds: [N]; NaN for none.

    Returns:
        [N]; rows of one video whose times differ by a microsecond or more have different keys.
    """
    started = mix(name_keys(source_ids) ^ _microseconds(start_seconds))
    return mix(started ^ _microseconds(end_seconds))


def name_key_sql(name: str) -> str:
    """`name_keys` as a DuckDB expression over one of type VARCHAR, named once."""
    # Of texts that Parquet keeps in a dictionary DuckDB hashes each once, but not below a coalesce.
    key = f"(md5_number({name}) & {_LOW_BITS}::uhugeint)::ubigint"
    return f"coalesce({key}, {int(name_keys([None])[0])}::ubigint)"


def mixed_key_query(query: str, key: str, seconds: str, name: str) -> str:
    """A DuckDB query with one step of `row_keys` as one more column: a key and a time become a key.

    Args:
        query: a SELECT.
        key: one of its columns, UBIGINT.
        seconds: one of its columns, DOUBLE or null.
        name: of the new column, UBIGINT.
    """
    holds = f"{seconds} >= 0 and {seconds} < {_MOST_SECONDS}"
    whole = f"case when {holds} then floor({seconds} * 1e6 + 0.5)::ubigint else {_NO_TIME} end"
    return mixed_query(query, f"xor({key}, ({whole})::ubigint)", name)


def row_key_query(
    query: str,
    key: str,
    name: str,
    *,
    start: str = "start_seconds",
    end: str = "end_seconds",
) -> str:
    """A DuckDB query with `row_keys` as one more column.

    Args:
        query: a SELECT.
        key: one of its columns: `name_key_sql` of the source.
        name: of the new column, UBIGINT.
        start, end: its columns of times in seconds, DOUBLE or null.
    """
    started = f"{name}_started"
    keyed = mixed_key_query(query, key, start, started)
    return f"select * exclude ({started}) from ({mixed_key_query(keyed, started, end, name)})"


def _microseconds(seconds: ArrayLike) -> NDArray[np.uint64]:
    values = np.asarray(seconds, np.float64)
    holds = (values >= 0) & (values < _MOST_SECONDS)
    whole = np.floor(np.where(holds, values, 0.0) * 1e6 + 0.5).astype(np.uint64)
    return np.where(holds, whole, np.uint64(_NO_TIME))
