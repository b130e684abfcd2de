"""`build --plan`: what a build would cost, measured on a few of its sources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from internvid.cli.output import duration, put, put_json

if TYPE_CHECKING:
    from internvid.pipeline.recipe import Recipe


def run_plan(videos: Sequence[str], recipe: Recipe, workers: int | None, *, as_json: bool) -> None:
    """Print expected time and bytes; nothing is written."""
    from internvid.pipeline.forecast import forecast

    cost = forecast(videos, recipe, workers or os.cpu_count() or 1)
    settings = recipe.settings()
    if as_json:
        put_json({**vars(cost), "recipe": settings})
        return
    put(f"sources               {cost.sources} ({cost.unreadable} of {cost.probed} probed "
        "cannot be opened)")  # fmt: skip
    put(f"video                 {cost.video_hours:.2f} hours (estimated)")
    put(f"measured on           {cost.measured_seconds:.0f} s of {cost.measured_sources} sources")
    put(f"CPU per video hour    {duration(cost.cpu_seconds_per_hour)}")
    put(f"disk per video hour   {cost.bytes_per_hour / 1e6:.1f} MB")
    put(f"expected time         {duration(cost.expected_seconds)} with {cost.workers} workers")
    put(f"expected size         {cost.expected_bytes / 1e6:.1f} MB")
    put("\nrecipe")
    put("\n".join(f"--set {one['setting']}={one['value']}" for one in settings))
