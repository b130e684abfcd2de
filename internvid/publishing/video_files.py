"""What exporters of video files share: a text and a cut for each clip, a file for each window."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.dataset.parts import commit_bytes
from internvid.publishing.clip_files import ClipDroppedError, FilesOfClip, write_clip_files
from internvid.publishing.cut_report import CutReport, PlannedClip, plan_cut, seconds_of
from internvid.publishing.index_files import (
    IndexFile,
    WrittenVideo,
    licence_of,
    writing_indexes,
)
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.source_files import ClipReader, span_of
from internvid.publishing.texts.token_limits import token_counter
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_edges import BAR_COLUMNS, TEXT_IN_PICTURE, measured_bars
from internvid.video.cutting.cut_picture import TOO_SMALL
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_windows import TOO_SHORT

NO_CAPTION = "no_caption"
_DROPS = frozenset({TOO_SHORT, TOO_SMALL, TEXT_IN_PICTURE})


class ExportedClip(TypedDict):
    """What a manifest says of a clip (`samples`), in the order of the export.

    Attributes:
        clip_id, video_id, source_id: as in the dataset.
        uri: of the source, as it travels.
        licence: of the source, where its metadata names one.
        start_seconds, end_seconds: of the clip in its source.
        files: names of what was written of it, below the export's folder.
        frames, seconds: of each window.
        sounds: of each window: `kept`, `none` or `unsure`.
        unused_seconds: of the clip, in no window.
    """

    clip_id: str
    video_id: str
    source_id: str
    uri: str | None
    licence: str | None
    start_seconds: float
    end_seconds: float
    files: list[str]
    frames: list[int]
    seconds: list[float]
    sounds: list[str]
    unused_seconds: float


class DroppedClip(TypedDict):
    """A clip that the format does not take (`dropped_clips`), and why; `seconds` is its length."""

    clip_id: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class VideoFilesExporter:
    """One MP4 for each window of each clip that has a text, and files that list them.

    What a layout adds: where videos lie (`videos`), files beside them (`beside`), `indexes`, and
    what says how these are read (`fixed_files`).

    Attributes:
        caption: the column with the text, which is written in one line; of several, with commas
            between them, the first that has one; empty for prefix and trigger alone. A clip
            without a text is dropped.
        prefix: put before the caption as it is.
        trigger: a word for what is taught, put before the caption, behind the prefix.
        tokens: how many tokens of a text the model reads; longer texts are counted, not cut. None
            counts nothing.
        tokenizer: what counts them: `clip`, or a folder or hub name of a model of transformers;
            empty for an estimate.
        cut: rate, frame counts, windows, size, bars, sound and quality.
    """

    videos: ClassVar[str] = "videos/"
    """Folder of the videos below the export's, with `/` at its end; empty for the folder itself."""

    caption: str = "measured"
    prefix: str = ""
    trigger: str = ""
    tokens: int | None = None
    tokenizer: str = ""
    cut: CutPlan = field(default_factory=CutPlan)

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise ConfigInvalidError(f"tokens must be at least 1, got {self.tokens}")
        if self.tokenizer and self.tokens is None:
            raise ConfigInvalidError(
                f"tokenizer={self.tokenizer!r} counts nothing without a limit",
                hint="set tokens too: 77 for clip",
            )
        if not self.captions and not (self.prefix + self.trigger).strip():
            raise ConfigInvalidError(
                "caption is empty, and so are prefix and trigger: nothing would be written as text",
                hint="name a column, or give a trigger",
            )

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption, or a crop, of which clips have no column, and a missing tokenizer.

        Raises:
            ConfigInvalidError: no column is called so.
            InternvidError: the tokenizer cannot be had.
        """
        for name in self.captions:
            refuse_unknown_column(name, columns, "caption")
        if self.cut.crops_bars and not set(BAR_COLUMNS) <= set(columns):
            raise ConfigInvalidError(
                f"cut.crop={self.cut.crop}: clips have no columns {' and '.join(BAR_COLUMNS)}",
                hint="build with the signal borders",
            )
        if self.cut.crops_text and self.cut.text_boxes not in columns:
            raise ConfigInvalidError(
                f"cut.crop={self.cut.crop}: clips have no column {self.cut.text_boxes!r}",
                hint="--set cut.text_boxes=NAME names the column with the boxes of text",
            )
        if self.tokens is not None:
            token_counter(self.tokenizer)

    def indexes(self) -> Sequence[IndexFile]:
        """Files that list the videos."""
        return ()

    def beside(self, text: str) -> Mapping[str, bytes]:
        """Ending -> bytes of files beside each video."""
        return {}

    def fixed_files(self) -> Mapping[str, bytes]:
        """Name -> bytes of files that name no clip, such as a note on how indexes are read."""
        return {}

    @property
    def captions(self) -> tuple[str, ...]:
        """Names of the columns that may have the text, the first choice first."""
        return tuple(name.strip() for name in self.caption.split(",") if name.strip())

    def column_of(self, row: Mapping[str, Any]) -> str:
        """The column that has the text of a clip; empty where none has."""
        return next((name for name in self.captions if _one_line(row.get(name))), "")

    def text_of(self, row: Mapping[str, Any]) -> str | None:
        """The text of a clip; None where it has no caption."""
        column = self.column_of(row)
        if self.captions and not column:
            return None
        caption = _one_line(row.get(column))
        return self.prefix + " ".join(part for part in (self.trigger.strip(), caption) if part)

    def plan_clip(self, item: ExportItem) -> PlannedClip:
        """What would be written of a clip, from its row alone."""
        if self.text_of(item.row) is None:
            return PlannedClip(dropped=NO_CAPTION)
        return self._with_text(plan_cut(item, self.cut), item.row)

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason."""
        report = CutReport(token_limit=self.tokens, tokenizer=self.tokenizer)
        indexes = self.indexes()
        files: list[str] = []
        missing: list[Any] = []
        dropped: list[DroppedClip] = []
        samples: list[ExportedClip] = []
        reader = ClipReader()
        make = functools.partial(self._make, reader)
        with writing_indexes(folder, indexes) as add:
            for item, written in write_clip_files(items, folder, self._refusal, make):
                files += written["files"]
                if written["missing"] is not None:
                    missing.append(written["missing"])
                    continue
                report.add(self._with_text(_planned(written), item.row), seconds_of(item))
                if written["dropped"] is not None:
                    dropped.append(_dropped(item, written["dropped"]))
                else:
                    samples.append(_exported(item, written))
                    for video in self._videos(item, written):
                        add(video)
        reader.close()
        fixed = self.fixed_files()
        for name, data in fixed.items():
            commit_bytes(folder / name, data)
        return {
            "files": [*files, *(index.file for index in indexes), *fixed],
            "missing": missing,
            "dropped_clips": dropped,
            "samples": samples,
            "indexes": [index.facts() for index in indexes],
            "sound": dict(Counter(sound for each in samples for sound in each["sounds"])),
            **report.as_json(),
        }

    def _with_text(self, planned: PlannedClip, row: Mapping[str, Any]) -> PlannedClip:
        """The clip with what there is to say of its text."""
        if planned.dropped is not None:
            return planned
        tokens = None
        if self.tokens is not None:
            tokens = token_counter(self.tokenizer)(self.text_of(row) or "")
        return replace(planned, column=self.column_of(row), tokens=tokens)

    def _refusal(self, item: ExportItem) -> str | None:
        if self.text_of(item.row) is None:
            return NO_CAPTION
        # Frames that a fast scan skipped are counted when they are read.
        is_counted = self.cut.rate is not None or item.video.get("scan_mode") == "full"
        is_short = is_counted and plan_cut(item, self.cut).dropped == TOO_SHORT
        return TOO_SHORT if is_short else None

    def _make(
        self, reader: ClipReader, item: ExportItem
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        try:
            written = cut_clip(
                reader.of(item),
                span_of(item),
                self.cut,
                measured_bars(item.row, self.cut),
                reader.sounds_of(item),
            )
        except VideoError as error:
            if error.reason in _DROPS:
                raise ClipDroppedError(error.reason) from error
            raise
        text = self.text_of(item.row) or ""
        files: dict[str, bytes] = {}
        windows: list[dict[str, Any]] = []
        for number, window in enumerate(written.windows):
            stem = self.videos + item.clip.clip_id
            if self.cut.windows == "slide":
                stem += f"_w{number:02d}"
            files[f"{stem}.mp4"] = window.data
            files |= {f"{stem}{ending}": data for ending, data in self.beside(text).items()}
            windows.append(
                {
                    "path": f"{stem}.mp4",
                    "frames": window.window.frames,
                    "seconds": window.seconds,
                    "size": list(window.size),
                    "sound": window.sound,
                    "dynamic_range": window.dynamic_range,
                }
            )
        return files, {"windows": windows, "unused_seconds": written.unused_seconds}

    def _videos(self, item: ExportItem, written: FilesOfClip) -> Iterator[WrittenVideo]:
        text, rate = self.text_of(item.row) or "", self.cut.rate
        for number, window in enumerate(written["facts"]["windows"]):
            width, height = window["size"]
            frames, seconds = window["frames"], window["seconds"]
            yield WrittenVideo(
                item=item,
                path=window["path"],
                text=text,
                number=number,
                frames=frames,
                seconds=seconds,
                width=width,
                height=height,
                fps=round(float(rate) if rate else frames / seconds, 6),
                sound=window["sound"],
            )


def _planned(written: FilesOfClip) -> PlannedClip:
    facts = written["facts"]
    windows = facts.get("windows", ())
    return PlannedClip(
        tuple(window["seconds"] for window in windows),
        tuple(window["frames"] for window in windows),
        facts.get("unused_seconds", 0.0),
        written["dropped"],
        (windows[0]["size"][0], windows[0]["size"][1]) if windows else None,
    )


def _one_line(value: Any) -> str:
    return " ".join(str(value or "").split())


def _dropped(item: ExportItem, reason: str) -> DroppedClip:
    return {"clip_id": item.clip.clip_id, "reason": reason, "seconds": seconds_of(item)}


def _exported(item: ExportItem, written: FilesOfClip) -> ExportedClip:
    windows, clip = written["facts"]["windows"], item.clip
    return {
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "source_id": str(item.row.get("source_id") or clip.video_id),
        "uri": item.uri,
        "licence": licence_of(item),
        "start_seconds": clip.span.start_seconds,
        "end_seconds": clip.span.end_seconds,
        "files": written["files"],
        "frames": [window["frames"] for window in windows],
        "seconds": [window["seconds"] for window in windows],
        "sounds": [window["sound"] for window in windows],
        "unused_seconds": written["facts"]["unused_seconds"],
    }
