"""Which clips count: those of videos that some source still is.

A file whose bytes were replaced has a row in a later part. The clips of its old bytes stay where
they lie, because parts are never rewritten; readers pass over them, unless another source has the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part
from internvid.dataset.removal.pending import Removed, pending_removal

# The same rule in SQL, over the view `videos`.
CURRENT_VIDEOS = "select video_id from videos where status in ('ok', 'duplicate')"
# The source that was scanned states its size and length, a duplicate of it does not.
ONE_OF_EACH_VIDEO = (
    "select * from videos where status in ('ok', 'duplicate') qualify row_number() over "
    "(partition by video_id order by status <> 'ok', uri) = 1"
)


def gone_videos(layout: Layout, scan: str, parts: Iterable[str]) -> frozenset[str]:
    """The `video_id` of videos that were scanned and that no source is any more.

    Sources that are removed are none, also while their data is not purged yet.
    """
    removed = pending_removal(layout) or Removed()
    latest: dict[str, tuple[str | None, str]] = {}
    scanned: set[str] = set()
    for part in parts:
        path = layout.scanned(scan, "videos", part)
        if not path.exists():
            continue
        for row in read_part(path, ["uri", "video_id", "source_id", "status"]).to_pylist():
            is_removed = removed.hides(row["uri"], row["video_id"], row["source_id"])
            latest[row["uri"]] = row["video_id"], "removed" if is_removed else row["status"]
            if row["status"] == "ok":
                scanned.add(row["video_id"])
    current = {video_id for video_id, status in latest.values() if status in ("ok", "duplicate")}
    return frozenset(scanned - current)


def current_clips(
    layout: Layout, cut: str, part: str, gone: frozenset[str], columns: Sequence[str] | None = None
) -> pa.Table | None:
    """The clips of one part that count, kept and rejected; None where it is not cut yet.

    Args:
        layout, cut, part: which clips.
        gone: videos that are passed over (`gone_videos`).
        columns: only these; all when None.
    """
    path = layout.clips(cut, part)
    if not path.exists():
        return None
    names = None if columns is None else list(dict.fromkeys([*columns, "video_id"]))
    clips = read_part(path, names)
    if gone:
        ids = pa.array(sorted(gone), pa.string())
        clips = clips.filter(pc.invert(pc.is_in(clips["video_id"], ids)))
    return clips


def count_clips(
    layout: Layout, cut: str, parts: Iterable[str], gone: frozenset[str]
) -> tuple[int, int]:
    """How many clips of a cut count: (kept, rejected)."""
    kept = rejected = 0
    for part in parts:
        clips = current_clips(layout, cut, part, gone, ["kept"])
        if clips is not None:
            here = pc.sum(clips["kept"]).as_py() or 0
            kept, rejected = kept + here, rejected + clips.num_rows - here
    return kept, rejected
