"""Rows by key, on disk: what was embedded once is not embedded again.

One folder per (weights, preprocessing, view plan), so that Kinetics 400, 600 and 700, retrieval
and probes share the vectors of the same file. Rows come in parts that appear whole or not at all:
a killed run loses at most the part it was making, and the next one goes on.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError, StorageError
from internvid.dataset.parts import commit_bytes, commit_json

KEY_BYTES = 16
Rows = npt.NDArray[Any]


def make_key(*parts: object) -> bytes:
    """16 bytes that stand for the parts, in order."""
    text = "\x1f".join(repr(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


class Shelf:
    """Rows of one kind and shape, by key.

    Args:
        folder: where its parts lie; None keeps everything in memory.
        about: what the rows are, for people who look into the folder.
    """

    def __init__(self, folder: Path | None, about: dict[str, Any]) -> None:
        self._folder = folder
        self._about = about
        # Rows in memory, or the file that holds them: kept open, thousands would be too many.
        self._parts: list[Rows | Path] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._kind: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        if folder is not None and folder.is_dir():
            for path in sorted(folder.glob("part-*.npy")):
                self._read(path)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def add(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Keep rows, on disk when this returns.

        Args:
            keys: one per row.
            rows: [N, ...] of the shelf's shape.

        Raises:
            ConfigInvalidError: another number of rows, or another shape than before.
            StorageError: the disk is full or refuses.
        """
        table = self._table(keys, rows)
        if self._folder is None or table is None:
            self._take(table)
            return
        if not (self._folder / "about.json").is_file():
            commit_json(self._folder / "about.json", self._about)
        data = io.BytesIO()
        np.save(data, table)
        # Named by its content: two runs at once write the same file or two different ones.
        name = hashlib.blake2b(data.getvalue(), digest_size=8).hexdigest()
        path = self._folder / f"part-{name}.npy"
        commit_bytes(path, data.getvalue())
        self._take(table, path)

    def remember(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Keep rows in memory alone: another process has them on disk.

        Raises:
            ConfigInvalidError: see `add`.
        """
        self._take(self._table(keys, rows))

    def get(self, keys: Sequence[bytes]) -> Rows:
        """The rows of keys that are all there. [N, ...].

        Raises:
            StorageError: a part was removed meanwhile.
        """
        wanted: dict[int, list[tuple[int, int]]] = {}
        for to, key in enumerate(keys):
            part, at = self._places[key]
            wanted.setdefault(part, []).append((to, at))
        dtype, shape = self._kind or (np.dtype(np.float32), ())
        rows = np.empty((len(keys), *shape), dtype)
        for part, places in wanted.items():
            held = self._rows(self._parts[part])
            for to, at in places:
                rows[to] = held[at]
        return rows

    @staticmethod
    def _rows(part: Rows | Path) -> Rows:
        if not isinstance(part, Path):
            return part
        try:
            table: Rows = np.load(part, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise StorageError(
                f"{part} was removed or damaged while it was in use",
                hint="run again: what is lost is made anew",
            ) from error
        return table["row"]

    def _table(self, keys: Sequence[bytes], rows: Rows) -> Rows | None:
        if len(keys) != len(rows):
            raise ConfigInvalidError(f"{len(keys)} keys for {len(rows)} rows")
        if not keys:
            return None
        self._check_shape(rows)
        table = np.empty(len(keys), [("key", f"V{KEY_BYTES}"), ("row", rows.dtype, rows.shape[1:])])
        table["key"] = [np.void(key) for key in keys]
        table["row"] = rows
        return table

    def _read(self, path: Path) -> None:
        try:
            table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            # A part that was damaged from outside is as good as none: its rows are made again.
            return
        if table.dtype.names == ("key", "row") and table.ndim == 1:
            self._take(table, path)

    def _take(self, table: Rows | None, path: Path | None = None) -> None:
        """Note where the rows of a table are: in memory, or in the file that holds it."""
        if table is None:
            return
        rows = table["row"]
        self._kind = self._kind or (rows.dtype, rows.shape[1:])
        if self._kind != (rows.dtype, rows.shape[1:]):
            return  # a part of other rows was put here from outside
        part = len(self._parts)
        self._parts.append(path or rows)
        for at, key in enumerate(np.asarray(table["key"])):
            self._places[key.tobytes()] = (part, at)

    def _check_shape(self, rows: Rows) -> None:
        if self._kind is not None and self._kind != (rows.dtype, rows.shape[1:]):
            raise ConfigInvalidError(
                f"rows of {rows.dtype} {list(rows.shape[1:])} do not belong to rows of "
                f"{self._kind[0]} {list(self._kind[1])}"
            )


class EmbeddingStore:
    """Shelves in a folder.

    Args:
        folder: made when first written to; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def shelf(self, kind: str, **about: Any) -> Shelf:
        """The shelf of a kind and of everything that decides its rows.

        Args:
            kind: `videos`, `texts`, `files` ...
            about: plain JSON; another value is another shelf.
        """
        if self.folder is None:
            return Shelf(None, about)
        name = make_key(kind, sorted(about.items())).hex()[:16]
        return Shelf(self.folder / f"{kind}@{name}", about)
