"""Takes rows out of a Lance dataset, and their bytes out of its files."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

from internvid.core.errors import DependencyMissingError
from internvid.dataset.names import is_file_name

_IDS_AT_ONCE = 500


def open_lance() -> Any:
    """The module of Lance.

    Raises:
        DependencyMissingError: it is not installed.
    """
    try:
        import lance
    except ImportError as error:
        raise DependencyMissingError(
            "Lance datasets need pylance", hint='pip install "internvid[lance]"'
        ) from error
    return lance


def without_lance_rows(path: Path, column: str, gone: Collection[str]) -> None:
    """Delete the rows of clips, write what is left of their files anew, and forget old versions.

    Each of the three may be done a second time. Files that lose nothing stay.

    Args:
        path: of the dataset.
        column: with the ids of clips.
        gone: ids of the clips.

    Raises:
        DependencyMissingError: Lance is not installed.
        OSError, ValueError: the dataset is damaged.
    """
    table = open_lance().dataset(str(path))
    ids = sorted(each for each in gone if is_file_name(each))
    for at in range(0, len(ids), _IDS_AT_ONCE):
        named = ", ".join(f"'{each}'" for each in ids[at : at + _IDS_AT_ONCE])
        table.delete(f"{column} in ({named})")
    # A deletion is only noted beside the rows, which stay on disk until their file is written anew.
    table.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=0.0)
    table.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
