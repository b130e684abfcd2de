"""Clips to look at: drawn by a hash of their id, with small pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from internvid.browse.column_facts import literals, values
from internvid.core.sequences import spread
from internvid.dataset.store import Dataset

THUMB_HEIGHT = 120
THUMB_MOST_WIDTH = 320
_QUALITY, _POOR_QUALITY = 72, 40
_LARGE_BYTES = 9_000
# All pictures of a page together, before base64 adds a third.
PICTURE_BUDGET_BYTES = 3_000_000
_STRIP_WIDTHS = 7.0
_MOST_FRAMES = 8


@dataclass(frozen=True)
class Frame:
    """One small picture."""

    seconds: float
    width: int
    height: int
    data_uri: str


@dataclass(frozen=True)
class Strip:
    """A clip with its pictures.

    Attributes:
        row: every column of the clip.
        video: the row of its source.
        frames: in time order; empty if the clip has no stored frame or the page is full.
    """

    row: Mapping[str, Any]
    video: Mapping[str, Any]
    frames: tuple[Frame, ...]

    @property
    def half(self) -> int:
        """How many frames stand in a row on a narrow screen."""
        return max(1, -(-len(self.frames) // 2))


@dataclass
class PictureBudget:
    """What is left of the bytes that pictures may take."""

    left: int = PICTURE_BUDGET_BYTES
    used: int = field(default=0)

    def take(self, size: int) -> bool:
        """Whether that much was left; takes it if so."""
        if size > self.left:
            return False
        self.left -= size
        self.used += size
        return True


def sample_clips(dataset: Dataset, condition: str, most: int) -> list[dict[str, Any]]:
    """Rows of at most `most` clips, drawn evenly and always the same, in source and time order.

    Args:
        dataset: where from.
        condition: SQL over `all_clips`.
        most: how many.
    """
    # MD5 of the id: the same clips on any machine, and adding sources changes few of them.
    drawn = dataset.sql(
        f"select clip_id from all_clips where {condition} order by md5(clip_id), clip_id "
        f"limit {int(most)}"
    ).fetchall()
    return rows_of(dataset, [row[0] for row in drawn])


def rows_of(dataset: Dataset, clip_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Every column of these clips, in source and time order."""
    if not clip_ids:
        return []
    relation = dataset.sql(f"select * from all_clips where clip_id in ({literals(clip_ids)})")
    rows: list[dict[str, Any]] = relation.to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: (row["video_id"], row["start_pts"], row["clip_id"]))


def make_strips(
    dataset: Dataset,
    rows: Sequence[Mapping[str, Any]],
    budget: PictureBudget,
    *,
    widths: float = _STRIP_WIDTHS,
) -> list[Strip]:
    """Clips with pictures, ordered by source name and time.

    Args:
        dataset: where from.
        rows: rows of the clips.
        budget: taken from; when it is empty the rest has no pictures.
        widths: how many heights wide a strip is, so that every strip is about as large.
    """
    videos = _videos(dataset, sorted({row["video_id"] for row in rows}))
    wanted: dict[str, list[tuple[str, int]]] = {}
    picks = _pick_index(dataset, rows)
    for row in rows:
        clip_picks = picks.get(row["clip_id"], [])
        wanted[row["clip_id"]] = [(row["video_id"], at) for at in _strip_frames(clip_picks, widths)]
    jpegs = _jpegs(dataset, sorted({key for keys in wanted.values() for key in keys}))
    strips = []
    for row in rows:
        frames = []
        for key in wanted[row["clip_id"]]:
            seconds, jpeg = jpegs[key]
            frame = _thumb(seconds, jpeg, budget)
            if frame is not None:
                frames.append(frame)
        strips.append(Strip(row, videos.get(row["video_id"], {}), tuple(frames)))
    return sorted(
        strips,
        key=lambda one: (str(one.video.get("uri", "")), one.row["start_pts"], one.row["clip_id"]),
    )


def _videos(dataset: Dataset, video_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not video_ids:
        return {}
    relation = dataset.sql(
        f"select * from videos where status = 'ok' and video_id in ({literals(video_ids)})"
    )
    return {row["video_id"]: row for row in relation.to_arrow_table().to_pylist()}


def _pick_index(
    dataset: Dataset, rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[tuple[int, float]]]:
    """clip_id -> (frame, width / height) of its stored frames, without touching pixels."""
    if not rows:
        return {}
    keys = ("clip_id", "video_id", "start_frame", "end_frame")
    spans = values([[row[key] for key in keys] for row in rows])
    # The plain list of ids lets DuckDB skip the row groups of every other video.
    matching_rows = dataset.connection.execute(
        "select clip_id, frame, width / height from picks "
        f"join (values {spans}) as asked({', '.join(keys)}) using (video_id) "
        f"where video_id in ({literals([row['video_id'] for row in rows])}) "
        "and frame >= start_frame and frame < end_frame order by clip_id, frame"
    ).fetchall()
    index: dict[str, list[tuple[int, float]]] = {}
    for clip_id, frame, aspect in matching_rows:
        index.setdefault(clip_id, []).append((frame, aspect))
    return index


def _strip_frames(picks: Sequence[tuple[int, float]], widths: float) -> list[int]:
    """Frames spread evenly over a clip: as many as fill a strip of that width."""
    if not picks:
        return []
    aspect = min(max(picks[0][1], 0.3), THUMB_MOST_WIDTH / THUMB_HEIGHT)
    wanted = min(len(picks), _MOST_FRAMES, max(2, round(widths / aspect)))
    return [frame for frame, _ in spread(picks, wanted)]


def _jpegs(
    dataset: Dataset, keys: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], tuple[float, bytes]]:
    if not keys:
        return {}
    rows = dataset.connection.execute(
        "select video_id, frame, pts_seconds, jpeg from picks "
        f"semi join (values {values(keys)}) as asked(video_id, frame) using (video_id, frame) "
        f"where video_id in ({literals([key[0] for key in keys])})"
    ).fetchall()
    return {(video_id, frame): (seconds, jpeg) for video_id, frame, seconds, jpeg in rows}


def _thumb(seconds: float, jpeg: bytes, budget: PictureBudget) -> Frame | None:
    import PIL.Image

    picture = PIL.Image.open(io.BytesIO(jpeg)).convert("RGB")
    ratio = min(THUMB_HEIGHT / picture.height, THUMB_MOST_WIDTH / picture.width, 1.0)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    small = picture.resize(size, PIL.Image.Resampling.LANCZOS)
    for quality in (_QUALITY, _POOR_QUALITY):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _LARGE_BYTES:
            break
    if not budget.take(buffer.tell()):
        return None
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Frame(seconds, size[0], size[1], f"data:image/jpeg;base64,{data}")
