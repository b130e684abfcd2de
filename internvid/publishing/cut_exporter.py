"""What exporters share that cut clips by a plan: a text for each clip, a video for each window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.publishing.cut_report import CutReport, PlannedClip, plan_cut
from internvid.publishing.export_summary import (
    ExportedClip,
    ExportSummary,
    WindowFacts,
    exported_clip,
)
from internvid.publishing.index_files import WrittenVideo
from internvid.publishing.shards import ClipDroppedError
from internvid.publishing.source_files import ClipReader, span_of
from internvid.publishing.text_exporter import NO_CAPTION, TextExporter
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_edges import BAR_COLUMNS, TEXT_IN_PICTURE, measured_bars
from internvid.video.cutting.cut_picture import TOO_SMALL
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_windows import TOO_SHORT

_DROPS = frozenset({TOO_SHORT, TOO_SMALL, TEXT_IN_PICTURE})


@dataclass(frozen=True)
class CutWindow:
    """A window of a clip, cut.

    Attributes:
        stem: name of its files, without an ending.
        data: MP4.
        facts: of the video.
    """

    stem: str
    data: bytes = field(repr=False)
    facts: WindowFacts


@dataclass(frozen=True)
class CutClip:
    """The windows of a clip, cut, and how many of its seconds are in none."""

    windows: Sequence[CutWindow]
    unused_seconds: float


@dataclass(frozen=True)
class CutExporter(TextExporter):
    """A text and a cut for each clip; layouts add how they are written.

    Attributes:
        cut: rate, frame counts, windows, size, bars, sound and quality. Others are those of
            `TextExporter`.
    """

    cut: CutPlan = field(default_factory=CutPlan)

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse a caption, or a crop, of which clips have no column.

        Raises:
            ConfigInvalidError: no column is called so.
        """
        super().check(columns)
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

    def summary(self) -> ExportSummary:
        """What a manifest will say, with nothing in it yet."""
        return ExportSummary(CutReport(token_limit=self.tokens, tokenizer=self.tokenizer))

    def plan_clip(self, item: ExportItem) -> PlannedClip:
        """What would be written of a clip, from its row alone."""
        if self.needs_text and self.text_of(item.row) is None:
            return PlannedClip(dropped=NO_CAPTION)
        planned = plan_cut(item, self.cut)
        if planned.dropped is not None:
            return planned
        row = item.row
        return replace(planned, column=self.column_of(row), tokens=self.tokens_of(row))

    def refusal(self, item: ExportItem) -> str | None:
        """Why a clip is dropped, found out without its pixels; None where it may not be."""
        if self.needs_text and self.text_of(item.row) is None:
            return NO_CAPTION
        # Frames that a fast scan skipped are counted when they are read.
        is_counted = self.cut.rate is not None or item.video.get("scan_mode") == "full"
        is_short = is_counted and plan_cut(item, self.cut).dropped == TOO_SHORT
        return TOO_SHORT if is_short else None

    def cut_out(self, reader: ClipReader, item: ExportItem) -> CutClip:
        """The windows of a clip.

        Raises:
            ClipDroppedError: it is too short or too small, or text cannot be cut off.
            VideoError: its source cannot be read, or does not show these frames.
        """
        try:
            written = cut_clip(
                reader.of(item),
                span_of(item),
                self.cut,
                measured_bars(item.row, self.cut),
                reader.sounds_of(item),
            )
        except VideoError as error:
            # What no trainer takes is no fault of the source.
            if error.reason in _DROPS:
                raise ClipDroppedError(error.reason) from error
            raise
        windows = []
        for number, window in enumerate(written.windows):
            stem = item.clip.clip_id
            if self.cut.windows == "slide":
                stem += f"_w{number:02d}"
            width, height = window.size
            rate = self.cut.rate
            facts: WindowFacts = {
                "frames": window.window.frames,
                "seconds": window.seconds,
                "width": width,
                "height": height,
                "fps": round(float(rate) if rate else window.window.frames / window.seconds, 6),
                "sound": window.sound,
                "dynamic_range": window.dynamic_range,
                "copied_share": window.copied_share,
            }
            windows.append(CutWindow(stem, window.data, facts))
        return CutClip(windows, written.unused_seconds)

    def sample_of(
        self,
        item: ExportItem,
        files: Sequence[str],
        windows: Sequence[WindowFacts],
        unused_seconds: float,
    ) -> ExportedClip:
        """What a manifest says of a clip."""
        row = item.row
        return exported_clip(
            item, files, windows, unused_seconds,
            column=self.column_of(row), tokens=self.tokens_of(row),
        )  # fmt: skip

    def videos_of(
        self, item: ExportItem, paths: Sequence[str], windows: Sequence[WindowFacts]
    ) -> Iterator[WrittenVideo]:
        """What an index is given of the videos of a clip."""
        text = self.text_of(item.row) or ""
        for number, (path, facts) in enumerate(zip(paths, windows, strict=True)):
            yield WrittenVideo(item=item, path=path, text=text, number=number, **facts)
