"""Which clips count: those of videos that some source still is.

A file whose bytes were replaced has a row in a later part. The clips of its old bytes stay where
they lie, because parts are never rewritten; readers pass over them, unless another source has the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
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


def latest_videos(
    layout: Layout, scan: str, parts: Iterable[str], columns: Sequence[str]
) -> pa.Table:
    """The latest row of each source: one that was tried again or replaced has several.

    Args:
        layout, scan, parts: which rows of `videos`; parts that are not scanned have none.
        columns: these, and `uri`.
    """
    rows = _rows_of_videos(layout, scan, parts, columns)
    return rows.filter(_is_latest(rows))


def gone_videos(layout: Layout, scan: str, parts: Iterable[str]) -> frozenset[str]:
    """The `video_id` of videos that were scanned and that no source is any more.

    Sources that are removed are none, also while their data is not purged yet.
    """
    removed = pending_removal(layout) or Removed()
    rows = _rows_of_videos(layout, scan, parts, ["video_id", "source_id", "status"])
    holds = _is_latest(rows)
    for column, ids in (
        ("uri", removed.uris), ("video_id", removed.videos), ("source_id", removed.sources)
    ):  # fmt: skip
        if ids:
            holds &= ~_is_in(rows[column], pa.array(sorted(ids), pa.string()))
    status = rows["status"]
    # Mostly there are none, and no table of all ids is needed to know that.
    replaced = rows["video_id"].filter(pc.and_(pc.equal(status, "ok"), pa.array(~holds)))
    if not len(replaced):
        return frozenset()
    replaced = replaced.unique()
    of_sources = pc.is_in(status, pa.array(["ok", "duplicate"]))
    current = rows["video_id"].filter(pc.and_(of_sources, pa.array(holds)))
    current = current.filter(pc.is_in(current, replaced))
    gone = replaced.filter(pa.array(~_is_in(replaced, current.unique())))
    return frozenset(gone.to_pylist())


def _rows_of_videos(
    layout: Layout, scan: str, parts: Iterable[str], columns: Sequence[str]
) -> pa.Table:
    paths = (layout.scanned(scan, "videos", part) for part in parts)
    tables = [read_part(path, ["uri", *columns]) for path in paths if path.exists()]
    if not tables:
        names = ("uri", *columns)
        return pa.table({name: pa.array([], pa.string()) for name in names})
    return pa.concat_tables(tables).combine_chunks()


def _is_latest(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows are the last one of their `uri`. bool [N]."""
    numbered = pa.table({"uri": rows["uri"], "at": np.arange(rows.num_rows)})
    last = numbered.group_by("uri").aggregate([("at", "max")])["at_max"].to_numpy()
    is_last = np.zeros(rows.num_rows, bool)
    is_last[last] = True
    return is_last


def _is_in(column: pa.ChunkedArray, ids: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_in(column, ids), bool)


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
