"""Distances between sets of features: Frechet, kernel; and the Inception Score.

The names of videos are FVD and KVD, those of frames FID: what differs is the network
(`internvid.models.features`), not the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.generation.feature_moments import (
    Doubles,
    Features,
    Moments,
    check_features,
)

Blocks: TypeAlias = Callable[[], Iterable[Features]]
_BLOCK = 1024


def frechet_distance(
    first: Moments | Features, second: Moments | Features, *, singular: bool = False
) -> float:
    """Fréchet distance of two sets of features, as of two normal distributions.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, of means m and covariances C.

    The trace of the root is the sum of the singular values of F1^T F2, where C = F F^T: no root of
    a product, which is unstable where a covariance is singular, is taken.

    Args:
        first, second: float [N, D] features, or their moments.
        singular: allow so few samples (N <= D) that a covariance cannot have full rank; such
            distances are biased upwards by much.

    Returns:
        The distance, 0 for equal sets.

    Raises:
        ConfigInvalidError: too few samples, other widths, NaN or infinity.
    """
    one, two = (
        each if isinstance(each, Moments) else Moments.of(np.asarray(each))
        for each in (first, second)
    )
    if one.width != two.width:
        raise ConfigInvalidError(
            f"features of {two.width} numbers against features of {one.width}",
            hint="both sides must come from one network and layer",
        )
    if not singular:
        for each in (one, two):
            _refuse_singular(each)
    shift = one.mean - two.mean
    covariances = one.covariance(), two.covariance()
    first_factor, second_factor = (_factor(each) for each in covariances)
    root = np.linalg.svd(first_factor.T @ second_factor, compute_uv=False).sum()
    traces = sum(float(np.trace(each)) for each in covariances)
    return max(0.0, float(shift @ shift + traces - 2 * root))


def _refuse_singular(moments: Moments) -> None:
    if moments.count <= moments.width:
        raise ConfigInvalidError(
            f"{moments.count} samples are too few for a covariance of {moments.width} numbers; "
            f"it takes {moments.width + 1} or more",
            hint="take more samples; or allow a singular covariance (singular=true), and compare "
            "with real against real at the same number only",
        )


def _factor(covariance: Doubles) -> Doubles:
    """F of C = F F^T, without directions that are rounding alone. float64 [D, R]."""
    values, vectors = np.linalg.eigh(covariance)
    largest = values[-1] if len(values) else 0.0
    kept = values > max(largest, 0.0) * len(values) * np.finfo(np.float64).eps
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), np.float64)


def kernel_distance(
    first: Features | Blocks, second: Features | Blocks, *, degree: int = 3
) -> float:
    """The unbiased squared MMD by the kernel (x y / D + 1)^degree: KVD, KID.

    All pairs are taken, in blocks: memory does not grow with their number.

    Args:
        first, second: float [N, D] features; or functions that give them block by block, and are
            called several times.
        degree: of the polynomial.

    Returns:
        About 0 for samples of one distribution; below 0 as often as above.

    Raises:
        ConfigInvalidError: fewer than two samples on a side, other widths, NaN or infinity.
    """
    one, two = (
        each if callable(each) else _blocks_of(np.asarray(each)) for each in (first, second)
    )
    within = [_mean_kernel(each, each, degree, same=True) for each in (one, two)]
    return within[0] + within[1] - 2 * _mean_kernel(one, two, degree, same=False)


def _blocks_of(features: Features) -> Blocks:
    def blocks() -> Iterator[Features]:
        for start in range(0, len(features), _BLOCK):
            yield features[start : start + _BLOCK]

    return blocks


def _mean_kernel(first: Blocks, second: Blocks, degree: int, *, same: bool) -> float:
    total, pairs = 0.0, 0
    for at, left in enumerate(first()):
        rows = check_features(left)
        for beside, right in enumerate(second()):
            others = check_features(right, rows.shape[1])
            values = (rows @ others.T / rows.shape[1] + 1) ** degree
            total += float(values.sum())
            pairs += values.size
            if same and at == beside:
                total -= float(np.trace(values))
                pairs -= len(rows)
    if pairs < 1:
        raise ConfigInvalidError(
            "too few samples for a kernel distance", hint="it takes 2 or more on each side"
        )
    return total / pairs


def inception_score(
    logits: Features | Iterable[Features], *, splits: int = 10
) -> tuple[float, float]:
    """Exponential of the mean KL between each picture's classes and those of its split.

    Args:
        logits: float [N, C], or blocks of them; picture i is in split i mod `splits`, so that one
            pass is enough.
        splits: as many scores are made.

    Returns:
        Their mean and their standard deviation; the mean is from 1 to C.

    Raises:
        ConfigInvalidError: fewer pictures than splits, NaN or infinity.
    """
    if splits < 1:
        raise ConfigInvalidError(f"splits must be 1 or more, not {splits}")
    counts = np.zeros(splits)
    negative_entropy = np.zeros(splits)
    sums: Doubles | None = None
    seen = 0
    for block in [logits] if isinstance(logits, np.ndarray) else logits:
        rows = check_features(block, None if sums is None else sums.shape[1])
        if sums is None:
            sums = np.zeros((splits, rows.shape[1]))
        rows = rows - rows.max(axis=1, keepdims=True)
        logs = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
        shares = np.exp(logs)
        where = (seen + np.arange(len(rows))) % splits
        np.add.at(sums, where, shares)
        np.add.at(negative_entropy, where, (shares * logs).sum(axis=1))
        counts += np.bincount(where, minlength=splits)
        seen += len(rows)
    if sums is None or seen < splits:
        raise ConfigInvalidError(
            f"{seen} pictures are too few for {splits} splits of the Inception Score",
            hint=f"{splits} or more are allowed, or fewer splits",
        )
    mean = sums / counts[:, None]
    marginal = (mean * np.log(np.maximum(mean, np.finfo(np.float64).tiny))).sum(axis=1)
    scores = np.exp(negative_entropy / counts - marginal)
    return float(scores.mean()), float(scores.std())
