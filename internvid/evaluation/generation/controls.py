"""Distances with what they are worth: real against real, reversed, frozen, and against n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.generation.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
)
from internvid.evaluation.generation.feature_rows import Measured
from internvid.evaluation.generation.windows import Change

Numbers = dict[str, float]
Changed = Callable[[Measured, Change], Measured]
_LEAST_REAL = 4
_FIRST_SIZE = 4


@dataclass
class Table:
    """Numbers as they come.

    Attributes:
        metrics: name -> value.
        sizes: n -> the same metrics of n videos a side.
    """

    metrics: Numbers = field(default_factory=dict)
    sizes: dict[int, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """Which videos stand for the others: two halves of the real ones, as many generated ones.

    Attributes:
        first, second: indices of real videos, equally many, none in both.
        fakes: indices of as many generated videos, or of all where they are fewer.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    fakes: tuple[int, ...]

    @classmethod
    def of(cls, real: Measured, fake: Measured, seed: int) -> Draw:
        """Drawn by a seed.

        Raises:
            ConfigInvalidError: too few real videos for two halves, or one generated video alone.
        """
        if len(real) < _LEAST_REAL or len(fake) < 2:
            raise ConfigInvalidError(
                f"{len(fake)} generated and {len(real)} real videos can be measured; 2 and "
                f"{_LEAST_REAL} or more are allowed",
                hint="numbers from few videos are far too high: thousands are usual",
            )
        half = min(len(real) // 2, len(fake))
        rng = np.random.default_rng(seed)
        order = [int(at) for at in rng.permutation(len(real))]
        fakes = [int(at) for at in rng.permutation(len(fake))[:half]]
        return cls(tuple(order[:half]), tuple(order[half : 2 * half]), tuple(fakes))

    def sizes(self) -> list[int]:
        """Powers of two that fit in, and all."""
        sizes = []
        n = _FIRST_SIZE
        while n < len(self.first):
            sizes.append(n)
            n *= 2
        return [*sizes, len(self.first)]


def measure_distance(
    name: str,
    sides: tuple[Measured, Measured],
    draw: Draw,
    changed: Changed,
    table: Table,
    *,
    singular: bool,
) -> None:
    """A Frechet distance and its controls, into the table.

    Beside `NAME`, of all videos: `NAME_same_n`, of as many as the controls have; and
    `NAME_real_real`, `NAME_reversed`, `NAME_frozen`: the first half of the real videos against the
    second, as it is, reversed in time, or with its middle frame repeated.

    Args:
        name: of the metric.
        sides: generated, real.
        draw: which of them stand for the others.
        changed: features of videos that were changed first.
        table: gets the numbers.
        singular: see `frechet_distance`; of the number of all videos alone.

    Raises:
        ConfigInvalidError: see `frechet_distance`.
    """
    fake, real = sides
    whole = real.moments()
    table.metrics[name] = frechet_distance(fake.moments(), whole, singular=singular)
    first, second = real.part(draw.first), real.part(draw.second)
    few, base = fake.part(draw.fakes), first.moments()
    for what, other in _controls(few, second, changed):
        value = frechet_distance(other.moments(), base, singular=True)
        table.metrics[f"{name}_{what}"] = value
    for n in draw.sizes():
        numbers = table.sizes.setdefault(n, {})
        here = fake.part(draw.fakes[:n]).moments()
        numbers[name] = frechet_distance(here, whole, singular=True)
        halves = [real.part(half[:n]).moments() for half in (draw.first, draw.second)]
        numbers[f"{name}_real_real"] = frechet_distance(*halves, singular=True)


def measure_kernel(
    name: str, sides: tuple[Measured, Measured], draw: Draw, changed: Changed, table: Table
) -> None:
    """A kernel distance and its controls, into the table; see `measure_distance`."""
    fake, real = sides
    table.metrics[name] = kernel_distance(fake.blocks, real.blocks)
    first, second = real.part(draw.first), real.part(draw.second)
    for what, other in _controls(fake.part(draw.fakes), second, changed):
        table.metrics[f"{name}_{what}"] = kernel_distance(other.blocks, first.blocks)


def _controls(few: Measured, second: Measured, changed: Changed) -> list[tuple[str, Measured]]:
    return [
        ("same_n", few),
        ("real_real", second),
        ("reversed", changed(second, "reversed")),
        ("frozen", changed(second, "frozen")),
    ]


def measure_score(
    name: str,
    sides: tuple[Measured, Measured],
    draw: Draw,
    changed: Changed,
    table: Table,
    *,
    splits: int,
) -> None:
    """The Inception Score, and that of real videos: as they are, reversed, frozen.

    Args:
        name: of the metric; its spread over splits is `NAME_std`.
        sides, draw, changed, table: see `measure_distance`.
        splits: see `inception_score`.

    Raises:
        ConfigInvalidError: fewer frames than splits.
    """
    fake, real = sides
    mean, spread = inception_score(fake.blocks(), splits=splits)
    table.metrics |= {name: mean, f"{name}_std": spread}
    second = real.part(draw.second)
    for what, other in _controls(fake.part(draw.fakes), second, changed):
        shown = "real" if what == "real_real" else what
        table.metrics[f"{name}_{shown}"] = inception_score(other.blocks(), splits=splits)[0]
