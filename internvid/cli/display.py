"""Work in progress on stderr: one live line on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from internvid.cli.output import duration, say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from internvid.pipeline.annotate.column_progress import AnnotateProgress

_LINE_SECONDS = 10.0
LINE_VARIABLE = "INTERNVID_LINE_SECONDS"
"""Environment variable: seconds between lines of progress where stderr is no terminal."""
_FOR_PLANS = ("answers_kept", "cached_tokens", "kept_tokens")


def live(
    render: Callable[[], RenderableType] | None = None,
) -> contextlib.AbstractContextManager[Live | None]:
    """A display that renews itself, where stderr is a terminal; None elsewhere.

    Args:
        render: what to show; without it, what the display is updated with.
    """
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(stderr=True), refresh_per_second=4, get_renderable=render)


class PlainLines:
    """Says a line whenever a stage begins, and every few seconds; nothing on a terminal."""

    def __init__(self) -> None:
        self._terminal, self._every = sys.stderr.isatty(), _seconds_between_lines()
        self._stage, self._last = "", 0.0

    def tell(self, stage: str, line: Callable[[], str]) -> None:
        """Say the stage and what `line` makes of it, if it is time."""
        now = time.monotonic()
        if self._terminal or (stage == self._stage and now - self._last < self._every):
            return
        self._stage, self._last = stage, now
        numbers = line()
        say(f"{stage}: {numbers}" if numbers else stage)


def _seconds_between_lines() -> float:
    try:
        return max(0.1, float(os.environ[LINE_VARIABLE]))
    except (KeyError, ValueError):
        return _LINE_SECONDS


@contextlib.contextmanager
def shown_progress() -> Iterator[AnnotateProgress]:
    """Shows an annotate pass live on a terminal, as plain lines elsewhere."""
    from internvid.pipeline.annotate.column_progress import AnnotateProgress

    lines = PlainLines()
    progress = AnnotateProgress(
        changed=lambda state: lines.tell(state.stage, lambda: _numbers(state))
    )
    with live(lambda: f"{progress.stage}: {_numbers(progress)}"):
        yield progress


def shown_counts(counts: Mapping[str, int]) -> list[str]:
    """What was counted, without what only plans reckon with."""
    return [f"{name} {count}" for name, count in sorted(counts.items()) if name not in _FOR_PLANS]


def _numbers(state: AnnotateProgress) -> str:
    if not state.asked:
        return ""
    parts = [f"{state.answered}/{state.asked}", f"{state.clips_per_second:.2f} a second"]
    if state.failed:
        parts.append(f"failed {state.failed}")
    counts = dict(state.timings.counts) if state.timings is not None else {}
    parts += shown_counts(counts)
    if state.remaining_seconds is not None:
        parts.append(f"about {duration(state.remaining_seconds)} left")
    return ", ".join(parts)
