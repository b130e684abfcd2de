"""What an engine does: one source becomes one file, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from internvid.collect.fetching.items.item_table import Item


@dataclass(frozen=True)
class Download:
    """What an engine brought: not checked yet.

    Attributes:
        path: of the file, below the place that it was given.
        offset_seconds: where in the source the file was to begin.
        end_seconds: where in the source it ends, where it is a part that was cut by FFmpeg.
        facts: of the source: see `docs/collecting.md`.
        subtitles: language -> file beside it.
        source_seconds: how long the source is, where that is known and was looked at.
        is_whole: whether all bytes came that the server has.
    """

    path: Path
    offset_seconds: float = 0.0
    end_seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    subtitles: Mapping[str, Path] = field(default_factory=dict)
    source_seconds: float | None = None
    is_whole: bool = False


class Engine(Protocol):
    """Fetches items of some hosts. One that comes from elsewhere is given to `fetch_items`."""

    name: str

    async def fetch(self, item: Item, place: Path) -> Download:
        """One try at one item.

        Args:
            item: what to fetch.
            place: path without a suffix. What is written goes to names that begin with it and end
                in `.part`, and what a broken try leaves there the next one goes on with.

        Raises:
            NotFetchedError: it is not there, or not now.
            InternvidError: trouble that is not the item's: a full disk, a missing package.
        """
        ...

    async def close(self) -> None:
        """Break off what is under way."""
        ...
