"""Checksums of the files of an export, as they stand in its manifest, and of the manifest itself.

`checksums` has `file`, `bytes` and `sha256` of every file but the manifest, in order of their
names. `manifest_sha256` is that of the manifest as it would be without this field.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from internvid.dataset.removal.copies import MANIFEST, NOTES, digest_of_json

CHECKSUMS, SEAL, VERSION = "checksums", "manifest_sha256", "version"
FILES = "files"
REMOVED = "removed.parquet"
_THREADS = 4
_CHUNK = 1 << 20

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
    with (folder / name).open("rb") as file:
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
        for at, each in enumerate(pool.map(partial(checksum_of, folder), ordered)):
            found.append(each)
            if progress is not None:
                progress(at + 1, len(ordered))
    return found


def files_in(folder: Path) -> list[str]:
    """Names of all files below a folder but the manifest and the notes of an unfinished export."""
    names = [
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, files in os.walk(folder)
        for name in files
    ]
    return sorted(name for name in names if name != MANIFEST and not name.startswith(f"{NOTES}/"))


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with its own checksum."""
    open_one = {name: value for name, value in manifest.items() if name != SEAL}
    return {**open_one, SEAL: digest_of_json(open_one)}


def by_file(manifest: Mapping[str, Any]) -> dict[str, Checksum]:
    """Name of each file -> its checksum; nothing in manifests of earlier versions."""
    return {each["file"]: each for each in manifest.get(CHECKSUMS, [])}
