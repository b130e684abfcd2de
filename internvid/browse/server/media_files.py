"""Pictures and videos for pages: stored frames, filmstrips, whole sources, clips cut anew.

Everything is reached by ids that the dataset knows; no path comes from an address.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from internvid.browse.server.clip_rows import ClipRows
from internvid.core.sequences import spread
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.store import Dataset
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_sound import SoundReader
from internvid.video.probe import MAXIMUM_FRAME_BYTES
from internvid.video.reader import FrameSpan, SpanReader

THUMB_HEIGHT = 150
_MOST_FILM_FRAMES = 8
_FILM_QUALITY = 72
_MOST_CACHED_BYTES = 64 << 20
# What today's browsers play of themselves: codecs by container.
_PLAYED = {
    "mp4": frozenset({"h264", "av1", "vp9"}),
    "webm": frozenset({"vp8", "vp9", "av1"}),
}
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
_CUT = CutPlan(size="480", crf=25)


class MediaFiles:
    """Pictures and videos of a dataset.

    Args:
        dataset: whose they are.
        rows: reads its rows.
    """

    def __init__(self, dataset: Dataset, rows: ClipRows) -> None:
        self._dataset, self._rows = dataset, rows
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        # Decoders take a core each: clips are cut one after another.
        self._cutting = threading.Lock()

    def source_file(self, part: str, video_id: str) -> tuple[Path, str] | None:
        """The file of a source and its media type; None where it is not there now."""
        uri = self._rows.source(part, video_id).get("uri")
        path = uri_to_path(uri) if uri else None
        if path is None or not path.is_file():
            return None
        return path, _TYPES.get(path.suffix.lower(), "application/octet-stream")

    def is_playable(self, source: Mapping[str, Any]) -> bool:
        """Whether browsers play a source of themselves."""
        containers = str(source.get("container") or "").split(",")
        name = "webm" if "webm" in containers and "mp4" not in containers else "mp4"
        if name not in containers:
            return False
        suffix = Path(str(source.get("uri") or "")).suffix.lower()
        return suffix in _TYPES and source.get("codec") in _PLAYED[name]

    def film(self, row: Mapping[str, Any], frames: int) -> bytes | None:
        """Stored frames of a clip beside each other, JPEG; None where it has none.

        Args:
            row: of the clip.
            frames: how many at most; they are spread over the clip.
        """
        import PIL.Image

        count = max(1, min(frames, _MOST_FILM_FRAMES))
        key = f"film {row['clip_id']} {count}"
        if (known := self._known(key)) is not None:
            return known
        cursor = self._rows.of_part(row["part"]).connection.cursor()
        span = [row["video_id"], row["start_frame"], row["end_frame"]]
        numbers = cursor.execute(
            "select frame from picks where video_id = ? and frame >= ? and frame < ? "
            "order by frame",
            span,
        ).fetchall()
        if not numbers:
            return None
        wanted = [frame for (frame,) in spread(numbers, min(count, len(numbers)))]
        jpegs = cursor.execute(
            "select jpeg from picks where video_id = ? and frame in (select unnest(?)) "
            "order by frame",
            [row["video_id"], wanted],
        ).fetchall()
        pictures = []
        for (jpeg,) in jpegs:
            stored = PIL.Image.open(io.BytesIO(jpeg))
            width = max(1, round(stored.width * THUMB_HEIGHT / stored.height))
            stored.draft("RGB", (width, THUMB_HEIGHT))
            pictures.append(stored.convert("RGB").resize((width, THUMB_HEIGHT)))
        sheet = PIL.Image.new("RGB", (sum(each.width for each in pictures), THUMB_HEIGHT))
        left = 0
        for picture in pictures:
            sheet.paste(picture, (left, 0))
            left += picture.width
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=_FILM_QUALITY)
        return self._keep(key, buffer.getvalue())

    def picks(self, row: Mapping[str, Any]) -> list[tuple[int, float]]:
        """Numbers and times of the stored frames of a clip."""
        cursor = self._rows.of_part(row["part"]).connection.cursor()
        found = cursor.execute(
            "select frame, pts_seconds from picks where video_id = ? and frame >= ? "
            "and frame < ? order by frame",
            [row["video_id"], row["start_frame"], row["end_frame"]],
        )
        return [(int(frame), float(seconds)) for frame, seconds in found.fetchall()]

    def picture(self, part: str, video_id: str, frame: int) -> bytes | None:
        """A stored frame, JPEG; None where there is none."""
        cursor = self._rows.of_part(part).connection.cursor()
        found = cursor.execute(
            "select jpeg from picks where video_id = ? and frame = ?", [video_id, frame]
        ).fetchone()
        return None if found is None else bytes(found[0])

    def clip_file(self, row: Mapping[str, Any]) -> bytes | None:
        """A clip cut anew as H.264 and AAC in MP4, which every browser plays.

        None where its source is not there now.

        Raises:
            VideoError: its source cannot be read.
        """
        found = self.source_file(row["part"], row["video_id"])
        if found is None:
            return None
        path, _ = found
        stamp = path.stat()
        text = f"{row['clip_id']} {path} {stamp.st_size} {stamp.st_mtime_ns}"
        key = "clip " + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if (known := self._known(key)) is not None:
            return known
        with (
            self._cutting,
            contextlib.closing(SpanReader(path, MAXIMUM_FRAME_BYTES)) as reader,
            contextlib.closing(SoundReader(path, MAXIMUM_FRAME_BYTES)) as sounds,
        ):
            # A fast scan numbers only what it did not skip.
            is_numbered = row["source"].get("scan_mode") == "full"
            frames = (row["start_frame"], row["end_frame"]) if is_numbered else (None, None)
            span = FrameSpan(row["start_pts"], row["end_pts"], *frames)
            written = cut_clip(reader, span, _CUT, None, sounds)
        return self._keep(key, written.windows[0].data)

    def forget(self) -> None:
        """Keep no picture and no clip."""
        with self._lock:
            self._cache.clear()

    def _known(self, key: str) -> bytes | None:
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
            return found

    def _keep(self, key: str, data: bytes) -> bytes:
        with self._lock:
            self._cache[key] = data
            while sum(map(len, self._cache.values())) > _MOST_CACHED_BYTES:
                self._cache.popitem(last=False)
        return data
