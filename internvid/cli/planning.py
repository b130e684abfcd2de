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

    found = forecast(videos, recipe, workers or os.cpu_count() or 1)
    settings = recipe.settings()
    if as_json:
        put_json({**vars(found), "recipe": settings})
        return
    put(f"sources               {found.sources} ({found.unreadable} of {found.probed} probed "
        "cannot be opened)")  # fmt: skip
    put(f"video                 {found.video_hours:.2f} hours (estimated)")
    put(f"measured on           {found.measured_seconds:.0f} s of {found.measured_sources} sources")
    put(f"CPU per video hour    {duration(found.cpu_seconds_per_hour)}")
    put(f"disk per video hour   {found.bytes_per_hour / 1e6:.1f} MB")
    put(f"expected time         {duration(found.expected_seconds)} with {found.workers} workers")
    put(f"expected size         {found.expected_bytes / 1e6:.1f} MB")
    put("\nrecipe")
    put("\n".join(f"--set {one['setting']}={one['value']}" for one in settings))
