"""What a frozen model's vectors hold: a linear probe and nearest neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.actions import read_labelled
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.records import LabelledSet
from internvid.evaluation.benchmarks.benchmark import (
    FileBenchmark,
    begin_protocol,
    finish,
    optional_classes,
)
from internvid.evaluation.benchmarks.recognition import score_labels
from internvid.evaluation.embedding.embed_clips import MeasuredClips, Run, embed_clips
from internvid.evaluation.embedding.embedders import Embedder, Vectors, unit
from internvid.evaluation.results.protocol import Result

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_STEPS = 1000
_FOLD = 5
_ROWS = 1024


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear classifier.

    Attributes:
        weights: float64 [C, D].
        bias: float64 [C].
    """

    weights: Floats
    bias: Floats

    def scores(self, vectors: npt.NDArray[np.floating[Any]]) -> Floats:
        """float64 [N, C] logits."""
        scores: Floats = vectors.astype(np.float64) @ self.weights.T + self.bias
        return scores


def fit_probe(vectors: Vectors, labels: Labels, classes: int, strength: float) -> LinearProbe:
    """Multinomial logistic regression, fitted to its minimum by L-BFGS in float64.

    Minimises `strength * sum(cross entropy) + |weights|^2 / 2`, the bias free: scikit-learn's
    objective with C = strength. Deterministic: no draw, start at zero.

    Args:
        vectors: [N, D].
        labels: [N] of 0 to classes - 1.
        classes: C.
        strength: larger fits closer.

    Raises:
        ConfigInvalidError: shapes do not fit, or strength is not above 0.
    """
    import torch

    if len(vectors) != len(labels) or not len(labels) or strength <= 0:
        raise ConfigInvalidError(
            f"cannot fit {len(vectors)} vectors to {len(labels)} labels with strength {strength}"
        )
    inputs = torch.from_numpy(np.asarray(vectors, dtype=np.float64))
    targets = torch.from_numpy(labels)
    weights = torch.zeros(classes, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    # Divided by strength * N: the minimum is the same, the numbers stay near one.
    decay = 1 / (2 * strength * len(labels))
    optimizer = torch.optim.LBFGS(
        [weights, bias], max_iter=_STEPS, history_size=20, tolerance_grad=1e-9,
        tolerance_change=1e-14, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.cross_entropy(inputs @ weights.T + bias, targets)
        total = entropy + decay * weights.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return LinearProbe(weights.detach().numpy(), bias.detach().numpy())


def choose_strength(
    vectors: Vectors, labels: Labels, classes: int, strengths: Sequence[float]
) -> float:
    """The strength that does best on a fifth of the training clips when fitted on the others.

    The fifth is drawn, the same each time: lists are often in the order of their classes. Equal
    ones: the smallest. With one candidate nothing is fitted.

    Raises:
        ConfigInvalidError: too few clips to choose by.
    """
    if len(strengths) == 1:
        return strengths[0]
    if len(labels) < _FOLD:
        raise ConfigInvalidError(
            f"{len(labels)} training clips are too few to choose one of {len(strengths)} strengths",
            hint="name one: --set strengths=100",
        )
    held = np.random.default_rng(0).permutation(len(labels)) % _FOLD == 0
    best, chosen = -1.0, strengths[0]
    for strength in sorted(strengths):
        probe = fit_probe(vectors[~held], labels[~held], classes, strength)
        right = float((probe.scores(vectors[held]).argmax(1) == labels[held]).mean())
        if right > best:
            best, chosen = right, strength
    return chosen


def vote(
    known: Vectors,
    labels: Labels,
    queries: Vectors,
    classes: int,
    *,
    neighbours: int,
    temperature: float | None,
) -> Floats:
    """Votes of the nearest known clips by cosine; of equally near ones the earlier are taken.

    Args:
        known: float32 [N, D].
        labels: [N].
        queries: float32 [M, D].
        classes: C.
        neighbours: how many vote; all there are if fewer.
        temperature: a vote weighs exp(cosine / temperature); None for equal votes.

    Returns:
        float64 [M, C].

    Raises:
        ConfigInvalidError: no neighbour, or a temperature that is not above 0.
    """
    if neighbours < 1 or (temperature is not None and temperature <= 0):
        raise ConfigInvalidError(f"neighbours {neighbours}, temperature {temperature}")
    known, queries = unit(known), unit(queries)
    count = min(neighbours, len(known))
    votes = np.zeros((len(queries), classes))
    for start in range(0, len(queries), _ROWS):
        cosines = queries[start : start + _ROWS] @ known.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        near = np.take_along_axis(cosines, nearest, axis=1).astype(np.float64)
        # Less the nearest: the same ratios, no overflow.
        weights = np.ones_like(near)
        if temperature is not None:
            weights = np.exp((near - near[:, :1]) / temperature)
        rows = np.repeat(np.arange(start, start + len(near)), count)
        np.add.at(votes, (rows, labels[nearest].ravel()), weights.ravel())
    return votes


@dataclass(frozen=True)
class _Probe(FileBenchmark):
    """A benchmark with a training and a test list; `annotations` names both, in that order.

    Attributes:
        classes: file of class names in order; empty takes those of the training list.
    """

    classes: str = dataclasses.field(default="", metadata={"setting": True})

    files_wanted: ClassVar[str] = "a training list and a test list"

    def read(self) -> tuple[LabelledSet, LabelledSet]:
        """Training and test clips, with the same classes."""
        paths: list[Path] = self.paths()
        if len(paths) != 2:
            raise ConfigInvalidError(
                f"{self.name} needs {self.files_wanted}, got {len(paths)} files",
                hint="name both: --annotations train.csv --annotations test.csv",
            )
        train = read_labelled(paths[0], classes=optional_classes(self.classes), part="train")
        return train, read_labelled(paths[1], classes=train.classes)

    def measure(
        self, subject: Embedder, run: Run
    ) -> tuple[LabelledSet, LabelledSet, MeasuredClips, MeasuredClips]:
        """Both sets and their vectors."""
        train, test = self.read()
        folder: VideoFolder = self.folder()
        known = embed_clips(train.clips, folder, subject, self.views, run)
        queries = embed_clips(test.clips, folder, subject, self.views, run)
        return train, test, known, queries


def _labels(listed: LabelledSet, indices: Sequence[int]) -> Labels:
    numbers = {name: at for at, name in enumerate(listed.classes)}
    return np.array([numbers[listed.clips[at].label] for at in indices], dtype=np.int64)


def _mean(measured: MeasuredClips) -> Vectors:
    return unit(measured.vectors.mean(axis=1))


def _training(train: LabelledSet, known: MeasuredClips) -> dict[str, Any]:
    return {
        "classes": len(train.classes),
        "train_annotations": train.digest,
        "train_listed": known.listed,
        "train_found": len(known.indices),
    }


@dataclass(frozen=True)
class LinearProbing(_Probe):
    """A linear classifier on frozen vectors of the training list, measured on the test list.

    Attributes:
        strengths: candidates for the inverse weight of the penalty (scikit-learn's C); the best
            on a fifth of the training clips is taken.
    """

    strengths: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)

    # 2: the fifth that strengths are chosen on is drawn, not every fifth clip of the list.
    version: ClassVar[int] = 2
    name: ClassVar[str] = "linear-probe"

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        if not self.strengths:
            raise ConfigInvalidError("strengths is empty")
        train, test, known, queries = self.measure(subject, run)
        vectors, labels, count = _mean(known), _labels(train, known.indices), len(train.classes)
        run.progress("probe", 0, 1)
        strength = choose_strength(vectors, labels, count, self.strengths)
        probe = fit_probe(vectors, labels, count, strength)
        run.progress("probe", 1, 1)
        metrics, classes = score_labels(probe.scores(_mean(queries)), test, queries.indices)
        fields = begin_protocol(self, test.digest, test.clips, queries, subject)
        fields["details"] |= {
            **_training(train, known),
            "strengths": list(self.strengths),
        }
        return finish(metrics | {"strength": strength}, fields, subject, queries, classes)


@dataclass(frozen=True)
class NearestNeighbours(_Probe):
    """The nearest clips of the training list vote on each clip of the test list.

    Attributes:
        neighbours: how many vote.
        temperature: a vote weighs exp(cosine / temperature); none for equal votes.
    """

    neighbours: int = 20
    temperature: float | None = 0.07

    version: ClassVar[int] = 1
    name: ClassVar[str] = "knn"

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        train, test, known, queries = self.measure(subject, run)
        votes = vote(
            _mean(known), _labels(train, known.indices), _mean(queries), len(train.classes),
            neighbours=self.neighbours, temperature=self.temperature,
        )  # fmt: skip
        metrics, classes = score_labels(votes, test, queries.indices)
        fields = begin_protocol(self, test.digest, test.clips, queries, subject)
        fields["details"] |= {
            **_training(train, known),
            "neighbours": self.neighbours,
            "temperature": self.temperature,
        }
        return finish(metrics, fields, subject, queries, classes)
