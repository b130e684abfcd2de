"""What was removed for good, as digests: later builds recognise it, and nobody can read it off.

A digest is the SHA-256 of the kind and the id. Whoever has an id can find out whether it was
removed; the ids themselves stand nowhere.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import MisuseError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, discard, read_part
from internvid.dataset.sources.uris import path_to_uri

VIDEO, SOURCE, URI = "video_id", "source_id", "uri"
KINDS = (VIDEO, SOURCE, URI)
DIGEST_BYTES = 32
_GROUP_BYTES = 16
_SCHEMA = pa.schema(
    [
        ("group_kind", pa.string()),
        ("group", pa.binary(_GROUP_BYTES)),
        ("kind", pa.string()),
        ("digest", pa.binary(DIGEST_BYTES)),
    ]
)


class Member(NamedTuple):
    """An id that is barred, and the requested id for whose sake it is.

    Attributes:
        group_kind, group: the kind of the requested id, and the id.
        kind, id: the barred one; the same for the requested id itself.
    """

    group_kind: str
    group: str
    kind: str
    id: str


def removals_folder(layout: Layout) -> Path:
    """The folder of tombstones, receipts and what is pending."""
    return layout.root / "removals"


def tombstones_path(layout: Layout) -> Path:
    """The file of digests."""
    return removals_folder(layout) / "tombstones.parquet"


def digest_of(kind: str, text: str) -> bytes:
    """32 bytes that stand for an id."""
    return hashlib.sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Tombstones:
    """Digests by kind, sorted: `S32` arrays, 32 bytes for each id."""

    digests: Mapping[str, npt.NDArray[np.bytes_]]

    def holds(self, kind: str, texts: Sequence[str | None]) -> npt.NDArray[np.bool_]:
        """Which ids were removed; None never was. bool [N]."""
        known = self.digests[kind]
        held = np.zeros(len(texts), bool)
        if not len(known):
            return held
        there = [at for at, text in enumerate(texts) if text is not None]
        sought = np.array([digest_of(kind, str(texts[at])) for at in there], f"S{DIGEST_BYTES}")
        places = np.minimum(np.searchsorted(known, sought), len(known) - 1)
        held[there] = known[places] == sought
        return held

    def holds_video(self, video_id: str) -> bool:
        """Whether the bytes of a video were removed."""
        return bool(self.holds(VIDEO, [video_id])[0])


def read_tombstones(path: Path) -> Tombstones | None:
    """The digests in a file; None where nothing was ever removed.

    Raises:
        DatasetFormatError: the file is damaged.
    """
    try:
        facts = path.stat()
    except OSError:
        return None
    return _cached(path, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _cached(path: Path, _size: int, _mtime_ns: int) -> Tombstones:
    table = read_part(path, ["kind", "digest"])
    digests = {}
    for kind in KINDS:
        of_kind = table.filter(pc.equal(table["kind"], kind))["digest"].to_pylist()
        digests[kind] = np.unique(np.array(of_kind, f"S{DIGEST_BYTES}"))
    return Tombstones(digests)


def add_tombstones(layout: Layout, members: Iterable[Member]) -> None:
    """Bar ids for good. Under the write lock; what is there already stays."""
    path = tombstones_path(layout)
    rows = {
        (each.group_kind, _group(each.group_kind, each.group), each.kind,
         digest_of(each.kind, each.id))
        for each in members
    }  # fmt: skip
    before = set(_rows(path))
    if not rows <= before:
        _write(path, rows | before)


def forget(layout: Layout, texts: Sequence[str]) -> int:
    """Let ids be built again. Under the write lock.

    Each undoes the whole removal that it was requested by, or belongs to.

    Returns:
        How many digests there are less.

    Raises:
        MisuseError: one was not removed, or it was with its whole source; nothing is changed.
    """
    path = tombstones_path(layout)
    rows = _rows(path)
    dropped: set[tuple[str, bytes]] = set()
    for text in texts:
        ids = [*((kind, text) for kind in KINDS), (URI, path_to_uri(text))]
        own = {(kind, _group(kind, each)) for kind, each in ids}
        digests = {digest_of(kind, each) for kind, each in ids}
        groups = {row[:2] for row in rows if row[3] in digests}
        if not groups:
            raise MisuseError(
                f"{text!r} is not among what was removed from {layout.root}",
                hint="name a video id, source id or uri as it was when it was removed",
            )
        if any(group[0] == SOURCE for group in groups - own):
            raise MisuseError(
                f"{text!r} was removed together with its whole source",
                hint="forget the source: --forget SOURCE_ID",
            )
        dropped |= groups
    kept = {row for row in rows if row[:2] not in dropped}
    if kept:
        _write(path, kept)
    else:
        discard(path)
    return len(rows) - len(kept)


_Row = tuple[str, bytes, str, bytes]


def _rows(path: Path) -> list[_Row]:
    if not path.exists():
        return []
    table = read_part(path, _SCHEMA.names)
    return list(zip(*(table[name].to_pylist() for name in _SCHEMA.names), strict=True))


def _write(path: Path, rows: Iterable[_Row]) -> None:
    columns = zip(*sorted(rows), strict=True)
    arrays = [pa.array(each, field.type) for each, field in zip(columns, _SCHEMA, strict=True)]
    commit_table(path, pa.Table.from_arrays(arrays, schema=_SCHEMA))


def _group(kind: str, text: str) -> bytes:
    return digest_of(kind, text)[:_GROUP_BYTES]
