"""Files that are written once, whoever tries: the way to commit among many writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.dataset.parts import commit_table, committed, json_pieces
from internvid.dataset.stores.store_commit import NameTakenError


def put_json(path: Path, value: Any) -> bool:
    """Write JSON as `commit_json` does, unless the name is taken; whether it was free.

    Of several writers, on any host, one has its file stand there; the others read it.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with committed(path, otherwise=()) as temporary, temporary.open("wb") as file:
            file.writelines(json_pieces(value))
    except NameTakenError:
        return False
    return True


def put_table(path: Path, table: pa.Table) -> bool:
    """Write a table as `commit_table` does, unless the name is taken; whether it was free.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        commit_table(path, table, otherwise=())
    except NameTakenError:
        return False
    return True
