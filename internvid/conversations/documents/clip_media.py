"""What a document shows of a clip: its place in the source, a video of it, or still frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, InternvidError, VideoError
from internvid.dataset.parts import commit_bytes
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.cut_exporter import CutExporter
from internvid.publishing.exporters.key_frames import KeyFramesExporter
from internvid.publishing.shards import ClipDroppedError, MissingClip, missing_clip
from internvid.publishing.source_files import ClipReader, Sources
from internvid.video.cutting.cut_plan import CutPlan

Pixels = Literal["none", "clips", "frames"]
PIXELS = ("none", "clips", "frames")
VIDEO_FOLDER, FRAME_FOLDER = "videos/", "frames/"


@dataclass(frozen=True)
class MediaSettings:
    """What is written of a clip that is shown.

    Attributes:
        pixels: `none`: its source is named, with times; `clips`: a video is cut, by `cut`;
            `frames`: JPEGs.
        cut: rate, size, sound and quality of videos; `windows` may not be `slide`.
        frames: of a clip: pictures that are written, or that a reader takes of its video.
        short_side: pixels of the shorter side of frames, read from the sources; None takes those
            that the scan stored.
        quality: of JPEGs, where sources are read.
    """

    pixels: Pixels = "none"
    cut: CutPlan = field(default_factory=lambda: CutPlan(size="360"))
    frames: int = 8
    short_side: int | None = None
    quality: int = 90

    def __post_init__(self) -> None:
        if self.pixels not in PIXELS:
            raise ConfigInvalidError(f"pixels is one of {', '.join(PIXELS)}, not {self.pixels!r}")
        if self.pixels == "clips" and self.cut.windows == "slide":
            raise ConfigInvalidError(
                "cut.windows=slide makes several videos of a clip, and a document has one place "
                "for it",
                hint="--set media.cut.windows=middle, or whole",
            )
        self.still_pictures()  # its fields have bounds of their own

    def still_pictures(self) -> KeyFramesExporter:
        """What makes JPEGs of a clip."""
        return KeyFramesExporter(
            frames=self.frames, short_side=self.short_side, quality=self.quality
        )

    def check(self, columns: dict[str, str]) -> None:
        """Refuse a crop of which clips have no column.

        Raises:
            ConfigInvalidError: there is none.
        """
        if self.pixels == "clips":
            self._cutter().check(columns)

    def cutter(self) -> CutExporter:
        """What cuts a clip; its texts are of no use here."""
        return self._cutter()

    def _cutter(self) -> CutExporter:
        return CutExporter(caption="", prefix="-", cut=self.cut)


@dataclass(frozen=True)
class ClipPiece:
    """A file of a clip.

    Attributes:
        suffix: of its name, behind the clip's id: `.mp4`, `_f00.jpg`.
        data: its bytes.
    """

    suffix: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class ClipPixels:
    """What was made of a clip.

    Attributes:
        pieces: one video, or frames in time order.
        seconds: of the video; 0 of frames.
        frames: of the video, or how many pictures.
    """

    pieces: Sequence[ClipPiece]
    seconds: float
    frames: int


class ClipMediaReader:
    """Makes videos or frames of clips, and keeps the last source open.

    Args:
        settings: what is made.
        items: the clips, which know their sources.
    """

    def __init__(self, settings: MediaSettings, items: ClipItems) -> None:
        self._settings, self._items = settings, items
        self._sources, self._reader = Sources(), ClipReader()

    def close(self) -> None:
        """Let go of the last source."""
        self._reader.close()

    def of(self, item: ExportItem) -> ClipPixels | MissingClip:
        """What is made of a clip, or why nothing can be."""
        reads_source = self._settings.pixels == "clips" or self._settings.short_side is not None
        while True:
            made = self._tried(item, reads_source=reads_source)
            # Another try leaves out what changed meanwhile.
            if not reads_source or not self._sources.changed_since():
                return made

    def _tried(self, item: ExportItem, *, reads_source: bool) -> ClipPixels | MissingClip:
        try:
            checked = self._sources.check(item) if reads_source else item
            return self._cut(checked) if self._settings.pixels == "clips" else self._still(checked)
        except ClipDroppedError as error:
            return missing_clip(item, str(error), "the cut leaves nothing of it")
        except VideoError as error:
            return missing_clip(item, error.reason, error.message)
        except (OSError, InternvidError):
            raise  # of the folder that is written to
        except Exception as error:  # noqa: BLE001 - one clip must not end the export of all others
            return missing_clip(item, "bug", f"{type(error).__name__}: {error}")

    def _cut(self, item: ExportItem) -> ClipPixels:
        cut = self._settings.cutter().cut_out(self._reader, item)
        if not cut.windows:
            raise ClipDroppedError("too_short_for_grid")
        window = cut.windows[0]
        facts = window.facts
        return ClipPixels([ClipPiece(".mp4", window.data)], facts["seconds"], facts["frames"])

    def _still(self, item: ExportItem) -> ClipPixels:
        maker = self._settings.still_pictures()
        pieces = [
            ClipPiece(f"_f{number:02d}.jpg", jpeg)
            for number, jpeg in enumerate(maker.pictures(self._items, self._reader, item))
        ]
        if not pieces:
            raise ClipDroppedError("no_pictures")
        return ClipPixels(pieces, 0.0, len(pieces))


def file_names(clip_id: str, pixels: ClipPixels) -> list[str]:
    """Names of the files of a clip below the export's folder."""
    return [
        (VIDEO_FOLDER if piece.suffix == ".mp4" else FRAME_FOLDER) + clip_id + piece.suffix
        for piece in pixels.pieces
    ]


def write_pieces(folder: Path, clip_id: str, pixels: ClipPixels) -> list[str]:
    """Write the files of a clip, each whole or not at all; returns their names."""
    names = file_names(clip_id, pixels)
    for name, piece in zip(names, pixels.pieces, strict=True):
        commit_bytes(folder / name, piece.data)
    return names


def stale_files(folder: Path, patterns: Sequence[str], written: set[str]) -> Iterator[Path]:
    """Files of an earlier run, before it was killed, that are no more due."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.relative_to(folder).as_posix() not in written:
                yield path
