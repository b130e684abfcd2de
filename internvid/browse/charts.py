"""From counts to places on a drawing: what the SVG templates print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from internvid.browse.distributions import Histogram
from internvid.browse.wording import count, number, unit

WIDTH, HEIGHT = 320.0, 116.0
LEFT, RIGHT, TOP, BASE = 6.0, 314.0, 14.0, 96.0


@dataclass(frozen=True)
class Bar:
    """One bar: kept part below, rejected part above it."""

    x: float
    width: float
    kept_y: float
    kept_height: float
    rejected_y: float
    rejected_height: float
    says: str


@dataclass(frozen=True)
class Mark:
    """A place on the axis with words: a tick, a median or a threshold."""

    x: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Drawing:
    """A histogram ready to print.

    Attributes:
        says: the whole in one sentence, for those who cannot see it.
        summary: (name, value) under the drawing.
    """

    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    thresholds: tuple[Mark, ...]
    median: float | None
    top: str
    says: str
    summary: tuple[tuple[str, str], ...]
    is_log: bool


def draw(histogram: Histogram, title: str) -> Drawing:
    """Places everything of one histogram."""
    tallest = max((kept + rejected for kept, rejected in histogram.counts), default=0) or 1
    bars = tuple(
        _bar(histogram, at, kept, rejected, tallest)
        for at, (kept, rejected) in enumerate(histogram.counts)
        if kept or rejected
    )
    scale = histogram.scale
    ticks = [
        Mark(_x(scale.fraction(value)), number(value), _anchor(scale.fraction(value)))
        for value in scale.ticks()
    ]
    thresholds = [
        Mark(_x(scale.fraction(one.value)), f"{one.reason}: keeps {one.keeps} {number(one.value)}")
        for one in histogram.thresholds
    ]
    quartiles = histogram.quartiles
    return Drawing(
        bars=bars,
        ticks=tuple(_apart(ticks)),
        thresholds=tuple(thresholds),
        median=None if quartiles is None else _x(scale.fraction(quartiles[2])),
        top=count(tallest),
        says=_sentence(histogram, title),
        summary=_summary(histogram),
        is_log=scale.is_log,
    )


def _x(fraction: float) -> float:
    return round(LEFT + fraction * (RIGHT - LEFT), 2)


def _anchor(fraction: float) -> str:
    if fraction < 0.04:
        return "start"
    return "end" if fraction > 0.96 else "middle"


def _apart(ticks: Sequence[Mark]) -> list[Mark]:
    """Leaves out labels that would touch the one before."""
    kept: list[Mark] = []
    free = -100.0
    for mark in ticks:
        length = 6.2 * len(mark.text)
        start = mark.x - {"start": 0.0, "middle": length / 2, "end": length}[mark.anchor]
        if start >= free:
            kept.append(mark)
            free = start + length + 6
    return kept


def _bar(histogram: Histogram, at: int, kept: int, rejected: int, tallest: int) -> Bar:
    scale = histogram.scale
    left, right = _x(at / scale.bins), _x((at + 1) / scale.bins)
    room = BASE - TOP
    # A bin that holds anything is seen, however small its share.
    kept_height = max(1.2, room * kept / tallest) if kept else 0.0
    rejected_height = max(1.2, room * rejected / tallest) if rejected else 0.0
    low, high = number(scale.edge(at)), number(scale.edge(at + 1))
    # The outer bins also hold what lies beyond the axis.
    reach = f"up to {high}" if at == 0 else f"{low} to {high}"
    reach = f"{low} and more" if at == scale.bins - 1 else reach
    label = f"{reach}: {count(kept)}"
    if rejected:
        label += f", {count(rejected)} rejected"
    return Bar(
        x=left,
        width=round(max(0.6, right - left - 0.8), 2),
        kept_y=round(BASE - kept_height, 2),
        kept_height=round(kept_height, 2),
        rejected_y=round(BASE - kept_height - rejected_height, 2),
        rejected_height=round(rejected_height, 2),
        says=label,
    )


def _sentence(histogram: Histogram, title: str) -> str:
    if histogram.quartiles is None:
        return f"Histogram of {title}: no kept row has a value."
    least, low, middle, high, most = map(number, histogram.quartiles)
    measure = unit(histogram.column.name)
    tail = f" {measure}" if measure else ""
    return (
        f"Histogram of {title}: median {middle}{tail}, half of the rows between {low} and {high}, "
        f"all between {least} and {most}."
    )


def _summary(histogram: Histogram) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    if histogram.quartiles is not None:
        names = ("min", "¼", "median", "¾", "max")
        rows += zip(names, map(number, histogram.quartiles), strict=True)
    if histogram.missing:
        rows.append(("no value", count(histogram.missing)))
    return tuple(rows)
