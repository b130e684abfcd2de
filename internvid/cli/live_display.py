"""The processes that work on a dataset, as lines and as metrics."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.output import duration, put, say, table

if TYPE_CHECKING:
    from internvid.pipeline.watching.live_work import LiveWork, WorkerState

_MOST_STAGES = 6


def put_live(live: LiveWork) -> None:
    """Print who works on it, how fast, how long still, and where the time goes."""
    working = [each for each in live["workers"] if _state(each) == "working"]
    left = live["remaining_seconds"]
    parts = [
        f"{len(working)} processes at work",
        f"{live['shares_seen']} of {live['shares']} shares seen",
        f"{live['sources_done']} of {live['sources']} sources",
        f"{live['hours_per_hour']:.1f} hours of video an hour",
        *([f"scanned in {duration(left)}"] if left is not None else []),
    ]
    put(f"work      {', '.join(parts)}")
    if live["failures"]:
        counts = sorted(live["failures"].items(), key=lambda each: -each[1])
        put("failing   " + ", ".join(f"{count} {reason}" for reason, count in counts))
    stages = sorted(live["stage_seconds"].items(), key=lambda each: -each[1])
    total = sum(spent for _, spent in stages) or 1.0
    shares = (f"{stage} {spent / total:.0%}" for stage, spent in stages[:_MOST_STAGES])
    put(f"time      {', '.join(shares)}")
    put(table([_row(each) for each in live["workers"]]))


def _row(worker: WorkerState) -> dict[str, Any]:
    left = worker["remaining_seconds"]
    return {
        "share": worker["share"] or "all",
        "state": _state(worker),
        "stage": worker["stage"],
        "sources": f"{worker['sources_done']}/{worker['sources']}",
        "to go": "" if left is None else duration(left),
        "host": worker["host"],
        "heard": f"{worker['silent_seconds']:.0f} s ago",
    }


def _state(worker: WorkerState) -> str:
    if worker["is_lost"]:
        return "lost"
    return "lags behind" if worker["lags_behind"] else worker["state"]


def put_prometheus(dataset: Path) -> None:
    """Print the state of a dataset as metrics."""
    from internvid.api.datasets import status
    from internvid.pipeline.watching.prometheus import prometheus_text

    put(prometheus_text(status(dataset)).rstrip("\n"))


def watch_work(dataset: Path, seconds: float) -> None:
    """Print who works on a dataset, again and again, until nobody does."""
    from internvid.api.datasets import live_work

    while True:
        live = live_work(dataset)
        if live is None or all(_state(each) not in ("working", "lags behind")
                               for each in live["workers"]):  # fmt: skip
            say("no process works on it")
            return
        put_live(live)
        put("")
        time.sleep(seconds)
