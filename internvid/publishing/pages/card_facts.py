"""What is known of an export with tables of videos: read from its manifest and the tables alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from internvid.dataset.releases.checksums import REMOVED, checksum_of

_LICENCES = ("license", "licence")
_LANGUAGES = ("language", "lang")
_LOCAL = "local files"


@dataclass
class SplitFacts:
    """What is known of a split.

    Attributes:
        file: its table, below the export's folder. sha256, bytes: of that file.
        videos: folder of the videos, below the export's.
        rows, clips, sources: how many videos, of how many clips, of how many source videos.
        seconds: of each video.
    """

    file: str
    sha256: str
    bytes: int
    videos: str
    rows: int = 0
    clips: int = 0
    sources: set[str] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)


@dataclass
class CardFacts:
    """What is known of an export.

    Attributes:
        manifest: of it. fields: of its exporter.
        splits: name -> facts, of those that are not empty.
        schema: of the tables.
        sizes, rates, sounds, hosts, licences, languages: value -> count; of videos, but for hosts
            and licences, which are of source videos. What a source does not state is not counted.
        removed: digests in `removed.parquet`; 0 where nothing was taken out.
    """

    manifest: Mapping[str, Any]
    fields: Mapping[str, Any]
    splits: dict[str, SplitFacts] = field(default_factory=dict)
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    sizes: Counter[str] = field(default_factory=Counter)
    rates: Counter[str] = field(default_factory=Counter)
    sounds: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    removed: int = 0

    @property
    def title(self) -> str:
        """Title of the set."""
        return self.fields.get("title") or "Untitled video set"

    @property
    def making(self) -> Mapping[str, Any]:
        """What made the clips; nothing in manifests of earlier versions."""
        return self.manifest.get("making") or {}

    @property
    def rows(self) -> int:
        """How many videos."""
        return sum(split.rows for split in self.splits.values())

    @property
    def clips(self) -> int:
        """How many clips."""
        return sum(split.clips for split in self.splits.values())

    @property
    def sources(self) -> int:
        """How many source videos."""
        return len(set().union(*(split.sources for split in self.splits.values())))

    @property
    def shared_sources(self) -> int:
        """How many source videos have clips in more than one split."""
        return sum(len(split.sources) for split in self.splits.values()) - self.sources

    @property
    def hours(self) -> float:
        """How long all videos are."""
        return sum(sum(split.seconds) for split in self.splits.values()) / 3600

    @property
    def quartiles(self) -> list[float]:
        """Shortest, lower quartile, median, upper quartile and longest, in seconds."""
        seconds = [each for split in self.splits.values() for each in split.seconds]
        return np.quantile(seconds, [0, 0.25, 0.5, 0.75, 1]).tolist() if seconds else []

    @property
    def has_texts(self) -> bool:
        """Whether there is a column of captions, or a text for all."""
        return bool(self.fields.get("caption") in self.columns or self.fields.get("trigger"))

    @property
    def columns(self) -> dict[str, str]:
        """Column of clips -> Arrow type."""
        return {each["column"]: each["type"] for each in self.manifest.get("columns", [])}


def read_facts(manifest: Mapping[str, Any], folder: Path) -> CardFacts:
    """What is known of an export.

    Args:
        manifest: of it.
        folder: with its tables.
    """
    facts = CardFacts(manifest, dict((manifest.get("exporter") or {}).get("fields", {})))
    for index in manifest["indexes"]:
        split = index["root"].rstrip("/")
        checksum = checksum_of(folder, index["file"])
        found = SplitFacts(
            index["file"], checksum["sha256"], checksum["bytes"], f"{index['root']}videos"
        )
        _read_table(folder / index["file"], facts, found)
        if found.rows:
            facts.splits[split] = found
    removed = folder / REMOVED
    facts.removed = pq.read_metadata(removed).num_rows if removed.exists() else 0
    return facts


def _read_table(path: Path, facts: CardFacts, split: SplitFacts) -> None:
    clips: set[str] = set()
    with pq.ParquetFile(path) as file:
        facts.schema = file.schema_arrow
        spoken = [name for name in facts.schema.names if _is_language(name)]
        wanted = ["clip_id", "video_id", "seconds", "fps", "width", "height", "sound", "uri"]
        for batch in file.iter_batches(columns=[*wanted, "metadata", *spoken]):
            for row in batch.to_pylist():
                split.rows += 1
                split.seconds.append(row["seconds"])
                clips.add(row["clip_id"])
                facts.sizes[f"{row['width']}x{row['height']}"] += 1
                facts.rates[f"{row['fps']:.3f}".rstrip("0").rstrip(".")] += 1
                facts.sounds[row["sound"]] += 1
                facts.languages.update(
                    row[name] for name in spoken if isinstance(row[name], str) and row[name]
                )
                if row["video_id"] not in split.sources:
                    split.sources.add(row["video_id"])
                    _read_source(row, facts)
    split.clips = len(clips)


def _read_source(row: Mapping[str, Any], facts: CardFacts) -> None:
    facts.hosts[urlsplit(row["uri"] or "").netloc or _LOCAL] += 1
    for name, value in json.loads(row["metadata"]).items():
        if name.lower() in _LICENCES and value not in (None, ""):
            facts.licences[str(value)] += 1


def _is_language(name: str) -> bool:
    return name.lower() in _LANGUAGES or name.lower().endswith("_language")
