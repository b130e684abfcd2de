"""A build or a share of work in progress, on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from internvid.cli.display import PlainLines, live
from internvid.cli.output import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from internvid.pipeline.progress import BuildProgress


@contextlib.contextmanager
def shown_build() -> Iterator[BuildProgress]:
    """Shows a build live on a terminal, as plain lines elsewhere."""
    from internvid.pipeline.progress import BuildProgress

    lines = PlainLines()
    progress = BuildProgress(changed=lambda state: lines.tell(state.stage, lambda: _numbers(state)))
    with live(lambda: _render(progress)):
        yield progress


def _render(state: BuildProgress) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=1.0, completed=state.share_done, width=30)
    grid.add_row(state.stage, bar, _numbers(state))
    return grid


def _numbers(state: BuildProgress) -> str:
    if not state.videos_total:
        return ""
    parts = [f"videos {state.videos_done}/{state.videos_total}"]
    if state.failures:
        parts.append(f"failed {state.failures}")
    if state.clips:
        parts.append(f"clips {state.clips}")
    if state.video_seconds:
        parts.append(f"{state.hours_per_hour:.1f} video hours/hour")
    if state.remaining_seconds is not None:
        parts.append(f"about {duration(state.remaining_seconds)} left")
    return ", ".join(parts)
