"""Shares of planned work as jobs of a scheduler: submitted, or as the text that submits them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    InternvidError,
    ServiceError,
)
from internvid.run.schedulers.share_jobs import JobNeeds, ShareJobs
from internvid.run.schedulers.slurm import checked_options

_RAISED = re.compile(r"[A-Za-z_.]+Error: ")


@dataclass(frozen=True)
class Submitted:
    """Jobs that were submitted.

    Attributes:
        scheduler: `slurm` or `local`.
        jobs: ids, a list a pass.
        folder: with their scripts and logs.
        failed: id -> why, of those that were waited for.
        done: whether all that was planned is done; None where nobody waited.
    """

    scheduler: str
    jobs: tuple[tuple[str, ...], ...]
    folder: Path
    failed: dict[str, str]
    done: bool | None = None


def submit(
    dataset: str | os.PathLike[str],
    shares: int,
    scheduler: str = "slurm",
    *,
    at_once: int | None = None,
    passes: int = 2,
    cpus: int = 8,
    memory_gb: int = 0,
    gpus: int = 0,
    hours: float = 24.0,
    options: Mapping[str, str] | None = None,
) -> Submitted:
    """Start the shares of a dataset's planned work as jobs of a scheduler.

    Args:
        dataset: as all machines know it; work was planned for it with `prepare`.
        shares: how many jobs share it.
        scheduler: `slurm`; or `local`: processes of this machine, all at once, which are waited
            for.
        at_once: jobs at the same time, at most.
        passes: how often each share is started: a first pass scans, a second one does the rest.
        cpus, memory_gb, gpus, hours: of each job; 0 GB leaves memory to the scheduler.
        options: further ones of `sbatch`: `{"partition": "cpu"}`.

    Raises:
        DependencyMissingError: submitit is not installed.
        ServiceError: there is no Slurm on this machine, or it refuses.
        ConfigInvalidError: no such scheduler or option, or a number that cannot be.
    """
    named = os.fspath(dataset)
    place = named if "://" in named else str(Path(named).absolute())
    needs = JobNeeds(cpus, memory_gb, gpus, hours)
    return submit_jobs(ShareJobs(place, shares, at_once, passes, needs), scheduler, options=options)


def submit_jobs(
    jobs: ShareJobs, scheduler: str = "slurm", *, options: Mapping[str, str] | None = None
) -> Submitted:
    """Start the shares of a dataset's planned work by submitit.

    Args:
        jobs: what is started; each pass begins when the one before has ended, however it did.
        scheduler: `slurm`; or `local`: processes of this machine, all shares at once, which are
            waited for.
        options: further ones of `sbatch`: `{"partition": "cpu"}`.

    Raises:
        DependencyMissingError: submitit is not installed.
        ServiceError: there is no Slurm on this machine, or it refuses.
        ConfigInvalidError: no such scheduler or option.
    """
    if scheduler not in ("slurm", "local"):
        raise ConfigInvalidError(
            f"jobs cannot be submitted to {scheduler!r}",
            hint="slurm, or local to try it out; --scheduler kubernetes prints a manifest",
        )
    further = checked_options(options or {})
    try:
        import submitit
    except ImportError as error:
        raise DependencyMissingError(
            "submitit is not installed", hint="pip install 'internvid[cluster]'; or --dry-run"
        ) from error
    # Scripts and logs are files, also of a dataset in an object store.
    is_address = "://" in jobs.dataset
    folder = Path("submitted" if is_address else f"{jobs.dataset}/runs/submitted").absolute()
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=scheduler)
    except RuntimeError as error:
        raise ServiceError(
            f"there is no Slurm on this machine: {error}",
            hint="run this where sbatch is; --dry-run prints a script for it",
        ) from error
    executor.update_parameters(**_parameters(jobs, scheduler, further))
    submitted: list[tuple[str, ...]] = []
    failed: dict[str, str] = {}
    done: bool | None = None
    for number in range(jobs.passes):
        if number and scheduler == "slurm":
            array = submitted[-1][0].partition("_")[0]
            waits = {**further, "dependency": f"afterany:{array}"}
            executor.update_parameters(slurm_additional_parameters=waits)
        started = _start(executor, jobs)
        submitted.append(tuple(job.job_id for job in started))
        if scheduler == "local":
            # What a share did not do in an earlier pass, it may have done in this one.
            failed, done = _waited(started)
            if done:
                break
    return Submitted(scheduler, tuple(submitted), folder, failed, done)


def _parameters(jobs: ShareJobs, scheduler: str, further: Mapping[str, str]) -> dict[str, Any]:
    needs = jobs.needs
    parameters: dict[str, Any] = {"name": jobs.name, "timeout_min": needs.minutes}
    if scheduler == "slurm":
        parameters["cpus_per_task"] = needs.cpus
        parameters["slurm_array_parallelism"] = jobs.at_once or jobs.shares
        parameters["slurm_additional_parameters"] = dict(further)
        if needs.memory_gb:
            parameters["mem_gb"] = needs.memory_gb
        if needs.gpus:
            parameters["gpus_per_node"] = needs.gpus
    return parameters


def _start(executor: Any, jobs: ShareJobs) -> list[Any]:
    shares = [f"{number}/{jobs.shares}" for number in range(1, jobs.shares + 1)]
    same = [jobs.dataset] * jobs.shares, shares, [jobs.needs.cpus] * jobs.shares
    try:
        started: list[Any] = executor.map_array(do_share, *same)
    except Exception as error:
        raise ServiceError(
            f"the scheduler refuses the jobs: {str(error).strip().splitlines()[-1]}",
            hint="see --dry-run, and the partitions of your cluster: sinfo",
        ) from error
    return started


def _waited(started: list[Any]) -> tuple[dict[str, str], bool]:
    failed: dict[str, str] = {}
    done = False
    for job in started:
        error = job.exception()
        if error is None:
            done = job.result()["done"] or done
        else:
            failed[job.job_id] = _reason_in(str(error)) or type(error).__name__
    return failed, done


def _reason_in(text: str) -> str:
    """The line of a traceback that says what went wrong; else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    return _RAISED.sub("", raised[-1]) if raised else (lines or [""])[0]


def do_share(dataset: str, share: str, workers: int) -> dict[str, Any]:
    """What a job runs: one share, as `internvid work` does it."""
    from internvid.api.cluster.working import work

    try:
        summary = work(dataset, share, workers=workers)
    except InternvidError as error:
        # The log of the job is for people: what to do stands in it too.
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        raise
    return {"share": summary.share, "done": summary.done, "waits": list(summary.waits)}
