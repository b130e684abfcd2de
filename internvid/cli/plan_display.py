"""What `build --plan` prints: expected time and bytes, also on many machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from internvid.cli.output import duration, put, put_json
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.pipeline.forecasts.machines import Machines, MachinesForecast
    from internvid.pipeline.given.given_table import GivenInputs
    from internvid.pipeline.recipe import Recipe

_ADVICE = {
    "cores": "more machines make it shorter",
    "longest source": "more machines do not: one core has the longest source",
    "rows": "more machines do not: each reads the rows of all sources",
    "storage": "more machines do not: faster storage does",
}


def machines_of(
    count: int | None,
    cores: int | None,
    price: float | None,
    storage: float | None,
    *,
    plan: bool,
) -> Machines | None:
    """The machines that a plan is for; None for this one.

    Raises:
        MisuseError: options of machines without any, or without a plan.
        ConfigInvalidError: numbers that cannot be.
    """
    from internvid.pipeline.forecasts.machines import Machines

    others = {"--cores": cores, "--price": price, "--storage": storage}
    given = [name for name, value in {"--machines": count, **others}.items() if value is not None]
    if given and (count is None or not plan):
        needed = "--plan" if count is not None else "--plan --machines N"
        raise MisuseError(
            f"{given[0]} is for an estimate", hint=f"add {needed}; a build takes what it is given"
        )
    if count is None:
        return None
    machines = Machines(count, cores or os.cpu_count() or 1, price, storage)
    machines.check()
    return machines


def put_plan(
    videos: Sequence[str] | GivenInputs,
    recipe: Recipe,
    workers: int | None,
    machines: Machines | None,
    *,
    as_json: bool,
) -> None:
    """Print expected time and bytes; nothing is written."""
    from internvid.pipeline.forecast import forecast
    from internvid.pipeline.forecasts.machines import forecast_machines

    cost = forecast(videos, recipe, workers or os.cpu_count() or 1)
    many = None
    if machines is not None:
        many = forecast_machines(cost, machines, _with_models(recipe))
    settings = recipe.settings()
    if as_json:
        put_json(
            {**vars(cost), "machines": None if many is None else vars(many), "recipe": settings}
        )
        return
    put(f"sources               {cost.sources} ({cost.unreadable} of {cost.probed} probed "
        "cannot be opened)")  # fmt: skip
    if cost.given_rows:
        put(f"rows that state clips {cost.given_rows}")
    put(f"video                 {cost.video_hours:.2f} hours (estimated)")
    put(f"measured on           {cost.measured_seconds:.0f} s of {cost.measured_sources} sources")
    put(f"CPU per video hour    {duration(cost.cpu_seconds_per_hour)}")
    put(f"disk per video hour   {cost.bytes_per_hour / 1e6:.1f} MB")
    if many is None:
        put(f"expected time         {duration(cost.expected_seconds)} with {cost.workers} workers")
        put(f"expected size         {cost.expected_bytes / 1e6:.1f} MB")
    else:
        _put_machines(many)
    put("\nrecipe")
    put("\n".join(f"--set {one['setting']}={one['value']}" for one in settings))


def _with_models(recipe: Recipe) -> tuple[str, ...]:
    """The columns of a recipe whose components load something first."""
    from internvid.core.annotators import traits_of

    return tuple(
        name for name, component in recipe.captioners.items() if traits_of(component).has_setup
    )


def _put_machines(many: MachinesForecast) -> None:
    put(f"machines              {many.machines} of {many.cores} cores; no GPU is needed")
    put(f"expected time         {duration(many.hours * 3600)}")
    put(f"bound by              {many.bottleneck}: {_ADVICE[many.bottleneck]}")
    for name, hours in many.bounds.items():
        put(f"  {name:<20}{duration(hours * 3600)}")
    put(f"useful machines       {many.useful_machines} at most")
    put(f"machine hours         {many.machine_hours:.2f}")
    if many.price is not None:
        put(f"price                 {many.price:.2f}")
    put(f"expected size         {many.disk_bytes / 1e6:.1f} MB, "
        f"up to {many.peak_disk_bytes / 1e6:.1f} MB while it is made")  # fmt: skip
    if many.gpu_columns:
        put(f"not in this time      columns of models: {', '.join(many.gpu_columns)}; "
            "see internvid caption --plan")  # fmt: skip
