"""Ranks, recall and accuracy. Ties count against the model, so that a constant score is no hit.

Published numbers of sets with equal captions (MSVD) break ties by the order of the file instead;
`public` is that rule, by name, for whoever compares with them.

Similarities come in blocks of rows, one row a video and one column a text, so that a large set
never holds the whole matrix. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError

Scores: TypeAlias = npt.NDArray[np.floating[Any]]
Pairs: TypeAlias = npt.NDArray[np.int64]
Ranks: TypeAlias = npt.NDArray[np.int64]

TieRule: TypeAlias = Literal["pessimistic", "public"]
"""What equal scores mean. `pessimistic`: every wrong answer that scores as much is ahead.
`public`: what is listed later is ahead, which is the order of `np.argsort(scores)[::-1]` that the
reference and its relatives rank by."""

RECALL_AT = (1, 5, 10)
_ROWS_PER_BLOCK = 1024
# A product of equal vectors may differ by rounding with its place in the block.
ROUNDING = 1e-6


class Similarity(Protocol):
    """A matrix of similarities, read a block of rows at a time, as often as needed."""

    @property
    def shape(self) -> tuple[int, int]:
        """(videos, texts)."""
        ...

    @property
    def tolerance(self) -> float:
        """Scores this near, as a share of the largest, are ties."""
        ...

    def blocks(self) -> Iterator[tuple[int, Scores]]:
        """Pairs of (index of the first row, [rows, texts]), in order, the same each time."""
        ...


@dataclass(frozen=True)
class MatrixSimilarity:
    """A matrix that is already there.

    Attributes:
        matrix: [videos, texts].
        rows_per_block: rows handed out together.
        tolerance: see `Similarity`; exact.
    """

    matrix: Scores
    rows_per_block: int = _ROWS_PER_BLOCK
    tolerance: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(videos, texts)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    def blocks(self) -> Iterator[tuple[int, Scores]]:
        """See `Similarity`."""
        for start in range(0, len(self.matrix), self.rows_per_block):
            yield start, self.matrix[start : start + self.rows_per_block]


@dataclass(frozen=True)
class VectorSimilarity:
    """Inner products of vectors, made a block at a time.

    Attributes:
        videos: [N, D].
        texts: [M, D].
        rows_per_block: rows handed out together: rows x M x 4 bytes of memory.
        tolerance: see `Similarity`; that of rounding.
    """

    videos: Scores
    texts: Scores
    rows_per_block: int = _ROWS_PER_BLOCK
    tolerance: float = ROUNDING

    @property
    def shape(self) -> tuple[int, int]:
        """(videos, texts)."""
        return len(self.videos), len(self.texts)

    def blocks(self) -> Iterator[tuple[int, Scores]]:
        """See `Similarity`."""
        for start in range(0, len(self.videos), self.rows_per_block):
            yield start, self.videos[start : start + self.rows_per_block] @ self.texts.T


@dataclass(frozen=True)
class DualSoftmaxSimilarity:
    """Scores multiplied by their softmax over the queries: it uses the whole test set.

    Not comparable with plain scores, and reported only under its own name (paper §7.2; the
    public code uses no temperature, which is a scale of 1).

    Attributes:
        plain: the scores.
        queries: which axis asks: `videos` for video to text, `texts` for text to video.
        scale: multiplies the scores inside the softmax.
    """

    plain: Similarity
    queries: Literal["videos", "texts"]
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """(videos, texts)."""
        return self.plain.shape

    @property
    def tolerance(self) -> float:
        """That of the scores."""
        return self.plain.tolerance

    def blocks(self) -> Iterator[tuple[int, Scores]]:
        """See `Similarity`."""
        if self.queries == "texts":
            for start, block in self.plain.blocks():
                yield start, block * _softmax_of(block * self.scale, axis=1)
            return
        total = np.full(self.shape[1], -np.inf)
        for _, block in self.plain.blocks():
            # float64, since exp overflows where a scale of 100 meets float16.
            part = np.logaddexp.reduce(block.astype(np.float64) * self.scale, axis=0)
            total = np.logaddexp(total, part)
        for start, block in self.plain.blocks():
            yield start, block * np.exp(block * self.scale - total)


def _softmax_of(scores: Scores, axis: int) -> Scores:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    shares: Scores = powers / powers.sum(axis=axis, keepdims=True)
    return shares


def check_pairs(pairs: npt.ArrayLike, shape: tuple[int, int]) -> Pairs:
    """Pairs (video, text) that belong together, checked and in order of the videos.

    Raises:
        ConfigInvalidError: there is none, or one lies outside the matrix.
    """
    checked = np.asarray(pairs, dtype=np.int64)
    if checked.ndim != 2 or checked.shape[1:] != (2,) or not len(checked):
        raise ConfigInvalidError(
            f"pairs must be [P, 2] of (video, text), got shape {list(checked.shape)}"
        )
    if checked.min() < 0 or (checked >= shape).any():
        raise ConfigInvalidError(
            f"a pair lies outside {shape[0]} videos x {shape[1]} texts: largest {checked.max(0)}"
        )
    return np.unique(checked, axis=0)


def rank_pairs(
    similarity: Similarity, pairs: npt.ArrayLike, tie_rule: TieRule = "pessimistic"
) -> tuple[Ranks, Ranks]:
    """The rank of the best right answer to each query, 1 is best.

    A rank is 1 + the number of wrong answers ahead of the best right one: those that score more,
    and of equal ones those that the tie rule puts ahead. With several texts per video, video to
    text takes the best over its texts, and each text is a query of its own; several videos per
    text likewise.

    Args:
        similarity: [videos, texts].
        pairs: [P, 2] of (video, text) that belong together.
        tie_rule: see `TieRule`.

    Returns:
        (text to video, video to text): one rank per text and per video that has a partner, in
        order of their indices.

    Raises:
        ConfigInvalidError: bad pairs, an unknown rule, or a score that is not finite.
    """
    if tie_rule not in get_args(TieRule):
        raise ConfigInvalidError(f"tie_rule is {' or '.join(get_args(TieRule))}, not {tie_rule!r}")
    known = check_pairs(pairs, similarity.shape)
    best = _best_right(similarity, known)
    last = _last_right(similarity, known, best) if tie_rule == "public" else None
    video_counts, text_counts = _count_ahead(similarity, known, best, last)
    return text_counts[np.unique(known[:, 1])] + 1, video_counts[np.unique(known[:, 0])] + 1


@dataclass(frozen=True)
class _BestRight:
    """Scores of the best right answers: per video, per text; nearer ones than `margin` are ties."""

    videos: npt.NDArray[np.float64]
    texts: npt.NDArray[np.float64]
    margin: float


def _best_right(similarity: Similarity, known: Pairs) -> _BestRight:
    videos, texts = (np.full(count, -np.inf) for count in similarity.shape)
    largest = 0.0
    for start, block in similarity.blocks():
        if not np.isfinite(block).all():
            raise ConfigInvalidError(f"similarities hold NaN or infinity from video {start} on")
        largest = max(largest, float(np.abs(block).max(initial=0)))
        rows, columns = _pairs_of(known, start, len(block)).T
        right = block[rows - start, columns]
        np.maximum.at(videos, rows, right)
        np.maximum.at(texts, columns, right)
    return _BestRight(videos, texts, similarity.tolerance * largest)


def _last_right(similarity: Similarity, known: Pairs, best: _BestRight) -> tuple[Ranks, Ranks]:
    """Place of the last right answer that ties with the best: per video, per text."""
    of_videos, of_texts = (np.full(count, -1, np.int64) for count in similarity.shape)
    for start, block in similarity.blocks():
        rows, columns = _pairs_of(known, start, len(block)).T
        right = block[rows - start, columns].astype(np.float64)
        ties = right >= best.videos[rows] - best.margin
        np.maximum.at(of_videos, rows[ties], columns[ties])
        ties = right >= best.texts[columns] - best.margin
        np.maximum.at(of_texts, columns[ties], rows[ties])
    return of_videos, of_texts


def _count_ahead(
    similarity: Similarity, known: Pairs, best: _BestRight, last: tuple[Ranks, Ranks] | None
) -> tuple[Ranks, Ranks]:
    """Wrong answers ahead of the best right one: per video, per text."""
    video_counts, text_counts = (np.zeros(count, np.int64) for count in similarity.shape)
    columns_of_all = np.arange(similarity.shape[1])[None, :]
    for start, block in similarity.blocks():
        rows, columns = _pairs_of(known, start, len(block)).T
        inside = np.arange(start, start + len(block))
        wrong = np.array(block, dtype=np.float64)
        wrong[rows - start, columns] = -np.inf
        of_videos = wrong >= best.videos[inside, None] - best.margin
        of_texts = wrong >= best.texts[None, :] - best.margin
        if last is not None:
            # A tie is ahead only if it is listed behind the right one.
            of_videos &= (wrong > best.videos[inside, None] + best.margin) | (
                columns_of_all > last[0][inside, None]
            )
            of_texts &= (wrong > best.texts[None, :] + best.margin) | (
                inside[:, None] > last[1][None, :]
            )
        video_counts[inside] = of_videos.sum(1)
        text_counts += of_texts.sum(0)
    return video_counts, text_counts


def _pairs_of(known: Pairs, start: int, count: int) -> Pairs:
    first, last = np.searchsorted(known[:, 0], [start, start + count])
    return known[first:last]


def summarise_ranks(ranks: npt.ArrayLike, prefix: str = "") -> dict[str, float]:
    """R@1, R@5, R@10 in percent, median and mean rank.

    Args:
        ranks: one per query, 1 is best.
        prefix: put before each name, for example `text_to_video_`.

    Raises:
        ConfigInvalidError: there are none.
    """
    ranked = np.asarray(ranks)
    if not ranked.size:
        raise ConfigInvalidError("there are no ranks to summarise")
    numbers = {f"{prefix}r{k}": 100.0 * float((ranked <= k).mean()) for k in RECALL_AT}
    numbers[f"{prefix}median_rank"] = float(np.median(ranked))
    numbers[f"{prefix}mean_rank"] = float(ranked.mean())
    return numbers


def measure_retrieval(
    similarity: Similarity,
    pairs: npt.ArrayLike,
    *,
    dual_softmax: bool = False,
    tie_rule: TieRule = "pessimistic",
) -> dict[str, float]:
    """Retrieval in both directions.

    Args:
        similarity: [videos, texts].
        pairs: [P, 2] of (video, text) that belong together.
        dual_softmax: score by `DualSoftmaxSimilarity`; every name then begins with
            `dual_softmax_`, so that it stands in no column of plain numbers.
        tie_rule: see `TieRule`.

    Returns:
        `text_to_video_r1`, ... and `video_to_text_r1`, ...; recalls in percent.
    """
    if not dual_softmax:
        to_video, to_text = rank_pairs(similarity, pairs, tie_rule)
        prefix = ""
    else:
        to_video, _ = rank_pairs(DualSoftmaxSimilarity(similarity, "texts"), pairs, tie_rule)
        _, to_text = rank_pairs(DualSoftmaxSimilarity(similarity, "videos"), pairs, tie_rule)
        prefix = "dual_softmax_"
    return summarise_ranks(to_video, f"{prefix}text_to_video_") | summarise_ranks(
        to_text, f"{prefix}video_to_text_"
    )


def rank_labels(scores: Scores, labels: Sequence[int] | npt.NDArray[np.int64]) -> Ranks:
    """The rank of the right class of each clip; ties count against it.

    Args:
        scores: [N, C].
        labels: [N], index of the right class.

    Raises:
        ConfigInvalidError: shapes do not fit, a label is no class, a score is not finite.
    """
    right = np.asarray(labels, dtype=np.int64)
    if scores.ndim != 2 or right.shape != scores.shape[:1] or not right.size:
        raise ConfigInvalidError(
            f"scores {list(scores.shape)} and labels {list(right.shape)} do not fit"
        )
    if right.min() < 0 or right.max() >= scores.shape[1]:
        raise ConfigInvalidError(
            f"labels must be 0 to {scores.shape[1] - 1}, got {right.min()} to {right.max()}"
        )
    if not np.isfinite(scores).all():
        raise ConfigInvalidError("scores hold NaN or infinity")
    own = scores[np.arange(len(right)), right]
    # The right class itself is among those at or above it: it makes the 1 that ranks start at.
    ranks: Ranks = (scores >= own[:, None]).sum(1)
    return ranks


def measure_recognition(
    scores: Scores, labels: Sequence[int] | npt.NDArray[np.int64]
) -> dict[str, float]:
    """Accuracy in percent.

    Args:
        scores: [N, C].
        labels: [N], index of the right class.

    Returns:
        `top1`, `top5`, `mean_top1_top5` (the paper's AVG, App. E.1), `mean_class_top1` (the mean
        over classes that occur).
    """
    ranks = rank_labels(scores, labels)
    top1, top5 = (100.0 * float((ranks <= k).mean()) for k in (1, 5))
    per_class = accuracy_per_class(ranks, np.asarray(labels), scores.shape[1])
    return {
        "top1": top1,
        "top5": top5,
        "mean_top1_top5": (top1 + top5) / 2,
        "mean_class_top1": float(np.nanmean(per_class)),
    }


def accuracy_per_class(
    ranks: Ranks, labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.float64]:
    """Top-1 in percent of each class, NaN where it does not occur. [classes]."""
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[ranks <= 1], minlength=classes)
    shares = 100.0 * hits / np.maximum(counts, 1)
    shares[counts == 0] = np.nan
    return shares.astype(np.float64)
