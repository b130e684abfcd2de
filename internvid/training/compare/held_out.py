"""The clips that a comparison is measured on: whole source videos that no run trains on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from internvid.core.errors import MisuseError, VideoError
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.benchmarks.retrieval import list_queries
from internvid.evaluation.embedding.embedders import Embedder, Frames, count_texts
from internvid.evaluation.metrics import RECALL_AT, VectorSimilarity, measure_retrieval
from internvid.evaluation.results.protocol import Protocol, Result
from internvid.models.templates import clean_text
from internvid.models.viclip.preprocess import sample_frames
from internvid.training.data.samples import (
    LEAST_WORDS,
    ClipSource,
    ClipTable,
    FrameChoice,
    FramesArray,
)

_PART = 32


@dataclass(frozen=True)
class ChosenSource:
    """Some clips of another source.

    Attributes:
        inner: where they are.
        clips: their places in its table, in order.
    """

    inner: ClipSource
    clips: tuple[int, ...]

    def table(self) -> ClipTable:
        """The chosen clips."""
        every = self.inner.table()
        hard_negative_groups = every.hard_negative_groups
        return ClipTable(
            [every.clip_ids[at] for at in self.clips],
            [every.captions[at] for at in self.clips],
            [every.sources[at] for at in self.clips],
            None
            if hard_negative_groups is None
            else [hard_negative_groups[at] for at in self.clips],
        )

    def read(self, clip: int, choose: FrameChoice) -> Iterable[FramesArray]:
        """Frames of one clip."""
        return self.inner.read(self.clips[clip], choose)


def choose_held_out(sources: Iterable[str], share: float) -> frozenset[str]:
    """The source videos kept from training: those whose names have the smallest hashes.

    The choice depends on the set of sources alone, not on subsets, columns or seeds.

    Args:
        sources: of all clips.
        share: of the sources, rounded, but at least one; one stays for training.

    Raises:
        MisuseError: fewer than two sources.
    """
    every = sorted(set(sources), key=_hash)
    if len(every) < 2:
        raise MisuseError(
            f"{len(every)} source video cannot be parted into training and test",
            hint="a comparison needs clips of at least two source videos",
        )
    count = min(max(1, round(share * len(every))), len(every) - 1)
    return frozenset(every[:count])


def _hash(source: str) -> str:
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


def usable(caption: str | None) -> bool:
    """Whether training would take a caption."""
    return caption is not None and len(clean_text(caption).split()) >= LEAST_WORDS


@dataclass(frozen=True)
class HeldOut:
    """Clips to measure on, the same for every run.

    Attributes:
        source: where they are.
        texts: column -> text of each clip.
        videos: how many source videos they come from.
        of: how many there are in all.
    """

    source: ChosenSource
    texts: Mapping[str, tuple[str, ...]]
    videos: int
    of: int

    def measure(self, subject: Embedder) -> Result:
        """Retrieval among the held-out clips, once a column, and the mean over columns.

        Equal texts are one query with several right clips.

        Raises:
            MisuseError: none of the clips can be read.
        """
        about = subject.identity()
        places, clips = self._frames(about.frames)
        vectors = np.concatenate(
            [subject.video_vectors(clips[at : at + _PART]) for at in range(0, len(clips), _PART)]
        )
        by_column: dict[str, dict[str, float]] = {}
        queries = {}
        asked: list[str] = []
        for column, every in self.texts.items():
            texts, pairs = list_queries([(clean_text(every[at]),) for at in places], shared=True)
            numbers = with_mean_recall(
                measure_retrieval(VectorSimilarity(vectors, subject.text_vectors(texts)), pairs)
            )
            queries[column] = len(texts)
            asked += texts
            by_column[column] = numbers
        metrics = {
            name: float(np.mean([one[name] for one in by_column.values()])) for name in numbers
        }
        if len(by_column) > 1:
            metrics |= {
                f"{column}/{name}": value
                for column, one in by_column.items()
                for name, value in one.items()
            }
        table = self.source.table()
        protocol = Protocol(
            benchmark="held-out",
            version=1,
            annotations=self.digest,
            listed=len(table.clip_ids),
            found=len(places),
            clips=digest_texts([table.clip_ids[at] for at in places]),
            frames=about.frames,
            frame_rule="middle of equal intervals of the kept frames",
            preprocessing=about.preprocessing,
            text_cleaning="reference",
            text_tokens=about.text_tokens,
            text_mode="sentence",
            details={
                "columns": sorted(self.texts),
                "queries": queries,
                "shared_texts": True,
                "held_out_videos": self.videos,
                "of_videos": self.of,
            },
        )
        counts = count_texts(subject, asked)
        return Result(metrics, protocol, about.describe(), texts=counts)

    @property
    def metric_names(self) -> list[str]:
        """What `measure` will give, known before anything is trained."""
        one = np.eye(1, dtype=np.float32)
        names = list(with_mean_recall(measure_retrieval(VectorSimilarity(one, one), [[0, 0]])))
        more = [f"{column}/{name}" for column in self.texts for name in names]
        return names + (more if len(self.texts) > 1 else [])

    def _frames(self, count: int) -> tuple[list[int], list[Frames]]:
        """Places of the clips that can be read, and their frames."""
        places, clips = [], []
        for at in range(len(self.source.clips)):
            try:
                read = self.source.read(at, lambda n: sample_frames(n, count))
                clips.append(np.stack(list(read)))
            except VideoError:
                continue
            places.append(at)
        if len(places) < 2:
            raise MisuseError(
                f"{len(places)} of {len(self.source.clips)} held-out clips can be read"
            )
        return places, clips

    @property
    def digest(self) -> str:
        """Digest of the clips and their texts."""
        rows = [self.source.table().clip_ids, {name: list(t) for name, t in self.texts.items()}]
        return hashlib.blake2b(json.dumps(rows).encode(), digest_size=8).hexdigest()


def with_mean_recall(numbers: Mapping[str, float]) -> dict[str, float]:
    """Retrieval's numbers and `mean_recall`: R@1, R@5 and R@10 of both directions, their mean."""
    names = [f"{way}_r{k}" for way in ("text_to_video", "video_to_text") for k in RECALL_AT]
    return {"mean_recall": float(np.mean([numbers[name] for name in names])), **numbers}


def part(
    sources: Mapping[str, ClipSource], share: float, most: int
) -> tuple[frozenset[str], HeldOut]:
    """The held-out sources of a dataset, and the clips of theirs to measure on.

    Args:
        sources: column -> all clips of the dataset with that column's captions.
        share: of the source videos that is held out.
        most: clips at most, the first in order of the hash of their ids.

    Raises:
        MisuseError: too few sources, or held-out clips with usable texts.
    """
    tables = {column: source.table() for column, source in sources.items()}
    first = next(iter(tables.values()))
    held = choose_held_out(first.sources, share)
    captions = {
        column: dict(zip(table.clip_ids, table.captions, strict=True))
        for column, table in tables.items()
    }
    places = [
        at
        for at, (name, source) in enumerate(zip(first.clip_ids, first.sources, strict=True))
        if source in held and all(usable(texts.get(name)) for texts in captions.values())
    ]
    places = sorted(sorted(places, key=lambda at: _hash(first.clip_ids[at]))[:most])
    if len(places) < 2:
        raise MisuseError(
            f"{len(held)} of {len(set(first.sources))} source videos are held out, and "
            f"{len(places)} of their clips have texts to ask for",
            hint="hold out more, --held-out 0.5, or take a larger dataset",
        )
    names = [first.clip_ids[at] for at in places]
    texts = {column: _texts(known, names) for column, known in captions.items()}
    source = ChosenSource(next(iter(sources.values())), tuple(places))
    videos = len({first.sources[at] for at in places})
    return held, HeldOut(source, texts, videos, len(set(first.sources)))


def _texts(known: Mapping[str, str | None], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(known[name] or "" for name in names)
