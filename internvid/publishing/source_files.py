"""Makes sure that a clip is cut from the bytes that were scanned, and from no others."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from internvid.core.contracts import ExportItem
from internvid.core.errors import VideoError, VideoUnreadableError
from internvid.video.cutting.cut_sound import SoundReader
from internvid.video.probe import MAXIMUM_FRAME_BYTES, FileStamp, hash_file, stamp_file
from internvid.video.reader import FrameSpan, SpanReader
from internvid.video.timing.packet_times import has_own_times

_MOST_CHANGES = 3
_REASONS = {
    "source_gone": "the source is gone or cannot be read",
    "source_changed": "the source has other bytes than those that were scanned",
    "changing": "the source changes while it is read",
}


@dataclass
class Sources:
    """Knows what the source files of an export hold now.

    A file is read once to hash it, and again only if its size, times or identity changed.
    """

    _known: dict[Path, tuple[FileStamp, str]] = field(default_factory=dict)
    _used: dict[Path, FileStamp] = field(default_factory=dict)
    _changes: Counter[Path] = field(default_factory=Counter)

    def check(self, item: ExportItem) -> ExportItem:
        """The clip with a source that has its bytes.

        Raises:
            VideoError: no file has them any more (`source_gone`, `source_changed`), or it never
                stays as it is for long enough (`changing`).
        """
        if item.source is None:
            raise VideoUnreadableError(_REASONS["source_gone"], reason="source_gone")
        reason = "source_gone"
        for path in (item.source, *item.copies):
            try:
                held = self._hash(path)
            except VideoError:
                continue
            if self._changes[path] >= _MOST_CHANGES:
                reason = "changing"
            elif held == item.clip.video_id:
                self._used.setdefault(path, self._known[path][0])
                return dataclasses.replace(item, source=path)
            else:
                reason = "source_changed"
        raise VideoUnreadableError(
            _REASONS[reason], reason=reason, hint="build again to scan what is there now"
        )

    def changed_since(self) -> bool:
        """Whether a file that `check` gave since this was last called is another one now."""
        used, self._used = self._used, {}
        changed = [path for path, stamp in used.items() if self._stamp(path) != stamp]
        self._changes.update(changed)
        return bool(changed)

    def _stamp(self, path: Path) -> FileStamp | None:
        try:
            return stamp_file(path)
        except VideoError:
            return None

    def _hash(self, path: Path) -> str:
        stamp = stamp_file(path)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, hash_file(path)
        return known[1]


@dataclass
class ClipReader:
    """Gives the reader of a clip's source, and keeps it open for the next clip of the same one."""

    _reader: SpanReader | None = None
    _sounds: SoundReader | None = None

    def of(self, item: ExportItem) -> SpanReader:
        """The reader of a clip's source.

        Raises:
            VideoError: there is none.
        """
        if item.source is None:
            raise VideoUnreadableError(_REASONS["source_gone"], reason="source_gone")
        most = item.video.get("maximum_frame_bytes") or MAXIMUM_FRAME_BYTES
        if self._reader is None or self._reader.path != item.source:
            self.close()
            self._reader = SpanReader(item.source, most)
        return self._reader

    def sounds_of(self, item: ExportItem) -> SoundReader:
        """The reader of the sound of a clip's source.

        Raises:
            VideoError: there is none.
        """
        reader = self.of(item)
        if self._sounds is None:
            self._sounds = SoundReader(reader.path, reader.maximum_frame_bytes)
        return self._sounds

    def close(self) -> None:
        """Let go of the last source."""
        for reader in (self._reader, self._sounds):
            if reader is not None:
                reader.close()
        self._reader = self._sounds = None


def span_of(item: ExportItem) -> FrameSpan:
    """The frames of a clip, as the scan numbered and timed them."""
    clip, row, video = item.clip, item.row, item.video
    # A fast scan numbers only what it did not skip.
    is_numbered = video.get("scan_mode") == "full"
    return FrameSpan(
        clip.start_pts,
        clip.end_pts,
        row["start_frame"] if is_numbered else None,
        row["end_frame"] if is_numbered else None,
        is_timed=has_own_times(video),
    )
