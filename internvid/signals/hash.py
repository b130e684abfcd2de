"""A fingerprint of how a clip looks, to find near duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.contracts import PickFacts
from internvid.core.types import Timeline, TimeSpan


@dataclass(frozen=True)
class HashSignal:
    """The 64-bit difference hash of the pick nearest the middle of the clip, as 16 hex digits."""

    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, str]] = {"picture_hash": "string"}

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The hash; null without picks."""
        if not picks:
            return {"picture_hash": None}
        middle = span.middle_seconds
        pick = min(picks, key=lambda one: (abs(one.pts_seconds - middle), one.frame))
        return {"picture_hash": f"{pick.picture_hash & (2**64 - 1):016x}"}


def hash_distance(first: str, second: str) -> int:
    """In how many of 64 bits two hashes differ: up to about 8 the pictures look similar."""
    return (int(first, 16) ^ int(second, 16)).bit_count()
