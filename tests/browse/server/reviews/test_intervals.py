"""Intervals and tests of shares are those that are computed by hand."""

from __future__ import annotations

import pytest

from internvid.curate.reviewing.intervals import sign_test, weighted, wilson


# Worked out by hand with z = 1.96: 8 of 10 is (0.8 + 0.19207 ± 1.96 sqrt(0.016 + 0.0096036))
# / 1.38415, and so on.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)],
)
def test_an_interval_is_that_of_wilson(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson(successes, trials)
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx(
        (successes / trials, low, high), abs=5e-5
    )
    assert wilson(0, 0) is None


def test_a_mean_over_groups_weighs_them_and_combines_their_intervals() -> None:
    one, two = wilson(8, 10), wilson(5, 10)
    assert one is not None
    assert two is not None
    # 0.75 * 0.8 + 0.25 * 0.5 = 0.725; below it sqrt((0.75 * 0.3098)² + (0.25 * 0.2634)²) = 0.2415.
    found = weighted([(300, one), (100, two)])
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.725, 0.4835, 0.8510), abs=1e-4)
    alone = weighted([(7, one)])
    assert alone is not None
    assert (alone.low, alone.high) == pytest.approx((one.low, one.high))
    assert weighted([]) is None


def test_a_sign_test_is_twice_the_tail_of_fair_tosses() -> None:
    # (1 + 10 + 45) / 1024, twice.
    assert sign_test(8, 2) == sign_test(2, 8) == 0.109375
    assert sign_test(10, 0) == 2 / 1024
    assert sign_test(5, 5) == 1.0
    assert sign_test(0, 0) is None
    assert 0 < (sign_test(2600, 2400) or 0) < 0.01
