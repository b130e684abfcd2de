"""`videochat-synthetic`: questions with known truth on scenes of the synthetic world.

Beside each accuracy stand what the model reaches without a video (`blind`) and with another
scene's video (`wrong_video`), and what always naming the commonest option would (`majority`).
Combinations that training has are measured beside held-out ones: the way triples are held out
excludes exactly one shape for each colour and motion, so a model can learn that rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.core.types import FrameBatch
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.chat.chat_benchmark import chat_identity, chat_protocol, open_chat
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.results.protocol import Result
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import SeenVideo, VideoChat
from internvid.synthetic.world_questions import (
    ASPECTS,
    WorldQuestion,
    WorldScene,
    draw_scenes,
    questions_of,
)

SEEDS = (2_000_003, 2_000_029, 2_000_039)
"""Far from the seeds that people train with."""
_FRAMES_A_SECOND = 4.0
_AT_ONCE = 64
_MOST_TOKENS = 24


@dataclass(frozen=True)
class SyntheticChat:
    """Accuracy of free answers, percent; each seed by itself in `runs`.

    Attributes:
        scenes: of each seed, held out, and as many of seen combinations.
        seeds: of the scenes.
        paths: of the world that was trained on.
        controls: whether blind and wrong-video answers are measured too.
    """

    scenes: int = 200
    seeds: tuple[int, ...] = SEEDS
    paths: Literal["loop", "inside"] = "inside"
    controls: bool = True

    version: ClassVar[int] = 1
    name: ClassVar[str] = "videochat-synthetic"
    runs_title: ClassVar[str] = "scenes of"
    _source: list[str] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.scenes < 2 or not self.seeds:
            raise ConfigInvalidError("scenes must be at least 2, and seeds name one")

    def open_subject(self, source: str, device: str) -> VideoChat:
        """The video chat to measure."""
        self._source[:] = [source]
        return open_chat(source, device)

    def evaluate(self, subject: VideoChat, run: Run) -> Result:
        """See `Benchmark`; the subject is a `VideoChat`."""
        sizes = subject.vision.config
        runs: dict[str, dict[str, float]] = {}
        texts: list[str] = []
        for number, seed in enumerate(self.seeds):
            numbers: dict[str, float] = {}
            for split in ("held_out", "seen"):
                scenes = draw_scenes(
                    seed, self.scenes, held_out=split == "held_out", paths=self.paths
                )
                shown = [scene.render(sizes.frames, sizes.resolution) for scene in scenes]
                posed = list(_questions(scenes, seed))
                texts += [question.text for _, question in posed]
                numbers |= self._measured(subject, shown, posed, split, run)
                run.progress("scenes", 2 * number + (split == "seen") + 1, 2 * len(self.seeds))
            runs[f"seed {seed}"] = numbers
        names = list(dict.fromkeys(name for each in runs.values() for name in each))
        metrics = {
            name: float(np.mean([each[name] for each in runs.values() if name in each]))
            for name in names
        }
        protocol = chat_protocol(
            self.name, self.version, subject,
            annotations="", listed=len(self.seeds) * 2 * self.scenes,
            found=len(self.seeds) * 2 * self.scenes, clips=digest_texts(texts),
            details={
                "seeds": list(self.seeds), "scenes": self.scenes, "paths": self.paths,
                "grading": "the answer names the right option and no other",
                "max_tokens": _MOST_TOKENS,
            },
        )  # fmt: skip
        model = chat_identity(subject, (self._source or [""])[0])
        return Result(metrics, protocol, model, runs=runs)

    def _measured(
        self,
        subject: VideoChat,
        shown: Sequence[Any],
        posed: Sequence[tuple[int, WorldQuestion]],
        split: str,
        run: Run,
    ) -> dict[str, float]:
        seen = [subject.see(_timed(frames)) for frames in shown]
        conditions = {"": seen}
        if self.controls and split == "held_out":
            conditions["blind"] = [subject.see(None)] * len(seen)
            conditions["wrong_video"] = [*seen[1:], seen[0]]
        numbers: dict[str, float] = {}
        for name, videos in conditions.items():
            answers = answer_all(subject, videos, posed)
            prefix = f"{split}_{name}_" if name else f"{split}_"
            numbers |= {f"{prefix}{key}": value for key, value in scores(posed, answers).items()}
        if split == "held_out":
            numbers |= {f"majority_{key}": value for key, value in majorities(posed).items()}
        return numbers


def _questions(scenes: Sequence[WorldScene], seed: int) -> Iterator[tuple[int, WorldQuestion]]:
    for at, scene in enumerate(scenes):
        rng = np.random.default_rng((seed, at, 41))
        for question in questions_of(scene, rng):
            yield at, question


def _timed(frames: Any) -> FrameBatch:
    return FrameBatch(frames, np.arange(len(frames)) / _FRAMES_A_SECOND)


def answer_all(
    subject: VideoChat,
    videos: Sequence[SeenVideo],
    posed: Sequence[tuple[int, WorldQuestion]],
) -> list[str]:
    """An answer to each question, by itself."""
    answers: list[str] = []
    for start in range(0, len(posed), _AT_ONCE):
        part = posed[start : start + _AT_ONCE]
        answers += subject.answers(
            [videos[at] for at, _ in part],
            [[Turn("user", question.text)] for _, question in part],
            max_tokens=_MOST_TOKENS,
        )
    return answers


def scores(posed: Sequence[tuple[int, WorldQuestion]], answers: Sequence[str]) -> dict[str, float]:
    """Percent of right answers by aspect, in the order of `ASPECTS`."""
    right: dict[str, list[bool]] = defaultdict(list)
    for (_, question), answer in zip(posed, answers, strict=True):
        right[question.aspect].append(question.is_right(answer))
    return {aspect: 100.0 * float(np.mean(right[aspect])) for aspect in ASPECTS if right[aspect]}


def majorities(posed: Sequence[tuple[int, WorldQuestion]]) -> dict[str, float]:
    """Percent that the commonest option of each aspect would be right."""
    truths: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in posed:
        truths[question.aspect][question.truth] += 1
    return {
        aspect: 100.0 * max(truths[aspect].values()) / truths[aspect].total()
        for aspect in ASPECTS
        if truths[aspect]
    }
