"""A dataset of as many clips as one likes, with all columns of a real one and no pictures.

A small real dataset gives its record and its schemas; parts of 666 sources are then
written beside each other with values drawn in DuckDB: ids, times, numbers, words, flags, captions.
Sources have no files, and clips no stored frames.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import internvid
from internvid.dataset.layout import Layout
from internvid.synthetic.world import render_demo

CLIPS_PER_SOURCE = 30
CLIPS_PER_PART = 19_980
_WORDS = "['too_short', 'still', 'slideshow', 'frantic', 'black']"
_CAPTION = (
    "'A ' || ['man','woman','child','dog','car','boat'][(hash(i, 1) % 6 + 1)::bigint] || ' ' || "
    "['walks','runs','turns','waits','jumps'][(hash(i, 2) % 5 + 1)::bigint] || ' near a ' || "
    "['red','green','blue','grey'][(hash(i, 3) % 4 + 1)::bigint] || ' house number ' || "
    "hash(i, 4) % 100000 || '. The camera ' || "
    "['pans left.','is static.','zooms in.'][(hash(i, 5) % 3 + 1)::bigint]"
)


def make_large_dataset(folder: Path, clips: int) -> Path:
    """A dataset of so many clips below `folder`, made unless it is there."""
    root = folder / f"clips-{clips}"
    if (root / "dataset.json").exists():
        return root
    with tempfile.TemporaryDirectory() as name:
        small = _small_dataset(Path(name))
        _enlarge(small, root, clips)
    return root


def _small_dataset(folder: Path) -> internvid.Dataset:
    videos = folder / "videos"
    render_demo(videos)
    internvid.build(videos, folder / "data")
    return internvid.open(folder / "data")


def _enlarge(small: internvid.Dataset, root: Path, clips: int) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(small.root, root, ignore=shutil.ignore_patterns("*.parquet", "*.html"))
    layout, record = Layout(root), small.record
    scan, cut = record.scan or "", record.cut or ""
    (column,) = record.columns[cut].values()
    parts = []
    connection = duckdb.connect()
    for number, first in enumerate(range(0, clips, CLIPS_PER_PART)):
        part, last = f"part-{number:05}", min(clips, first + CLIPS_PER_PART)
        sources = -(-(last - first) // CLIPS_PER_SOURCE)
        rows = f"(select i, i // {CLIPS_PER_SOURCE} as video from range({first}, {last}) t(i))"
        videos = f"(select distinct video as i, video from {rows} order by 1)"
        for path, model, selected, known in (
            (layout.clips(cut, part), small.layout.clips(cut, "part-00000"), rows, _CLIPS),
            (layout.column(cut, column, part), small.layout.column(cut, column, "part-00000"), rows,
             {**_CLIPS, "value": _CAPTION, "status": "'ok'", "reason": "''"}),
            (layout.scanned(scan, "videos", part), small.layout.scanned(scan, "videos",
             "part-00000"), videos, _VIDEOS),
        ):  # fmt: skip
            _write(connection, path, pq.read_schema(model), selected, known)
        for table in ("timelines", "picks"):
            model = small.layout.scanned(scan, table, "part-00000")
            path = layout.scanned(scan, table, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pq.read_schema(model).empty_table(), path)
        parts.append({"name": part, "sources": sources})
    layout.write_record(dataclasses.replace(record, parts=parts))


_LENGTH = "(0.5 + hash(i, 9) % 3500 / 1000.0)"
_FIRST = f"(i % {CLIPS_PER_SOURCE})"
_CLIPS = {
    "clip_id": "md5(i::varchar)",
    "video_id": "md5('v' || video)",
    "source_id": "md5('v' || video)",
    "start_seconds": f"{_FIRST} * 4.0",
    "end_seconds": f"{_FIRST} * 4.0 + {_LENGTH}",
    "duration_seconds": _LENGTH,
    "start_pts": f"{_FIRST} * 4000",
    "end_pts": f"{_FIRST} * 4000 + 3900",
    "start_frame": f"{_FIRST} * 100",
    "end_frame": f"{_FIRST} * 100 + 90",
    "kept": "hash(i, 8) % 4 > 0",
    "reason": f"if(hash(i, 8) % 4 > 0, '', {_WORDS}[(hash(i, 7) % 5 + 1)::bigint])",
}
_VIDEOS = {
    "video_id": "md5('v' || video)",
    "source_id": "md5('v' || video)",
    "uri": "'file:///nowhere/' || lpad(video::varchar, 9, '0') || '.mp4'",
    "status": "'ok'",
    "reason": "''",
    "duration_seconds": f"{CLIPS_PER_SOURCE} * 4.0",
    "width": "1280",
    "height": "720",
    "container": "'mov,mp4'",
    "codec": "'h264'",
    "metadata": "null",
}


def _write(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    schema: pa.Schema,
    rows: str,
    known: dict[str, str],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    named = ", ".join(
        f'({known.get(field.name) or _drawn(field, number)}) as "{field.name}"'
        for number, field in enumerate(schema, 20)
    )
    table = connection.sql(f"select {named} from {rows}").to_arrow_table().cast(schema)
    pq.write_table(table, path, compression="snappy")


def _drawn(field: pa.Field, number: int) -> str:
    kind = field.type
    if pa.types.is_floating(kind):
        # Bell-shaped, three decimals.
        return f"(hash(i, {number}) % 1000 + hash(i, {number + 100}) % 1000) / 2000.0"
    if pa.types.is_boolean(kind):
        return f"hash(i, {number}) % 10 = 0"
    if pa.types.is_integer(kind):
        return f"(hash(i, {number}) % 50)::bigint"
    if pa.types.is_string(kind):
        return f"['left', 'right', 'up', 'none'][(hash(i, {number}) % 4 + 1)::bigint]"
    return "null"
