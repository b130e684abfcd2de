"""The state of a dataset in the text format that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from internvid.pipeline.watching.live_work import LiveWork, WorkerState

if TYPE_CHECKING:
    from internvid.pipeline.status import DatasetStatus

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def prometheus_text(status: DatasetStatus) -> str:
    """Metrics of a dataset and of the processes that work on it.

    Args:
        status: of the dataset.
    """
    videos = [({"status": name}, count) for name, count in status["videos"].items()]
    failed: dict[str, int] = {}
    for failure in status["failures"]:
        reason = failure["reason"] or "unknown"
        failed[reason] = failed.get(reason, 0) + 1
    lines = [
        *_metric("sources", "Sources by their state.", videos),
        *_metric("failed_sources", "Sources that cannot be used, by reason.",
                 [({"reason": name}, count) for name, count in sorted(failed.items())]),
        *_metric("staged_sources", "Sources that are scanned, of parts that are not whole.",
                 [({}, status["staged"])]),
        *_metric("clips", "Clips of the current cut.",
                 [({"kept": "true"}, status["clips"]), ({"kept": "false"}, status["rejected"])]),
    ]  # fmt: skip
    if status["work"] is not None:
        lines += _live(status["work"])
    return "".join(f"{line}\n" for line in lines)


def _live(live: LiveWork) -> Iterator[str]:
    workers = [(_labels(state), state) for state in live["workers"]]
    yield from _metric("workers", "Processes by their state.", _by_state(live["workers"]))
    for name, help_text, values in (
        ("worker_sources_done", "Sources that a process has done in this run.",
         [(labels, state["sources_done"]) for labels, state in workers]),
        ("worker_sources", "Sources that a process has to do in this run.",
         [(labels, state["sources"]) for labels, state in workers]),
        ("worker_video_seconds", "Seconds of video that a process has decoded.",
         [(labels, state["video_seconds"]) for labels, state in workers]),
        ("worker_silent_seconds", "Seconds since a process was heard of.",
         [(labels, state["silent_seconds"]) for labels, state in workers]),
        ("worker_lags_behind", "Whether a process is much slower than is usual.",
         [(labels, float(state["lags_behind"])) for labels, state in workers]),
        ("stage_seconds", "Seconds of all processes by stage.",
         [({"stage": stage}, spent) for stage, spent in live["stage_seconds"].items()]),
        ("decoded_hours_per_hour", "Hours of video that are decoded in an hour.",
         [({}, live["hours_per_hour"])]),
    ):  # fmt: skip
        yield from _metric(name, help_text, values)
    if live["remaining_seconds"] is not None:
        yield from _metric(
            "remaining_seconds", "Seconds of the slowest scan.", [({}, live["remaining_seconds"])]
        )


def _labels(state: WorkerState) -> Labels:
    return {"worker": state["worker"], "host": state["host"], "share": state["share"]}


def _by_state(states: Iterable[WorkerState]) -> list[Sample]:
    counts = dict.fromkeys(("working", "waiting", "done", "stopped", "lost"), 0)
    for state in states:
        counts["lost" if state["is_lost"] else state["state"]] += 1
    return [({"state": name}, count) for name, count in counts.items()]


def _metric(name: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    full = f"internvid_{name}"
    yield f"# HELP {full} {help_text}"
    yield f"# TYPE {full} gauge"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{full}{{{inside}}} {value}" if inside else f"{full} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
