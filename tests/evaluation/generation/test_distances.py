"""Distances against other implementations: SciPy's root, torchmetrics, pairs one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.generation.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
)
from internvid.evaluation.generation.feature_moments import Moments

RNG = np.random.default_rng(3)
MIX = RNG.normal(size=(12, 12))
FIRST = RNG.normal(size=(300, 12)) @ MIX
SECOND = RNG.normal(size=(250, 12)) @ MIX * 1.3 + 0.4


def test_frechet_is_the_formula_with_scipys_root() -> None:
    shift = FIRST.mean(0) - SECOND.mean(0)
    one, two = np.cov(FIRST.T), np.cov(SECOND.T)
    root = pytest.importorskip("scipy.linalg").sqrtm(one @ two)
    expected = shift @ shift + np.trace(one + two - 2 * np.real(root))
    assert frechet_distance(FIRST, SECOND) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(SECOND, FIRST) == pytest.approx(expected, rel=1e-9)


class Passing(torch.nn.Module):
    """A feature network that gives back what it gets."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.flatten(1)


def test_frechet_and_score_are_those_of_torchmetrics() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid").FrechetInceptionDistance
    metric = fid(feature=Passing(), normalize=False, input_img_size=(3, 2, 2)).set_dtype(
        torch.float64
    )
    for rows, real in ((FIRST, True), (SECOND, False)):
        metric.update(torch.from_numpy(rows.reshape(-1, 3, 2, 2)), real=real)
    assert frechet_distance(FIRST, SECOND) == pytest.approx(float(metric.compute()), rel=1e-6)

    score = pytest.importorskip("torchmetrics.image.inception").InceptionScore
    with warnings.catch_warnings(action="ignore"):  # it says that it keeps what it gets
        other = score(feature=Passing(), splits=1)
        other.update(torch.from_numpy(FIRST.reshape(-1, 3, 2, 2)))
        expected = float(other.compute()[0])
    mean, spread = inception_score(FIRST, splits=1)
    assert mean == pytest.approx(expected, rel=1e-6)
    assert spread == 0


@pytest.mark.parametrize("count", [2, 5, 12, 13, 200])
def test_equal_sets_are_at_no_distance(count: int) -> None:
    rows = FIRST[:count] * 100
    assert frechet_distance(rows, rows.copy(), singular=True) < 1e-6
    wide = np.random.default_rng(1).normal(size=(40, 400)) * 30
    assert frechet_distance(wide, wide[::-1], singular=True) < 1e-6


def test_blocks_give_the_moments_of_the_whole() -> None:
    moments = Moments.of(FIRST[start : start + 37] for start in range(0, 300, 37))
    assert moments.count == 300
    np.testing.assert_allclose(moments.mean, FIRST.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance(), np.cov(FIRST.T), rtol=1e-10)
    far = FIRST + 1e6  # sums of squares would have lost these digits
    parts = Moments.of(far[start : start + 50] for start in range(0, 300, 50))
    np.testing.assert_allclose(parts.covariance(), np.cov(FIRST.T), rtol=1e-6)


def test_kernel_distance_is_the_mean_over_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    one, two = FIRST[:9], SECOND[:7]
    within = [
        np.mean([kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
        for s in (one, two)
    ]
    across = np.mean([kernel(a, b) for a in one for b in two])
    expected = sum(within) - 2 * across
    assert kernel_distance(one, two) == pytest.approx(expected)
    monkeypatch.setattr("internvid.evaluation.generation.distances._BLOCK", 4)
    assert kernel_distance(one, two) == pytest.approx(expected)


def test_score_of_sure_and_varied_classes_is_their_number() -> None:
    logits = np.tile(np.eye(4) * 50, (20, 1))
    mean, spread = inception_score(np.repeat(logits, 3, axis=0), splits=3)
    assert (mean, spread) == pytest.approx((4, 0))
    assert inception_score(np.zeros((30, 4)))[0] == pytest.approx(1)
    halves = inception_score([FIRST[:100], FIRST[100:]], splits=4)
    assert halves == pytest.approx(inception_score(FIRST, splits=4))


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ConfigInvalidError, match=r"12 samples are too few .* takes 13 or more"):
        frechet_distance(FIRST[:12], SECOND)
    with pytest.raises(ConfigInvalidError, match="1 samples have no covariance"):
        frechet_distance(FIRST[:1], SECOND, singular=True)
    with pytest.raises(ConfigInvalidError, match="11 numbers against features of 12"):
        frechet_distance(FIRST, SECOND[:, :11])
    broken = FIRST.copy()
    broken[5, 2] = np.nan
    for measure in (frechet_distance, kernel_distance):
        with pytest.raises(ConfigInvalidError, match="sample 5 hold NaN"):
            measure(broken, SECOND)
    with pytest.raises(ConfigInvalidError, match=r"numbers \[N, D\]"):
        frechet_distance(FIRST[0], SECOND)
    with pytest.raises(ConfigInvalidError, match="no features"):
        Moments.of([])
    with pytest.raises(ConfigInvalidError, match="too few"):
        kernel_distance(FIRST[:1], SECOND)
    with pytest.raises(ConfigInvalidError, match="too few for 10 splits"):
        inception_score(FIRST[:9])
    with pytest.raises(ConfigInvalidError, match="splits"):
        inception_score(FIRST, splits=0)
