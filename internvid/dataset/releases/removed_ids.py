"""`removed.parquet`: ids that were taken out of an export, as digests.

Whoever holds a copy hashes the ids in it, and drops what is found here. Columns:

- `kind`: `clip_id`; also `video_id`, `source_id` or `uri` where these were removed from the
  dataset for good, so that clips of other cuts are found too.
- `sha256`: hex digits of the SHA-256 of the kind, a line feed and the id, in UTF-8.
- `version`: of the export, the first one without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, read_part
from internvid.dataset.releases.checksums import REMOVED
from internvid.dataset.releases.clip_samples import Sample
from internvid.dataset.removal.tombstones import (
    SOURCE,
    URI,
    VIDEO,
    digest_of,
    read_tombstones,
    tombstones_path,
)

_CLIP = "clip_id"
_SCHEMA = pa.schema([("kind", pa.string()), ("sha256", pa.string()), ("version", pa.int32())])


class RemovedId(NamedTuple):
    """One row."""

    version: int
    kind: str
    sha256: str


def rows_of(layout: Layout, samples: Mapping[str, Sample], version: int) -> set[RemovedId]:
    """What is written of clips that a version lacks.

    Args:
        layout: of the dataset, which knows what was removed for good.
        samples: clip_id -> what the export says of the clip.
        version: the first one without them.
    """
    found = {(_CLIP, clip_id) for clip_id in samples}
    tombstones = read_tombstones(tombstones_path(layout))
    if tombstones is not None:
        named = {
            (kind, text)
            for sample in samples.values()
            for kind, text in (
                (VIDEO, sample.video_id),
                # Frame shards put the video id in its place where there is none.
                (VIDEO, sample.source_id),
                (SOURCE, sample.source_id),
                (URI, sample.uri),
            )
            if text
        }
        found |= {(kind, text) for kind, text in named if tombstones.holds(kind, [text])[0]}
    return {RemovedId(version, kind, digest_of(kind, text).hex()) for kind, text in found}


def read_removed(folder: Path) -> set[RemovedId]:
    """The rows of an export; none where nothing was ever taken out of it.

    Raises:
        DatasetFormatError: the file is damaged.
    """
    path = folder / REMOVED
    if not path.exists():
        return set()
    rows = read_part(path, _SCHEMA.names).to_pylist()
    return {RemovedId(row["version"], row["kind"], row["sha256"]) for row in rows}


def write_removed(folder: Path, rows: Iterable[RemovedId]) -> None:
    """Write the rows of an export, in order of version, kind and digest."""
    ordered = sorted(set(rows))
    columns = {name: [getattr(row, name) for row in ordered] for name in _SCHEMA.names}
    commit_table(folder / REMOVED, pa.table(columns, schema=_SCHEMA))
