"""What a comparison says: means and spreads over seeds, and whether they tell a winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.results.protocol import Result, compare

_FEW_CLIPS = 100


@dataclass(frozen=True)
class Outcome:
    """Results of several variants.

    Attributes:
        metric: decides.
        results: variant -> seed -> result.
    """

    metric: str
    results: Mapping[str, Mapping[int, Result]]

    def __post_init__(self) -> None:
        check_protocols([one for each in self.results.values() for one in each.values()])
        known = next(iter(next(iter(self.results.values())).values())).metrics
        if self.metric not in known:
            raise ConfigInvalidError(
                f"there is no metric {self.metric!r}; there are: {', '.join(sorted(known))}"
            )

    def values(self, variant: str, metric: str = "") -> list[float]:
        """One number a seed."""
        return [one.metrics[metric or self.metric] for one in self.results[variant].values()]

    def mean(self, variant: str, metric: str = "") -> float:
        """Over seeds."""
        return float(np.mean(self.values(variant, metric)))

    def spread(self, variant: str, metric: str = "") -> float | None:
        """Sample standard deviation over seeds; None of a single one."""
        values = self.values(variant, metric)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def ranking(self) -> list[str]:
        """Best mean first; equal ones in the order they were named."""
        names = list(self.results)
        sign = 1 if self.metric.endswith("_rank") else -1
        return sorted(names, key=lambda name: sign * self.mean(name))

    @property
    def difference(self) -> float:
        """Difference of the best two means."""
        best, second = self.ranking[:2]
        return abs(self.mean(best) - self.mean(second))

    @property
    def is_clear(self) -> bool | None:
        """Whether the best two differ by more than either's spread; None with a single seed."""
        spreads = [self.spread(name) for name in self.ranking[:2]]
        known = [each for each in spreads if each is not None]
        return self.difference > max(known) if len(known) == len(spreads) else None

    @property
    def clips(self) -> int:
        """How many all were measured on."""
        return next(iter(next(iter(self.results.values())).values())).protocol.found

    @property
    def verdict(self) -> str:
        """In words."""
        rough = f"; {self.clips} held-out clips are few, so it is a hint: --held-out takes more"
        return self._verdict + (rough if self.clips < _FEW_CLIPS else "")

    @property
    def _verdict(self) -> str:
        best, second = self.ranking[:2]
        if not self.difference:
            return (
                f"{best} and {second} are level at {self.mean(best):.2f} {self.metric}: no winner"
            )
        text = f"{best} is ahead of {second} by {self.difference:.2f} {self.metric}"
        if self.is_clear is None:
            return f"{text}; one seed tells nothing of the spread: add --seeds 0,1,2"
        spread = max(self.spread(name) or 0.0 for name in (best, second))
        if self.is_clear:
            return f"{text}, more than the spread over seeds ({spread:.2f})"
        return f"{text}, within the spread over seeds ({spread:.2f}): no winner"

    def describe(self) -> dict[str, Any]:
        """The values as plain JSON."""
        first = next(iter(next(iter(self.results.values())).values()))
        variants = {
            name: {
                metric: {
                    "mean": self.mean(name, metric),
                    "spread": self.spread(name, metric),
                    "seeds": {
                        str(seed): one.metrics[metric] for seed, one in self.results[name].items()
                    },
                }
                for metric in first.metrics
            }
            for name in self.results
        }
        return {
            "metric": self.metric,
            "ranking": self.ranking,
            "winner": self.ranking[0] if self.is_clear else None,
            "difference": self.difference,
            "is_clear": self.is_clear,
            "verdict": self.verdict,
            "variants": variants,
        }

    def rows(self) -> list[dict[str, Any]]:
        """A small table: one row a variant, best first."""
        shown = dict.fromkeys([self.metric, "text_to_video_r1", "video_to_text_r1"])
        known = next(iter(next(iter(self.results.values())).values())).metrics
        return [
            {"variant": name}
            | {metric: self._cell(name, metric) for metric in shown if metric in known}
            for name in self.ranking
        ]

    def _cell(self, variant: str, metric: str) -> str:
        spread = self.spread(variant, metric)
        more = "" if spread is None else f" +- {spread:.2f}"
        return f"{self.mean(variant, metric):.2f}{more}"


def check_protocols(results: Sequence[Result]) -> None:
    """Refuses to compare what was measured in different ways.

    Raises:
        ProtocolMismatchError: the message names what differs.
    """
    for one in results[1:]:
        compare(results[0], one)
