"""Checks an export against its manifest: every byte of every file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.core.errors import DatasetFormatError, SourceMissingError
from internvid.core.system.shell import command
from internvid.dataset.layout import Layout
from internvid.dataset.releases.checksums import (
    CHECKSUMS,
    SEAL,
    Checksum,
    by_file,
    checksums_of,
    is_sealed,
)
from internvid.dataset.removal.copies import MANIFEST, copy_at
from internvid.dataset.store import Dataset

Progress = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


@dataclass(frozen=True)
class Verification:
    """What is wrong with an export: names of files below its folder, in order.

    Attributes:
        changed: files with other bytes than were published, or that cannot be read.
        missing: files that are not there.
        foreign: files that do not belong to it.
        reasons: file -> what is wrong, for people.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every file is there with its bytes, and no other one."""
        return not (self.changed or self.missing or self.foreign)


def verify(
    folder: Path, dataset: Dataset | None = None, progress: Progress | None = None
) -> Verification:
    """Check an export against its manifest.

    Args:
        folder: of the export, here or copied.
        dataset: that it was published from: a manifest is also checked against the one that it
            noted for this folder.
        progress: called with how many files are read, and of how many.

    Raises:
        SourceMissingError: there is no such folder.
        DatasetFormatError: its manifest has no checksums, as earlier versions wrote it.
    """
    if not folder.is_dir():
        raise SourceMissingError(f"{folder} is no folder", hint="name the folder of an export")
    try:
        data = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        reason = "not there: this is no finished export"
        return Verification(missing=(MANIFEST,), reasons={MANIFEST: reason})
    manifest = _parsed(data)
    if manifest is None:
        reason = "damaged: it is no JSON object"
        return Verification(changed=(MANIFEST,), reasons={MANIFEST: reason})
    if CHECKSUMS not in manifest and SEAL not in manifest:
        raise DatasetFormatError(
            f"{folder / MANIFEST} has no checksums",
            hint=f"add them with: {command('publish', 'DATASET', folder, '--reissue')}",
        )
    wrong = _manifest_trouble(folder, manifest, data, dataset)
    reasons = {MANIFEST: wrong} if wrong else {}
    changed, missing = list(reasons), []
    known = by_file(manifest)
    del data, manifest  # of many clips they are large
    found = _names_in(folder)
    foreign = sorted(found - known.keys() - {MANIFEST})
    sizes = {name: _size(folder, name) for name in known}
    same_size = [name for name, row in known.items() if sizes[name] == row["bytes"]]
    for name, row in known.items():
        size = sizes[name]
        if size is None:
            missing.append(name)
            reasons[name] = f"not there; {row['bytes']} bytes were published"
        elif size != row["bytes"]:
            changed.append(name)
            reasons[name] = f"{size} bytes, where {row['bytes']} were published"
    for name, text in _damaged(folder, known, same_size, progress).items():
        changed.append(name)
        reasons[name] = text
    reasons |= dict.fromkeys(foreign, "does not belong to the export")
    return Verification(tuple(sorted(changed)), tuple(sorted(missing)), tuple(foreign), reasons)


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        manifest = json.loads(data)
        by_file(manifest)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _manifest_trouble(
    folder: Path, manifest: dict[str, Any], data: bytes, dataset: Dataset | None
) -> str | None:
    """What is wrong with a manifest; None where nothing is."""
    if not is_sealed(manifest, data):
        return "its own checksum is another one"
    digest = hashlib.sha256(data).hexdigest()
    noted = None if dataset is None else copy_at(Layout(dataset.root), folder)
    if noted is not None and digest not in noted.get("manifests", []):
        return f"not the one that {dataset.root if dataset else ''} noted for this folder"
    return None


def _names_in(folder: Path) -> set[str]:
    """Every file below the folder, also what a killed call left."""
    found: set[str] = set()
    for parent, _, names in os.walk(folder):
        below = Path(parent).relative_to(folder).as_posix()
        start = "" if below == "." else f"{below}/"
        found.update(start + name for name in names)
    return found


def _size(folder: Path, name: str) -> int | None:
    # A link to a file is as good as the file: caches of downloads are made of them.
    try:
        facts = os.stat(os.path.join(folder, name))
    except (OSError, ValueError):
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _damaged(
    folder: Path, known: dict[str, Checksum], names: list[str], progress: Progress | None
) -> dict[str, str]:
    """What is wrong with files of the right length, by name."""
    readable = [name for name in names if os.access(os.path.join(folder, name), os.R_OK)]
    troubles = dict.fromkeys(set(names) - set(readable), "it cannot be read")
    for row in checksums_of(folder, readable, progress):
        if row != known[row["file"]]:
            troubles[row["file"]] = "other bytes than were published"
    return troubles
