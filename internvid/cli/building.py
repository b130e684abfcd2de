"""demo and build: the live display around `pipeline.build`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.cli.display import PlainLines, live
from internvid.cli.output import TRY_AGAIN, duration, put, put_json, say
from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError
from internvid.core.system.shell import command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from internvid.pipeline.build import BuildSummary
    from internvid.pipeline.progress import BuildProgress
    from internvid.pipeline.recipe import Recipe


@dataclass(frozen=True)
class BuildRequest:
    """The arguments of `internvid build`."""

    videos: tuple[str, ...]
    output: Path
    recipe: str = "default"
    detector: str | None = None
    scan: str | None = None
    workers: int | None = None
    assignments: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    retry: bool = False
    plan: bool = False
    report: bool = True
    as_json: bool = False


def run_build(request: BuildRequest) -> None:
    """`internvid build`."""
    recipe = make_recipe(request)
    if request.plan:
        from internvid.cli.planning import run_plan

        run_plan(request.videos, recipe, request.workers, as_json=request.as_json)
        return
    from internvid.pipeline.build import build

    with _shown_progress() as progress:
        summary = build(
            request.videos,
            request.output,
            recipe,
            workers=request.workers,
            retry=request.retry,
            types=_types(request.types),
            moved=request.moved,
            progress=progress,
        )
    page = _write_report(summary.dataset) if request.report else None
    _put_summary(summary, page, as_json=request.as_json)


def _types(pairs: Sequence[str]) -> dict[str, str]:
    """Column -> type, of `COLUMN=TYPE`."""
    found = {}
    for pair in pairs:
        column, equals, kind = pair.rpartition("=")
        if not equals or not column:
            raise ConfigInvalidError(
                f"{pair!r} is not COLUMN=TYPE", hint="for example --type views=bigint"
            )
        found[column] = kind
    return found


def make_recipe(request: BuildRequest) -> Recipe:
    """The recipe of a request: named, then changed by its options."""
    from internvid import recipes

    chosen = []
    if request.scan is not None:
        if request.scan not in ("full", "fast"):
            raise ConfigInvalidError(f"--scan is full or fast, not {request.scan!r}")
        chosen.append(f"scan.mode={request.scan}")
    if request.detector is not None:
        chosen.append(f"cut.detector={request.detector}")
    return with_values(recipes.get(request.recipe), [*chosen, *request.assignments])


def run_demo(folder: Path, seed: int, workers: int | None, *, as_json: bool) -> None:
    """`internvid demo`."""
    from internvid.synthetic.world import render_demo

    videos = folder / "videos"
    say(f"rendering the synthetic world (seed {seed}) into {videos}")
    render_demo(videos, seed=seed)
    run_build(
        BuildRequest(
            videos=(str(videos),), output=folder / "dataset", workers=workers, as_json=as_json
        )
    )


def _write_report(dataset: Path) -> Path:
    from internvid.browse.report import write_report
    from internvid.dataset.store import open_dataset

    return write_report(open_dataset(dataset), dataset / "report.html")


def _put_summary(summary: BuildSummary, page: Path | None, *, as_json: bool) -> None:
    for note in summary.notes:
        say(f"note: {note}")
    if as_json:
        put_json({**vars(summary), "report": page})
        return
    put(f"dataset   {summary.dataset}")
    put(f"videos    {summary.videos} ok, {summary.failures} failed, "
        f"{summary.duplicates} duplicate, {summary.scanned} scanned now")  # fmt: skip
    put(f"clips     {summary.clips} kept, {summary.rejected} rejected")
    if page is not None:
        put(f"report    {page}")
    put(f"took      {duration(summary.seconds)}")
    if summary.failures:
        say(f"\nwhy sources failed: {command('status', summary.dataset)}\n{TRY_AGAIN}")


@contextlib.contextmanager
def _shown_progress() -> Iterator[BuildProgress]:
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
