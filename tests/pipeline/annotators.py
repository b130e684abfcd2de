"""Captioners and scorers for tests of the annotate pass, some of them wrong."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from internvid.core.binding import origin_of
from internvid.core.config import setting
from internvid.core.contracts import Annotation, ClipView, Needs
from internvid.core.errors import BudgetSpentError
from internvid.core.system.streams import batched
from internvid.core.timings import count, stage


@dataclass(frozen=True)
class Narrator:
    """A model in a process of its own that answers a window of clips in any order.

    Attributes:
        word: part of every text.
        fails: share of clips that fail, chosen by their id.
        order: seed of the order of answers. window: how many clips are under way.
        seconds: time for each clip. log: file to which the ids of asked clips are added.
        budget: answers before the budget is spent; 0 for no limit.
        more_frames: as `Needs`.
    """

    version: ClassVar[int] = 1
    extras: ClassVar[dict[str, str]] = {"words": "int64", "lines": "list<string>"}
    word: str = "narrated"
    fails: float = setting(0.0)
    order: int = setting(0)
    window: int = setting(8)
    seconds: float = setting(0.0)
    log: str = setting("")
    budget: int = setting(0)
    more_frames: int = 0
    short_side: int = 0

    @property
    def needs(self) -> Needs:
        return Needs(self.more_frames, self.short_side)

    def setup(self) -> None:
        self._note("setup")

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        draw = random.Random(self.order)
        given = 0
        for views in batched(clips, self.window):
            draw.shuffle(views)
            for view in views:
                if self.budget and given >= self.budget:
                    raise BudgetSpentError(f"{self.budget} requests are used up")
                given += 1
                yield self._answer(view)

    def _answer(self, view: ClipView) -> Annotation:
        clip_id = view.clip.clip_id
        self._note(clip_id)
        with stage("model"):
            time.sleep(self.seconds)
        count("tokens", 7)
        if int(clip_id[:4], 16) / 0x10000 < self.fails:
            return Annotation(clip_id, None, "failed", "tired")
        picks = view.picks[:]
        text = f"{self.word} {clip_id} of {len(picks)}"
        origin = origin_of(clip_id, picks, f"describe, {self.word}")
        return Annotation(clip_id, text, extras={"words": 4, "lines": [self.word]}, origin=origin)

    def _note(self, line: str) -> None:
        if self.log:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(line + "\n")


@dataclass(frozen=True)
class Wrong:
    """A component at fault in one of several ways."""

    version: ClassVar[int] = 1
    harm: str = "foreign"
    after: int = 3

    def setup(self) -> None:
        """Runs in the process of the pass."""

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Any]:
        for number, view in enumerate(clips):
            answer = Annotation(view.clip.clip_id, f"text {number}")
            if number < self.after:
                yield answer
            elif self.harm == "foreign":
                yield Annotation("f" * 32, "from elsewhere")
            elif self.harm == "twice":
                yield answer
                yield answer
            elif self.harm == "crash":
                raise RuntimeError("the model fell over")
            elif self.harm == "stop":
                return
            elif self.harm == "row":
                yield {"clip_id": view.clip.clip_id}
            elif self.harm == "status":
                yield Annotation(view.clip.clip_id, "x", "fine")  # type: ignore[arg-type]


@dataclass(frozen=True)
class SilentCaptioner:
    """Reads everything, answers every second clip."""

    version: ClassVar[int] = 1

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for number, view in enumerate(clips):
            if number % 2 == 0:
                yield Annotation(view.clip.clip_id, "every second one")


@dataclass(frozen=True)
class DeadlyCaptioner:
    """Kills the process it runs in."""

    version: ClassVar[int] = 1

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            os.kill(os.getpid(), signal.SIGKILL)
            yield Annotation(view.clip.clip_id, "never")


@dataclass(frozen=True)
class OddScorer:
    """Values that cannot be stored, and some that can."""

    version: ClassVar[int] = 1
    values: ClassVar[tuple[Any, ...]] = (
        float("nan"),
        float("inf"),
        None,
        "many",
        0.5,
        np.float32(2),
    )

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for number, view in enumerate(clips):
            yield Annotation(view.clip.clip_id, self.values[number % len(self.values)])


@dataclass(frozen=True)
class Embedder:
    """A vector for each clip."""

    version: ClassVar[int] = 1
    value_type: ClassVar[str] = "vector"
    size: int = 6

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            seed = int(view.clip.clip_id[:8], 16)
            vector = np.random.default_rng(seed).normal(size=self.size)
            yield Annotation(view.clip.clip_id, vector, origin=origin_of(view.clip.clip_id))


@dataclass(frozen=True)
class TextLength:
    """Characters of the text."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            assert view.text is not None
            origin = origin_of(view.clip.clip_id, prompt=view.text)
            yield Annotation(view.clip.clip_id, len(view.text), origin=origin)


@dataclass(frozen=True)
class SourceSize:
    """Bytes of the source file."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("source",)

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            count("asked")
            if view.source is None:
                yield Annotation(view.clip.clip_id, None, "failed", "source_gone")
            else:
                yield Annotation(view.clip.clip_id, Path(view.source).stat().st_size)


@dataclass(frozen=True)
class Crowd:
    """Several threads pull clips from the stream at once."""

    version: ClassVar[int] = 1
    threads: int = 6

    def setup(self) -> None:
        """Runs in the process of the pass."""

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        stream = iter(clips)
        found: list[Annotation] = []

        def work() -> None:
            for view in stream:
                found.append(
                    Annotation(view.clip.clip_id, f"{view.clip.clip_id} {len(view.picks)}")
                )

        pool = [threading.Thread(target=work) for _ in range(self.threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
        yield from found


@dataclass(frozen=True)
class Rude:
    """Texts that no terminal and no page should believe."""

    version: ClassVar[int] = 1
    texts: ClassVar[tuple[str, ...]] = (
        "word " * 19_000,
        "<script>alert(1)</script> a \u202edog\u202c",
        "a nul \x00 and an escape \x1b[31m",
    )

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for at, view in enumerate(clips):
            yield Annotation(view.clip.clip_id, self.texts[at % len(self.texts)])
