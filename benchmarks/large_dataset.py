"""A dataset of as many clips as one likes, with all columns of a real one and no pictures.

A small real dataset gives its record and its schemas. Some parts of 666 sources are then filled
with values drawn in DuckDB: times, numbers, words, flags, captions. Further parts repeat these in
turn, with ids of their own. Sources have no files, and clips no stored frames.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import internvid
from internvid.dataset.layout import Layout, PartEntry, Record
from internvid.synthetic.world import render_demo

CLIPS_PER_SOURCE = 30
CLIPS_PER_PART = 19_980
_MODELS = 32
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
    models: list[dict[str, pa.Table]] = []
    parts: list[PartEntry] = []
    for number, first in enumerate(range(0, clips, CLIPS_PER_PART)):
        part, here = f"part-{number:05}", min(CLIPS_PER_PART, clips - first)
        sources = -(-here // CLIPS_PER_SOURCE)
        if number < _MODELS:
            models.append(_model(small, number))
        model = models[number % len(models)]
        source_ids = _ids(2 * number, sources)
        ids = source_ids.take(pa.array(np.arange(here) // CLIPS_PER_SOURCE))
        clip_ids = _ids(2 * number + 1, here)
        of_clips = {"clip_id": clip_ids, "video_id": ids, "source_id": ids}
        numbers = range(first // CLIPS_PER_SOURCE, first // CLIPS_PER_SOURCE + sources)
        uris = pa.array([f"file:///nowhere/{at:09}.mp4" for at in numbers])
        of_videos = {"video_id": source_ids, "source_id": source_ids, "uri": uris}
        for name, path in _paths(layout, record, part).items():
            own = of_videos if name == "videos" else of_clips
            rows = {"videos": sources, "timelines": 0, "picks": 0}.get(name, here)
            _write(path, model[name].slice(0, rows), own if rows else {})
        parts.append({"name": part, "sources": sources})
    layout.write_record(dataclasses.replace(record, parts=parts))


def _paths(layout: Layout, record: Record, part: str) -> dict[str, Path]:
    scan, cut = record.scan or "", record.cut or ""
    (column,) = record.columns[cut].values()
    return {
        "clips": layout.clips(cut, part),
        "captions": layout.column(cut, column, part),
        **{name: layout.scanned(scan, name, part) for name in ("videos", "timelines", "picks")},
    }


def _model(small: internvid.Dataset, number: int) -> dict[str, pa.Table]:
    """The tables of a part."""
    first = number * CLIPS_PER_PART
    numbers = f"range({first}, {first + CLIPS_PER_PART}) t(i)"
    rows = f"(select i, i // {CLIPS_PER_SOURCE} as video from {numbers})"
    videos = f"(select distinct video as i, video from {rows} order by 1)"
    captions = {**_CLIPS, "value": _CAPTION, "status": "'ok'", "reason": "''"}
    chosen = {"clips": (rows, _CLIPS), "captions": (rows, captions), "videos": (videos, _VIDEOS)}
    connection, tables = duckdb.connect(), {}
    for name, path in _paths(small.layout, small.record, "part-00000").items():
        schema = pq.read_schema(path)
        if name not in chosen:
            tables[name] = schema.empty_table()
            continue
        selected, known = chosen[name]
        named = ", ".join(
            f'({known.get(field.name) or _drawn(field, number)}) as "{field.name}"'
            for number, field in enumerate(schema, 20)
        )
        tables[name] = (
            connection.sql(f"select {named} from {selected}").to_arrow_table().cast(schema)
        )
    return tables


def _ids(seed: int, count: int) -> pa.Array:
    """Different ids of 32 hexadecimal digits."""
    digits = np.random.default_rng(seed).bytes(16 * count).hex().encode()
    ends = np.arange(0, 32 * (count + 1), 32, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(digits))


def _write(path: Path, table: pa.Table, own: dict[str, pa.Array]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, values in own.items():
        if name in table.schema.names:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(at), values)
    pq.write_table(table, path, compression="snappy")


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
