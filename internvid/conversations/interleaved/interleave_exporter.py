"""Writes interleaved documents: shards of JSON lines or of tar files, and the tables of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from internvid.conversations.documents.clip_media import (
    MediaSettings,
    stale_files,
)
from internvid.conversations.documents.document_clips import RowQuery
from internvid.conversations.documents.document_shards import (
    SCRATCH,
    DocumentShards,
)
from internvid.conversations.documents.exported import by_document, listed_tables, with_progress
from internvid.conversations.interleaved.assembling import Assembler, Budget, PlanCounts
from internvid.conversations.interleaved.interleaved_document import (
    COUNTS,
    FORMATS,
    Format,
    PlannedDocument,
)
from internvid.conversations.interleaved.interleaved_layouts import LAYOUTS
from internvid.conversations.interleaved.interleaved_maker import (
    InterleavedMaker,
    item_in_source,
)
from internvid.conversations.interleaved.video_groups import GroupSettings, write_groups
from internvid.core.config import identity
from internvid.core.contracts import ExportItems
from internvid.core.errors import ConfigInvalidError, NothingSelectedError
from internvid.dataset.parts import discard
from internvid.dataset.releases.documents.document_files import DocumentFile
from internvid.dataset.releases.documents.document_tables import (
    DOCUMENT,
    counts_of_documents,
    writing_tables,
)
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.shards import NOTES, MissingClip
from internvid.publishing.texts.token_limits import counted_by, token_counter

CONTAINERS = ("jsonl", "webdataset")
STEM = "documents"
_PATTERNS = ("documents-*.jsonl", "documents-*.tar", "videos/*.mp4", "frames/*.jpg")


@dataclass(frozen=True)
class InterleaveExporter:
    """Documents of clips and texts, as published by `internvid interleave`.

    Attributes:
        format: `a`: the clips of a video with their captions; `b`: with transcripts too; `c`: like
            `a`, of several videos.
        caption: the column with captions; of several, with commas, the first that has one.
        transcript: the column with what is spoken, for format b.
        drop: probability with which a clip is not shown while its texts stay; at least one clip of
            a document is shown.
        seed: of all draws.
        budget: how much a document holds.
        join: of format c: which videos are joined.
        media: what is written of a clip that is shown.
        layout: of a row: `items`, `obelics`, `mmc4` or `messages`.
        container: `jsonl`, or `webdataset`: a tar member a row, with its pictures beside it.
        documents_per_shard: how many documents a shard takes.
        tokenizer: what counts tokens: `clip`, or a folder or hub name of a model of transformers;
            empty for an estimate.
    """

    version: ClassVar[int] = 1
    format: Format = "a"
    caption: str = "measured"
    transcript: str = "transcript"
    drop: float = 0.3
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    join: GroupSettings = field(default_factory=GroupSettings)
    media: MediaSettings = field(default_factory=MediaSettings)
    layout: str = "items"
    container: str = "jsonl"
    documents_per_shard: int = 2000
    tokenizer: str = ""

    def __post_init__(self) -> None:
        for name, known in (("format", FORMATS), ("layout", LAYOUTS), ("container", CONTAINERS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigInvalidError(f"{name} is one of {', '.join(known)}, not {value!r}")
        if not 0 <= self.drop < 1:
            raise ConfigInvalidError(f"drop must be from 0 up to, but without, 1, got {self.drop}")
        if self.documents_per_shard < 1:
            raise ConfigInvalidError(
                f"documents_per_shard must be at least 1, got {self.documents_per_shard}"
            )
        if not self.captions:
            raise ConfigInvalidError("caption is empty: a document is made of texts")
        most = self.budget.frames
        if most is not None and most < self.media.frames:
            raise ConfigInvalidError(
                f"budget.frames={most} does not hold one clip of media.frames={self.media.frames}",
                hint="raise the budget, or take fewer frames of a clip",
            )
        self._check_layout()

    def _check_layout(self) -> None:
        pixels = self.media.pixels
        if self.layout == "mmc4" and pixels != "frames":
            raise ConfigInvalidError(
                "the layout mmc4 holds still pictures", hint="--pixels frames writes them"
            )
        if self.layout == "messages" and pixels != "clips":
            raise ConfigInvalidError(
                "the layout messages names a file for each clip", hint="--pixels clips cuts them"
            )
        if self.container == "webdataset" and pixels == "none":
            raise ConfigInvalidError(
                "tar files without a picture are of no use",
                hint="--pixels clips or --pixels frames, or --container jsonl",
            )

    @property
    def captions(self) -> tuple[str, ...]:
        """Columns that may have the caption, the first choice first."""
        return tuple(name.strip() for name in self.caption.split(",") if name.strip())

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse columns that clips do not have, and a missing tokenizer.

        Raises:
            ConfigInvalidError: no column is called so.
            InternvidError: the tokenizer cannot be had.
        """
        for name in self.captions:
            refuse_unknown_column(name, columns, "caption")
        if self.format == "b" and self.transcript not in columns:
            raise ConfigInvalidError(
                f"format b has transcripts, and clips have no column {self.transcript!r}",
                hint="internvid score DATASET transcript makes one; --set transcript=NAME names "
                "another; format a needs none",
            )
        self.media.check(dict(columns))
        token_counter(self.tokenizer)

    def query(self, items: ClipItems, scratch: Path | None = None) -> RowQuery:
        """The clips that documents are made of."""
        vectors = self.format == "c" and self.join.by == "vectors"
        return RowQuery(
            items.dataset,
            items.subset,
            self.captions,
            self.transcript if self.format == "b" else "",
            vectors=self.join.vectors if vectors else "",
            keep_paths=items.keep_paths,
            scratch=scratch,
        )

    def refuse_nothing(self, items: ClipItems) -> int:
        """Refuse clips of which no document can be made; returns how many there are.

        Raises:
            NothingSelectedError: there is no clip, none with a caption, or, for format b, none with
                a transcript.
        """
        query = self.query(items)
        if query.vectors and not query.has_vectors():
            raise ConfigInvalidError(
                f"join.vectors={query.vectors!r}: clips have no such column of vectors",
                hint="make one with internvid embed, or join by captions",
            )
        clips, captioned, spoken = query.counts()
        where = "the dataset" if items.subset is None else f"the subset {items.subset!r}"
        if not clips:
            raise NothingSelectedError(
                f"{where} has no clip", hint="choose other clips, see: internvid status"
            )
        if not captioned:
            raise NothingSelectedError(
                f"not one of {clips} clips of {where} has a text in {' or '.join(self.captions)}",
                hint="--caption names a column with captions; internvid caption makes one",
            )
        if self.format == "b" and not spoken:
            raise NothingSelectedError(
                f"not one of {clips} clips of {where} has a transcript in {self.transcript}",
                hint="internvid score DATASET transcript makes one; format a needs none",
            )
        return clips

    def assembler(self) -> Assembler:
        """Makes documents of rows."""
        counter = token_counter(self.tokenizer)
        frames = self.media.frames
        return Assembler(self.format, self.drop, self.seed, self.budget, frames, counter)

    def planned(
        self, items: ClipItems, assembler: Assembler, scratch: Path
    ) -> Iterator[PlannedDocument]:
        """Documents from rows alone, in the order they are written.

        Args:
            items: the clips.
            assembler: makes documents, and counts clips that are in none.
            scratch: a folder for what memory does not hold.
        """
        query = self.query(items, scratch)
        groups = None
        if self.format == "c":
            scratch.mkdir(parents=True, exist_ok=True)
            groups = write_groups(query, self.join, scratch)
        yield from assembler.documents(with_progress(query.rows(groups), items))

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every document; clips whose pixels cannot be had keep their texts.

        Raises:
            NothingSelectedError: not one document can be made.
        """
        assert isinstance(items, ClipItems)
        self.refuse_nothing(items)
        scratch = folder / NOTES / SCRATCH
        discard(scratch)
        assembler = self.assembler()
        in_tars = self.container == "webdataset"
        maker = InterleavedMaker(self.media, self.layout, items, folder, in_tars=in_tars)
        left_out = Counter[str]()
        shards = DocumentShards[PlannedDocument](
            folder,
            STEM,
            "tar" if in_tars else "jsonl",
            self.documents_per_shard,
            PlannedDocument.described,
            maker.make,
            [identity(self), items.keep_paths],
        )
        listed: list[DocumentFile] = []
        missing: list[MissingClip] = []
        cut: set[str] = set()
        with writing_tables(folder, COUNTS) as tables:
            for name, note in shards.write(self.planned(items, assembler, scratch)):
                missing += note["missing"]
                for documents, clips in by_document(note):
                    tables.add(documents.pop(DOCUMENT), str(name), documents, clips)
                    cut.update(file for clip in clips for file in clip["files"])
                if name is not None:
                    listed.append(shards.file(name))
                left_out.update(note["left_out"])
        maker.close()
        listed += listed_tables()
        files = [each["file"] for each in listed]
        for path in list(stale_files(folder, _PATTERNS, {*files, *cut})):
            discard(path)
        counts = counts_of_documents(folder)
        if not counts["documents"]:
            raise NothingSelectedError(
                f"not one document can be made: {_reasons(assembler.left_out + left_out)}",
                hint="choose other clips, or larger budgets",
            )
        return {
            "files": [*files, *sorted(cut)],
            "document_files": listed,
            **counts,
            "left_out": dict(assembler.left_out),
            "documents_left_out": dict(left_out),
            "missing": missing,
            "tokens_counted_by": counted_by(self.tokenizer),
        }


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "no reason"


def plan_documents(exporter: InterleaveExporter, items: ClipItems, scratch: Path) -> dict[str, Any]:
    """What would be written, counted from rows alone: whether sources are there is not seen.

    Args:
        exporter: how documents are made.
        items: the clips.
        scratch: a folder for what memory does not hold.

    Raises:
        NothingSelectedError: there is no clip, none with a caption, none with a transcript.
    """
    exporter.refuse_nothing(items)
    assembler, counts, clips = exporter.assembler(), PlanCounts(), 0
    for planned in exporter.planned(items, assembler, scratch):
        shown = {
            one.row.clip_id: item_in_source(one.row, exporter.media.frames)
            for one in planned.clips
            if one.is_shown
        }
        document = planned.written(shown)
        counts.add(document.counts)
        clips += len(planned.clips)
    return {
        **counts.as_json(),
        "clips": clips,
        "left_out": dict(assembler.left_out),
        "tokens_counted_by": counted_by(exporter.tokenizer),
    }
