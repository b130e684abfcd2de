"""Benchmarks whose truth is known: rendered clips of combinations that training never showed.

Every number stands beside the same with the middle frame repeated, which no motion survives: a
model that scores as well there has not learnt to see time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.prompt_templates import digest_texts, find_cleaning
from internvid.evaluation.embedding.embed_clips import Run, check_vectors
from internvid.evaluation.embedding.embedders import Embedder, Frames, Vectors, count_texts
from internvid.evaluation.metrics import VectorSimilarity, measure_retrieval, rank_labels
from internvid.evaluation.results.protocol import Protocol, Result
from internvid.synthetic.clips import ClipSpec, render_clip, sample_specs
from internvid.synthetic.scripts.world_words import MOTIONS

DIRECTIONS = ("left", "right", "up", "down")
_SIZE = 64
_DRAWS = 40
_NEXT_SEED = 1_000_003
_PART = 64


def draw_distinct(
    seed: int,
    count: int,
    *,
    cameras: tuple[str, ...],
    paths: Literal["loop", "inside"] = "inside",
    motions: Sequence[str] | None = None,
    held_out: bool = True,
) -> list[ClipSpec]:
    """Clips whose sentences all differ, so that each has one right answer.

    Args:
        seed: another seed gives other clips.
        count: how many.
        cameras: kinds of camera moves, see `internvid.synthetic.clips.sample_specs`.
        paths: whether shapes run round or stay inside, likewise.
        motions: only these, each equally often (within one); None for all, as they come.
        held_out: combinations that training never shows; False for those it does.

    Raises:
        ConfigInvalidError: the world has not so many different sentences.
    """
    room = dict.fromkeys(MOTIONS, count)
    if motions is not None:
        each, more = divmod(count, len(motions))
        room = {motion: each + (at < more) for at, motion in enumerate(motions)}
    chosen: dict[str, ClipSpec] = {}
    for draw in range(_DRAWS):
        before = len(chosen)
        drawn = sample_specs(
            seed + _NEXT_SEED * draw, 2 * count, held_out=held_out, cameras=cameras, paths=paths
        )
        for spec in drawn:
            if room.get(spec.motion, 0) > 0 and spec.text() not in chosen:
                chosen[spec.text()] = spec
                room[spec.motion] -= 1
            if len(chosen) == count:
                return list(chosen.values())
        if len(chosen) == before:
            break
    kind = "held-out" if held_out else "seen"
    raise ConfigInvalidError(
        f"the world has only about {len(chosen)} different {kind} sentences, not {count}",
        hint="take fewer clips, or more kinds of cameras",
    )


def repeat_middle(frames: Frames) -> Frames:
    """The middle frame, repeated as often as there are frames. [T, H, W, 3]."""
    at = len(frames) // 2
    return np.repeat(frames[at : at + 1], len(frames), axis=0)


@dataclass(frozen=True)
class SyntheticBenchmark:
    """Fields of the benchmarks on rendered clips.

    Attributes:
        clips: clips per seed.
        seeds: of the worlds; numbers are means over them.
        frames: per clip; None for as many as the model is for.
        size: height and width, in pixels; None for what the model takes, so that nothing is
            resized (64 where it takes any).
        cameras: kinds of camera moves; `static` alone is the easiest world.
        paths: whether shapes run round (`loop`) or stay `inside`; then the middle frame, which is
            the one that is repeated, tells nothing of the direction.
        cleaning: of texts: `reference`, as in training, or `none`.
    """

    clips: int = 200
    seeds: tuple[int, ...] = (101, 102, 103)
    frames: int | None = None
    size: int | None = None
    cameras: tuple[str, ...] = ("static", "pan", "zoom", "shake")
    paths: Literal["loop", "inside"] = "inside"
    cleaning: Literal["none", "reference"] = "reference"

    version: ClassVar[int] = 1
    name: ClassVar[str] = ""
    motions: ClassVar[tuple[str, ...] | None] = None

    def draw(self, seed: int) -> list[ClipSpec]:
        """The clips of one seed."""
        return draw_distinct(
            seed, self.clips, cameras=self.cameras, paths=self.paths, motions=self.motions
        )

    def embed(
        self, specs: Sequence[ClipSpec], subject: Embedder, run: Run
    ) -> tuple[Vectors, Vectors]:
        """Vectors of the clips, and of their middle frames repeated. float32 [N, D] each."""
        about = subject.identity()
        count, size = self.frames or about.frames, self.size or about.resolution or _SIZE

        def work(own: Sequence[ClipSpec]) -> npt.NDArray[Any]:
            made = []
            for start in range(0, len(own), _PART):
                videos = [render_clip(s, count, size) for s in own[start : start + _PART]]
                pair = [
                    check_vectors(subject.video_vectors(clips), len(clips), "videos")
                    for clips in (videos, list(map(repeat_middle, videos)))
                ]
                made.append(np.stack(pair, axis=1))
                done = (start + len(videos)) * run.team.size
                run.progress("clips", min(done, len(specs)), len(specs))
            return np.concatenate(made)

        both = run.team.spread(specs, work)
        return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])

    def texts(self, specs: Sequence[ClipSpec]) -> list[str]:
        """The sentences of the clips, cleaned."""
        clean = find_cleaning(self.cleaning)
        return [clean(spec.text()) for spec in specs]

    def measure(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> dict[str, float]:
        """Metrics of one seed."""
        raise NotImplementedError

    def details(self) -> dict[str, Any]:
        """What else decides the numbers, for the protocol."""
        return {}

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        if not self.seeds or self.clips < len(DIRECTIONS):
            raise ConfigInvalidError(f"{self.clips} clips of seeds {self.seeds} measure nothing")
        drawn = {seed: self.draw(seed) for seed in self.seeds}
        runs = {str(seed): self.measure(specs, subject, run) for seed, specs in drawn.items()}
        metrics = {
            name: float(np.mean([numbers[name] for numbers in runs.values()]))
            for name in next(iter(runs.values()))
        }
        about = subject.identity()
        texts = [text for specs in drawn.values() for text in self.texts(specs)]
        protocol = Protocol(
            benchmark=self.name,
            version=self.version,
            annotations=_digest_specs([spec for specs in drawn.values() for spec in specs]),
            listed=len(texts),
            found=len(texts),
            clips=digest_texts(texts),
            frames=self.frames or about.frames,
            frame_rule="all rendered frames",
            preprocessing=about.preprocessing,
            text_cleaning=self.cleaning,
            text_tokens=about.text_tokens,
            text_mode="sentence",
            wise_ft=about.wise_ft,
            details={
                "seeds": list(self.seeds),
                "clips_per_seed": self.clips,
                "size": self.size or about.resolution or _SIZE,
                "cameras": list(self.cameras),
                "paths": self.paths,
                "frame_aggregation": about.frame_aggregation,
                **about.position_details,
                **self.details(),
            },
        )
        counts = count_texts(subject, texts)
        return Result(metrics, protocol, about.describe(), runs=runs, texts=counts)


def _digest_specs(specs: Sequence[ClipSpec]) -> str:
    text = json.dumps([dataclasses.asdict(spec) for spec in specs], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class SyntheticRetrieval(SyntheticBenchmark):
    """Retrieval on rendered clips of unseen combinations, all with different sentences."""

    name: ClassVar[str] = "retrieval-synthetic"

    def measure(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> dict[str, float]:
        """Both directions, and with the middle frame repeated (`middle_frame_...`)."""
        moving, still = self.embed(specs, subject, run)
        texts = subject.text_vectors(self.texts(specs))
        pairs = [(at, at) for at in range(len(specs))]
        numbers = measure_retrieval(VectorSimilarity(moving, texts), pairs)
        frozen = measure_retrieval(VectorSimilarity(still, texts), pairs)
        return numbers | {f"middle_frame_{name}": value for name, value in frozen.items()}


@dataclass(frozen=True)
class SyntheticDirection(SyntheticBenchmark):
    """Which way a rendered thing moves: four sentences that differ in the direction alone.

    Each clip is compared with its own colour, shape, size and background, and only the direction
    exchanged. Chance is 25 %.
    """

    name: ClassVar[str] = "direction-synthetic"
    motions: ClassVar[tuple[str, ...] | None] = DIRECTIONS

    def measure(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> dict[str, float]:
        """Top-1 of all and of each direction, and with the middle frame repeated."""
        moving, still = self.embed(specs, subject, run)
        variants = [dataclasses.replace(spec, motion=m) for spec in specs for m in DIRECTIONS]
        texts = subject.text_vectors(self.texts(variants)).reshape(len(specs), len(DIRECTIONS), -1)
        labels = np.array([DIRECTIONS.index(spec.motion) for spec in specs])
        numbers = {}
        for prefix, clips in (("", moving), ("middle_frame_", still)):
            ranks = rank_labels(np.einsum("nd,nkd->nk", clips, texts), labels)
            numbers[f"{prefix}top1"] = 100.0 * float((ranks == 1).mean())
            for at, direction in enumerate(DIRECTIONS):
                share = float((ranks[labels == at] == 1).mean())
                numbers[f"{prefix}{direction}_top1"] = 100.0 * share
        return numbers
