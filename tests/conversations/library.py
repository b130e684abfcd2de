"""A small dataset whose captions, transcripts and vectors follow from the names of its files."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

import internvid
from internvid.core.contracts import Annotation, ClipView
from internvid.dataset.layout import Layout
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.build import build
from tests.media import write_video
from tests.removal.conftest import small

TOPICS = {
    "dog": "a brown dog runs after a stick in the park",
    "cook": "a cook stirs soup with a wooden spoon in a kitchen",
    "sea": "waves roll over wet stones under a grey sky",
}
NAMES = [f"{topic}{number}" for topic in TOPICS for number in (1, 2)]


def topic_of(view: ClipView) -> str:
    assert view.source is not None
    return re.sub(r"\d", "", view.source.stem)


@dataclass(frozen=True)
class TopicCaptioner:
    """A sentence of the topic with the second at which the clip begins; every fifth has none."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("source",)
    word: str = "Second"
    skips: bool = True

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            second = round(view.span.start_seconds)
            if self.skips and second == 3:
                yield Annotation(view.clip.clip_id, None, "skipped", "nothing_certain")
                continue
            text = f"{self.word} {second}: {TOPICS[topic_of(view)]}."
            yield Annotation(view.clip.clip_id, text)


@dataclass(frozen=True)
class Transcriber:
    """Words of every clip that begins at an even second."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("source",)
    value_type: ClassVar[str] = "string"
    speaks: bool = True

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            second = round(view.span.start_seconds)
            if self.speaks and second % 2 == 0:
                yield Annotation(view.clip.clip_id, f"hello from second {second}")
            else:
                yield Annotation(view.clip.clip_id, None, "skipped", "no_speech")


@dataclass(frozen=True)
class TopicVectors:
    """Vectors that point nearly the same way for clips of one topic."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("source",)
    value_type: ClassVar[str] = "vector"

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            noise = np.random.default_rng(int(view.clip.clip_id[:8], 16)).normal(size=12) * 0.05
            noise[list(TOPICS).index(topic_of(view))] += 1
            yield Annotation(view.clip.clip_id, noise.astype(np.float32))


def write_library(folder: Path) -> list[Path]:
    """Six videos of 4 to 5 seconds, two of each topic."""
    return [
        write_video(folder / f"{name}.mp4", level=40 + 20 * at, frames=40 + 2 * at, seed=at)
        for at, name in enumerate(NAMES)
    ]


def build_library(root: Path, videos: Iterable[Path], part: int = 2) -> Dataset:
    """A dataset of them, a few sources a part."""
    layout = Layout(root)
    record = layout.create()
    record.sources_per_part = part
    layout.write_record(record)
    build([str(path) for path in videos], root, small(1.0), workers=1)
    annotate(root, TopicCaptioner(), "story", workers=1)
    annotate(root, Transcriber(), "transcript", workers=1)
    annotate(root, TopicVectors(), "embedding", workers=1)
    return internvid.open(root)


def killed_at_file(ending: str, count: int, work: Callable[[], object]) -> None:
    """Run something in a process that is killed before the `count`-th file gets its name."""
    child = os.fork()
    if child == 0:
        real, left = os.replace, count

        def replace(source: os.PathLike[str], target: os.PathLike[str]) -> None:
            nonlocal left
            left -= os.fspath(target).endswith(ending)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target)

        os.replace = replace  # type: ignore[assignment]
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
