"""submit: the shares of planned work as jobs of a scheduler."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.exits import NOT_DONE
from internvid.cli.options import Json
from internvid.cli.output import put, put_json, say
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.api.cluster.submitting import Submitted
    from internvid.run.schedulers.share_jobs import ShareJobs

PANEL = "Build"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel=PANEL)(submit)


def submit(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="The dataset, as all machines know it.")
    ],
    shares: Annotated[int, typer.Option(min=1, help="Number of jobs that share the work.")],
    scheduler: Annotated[
        str, typer.Option(help="slurm, kubernetes (prints a manifest), or local to try it out.")
    ] = "slurm",
    at_once: Annotated[
        Optional[int], typer.Option(min=1, help="Jobs at the same time; default: all.")
    ] = None,
    passes: Annotated[
        int, typer.Option(min=1, help="Times each share is started: to scan, then to do the rest.")
    ] = 2,
    cpus: Annotated[int, typer.Option(min=1, help="Cores and worker processes of a job.")] = 8,
    memory_gb: Annotated[
        int, typer.Option("--memory-gb", min=0, help="Memory of a job; 0: the scheduler's default.")
    ] = 0,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of a job.")] = 0,
    hours: Annotated[float, typer.Option(help="Time limit of a job; what it did is kept.")] = 24.0,
    options: Annotated[
        Optional[list[str]],
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="Further option of sbatch, e.g. partition=cpu; may be repeated.",
        ),
    ] = None,
    image: Annotated[str, typer.Option(help="Kubernetes: the image, with internvid in it.")] = "",
    mounts: Annotated[
        Optional[list[str]],
        typer.Option(
            "--mount", metavar="CLAIM=FOLDER", help="Kubernetes: a volume claim; may be repeated."
        ),
    ] = None,
    secrets: Annotated[
        Optional[list[str]],
        typer.Option(
            "--secret", help="Kubernetes: a secret whose keys become variables; may be repeated."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the script for sbatch; submit nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start the shares of work that was planned with --prepare, as jobs of a scheduler."""
    from internvid.run.schedulers.share_jobs import JobNeeds, ShareJobs

    needs = JobNeeds(cpus, memory_gb, gpus, hours)
    place = dataset if "://" in dataset else str(Path(dataset).absolute())
    jobs = ShareJobs(place, shares, at_once, passes, needs)
    if scheduler == "kubernetes":
        put(_manifest(jobs, image, mounts or (), secrets or ()).rstrip("\n"))
        return
    chosen = _pairs(options or (), "--option", "partition=cpu")
    if dry_run:
        from internvid.run.schedulers.slurm import slurm_script

        put(slurm_script(jobs, [sys.executable, "-m", "internvid"], chosen).rstrip("\n"))
        return
    from internvid.api.cluster.submitting import submit_jobs

    submitted = submit_jobs(jobs, scheduler, options=chosen)
    if as_json:
        put_json(submitted)
    else:
        _put_submitted(submitted, jobs)
    if submitted.failed:
        raise typer.Exit(1)
    if submitted.done is False:
        raise typer.Exit(NOT_DONE)


def _manifest(jobs: ShareJobs, image: str, mounts: Sequence[str], secrets: Sequence[str]) -> str:
    from internvid.pipeline.shares.share import SHARE_COUNT
    from internvid.run.schedulers.kubernetes import PodPlace, kubernetes_manifest

    claims = _pairs(mounts, "--mount", "videos=/data")
    return kubernetes_manifest(jobs, PodPlace(image, claims, tuple(secrets)), SHARE_COUNT)


def _pairs(given: Sequence[str], option: str, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name or not value:
            raise MisuseError(f"{option} {each!r} is no NAME=VALUE", hint=f"{option} {example}")
        pairs[name.strip().lstrip("-")] = value.strip()
    return pairs


def _put_submitted(submitted: Submitted, jobs: ShareJobs) -> None:
    for number, ids in enumerate(submitted.jobs, start=1):
        array = ids[0].partition("_")[0]
        put(f"pass {number}    {len(ids)} jobs, {array if len(ids) > 1 else ids[0]}")
    put(f"logs      {submitted.folder}")
    for job, why in submitted.failed.items():
        put(f"failed    {job}: {why}")
    if submitted.done is not None:
        put(f"state     {'all shares are done' if submitted.done else 'not all shares are done'}")
        return
    say(f"\nhow far it is: internvid status {jobs.dataset}")
