"""Which videos are collected, as named rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from internvid.core.errors import MisuseError

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class CrawlRules:
    """Lengths and sizes of the videos that are collected.

    Attributes:
        shortest_seconds, longest_seconds: of a video.
        least_height: pixels of the shorter side; smaller videos of sites are left out.
        most_height: of several stored sizes the largest up to that is taken, pixels.
    """

    shortest_seconds: float
    longest_seconds: float
    least_height: int
    most_height: int


RECIPES: Mapping[str, CrawlRules] = MappingProxyType(
    {
        # Paper §3.1: 10 s to 30 min, from 360 lines, larger ones as 720.
        "internvid": CrawlRules(10.0, 1800.0, 360, 720),
        "any": CrawlRules(0.0, _DAY_SECONDS, 0, 4320),
    }
)
"""Name -> rules. `internvid` has the paper's; `any` takes videos up to a day long, of any size."""


def crawl_rules(name: str) -> CrawlRules:
    """The rules of a recipe.

    Raises:
        MisuseError: there is none of that name.
    """
    if name not in RECIPES:
        raise MisuseError(
            f"no recipe of collecting is called {name!r}", hint=f"one of {', '.join(RECIPES)}"
        )
    return RECIPES[name]
