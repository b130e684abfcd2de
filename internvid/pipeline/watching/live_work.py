"""How far all processes that work on a dataset are together: rates, time to go, who lags behind."""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from internvid.dataset.layout import Layout
from internvid.dataset.parts import storage_errors
from internvid.pipeline.watching.worker_beats import WorkerBeat, beats_folder, read_beats

SILENT_SECONDS = 60.0
_LAGS_BEHIND = 1.5
_ENOUGH_SECONDS = 20.0


class WorkerState(WorkerBeat):
    """A process, as it is seen from here.

    Attributes:
        silent_seconds: since it was heard of, by the clock of the file system.
        is_lost: nothing was heard of it for a minute though it was at work: killed, or cut off.
        remaining_seconds: of its scan at its own speed; None where that cannot be determined.
        lags_behind: it will take half as long again as is usual, or longer.
    """

    silent_seconds: float
    is_lost: bool
    remaining_seconds: float | None
    lags_behind: bool


class LiveWork(TypedDict):
    """All processes together.

    Attributes:
        workers: each of them, by share.
        shares, shares_seen: how many shares there are, by what the processes were given, and of how
            many one was seen.
        sources, sources_done: of the runs of all of them.
        hours_per_hour: hours of video that are decoded in an hour of wall time.
        remaining_seconds: of the slowest scan; None where it cannot be determined.
        failures: reason -> sources of these runs.
        stage_seconds: stage -> seconds of all processes.
    """

    workers: list[WorkerState]
    shares: int
    shares_seen: int
    sources: int
    sources_done: int
    hours_per_hour: float
    remaining_seconds: float | None
    failures: dict[str, int]
    stage_seconds: dict[str, float]


def live_work(layout: Layout) -> LiveWork | None:
    """What the processes say; None where there are none.

    Raises:
        StorageError: the folder cannot be looked at.
    """
    beats = read_beats(layout)
    if not beats:
        return None
    now = _clock_of(beats_folder(layout))
    states = [_state(beat, now - _changed_at(path, now)) for path, beat in beats]
    # Of a share that was begun again the last process counts.
    latest: dict[tuple[str, str], WorkerState] = {}
    for state in sorted(states, key=lambda each: -each["silent_seconds"]):
        latest[state["plan"], state["share"]] = state
    states = [state for state in states if latest[state["plan"], state["share"]] is state]
    _mark_slow(states)
    return _together(states)


def _together(states: Sequence[WorkerState]) -> LiveWork:
    failures: Counter[str] = Counter()
    stages: defaultdict[str, float] = defaultdict(float)
    speed = 0.0
    for state in states:
        failures.update(state["failures"])
        for stage, seconds in state["stage_seconds"].items():
            stages[stage] += seconds
        if _is_scanning(state):
            speed += state["video_seconds"] / max(state["elapsed_seconds"], 1e-6)
    remaining = [
        state["remaining_seconds"]
        for state in states
        if state["remaining_seconds"] is not None and _is_scanning(state)
    ]
    counts = [state["share"].partition("/")[2] for state in states]
    return LiveWork(
        workers=list(states),
        shares=max((int(count) for count in counts if count.isdecimal()), default=1),
        shares_seen=len({state["share"] for state in states}),
        sources=sum(state["sources"] for state in states),
        sources_done=sum(state["sources_done"] for state in states),
        hours_per_hour=round(speed, 3),
        remaining_seconds=max(remaining, default=None),
        failures=dict(sorted(failures.items())),
        stage_seconds={stage: round(spent, 3) for stage, spent in sorted(stages.items())},
    )


def _state(beat: WorkerBeat, silent: float) -> WorkerState:
    return WorkerState(
        **beat,
        silent_seconds=round(max(0.0, silent), 1),
        is_lost=beat["state"] == "working" and silent > SILENT_SECONDS,
        remaining_seconds=_remaining(beat),
        lags_behind=False,
    )


def _is_scanning(state: WorkerState) -> bool:
    return state["state"] == "working" and state["stage"] == "scanning" and not state["is_lost"]


def _remaining(beat: WorkerBeat) -> float | None:
    spent = beat["stage_seconds"].get("scanning", 0.0)
    if beat["stage"] != "scanning" or spent < _ENOUGH_SECONDS or beat["bytes_done"] <= 0:
        return None
    left = max(0.0, beat["bytes"] - beat["bytes_done"])
    return round(spent * left / beat["bytes_done"], 1)


def _mark_slow(states: Sequence[WorkerState]) -> None:
    expected = {
        id(state): state["remaining_seconds"] + state["elapsed_seconds"]
        for state in states
        if state["remaining_seconds"] is not None and not state["is_lost"]
    }
    if len(expected) < 3:
        return
    usual = statistics.median(expected.values())
    for state in states:
        state["lags_behind"] = expected.get(id(state), 0.0) > _LAGS_BEHIND * usual


def _clock_of(folder: Path) -> float:
    """What the file system takes for now: the clock of its server need not be ours."""
    with storage_errors(folder), tempfile.NamedTemporaryFile(dir=folder) as file:
        return Path(file.name).stat().st_mtime


def _changed_at(path: Path, now: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return now
