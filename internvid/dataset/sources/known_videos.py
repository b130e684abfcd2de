"""Which videos a dataset has, and which source each was first found at, in little room.

A dictionary of millions of ids and uris takes 300 bytes a video; this takes 24 and the uri's own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.system.temporary import new_temporary
from internvid.dataset.parts import storage_errors

_ID_BYTES = 16
_MOST_YOUNG = 65_536


class KnownVideos:
    """`video_id` -> uri of its source; what is added later holds."""

    def __init__(self) -> None:
        self._ids: npt.NDArray[np.bytes_] = np.empty(0, f"S{_ID_BYTES}")
        self._uris = pa.array([], pa.large_string())
        self._young: dict[bytes, str] = {}

    def add(self, video_id: str, uri: str) -> None:
        """Note a video. Its id is 32 hex digits."""
        self._young[bytes.fromhex(video_id)] = uri
        # Ever larger steps, so that a video is sorted in a few times at most.
        if len(self._young) >= max(_MOST_YOUNG, len(self._ids) // 4):
            self._settle()

    def get(self, video_id: str | None) -> str | None:
        """The uri of a video; None where it is not known."""
        if not video_id:
            return None
        key = bytes.fromhex(video_id)
        uri = self._young.get(key)
        if uri is not None:
            return uri
        at = _place(self._ids, key)
        return None if at is None else str(self._uris[at].as_py())

    def _settle(self) -> None:
        if not self._young:
            return
        ids = np.concatenate([self._ids, _as_ids(b"".join(self._young))])
        uris = pa.chunked_array([self._uris, pa.array(self._young.values(), pa.large_string())])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        # Of equal ids the last one, which was added last.
        last = np.append(ids[1:] != ids[:-1], True)
        self._ids = ids[last]
        self._uris = uris.take(pa.array(order[last])).combine_chunks()
        self._young = {}

    @contextmanager
    def as_file(self, folder: Path) -> Iterator[Path | None]:
        """The ids in a file that other processes can look into; None where there are none.

        It lies in `folder` while the block runs. What a kill leaves is removed with what other
        writers leave.

        Raises:
            StorageError: it cannot be written.
        """
        self._settle()
        if not len(self._ids):
            yield None
            return
        with storage_errors(folder):
            path = new_temporary(folder / "known")
        try:
            with storage_errors(path):
                self._ids.tofile(path)
            yield path
        finally:
            path.unlink(missing_ok=True)


def holds_video(path: Path, video_id: str) -> bool:
    """Whether a file of `KnownVideos.as_file` has a video.

    Raises:
        StorageError: it is not there any more.
    """
    with storage_errors(path):
        ids = _opened(path)
    return _place(ids, bytes.fromhex(video_id)) is not None


@functools.lru_cache(maxsize=2)
def _opened(path: Path) -> npt.NDArray[np.bytes_]:
    # Mapped: all workers of a machine share the one copy that the system keeps.
    return np.memmap(path, f"S{_ID_BYTES}", "r")


def _as_ids(joined: bytes) -> npt.NDArray[np.bytes_]:
    return np.frombuffer(joined, f"S{_ID_BYTES}")


def _place(ids: npt.NDArray[np.bytes_], key: bytes) -> int | None:
    sought = _as_ids(key)
    at = int(np.searchsorted(ids, sought)[0])
    return at if at < len(ids) and ids[at] == sought[0] else None
