"""Intervals and tests for shares that were counted in a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Z_95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution: 95 % lie within so many deviations."""


@dataclass(frozen=True)
class Interval:
    """A share with its interval.

    Attributes:
        share: the estimate, 0 to 1.
        low, high: ends of the interval, 0 to 1.
    """

    share: float
    low: float
    high: float


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval | None:
    """Wilson's score interval of a share.

    With p = successes / trials and n = trials it is
    (p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n).

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927), 209-212. Unlike p ± z sqrt(p(1-p)/n)
    it holds for few trials and for shares of 0 and 1 (Brown, Cai and DasGupta, Statistical Science
    16 (2001), 101-133). No correction is made for a sample that is a large part of what it is drawn
    from: there the interval is wider than it need be.

    Args:
        successes: of the trials.
        trials: how many.
        z: how many deviations of the normal distribution; 1.96 for 95 %.

    Returns:
        None where there is no trial.
    """
    if not trials:
        return None
    share = successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    middle, scale = share + z * z / (2 * trials), 1 + z * z / trials
    low = 0.0 if not successes else (middle - spread) / scale
    high = 1.0 if successes == trials else (middle + spread) / scale
    return Interval(share, low, high)


def weighted(parts: Sequence[tuple[float, Interval]]) -> Interval | None:
    """Mean of independent shares by weight, with an interval made of theirs.

    With weights w that sum to 1, shares p and their intervals (l, u) the ends are
    P - sqrt(Σ w² (p - l)²) and P + sqrt(Σ w² (u - p)²), P = Σ w p.

    Source: G. Y. Zou, W. Huang and X. Zhang, "A note on confidence interval estimation for a linear
    function of binomial proportions", Computational Statistics & Data Analysis 53 (2009),
    1080-1085, which takes Wilson's intervals for (l, u).

    Args:
        parts: weight, of any sum, and share of each.

    Returns:
        None where the weights sum to nothing.
    """
    total = sum(weight for weight, _ in parts)
    if not total:
        return None
    share = sum(weight * each.share for weight, each in parts) / total
    below = sum((weight * (each.share - each.low) / total) ** 2 for weight, each in parts)
    above = sum((weight * (each.high - each.share) / total) ** 2 for weight, each in parts)
    low, high = share - math.sqrt(below), share + math.sqrt(above)
    return Interval(share, max(0.0, low), min(1.0, high))


def sign_test(first: int, second: int) -> float | None:
    """Chance of a result at least as uneven if both win equally often: exact, both directions.

    Twice the lower tail of the binomial distribution of first + second tosses of a fair coin, at
    most 1. Ties take no part (W. J. Conover, Practical Nonparametric Statistics, 3rd edition,
    section 3.4).

    Args:
        first, second: how often each side won.

    Returns:
        None where neither won.
    """
    trials = first + second
    if not trials:
        return None
    tail = sum(math.comb(trials, wins) for wins in range(min(first, second) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**trials)))
