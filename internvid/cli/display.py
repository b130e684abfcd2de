"""Work in progress on stderr: one live line on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from internvid.cli.output import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_LINE_SECONDS = 10.0


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
        self._terminal = sys.stderr.isatty()
        self._stage, self._last = "", 0.0

    def tell(self, stage: str, line: Callable[[], str]) -> None:
        """Say the stage and what `line` makes of it, if it is time."""
        now = time.monotonic()
        if self._terminal or (stage == self._stage and now - self._last < _LINE_SECONDS):
            return
        self._stage, self._last = stage, now
        numbers = line()
        say(f"{stage}: {numbers}" if numbers else stage)
