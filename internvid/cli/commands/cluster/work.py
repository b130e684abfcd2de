"""work: one share of what was planned for a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Optional, Protocol

import typer

from internvid.cli.build_display import shown_build
from internvid.cli.exits import NOT_DONE
from internvid.cli.options import DatasetPath, Json, Workers
from internvid.cli.output import duration, put, put_json, say
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from pathlib import Path

    from internvid.pipeline.annotate.jobs import ColumnRequest
    from internvid.pipeline.shares.preparing import PreparedWork
    from internvid.pipeline.shares.share_work import WorkSummary

PANEL = "Build"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel=PANEL)(work)


def work(
    dataset: DatasetPath,
    share: Annotated[
        Optional[str],
        typer.Option(
            metavar="I/N",
            help="Which of how many shares, e.g. 2/8. Default: what a Slurm array or an indexed "
            "Kubernetes Job says; else all.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the other shares are done, and go on.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Do one share of work that was planned with --prepare; many processes may, on any machine.

    The exit code is 3 where other shares are not done yet: run it again, or use --wait.
    """
    from internvid.api.cluster.working import work as do_work

    def tell(summary: WorkSummary, pause: float) -> None:
        say(f"waiting {duration(pause)}: {'; '.join(summary.waits)}")

    with shown_build() as progress:
        summary = do_work(
            dataset, share, workers=workers, wait=wait, progress=progress, waiting=tell
        )
    if as_json:
        put_json(summary)
    else:
        _put_summary(summary, dataset)
    if not summary.done:
        raise typer.Exit(NOT_DONE)


def _put_summary(summary: WorkSummary, dataset: Path) -> None:
    put(f"dataset   {dataset}")
    put(f"share     {summary.share}, {summary.parts} parts")
    put(f"did now   {summary.scanned} sources scanned ({summary.failed} failed), "
        f"{summary.cut} parts cut")  # fmt: skip
    for name, clips in summary.answered.items():
        put(f"          {clips} clips answered in column {name}")
    for sentence in summary.waits:
        put(f"waits     {sentence}")
    put(f"state     {'all shares are done' if summary.done else 'other shares are not done'}")
    put(f"took      {duration(summary.seconds)}")


def put_prepared(prepared: PreparedWork, *, as_json: bool) -> None:
    """Print what was planned, and how it is done."""
    for note in prepared.notes:
        say(f"note: {note}")
    if as_json:
        put_json(prepared)
        return
    put(f"dataset   {prepared.dataset}")
    parts = f"{prepared.parts} parts, {prepared.pending} of them to be scanned"
    put(f"sources   {prepared.sources} in {parts}")
    if prepared.columns:
        put(f"columns   {', '.join(prepared.columns)}")
    put(f"plan      {prepared.plan}")
    say(f"\nto do it, on each of 8 machines: internvid work {prepared.dataset} --share I/8")


class PlannedOptions(Protocol):
    """What the arguments of `caption`, `score` and `embed` say of a plan."""

    @property
    def target(self) -> Path:
        """The dataset."""
        ...

    @property
    def max_requests(self) -> int:
        """Budget of requests; 0 for none."""
        ...

    @property
    def max_tokens(self) -> int:
        """Budget of tokens; 0 for none."""
        ...

    @property
    def as_json(self) -> bool:
        """Whether the plan is printed as JSON."""
        ...


def put_prepared_columns(options: PlannedOptions, requests: Sequence[ColumnRequest]) -> None:
    """Plan columns for `internvid work`, and print the plan.

    Raises:
        MisuseError: there is a budget, which several processes cannot keep.
    """
    from internvid.api.cluster.working import prepare_columns

    if options.max_requests or options.max_tokens:
        raise MisuseError(
            "a budget is kept by one process, and the work is planned for several",
            hint="leave out --max-requests and --max-tokens; --plan says what it will cost",
        )
    put_prepared(prepare_columns(options.target, requests), as_json=options.as_json)
