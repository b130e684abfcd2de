"""Checksums of the files of an export, as they stand in its manifest, and of the manifest itself.

`checksums` has `file`, `bytes` and `sha256` of every file but the manifest, in order of their
names. `manifest_sha256` is that of the manifest as it would be without this field.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.system.streams import batched
from internvid.dataset.parts import json_pieces
from internvid.dataset.removal.copies import MANIFEST, NOTES

CHECKSUMS, SEAL, VERSION = "checksums", "manifest_sha256", "version"
FILES = "files"
REMOVED = "removed.parquet"
_THREADS = 4
_CHUNK = 1 << 20
_FILES_AT_ONCE = 16
_TOP_LEVEL = re.compile(rb'\n  "([^"]*)":')

Progress = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


class Checksum(TypedDict):
    """A file of an export: its name below the folder, its length, its SHA-256 in hex digits."""

    file: str
    bytes: int
    sha256: str


def checksum_of(folder: Path, name: str) -> Checksum:
    """Read a file through.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    # A Path for each of very many files takes longer than a small one takes to read.
    with open(os.path.join(folder, name), "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Checksum(file=name, bytes=size, sha256=digest.hexdigest())


def checksums_of(
    folder: Path, names: Iterable[str], progress: Progress | None = None
) -> list[Checksum]:
    """Read files through, several at a time; in order of their names.

    Raises:
        OSError: one cannot be read.
    """
    ordered = sorted(set(names))
    found: list[Checksum] = []
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for some in pool.map(partial(_several, folder), batched(ordered, _FILES_AT_ONCE)):
            for each in some:
                found.append(each)
                if progress is not None:
                    progress(len(found), len(ordered))
    return found


def _several(folder: Path, names: Sequence[str]) -> list[Checksum]:
    return [checksum_of(folder, name) for name in names]


def files_in(folder: Path) -> list[str]:
    """Names of all files below a folder but the manifest and the notes of an unfinished export."""
    names = [
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, files in os.walk(folder)
        for name in files
    ]
    return sorted(name for name in names if name != MANIFEST and not name.startswith(f"{NOTES}/"))


def sealed(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A manifest with its own checksum, and the bytes of its file.

    Raises:
        UnicodeEncodeError: a text in it is no UTF-8.
    """
    open_one = {name: value for name, value in manifest.items() if name != SEAL}
    # Written once: of very many clips that takes most of the time.
    text = b"".join(json_pieces(open_one))
    seal = hashlib.sha256(text).hexdigest()
    later = (each.start() for each in _TOP_LEVEL.finditer(text) if each[1].decode() > SEAL)
    at = next(later, None)
    whole = {**open_one, SEAL: seal}
    if at is None:
        return whole, b"".join(json_pieces(whole))
    return whole, text[:at] + _seal_line(seal) + text[at:]


def _seal_line(seal: object) -> bytes:
    return f'\n  "{SEAL}": "{seal}",'.encode("utf-8", "surrogatepass")


def is_sealed(manifest: Mapping[str, Any], data: bytes) -> bool:
    """Whether the bytes of a manifest are those that its own checksum was made of.

    Args:
        manifest: as it was read.
        data: that it was read from.
    """
    seal = manifest.get(SEAL)
    # Its line is taken out again; nothing is written anew, which takes long for many clips.
    before, found, after = data.partition(_seal_line(seal))
    digest = hashlib.sha256(before)
    digest.update(after)
    return bool(found) and digest.hexdigest() == seal


def by_file(manifest: Mapping[str, Any]) -> dict[str, Checksum]:
    """Name of each file -> its checksum; nothing in manifests of earlier versions."""
    return {each["file"]: each for each in manifest.get(CHECKSUMS, [])}
