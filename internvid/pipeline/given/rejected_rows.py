"""Rows of tables that became no clips: kept beside the cut, with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pyarrow as pa

from internvid.dataset.layout import Layout, PartEntry
from internvid.dataset.parts import read_part
from internvid.dataset.removal.pending import Removed, pending_removal

NO_VIDEO = "no_video"
REJECTED_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("source_id", pa.string()),
        ("video_id", pa.string()),
        ("start_seconds", pa.float64()),
        ("end_seconds", pa.float64()),
        ("caption", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One row a row of a table. Times are those within the local file."""


def count_rejected(
    layout: Layout, scan: str, cut: str, parts: Sequence[PartEntry]
) -> dict[str, int]:
    """Reason -> rows of tables that became no clips, the most frequent first.

    A file that could not be used and was tried again is counted as it was tried last.
    """
    counts: Counter[str] = Counter()
    unusable: list[tuple[str, str]] = []
    removed = pending_removal(layout) or Removed()
    names = [part["name"] for part in parts]
    for part in names:
        path = layout.given_rejected(cut, part)
        if not path.exists():
            continue
        for row in read_part(path, ["uri", "video_id", "source_id", "reason"]).to_pylist():
            if removed.hides(row["uri"], row["video_id"], row["source_id"]):
                continue
            if row["reason"] == NO_VIDEO:
                unusable.append((part, row["uri"]))
            else:
                counts[row["reason"]] += 1
    if unusable:
        last = _last_parts(layout, scan, names, {uri for _, uri in unusable})
        counts[NO_VIDEO] = sum(last.get(uri) == part for part, uri in unusable)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {reason: count for reason, count in ordered if count}


def _last_parts(
    layout: Layout, scan: str, parts: Sequence[str], uris: Collection[str]
) -> dict[str, str]:
    """Uri -> the part that has its latest row."""
    last: dict[str, str] = {}
    for part in parts:
        path = layout.scanned(scan, "videos", part)
        if path.exists():
            known = read_part(path, ["uri"])["uri"].to_pylist()
            last.update((uri, part) for uri in known if uri in uris)
    return last
