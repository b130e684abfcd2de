"""Looks for ids in every byte of a folder, also where they lie compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.removal.conftest import Desk


def traces(root: Path, texts: Iterable[str]) -> list[str]:
    """`file: text` of all texts that a file of a folder, or its name, holds."""
    needles = [(text, text.encode("utf-8")) for text in texts]
    return [
        f"{path.relative_to(root)}: {text}"
        for path in sorted(root.rglob("*"))
        if path.is_file()
        for data in contents(path)
        for text, needle in needles
        if needle in data
    ]


def contents(path: Path) -> Iterator[bytes]:
    """The name and the bytes of a file, and the values of a Parquet file."""
    yield str(path).encode("utf-8")
    yield path.read_bytes()
    if path.suffix in (".parquet", ".picks", ".timeline"):
        table = pq.read_table(path)
        yield repr(table.schema).encode("utf-8")
        for column in table.columns:
            if pa.types.is_binary(column.type):
                yield b"\n".join(value or b"" for value in column.to_pylist())
            else:
                yield repr(column.to_pylist()).encode("utf-8")


def names_of(desk: Desk, *names: str) -> list[str]:
    """Everything by which videos are known: ids, uris, file names, clips, what a table said."""
    found = []
    for name in names:
        found += [desk.uri(name), f"{name}.mp4", f"film:{name}", f"of {name}"]
        if name != "lost":
            found += [desk.video(name), *desk.clips(name)]
    return found
