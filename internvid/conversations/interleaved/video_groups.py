"""Which videos are joined in one document: at random, or those whose texts or vectors are near.

Nearness, in bounded memory: each video becomes a sketch of 64 numbers, a projection by signs that
the seed draws. Videos are sorted by the signs of their sketches, so that near ones come close to
one another; within a window of them, groups are made one after another of the most similar ones
that are left. All of it depends on the seed and the clips alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.conversations.documents.document_clips import ClipRow, RowQuery
from internvid.conversations.documents.drawn import drawn_number
from internvid.core.errors import ConfigInvalidError
from internvid.core.system.streams import batched
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.parts import part_writer

Joining = Literal["random", "captions", "vectors"]
JOININGS = ("random", "captions", "vectors")
FloatArray = npt.NDArray[np.float32]

_SKETCH = 64
# Words by digest: two that share a number are taken for one, which blurs a sketch and no more.
_WORDS = 1 << 16
_WINDOW = 512
_ROWS_AT_ONCE = 4096
_WORD = re.compile(r"[^\W_]+")
_SKETCHES = pa.schema(
    [("video_id", pa.string()), ("code", pa.string()), ("sketch", pa.list_(pa.float32()))]
)
_GROUPS = pa.schema(
    [("video_id", pa.string()), ("group_number", pa.int64()), ("place", pa.int32())]
)


@dataclass(frozen=True)
class GroupSettings:
    """How videos are joined.

    Attributes:
        by: `random`, `captions` (videos of similar captions) or `vectors` (of a column).
        videos: of a document; a single one that is left over joins the last document.
        vectors: the column with a vector for each clip.
        seed: of all draws.
    """

    by: Joining = "random"
    videos: int = 2
    vectors: str = "embedding"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in JOININGS:
            raise ConfigInvalidError(f"join.by is one of {', '.join(JOININGS)}, not {self.by!r}")
        if self.videos < 2:
            raise ConfigInvalidError(f"join.videos must be at least 2, got {self.videos}")


def write_groups(query: RowQuery, settings: GroupSettings, folder: Path) -> Path:
    """Write which group each video is in: a Parquet file in a folder.

    Args:
        query: the clips; only videos with a caption are in a group.
        settings: how they are joined.
        folder: for this file and what is made on the way.
    """
    target = folder / "groups.parquet"
    if settings.by == "random":
        ordered: Iterable[str] = _drawn_order(query, settings.seed)
        groups: Iterable[Sequence[str]] = batched(ordered, settings.videos)
    else:
        sketches = _write_sketches(query, settings, folder / "sketches.parquet")
        groups = _near_groups(query, sketches, settings.videos)
    with part_writer(target, _GROUPS) as writer:
        for batch in batched(_rows(_without_single(groups)), _ROWS_AT_ONCE):
            writer.write_table(pa.Table.from_pylist(batch, schema=_GROUPS))
    return target


def _rows(groups: Iterable[Sequence[str]]) -> Iterator[dict[str, Any]]:
    for number, group in enumerate(groups):
        for place, video_id in enumerate(group):
            yield {"video_id": video_id, "group_number": number, "place": place}


def _without_single(groups: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The groups; a last one of a single video is added to the one before."""
    waiting: Sequence[str] | None = None
    for group in groups:
        if waiting is not None and len(group) == 1:
            yield [*waiting, *group]
            waiting = None
            continue
        if waiting is not None:
            yield waiting
        waiting = group
    if waiting is not None:
        yield waiting


def _drawn_order(query: RowQuery, seed: int) -> Iterator[str]:
    drawn = f"md5(concat('{int(seed)}:', video_id))"
    with query.connection() as opened:
        relation = opened.sql(
            f"select video_id from ({query.videos_statement()}) found order by {drawn}, video_id"
        )
        for batch in relation.to_arrow_reader(_ROWS_AT_ONCE):
            yield from batch.column(0).to_pylist()


def _write_sketches(query: RowQuery, settings: GroupSettings, path: Path) -> Path:
    if settings.by == "captions":
        sketches = _of_captions(query, settings.seed)
    else:
        sketches = _of_vectors(query, settings)
    with part_writer(path, _SKETCHES) as writer:
        for batch in batched(sketches, _ROWS_AT_ONCE):
            rows = [
                {"video_id": video_id, "code": _code(sketch), "sketch": sketch.tolist()}
                for video_id, sketch in batch
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=_SKETCHES))
    return path


def _code(sketch: FloatArray) -> str:
    """The signs of a sketch, as text that sorts."""
    return np.packbits(sketch > 0).tobytes().hex()


def _videos(query: RowQuery) -> Iterator[tuple[str, list[ClipRow]]]:
    usable = (row for row in query.rows() if row.caption and row.has_times)
    for video_id, rows in groupby(usable, key=lambda row: row.video_id):
        yield video_id, list(rows)


def _of_captions(query: RowQuery, seed: int) -> Iterator[tuple[str, FloatArray]]:
    """Sketches of the words of each video, rare ones weighing more."""
    videos_with = np.zeros(_WORDS, np.int64)
    total = 0
    for _, rows in _videos(query):
        total += 1
        videos_with[sorted(_words(rows))] += 1
    weights = np.log((1 + total) / (1 + videos_with)).astype(np.float32)
    for video_id, rows in _videos(query):
        counts = _words(rows)
        sketch = np.zeros(_SKETCH, np.float32)
        for word in sorted(counts):
            weight = np.float32(np.log1p(counts[word])) * weights[word]
            sketch += weight * _signs(seed, word)
        yield video_id, sketch


def _words(rows: Sequence[ClipRow]) -> Counter[int]:
    words = (word for row in rows for word in _WORD.findall(row.caption.lower()))
    return Counter(_number_of(word) for word in words)


@lru_cache(maxsize=1 << 16)
def _number_of(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _WORDS


@lru_cache(maxsize=_WORDS)
def _signs(seed: int, number: int) -> FloatArray:
    drawn = drawn_number(seed, "sign", str(number)).to_bytes(8, "big")
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8))
    return (2.0 * bits - 1.0).astype(np.float32)


def _of_vectors(query: RowQuery, settings: GroupSettings) -> Iterator[tuple[str, FloatArray]]:
    """Sketches of the mean of the vectors of each video; of one without any all are zero."""
    signs: FloatArray | None = None
    for video_id, rows in _videos(query):
        known = [np.asarray(row.vector, np.float32) for row in rows if row.vector is not None]
        if not known:
            yield video_id, np.zeros(_SKETCH, np.float32)
            continue
        mean = np.mean(np.stack(known), axis=0, dtype=np.float32)
        if signs is None:
            signs = np.stack([_signs(settings.seed, at) for at in range(known[0].size)])
        yield video_id, mean @ signs


def _near_groups(query: RowQuery, sketches: Path, size: int) -> Iterator[list[str]]:
    statement = f"select video_id, sketch from read_parquet({quoted([sketches])}) "
    left: list[tuple[str, FloatArray]] = []
    with query.connection() as opened:
        relation = opened.sql(f"{statement} order by code, video_id")
        for batch in relation.to_arrow_reader(_WINDOW):
            ids, vectors = batch.column(0).to_pylist(), batch.column(1).to_pylist()
            left += [
                (video_id, np.asarray(vector, np.float32))
                for video_id, vector in zip(ids, vectors, strict=True)
            ]
            while len(left) >= 2 * _WINDOW:
                made, left = _groups_of_window(left[:_WINDOW], size, left[_WINDOW:])
                yield from made
    made, rest = _groups_of_window(left, size, [])
    yield from made
    if rest:
        yield [video_id for video_id, _ in rest]


def _groups_of_window(
    window: list[tuple[str, FloatArray]], size: int, behind: list[tuple[str, FloatArray]]
) -> tuple[list[list[str]], list[tuple[str, FloatArray]]]:
    """Groups of the most similar videos in a window; what is left goes before what is behind."""
    if not window:
        return [], behind
    rows = np.stack([sketch for _, sketch in window])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.maximum(lengths, np.float32(1e-12))
    free = list(range(len(window)))
    groups: list[list[str]] = []
    while len(free) >= size:
        first = free[0]
        others = free[1:]
        # Rounded, so that the last bit, which differs from machine to machine, decides nothing.
        near = np.round(rows[others] @ rows[first], 4)
        order = sorted(range(len(others)), key=lambda at: (-float(near[at]), others[at]))
        chosen = [first, *sorted(others[at] for at in order[: size - 1])]
        groups.append([window[at][0] for at in chosen])
        free = [at for at in free if at not in set(chosen)]
    return groups, [*(window[at] for at in free), *behind]
