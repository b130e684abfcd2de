"""Which words of a sentence a model can tell apart: one attribute exchanged, all else kept.

Retrieval among captions that all differ hides an attribute that the model does not see, wherever
the other words are enough. Here they are the same in all candidates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.evaluation.benchmarks.rendered import DIRECTIONS, SyntheticBenchmark, draw_distinct
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import Embedder, Vectors
from internvid.evaluation.metrics import rank_labels
from internvid.synthetic.clips import CLIP_SIZES, ClipSpec
from internvid.synthetic.scripts.world_words import COLOURS, MOTIONS, SHAPES, TONES


@dataclass(frozen=True)
class Attribute:
    """A word of the sentence that can be exchanged.

    Attributes:
        field: of `ClipSpec`.
        values: all candidates; clips with another value are left out.
    """

    field: str
    values: tuple[str, ...]

    @property
    def chance(self) -> float:
        """Percentage that guessing reaches."""
        return 100.0 / len(self.values)


ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType(
    {
        "colour": Attribute("colour", tuple(COLOURS)),
        "shape": Attribute("shape", SHAPES),
        "size": Attribute("size", tuple(word for word, _ in CLIP_SIZES)),
        "tone": Attribute("tone", TONES),
        "motion": Attribute("motion", MOTIONS),
        "direction": Attribute("motion", DIRECTIONS),
    }
)
"""By the name in the metrics; a direction is a motion of clips that go somewhere."""


@dataclass(frozen=True)
class SyntheticAttributes(SyntheticBenchmark):
    """Swap accuracy of each attribute: does the clip's own sentence win over all its variants?

    Each clip is compared with its own sentence and with those that differ from it in the one
    attribute, one for each other value. Chance is 100 / values: colour, shape and motion 12.5 %,
    size 50 %, tone 33.3 %, direction 25 % (of the clips that move in one).

    A held-out clip's colour, shape and motion were never shown together, while three quarters of
    its variants were: a model can learn to avoid the right answer. `held_out` false takes
    combinations that training does show, in clips that it does not.

    Attributes:
        held_out: combinations of colour, shape and motion that training never shows.
    """

    held_out: bool = True

    name: ClassVar[str] = "attributes-synthetic"
    motions: ClassVar[tuple[str, ...] | None] = MOTIONS

    def draw(self, seed: int) -> list[ClipSpec]:
        """The clips of one seed, each motion equally often."""
        return draw_distinct(
            seed,
            self.clips,
            cameras=self.cameras,
            paths=self.paths,
            motions=self.motions,
            held_out=self.held_out,
        )

    def measure(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> dict[str, float]:
        """Top-1 of each attribute, then all with the middle frame repeated."""
        moving, still = self.embed(specs, subject, run)
        trials = {name: self._trial(each, specs, subject) for name, each in ATTRIBUTES.items()}
        return {
            f"{prefix}{name}_top1": _top1(clips, *trial)
            for prefix, clips in (("", moving), ("middle_frame_", still))
            for name, trial in trials.items()
        }

    def _trial(
        self, attribute: Attribute, specs: Sequence[ClipSpec], subject: Embedder
    ) -> tuple[npt.NDArray[np.int64], Vectors, npt.NDArray[np.int64]]:
        """Places of the clips [n], vectors of their candidates [n, K, D], the right ones [n]."""
        values = attribute.values
        own = [getattr(spec, attribute.field) for spec in specs]
        places = [at for at, value in enumerate(own) if value in values]
        changes: list[dict[str, Any]] = [{attribute.field: value} for value in values]
        variants = [dataclasses.replace(specs[at], **each) for at in places for each in changes]
        labels = np.array([values.index(own[at]) for at in places], np.int64)
        texts = subject.text_vectors(self.texts(variants))
        return np.array(places), texts.reshape(len(places), len(values), -1), labels

    def details(self) -> dict[str, Any]:
        """Chance of each attribute, and which combinations."""
        return {
            "chance": {name: round(each.chance, 2) for name, each in ATTRIBUTES.items()},
            "combinations": "held out" if self.held_out else "seen",
        }


def _top1(
    clips: Vectors,
    places: npt.NDArray[np.int64],
    texts: Vectors,
    labels: npt.NDArray[np.int64],
) -> float:
    """Percentage of the clips whose own sentence is nearer than all its variants."""
    ranks = rank_labels(np.einsum("nd,nkd->nk", clips[places], texts), labels)
    return 100.0 * float((ranks == 1).mean())
