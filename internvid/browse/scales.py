"""Axes: round steps, the edges of bins, the places of ticks. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_BINS = 28
_LOG_STEPS = (20, 10, 5, 4, 2, 1)
_LONG_TAIL = 6.0


@dataclass(frozen=True)
class Scale:
    """How values fall into bins.

    Attributes:
        first: lower edge of the first bin, in axis units (a base-10 logarithm if `is_log`).
        step: width of a bin, in axis units.
        bins: how many. Values beyond the first and last edge count in the outer bins.
        is_log: whether the axis is logarithmic.
    """

    first: float
    step: float
    bins: int
    is_log: bool = False

    @property
    def last(self) -> float:
        """Upper edge of the last bin, in axis units."""
        return self.first + self.bins * self.step

    def edge(self, at: int) -> float:
        """Lower edge of bin `at`, as a value."""
        place = self.first + at * self.step
        return 10.0**place if self.is_log else _rounded(place, self.step)

    def fraction(self, value: float) -> float:
        """Where a value lies on the axis, 0 to 1; beyond the ends it stays at the end."""
        place = value
        if self.is_log:
            place = math.log10(value) if value > 0 else self.first
        return min(1.0, max(0.0, (place - self.first) / (self.last - self.first)))

    def sql_bin(self, value: str) -> str:
        """SQL for the bin of a value."""
        place = f"log10({value})" if self.is_log else value
        # A hair is added so that an edge such as 0.3 = 3 * 0.1 falls into the bin it starts.
        raw = f"floor(({place} - {self.first!r}) / {self.step!r} + 1e-9)"
        return f"least(greatest({raw}, 0), {self.bins - 1})::integer"

    def ticks(self) -> list[float]:
        """Three to six round values to write under the axis."""
        if not self.is_log:
            return linear_ticks(self.first, self.last)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [
                factor * 10.0**power
                for power in range(math.floor(self.first), math.ceil(self.last) + 1)
                for factor in steps
                if self.first - 1e-9 <= math.log10(factor * 10.0**power) <= self.last + 1e-9
            ]
            if len(ticks) <= 6:
                break
        if len(ticks) > 6:
            ticks = ticks[:: math.ceil(len(ticks) / 6)]
        return ticks if len(ticks) >= 2 else [self.edge(0), self.edge(self.bins)]


def linear_ticks(first: float, last: float, most: int = 6) -> list[float]:
    """At most `most` multiples of a round step between two ends."""
    step = round_step((last - first) / (most - 1))
    start, stop = math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9)
    return [_rounded(at * step, step) for at in range(start, stop + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    for factor in (1.0, 2.0, 2.5, 5.0):
        if factor * power >= least * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def make_scale(quantiles: tuple[float, ...], *, is_whole: bool) -> Scale:
    """A scale for values with these quantiles.

    Args:
        quantiles: minimum, 1 %, 5 %, 50 %, 99 %, maximum.
        is_whole: the values are whole numbers: no bin is narrower than 1.
    """
    least, low, lowish, middle, high, most = quantiles
    if low >= high:
        low, high = least, most
    if low >= high:
        width = max(abs(low) * 0.1, 1.0 if is_whole else 1e-6)
        step = round_step(width)
        start = math.floor(low / step) - 2
        return Scale(start * step, step, 5)
    # A few zeros do not hide that the rest spans decades: they count in the first bin.
    floor = low if low > 0 else lowish
    if floor > 0 and high / floor > 30 and high > _LONG_TAIL * middle and not is_whole:
        return _log_scale(floor, high)
    # An outlier just past the last edge should not look like one.
    if most - high < (high - low) / MOST_BINS:
        high = most
    if low - least < (high - low) / MOST_BINS:
        low = least
    step = round_step((high - low) / (MOST_BINS - 2))
    if is_whole:
        step = max(1.0, math.ceil(step))
    start = math.floor(low / step + 1e-9)
    stop = max(start + 1, math.ceil(high / step - 1e-9))
    if is_whole or high >= stop * step:
        stop += 1
    return Scale(start * step, step, stop - start)


def _log_scale(low: float, high: float) -> Scale:
    span = math.log10(high) - math.log10(low)
    per_decade = next(steps for steps in _LOG_STEPS if span * steps <= MOST_BINS - 2 or steps == 1)
    start = math.floor(math.log10(low) * per_decade)
    stop = max(start + 1, math.ceil(math.log10(high) * per_decade))
    return Scale(start / per_decade, 1 / per_decade, stop - start, is_log=True)


def _rounded(value: float, step: float) -> float:
    digits = max(0, 3 - math.floor(math.log10(step)))
    return round(value, digits) + 0.0
