"""train: a run, or a plan of one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypedDict

import typer

from internvid.cli.display import live
from internvid.cli.options import Json, TrainSettings
from internvid.cli.output import duration, put, put_json, say, table
from internvid.core.errors import MisuseError
from internvid.core.system.launched import is_first_process

if TYPE_CHECKING:
    from rich.console import RenderableType

    from internvid.training.loop import TrainSummary
    from internvid.training.plan.training_plan import Forecast
    from internvid.training.run.log import LogLine


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Train")(train)


def train(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="RUN", help="Folder of the run: checkpoints, logs, model."
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="DATA",
            help="A dataset, frame shards, a list of files, or world[:SEED]; see --videos.",
        ),
    ],
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Training recipe: viclip_tiny, viclip_b16, viclip_l14, viclip_action, ...",
        ),
    ] = "viclip_tiny",
    videos: Annotated[
        Optional[list[Path]],
        typer.Option(
            metavar="FOLDER",
            help="Folder of videos; DATA is then their annotation files (Kinetics, MSR-VTT, ...).",
        ),
    ] = None,
    held_out: Annotated[
        Optional[list[Path]],
        typer.Option(
            metavar="LIST", help="Annotation file of a test set; its videos are left out."
        ),
    ] = None,
    validation: Annotated[
        Optional[str],
        typer.Option(
            "--validate",
            metavar="DATA",
            help="Clips to measure the model on while it trains; see data.validation.share.",
        ),
    ] = None,
    subset: Annotated[
        Optional[str], typer.Option(help="Use only the clips of this subset.")
    ] = None,
    text: Annotated[
        str, typer.Option(metavar="COLUMN", help="Text column to use as captions.")
    ] = "measured",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Continue from the newest checkpoint in the folder."
        ),
    ] = True,
    assignments: TrainSettings = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Estimate FLOPs, memory and hours; train nothing.")
    ] = False,
    device: Annotated[
        Optional[str],
        typer.Option(
            metavar="NAME",
            help="With --plan: hardware to plan for, present or not: h100, a100, l4, ...",
        ),
    ] = None,
    devices: Annotated[
        Optional[int],
        typer.Option(metavar="COUNT", min=1, help="With --plan: number of devices."),
    ] = None,
    device_memory: Annotated[
        Optional[float],
        typer.Option(
            metavar="GB", min=0.001, help="With --plan: memory of each device in gigabytes."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a ViCLIP, or continue training. Run it under torchrun for several devices."""
    from internvid.api import training

    clips: dict[str, Any] = {
        "videos": videos or (),
        "held_out": held_out or (),
        "subset": subset,
        "text": text,
        "settings": assignments or (),
        "notice": say,
    }
    hardware: _Hardware = {
        "device": device,
        "devices": devices,
        "device_memory": device_memory,
    }
    is_first = is_first_process()
    if plan:
        if is_first:  # one of the processes that torchrun started plans for all
            _put_plan(training.plan_training(recipe, data, **clips, **hardware), as_json=as_json)
        return
    _refuse_plan_options(hardware)
    with _shown_progress() as show:
        summary = training.train(
            recipe, data, output, validation=validation, resume=resume, progress=show, **clips
        )
    if is_first:
        _put_summary(summary, as_json=as_json)


class _Hardware(TypedDict):
    """What a plan is for; None for what is here."""

    device: str | None
    devices: int | None
    device_memory: float | None


def _refuse_plan_options(hardware: _Hardware) -> None:
    for name in (name for name, value in hardware.items() if value is not None):
        raise MisuseError(
            f"--{name.replace('_', '-')} says what to plan for, and there is no --plan",
            hint="a run computes where loop.device says, on as many devices as torchrun starts",
        )


def _put_plan(expected: Forecast, *, as_json: bool) -> None:
    if as_json:
        put_json({**vars(expected), "hours": expected.hours})
        return
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
