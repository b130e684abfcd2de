"""A folder that `datasets.load_dataset` reads: videos, a table of them, a card, a description."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from internvid.core.contracts import ExportItem, ExportItems
from internvid.publishing.index_files import IndexFile, WrittenVideo
from internvid.publishing.pages.card import card_of
from internvid.publishing.pages.card_facts import read_facts
from internvid.publishing.pages.croissant import croissant_of
from internvid.publishing.readers.named_splits import WHOLE, named_splits
from internvid.publishing.readers.video_table import FILE_NAME, VideoTable, refuse_unlisted
from internvid.publishing.video_files import VideoFilesExporter


@dataclass(frozen=True)
class HuggingFaceExporter(VideoFilesExporter):
    """`train/videos/0/<clip_id>.mp4`, `train/metadata.parquet`, `README.md`, `croissant.json`.

    Videos lie in a folder by the first digit of their clip's id, so that a path depends on no other
    clip: sixteen folders a split, each with less than the ten thousand files that the hub advises,
    up to 160,000 videos. A clip without a caption is there with a null text. Other fields are those
    of `CutExporter`; what the card cannot know is empty, and the card says that it is unknown.

    Attributes:
        splits: `train:NAME,test:NAME` with names of subsets, or NAME of `internvid split --as
            NAME`; empty for one split of all clips, called `train`.
        title: of the card.
        licence: of the set, as an SPDX identifier or a name.
        creator: who publishes it.
        url: where it will be found.
        citation: how to cite it: BibTeX, or a sentence.
    """

    version: ClassVar[int] = 1
    needs_text: ClassVar[bool] = False

    splits: str = ""
    title: str = ""
    licence: str = ""
    creator: str = ""
    url: str = ""
    citation: str = ""

    def subsets_of_splits(self, known: Collection[str]) -> Mapping[str, str]:
        """Split -> subset.

        Raises:
            ConfigInvalidError: `splits` names what is not there.
        """
        return named_splits(self.splits, known)

    def folder_of(self, item: ExportItem) -> str:
        """`train/videos/0/`."""
        return f"{item.split or WHOLE}/videos/{item.clip.clip_id[0]}/"

    def indexes(self, items: ExportItems) -> Sequence[IndexFile]:
        """`metadata.parquet` of each split."""
        table = VideoTable.of(items.schema)

        def row(split: str, video: WrittenVideo) -> Mapping[str, Any] | None:
            if (video.item.split or WHOLE) != split:
                return None
            return table.row(video, video.path.removeprefix(f"{split}/"))

        return [
            IndexFile(
                f"{split}/metadata.parquet",
                "parquet",
                FILE_NAME,
                functools.partial(row, split),
                table.schema,
                f"{split}/",
            )
            for split in items.splits or (WHOLE,)
        ]

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every clip whose source can be read; the others are listed with their reason.

        Raises:
            DatasetFormatError: a table names no video, or a video is in no table.
        """
        manifest = super().export(items, folder)
        refuse_unlisted(folder, manifest["indexes"])
        return manifest

    @staticmethod
    def describe(manifest: Mapping[str, Any], folder: Path) -> Mapping[str, bytes]:
        """`README.md` and `croissant.json`."""
        facts = read_facts(manifest, folder)
        return {"README.md": card_of(facts), "croissant.json": croissant_of(facts)}
