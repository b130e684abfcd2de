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

from internvid.curate.draws import mix, mix_sql

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
    return f"(md5_number(coalesce({name}, '')) & {_LOW_BITS}::uhugeint)::ubigint"


def mixed_key_sql(key: str, seconds: str) -> str:
    """One step of `row_keys` as a DuckDB expression: a key and a time become a key.

    Args:
        key: a column's name, UBIGINT.
        seconds: a column's name, DOUBLE or null.
    """
    holds = f"{seconds} >= 0 and {seconds} < {_MOST_SECONDS}"
    whole = f"case when {holds} then floor({seconds} * 1e6 + 0.5)::ubigint else {_NO_TIME} end"
    return mix_sql(f"xor({key}, ({whole})::ubigint)")


def _microseconds(seconds: ArrayLike) -> NDArray[np.uint64]:
    values = np.asarray(seconds, np.float64)
    holds = (values >= 0) & (values < _MOST_SECONDS)
    whole = np.floor(np.where(holds, values, 0.0) * 1e6 + 0.5).astype(np.uint64)
    return np.where(holds, whole, np.uint64(_NO_TIME))
