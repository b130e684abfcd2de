"""train: the request, the plan, and what is shown while it goes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.display import live
from internvid.cli.output import duration, put, put_json, say, table
from internvid.core.assignments import with_values
from internvid.core.errors import MisuseError, OutputExistsError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from internvid.training.data.samples import ClipSource
    from internvid.training.loop import TrainSummary
    from internvid.training.plan.training_plan import Forecast
    from internvid.training.prepare import Validate
    from internvid.training.recipes.recipe import TrainRecipe
    from internvid.training.run.log import LogLine


_VALIDATION = Path("cache", "validation")
# A plan reads a few clips; packing the pictures of all would take as long as the run's own start.
_PLANNED_VIDEOS = 16


@dataclass(frozen=True)
class TrainRequest:
    """The arguments of `internvid train`."""

    output: Path
    data: tuple[str, ...]
    videos: tuple[Path, ...] = ()
    held_out: tuple[Path, ...] = ()
    validate: str | None = None
    recipe: str = "viclip_tiny"
    subset: str | None = None
    text: str = "measured"
    resume: bool = True
    assignments: tuple[str, ...] = ()
    plan: bool = False
    device: str | None = None
    devices: int | None = None
    device_memory: float | None = None
    as_json: bool = False


def run_train(request: TrainRequest) -> None:
    """`internvid train`."""
    from internvid.training.loop import train
    from internvid.training.prepare import find_device
    from internvid.training.recipes import pretraining as recipes
    from internvid.training.run.distributed import process_group
    from internvid.training.run.run_folder import CACHE, RUN, check_folder, check_free

    recipe = with_values(recipes.get(request.recipe), request.assignments)
    if request.plan:
        _plan(request, recipe)
        return
    _refuse_plan_options(request)
    check_folder(request.output)
    if not request.resume and (request.output / RUN).exists():
        raise OutputExistsError(
            f"{request.output} holds a run already",
            hint="leave --no-resume out to go on with it, or choose another folder",
        )
    with process_group(find_device(recipe)), _shown_progress() as show:
        check_free(request.output)
        source = _open(request, recipe, request.output / CACHE)
        summary = train(
            recipe,
            source,
            request.output,
            validate=_validation(request, recipe, source),
            progress=show,
            notice=say,
        )
    if int(os.environ.get("RANK", "0")) == 0:
        _put_summary(summary, as_json=request.as_json)


def _open(request: TrainRequest, recipe: TrainRecipe, cache: Path) -> ClipSource:
    from internvid.training.data.opening import open_source
    from internvid.training.data.text_lists import open_listed

    if request.videos:
        if request.subset is not None:
            raise MisuseError("annotation files have no subsets", hint="leave --subset out")
        lists = [Path(name) for name in request.data]
        opened = open_listed(recipe, lists, request.videos, request.held_out, cache)
        if opened.missing and int(os.environ.get("RANK", "0")) == 0:
            say(f"{opened.missing} of {opened.listed} listed clips are not there or have no text")
        return opened.source
    if len(request.data) > 1 or request.held_out:
        raise MisuseError(
            "several --data and --held-out are for annotation files",
            hint="name the folder of their videos with --videos",
        )
    return open_source(
        request.data[0],
        recipe,
        cache,
        text=request.text,
        subset=request.subset,
        most_videos=_PLANNED_VIDEOS if request.plan else None,
    )


def _validation(request: TrainRequest, recipe: TrainRecipe, source: ClipSource) -> Validate | None:
    """What the model is measured on: other clips, held-out ones, or combinations of the world."""
    from internvid.training.clip_validation import held_out_rows, make_validation

    share = recipe.data.validation.share
    if request.validate is not None:
        if share:
            raise MisuseError(
                f"--validate {request.validate} and data.validation.share {share:g} are two ways "
                "to say what to validate on",
                hint="leave one of them out",
            )
        other = replace(request, data=(request.validate,), held_out=(), subset=None)
        return make_validation(recipe, _open(other, recipe, request.output / _VALIDATION))
    if share:
        return make_validation(recipe, source, held_out_rows(source.table(), share))
    world = recipe.data.world
    if request.data[0].partition(":")[0] != "world" or not world.validation:
        return None
    from internvid.training.validation import WorldValidation

    return WorldValidation(
        world.validation, world.cameras, world.paths, clean=recipe.data.clean_captions
    )


def _refuse_plan_options(request: TrainRequest) -> None:
    given = {
        "--device": request.device,
        "--devices": request.devices,
        "--device-memory": request.device_memory,
    }
    for name in (name for name, value in given.items() if value is not None):
        raise MisuseError(
            f"{name} says what to plan for, and there is no --plan",
            hint="a run computes where loop.device says, on as many devices as torchrun starts",
        )


def _plan(request: TrainRequest, recipe: TrainRecipe) -> None:
    from internvid.training.plan.training_plan import find_target, forecast
    from internvid.training.plan.trial import choose_threads, cpu_threads
    from internvid.training.prepare import choose_samples, plan_stages

    if int(os.environ.get("RANK", "0")):
        return  # one of the processes that torchrun started plans for all
    processes = request.devices or int(os.environ.get("WORLD_SIZE", "1"))
    target = find_target(
        recipe, processes, device=request.device, memory_gigabytes=request.device_memory
    )
    with tempfile.TemporaryDirectory() as cache:
        source = _open(request, recipe, Path(cache))
        samples = choose_samples(recipe, source)
        planned = plan_stages(recipe, samples, target.hardware)
        threads = 0 if target.device is None else choose_threads(recipe, planned, target.device)
        with cpu_threads(threads):
            expected = forecast(recipe, source, samples, planned, target)
    if request.as_json:
        put_json({**vars(expected), "hours": expected.hours})
    else:
        _put_plan(expected)


def _put_plan(expected: Forecast) -> None:
    how = "measured" if expected.compute_is_measured else "assumed at 40 % of the peak"
    seen = "measured" if expected.device_is_here else "by its data sheet"
    put(f"samples       {expected.samples}")
    put(f"device        {expected.processes} x {expected.device}, {expected.dtype}, "
        f"{expected.peak_teraflops:.3g} TFLOP/s {seen}")  # fmt: skip
    if expected.usable_gigabytes is not None:
        put(f"memory        {expected.usable_gigabytes:.3g} GB of a device may be filled")
    put(f"compute       {how}")
    put("")
    put(table([_rounded(vars(stage)) for stage in expected.stages]))
    put("")
    put(f"in all        {duration(3600 * expected.hours)}")
    put(f"advice        {expected.advice}")


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in values.items()
    }


def _put_summary(summary: TrainSummary, *, as_json: bool) -> None:
    if as_json:
        put_json(summary)
        return
    put(f"run       {summary.folder}")
    put(f"model     {summary.model or 'not finished: the same command goes on'}")
    put(f"steps     {summary.step} of {summary.total}")
    dropped = [f", {count} {name}" for name, count in summary.dropped.items() if count]
    put(f"samples   {summary.samples} clips{''.join(dropped)}")
    if summary.skipped:
        put(f"skipped   {summary.skipped} showings of clips that cannot be read")
    if summary.loss is not None:
        put(f"loss      {summary.loss:.4f}")
    for name, value in summary.validation.items():
        put(f"          {name} {value:.1f}")


@contextlib.contextmanager
def _shown_progress() -> Iterator[Callable[[LogLine], None]]:
    """Shows log lines live on a terminal, one after another elsewhere."""
    with live() as display:

        def show(line: LogLine) -> None:
            if display is None:
                say(describe_line(line))
            else:
                display.update(_render(line))

        yield show


def _render(line: LogLine) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=line.total, completed=line.step, width=30)
    grid.add_row(bar, describe_line(line))
    return grid


def describe_line(line: LogLine) -> str:
    """A log line for people."""
    parts = [
        f"{line.stage} {line.step}/{line.total}",
        f"loss {line.loss:.4f}",
        f"{line.clips_per_second:.4g} clips/s",
        f"{100 * line.mfu:.1f} % of peak",
        f"{100 * line.data_wait_share:.0f} % waiting for data",
        f"about {duration(line.eta_seconds)} left",
    ]
    if line.skipped:
        parts.insert(2, f"{line.skipped} skipped")
    return ", ".join(parts)
