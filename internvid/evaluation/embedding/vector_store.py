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

from internvid.core.errors import ConfigInvalidError
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
        self._places: dict[bytes, tuple[Rows, int]] = {}
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
        table = self._remember(keys, rows)
        if self._folder is None or table is None:
            return
        if not (self._folder / "about.json").is_file():
            commit_json(self._folder / "about.json", self._about)
        data = io.BytesIO()
        np.save(data, table)
        # Named by its content: two runs at once write the same file or two different ones.
        name = hashlib.blake2b(data.getvalue(), digest_size=8).hexdigest()
        commit_bytes(self._folder / f"part-{name}.npy", data.getvalue())

    def remember(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Keep rows in memory alone: another process has them on disk.

        Raises:
            ConfigInvalidError: see `add`.
        """
        self._remember(keys, rows)

    def get(self, keys: Sequence[bytes]) -> Rows:
        """The rows of keys that are all there. [N, ...]."""
        places = [self._places[key] for key in keys]
        return np.stack([rows[at] for rows, at in places])

    def _remember(self, keys: Sequence[bytes], rows: Rows) -> Rows | None:
        if len(keys) != len(rows):
            raise ConfigInvalidError(f"{len(keys)} keys for {len(rows)} rows")
        if not keys:
            return None
        self._check_shape(rows)
        table = np.empty(len(keys), [("key", f"V{KEY_BYTES}"), ("row", rows.dtype, rows.shape[1:])])
        table["key"] = [np.void(key) for key in keys]
        table["row"] = rows
        self._take(table)
        return table

    def _read(self, path: Path) -> None:
        try:
            table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            # A part that was damaged from outside is as good as none: its rows are made again.
            return
        if table.dtype.names == ("key", "row") and table.ndim == 1:
            self._take(table)

    def _take(self, table: Rows) -> None:
        rows = table["row"]
        for at, key in enumerate(np.asarray(table["key"])):
            self._places[key.tobytes()] = (rows, at)

    def _check_shape(self, rows: Rows) -> None:
        for known, _ in self._places.values():
            if known.shape[1:] != rows.shape[1:] or known.dtype != rows.dtype:
                raise ConfigInvalidError(
                    f"rows of {rows.dtype} {list(rows.shape[1:])} do not belong to rows of "
                    f"{known.dtype} {list(known.shape[1:])}"
                )
            return


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
