"""A process that works on a dataset notes every few seconds how far it is, in a small file.

The files lie in `runs/`, where nothing depends on them. Clocks of machines are not compared: each
process counts by its own, and whether it still lives is known by the age of its file, by the clock
of the file system alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

from internvid._version import __version__
from internvid.core.errors import StorageError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json, discard
from internvid.pipeline.progress import BuildProgress

BEAT_SECONDS = 5.0
FOLDER = "working"
State = Literal["working", "waiting", "done", "stopped"]


class WorkerBeat(TypedDict):
    """What a process says of itself.

    Attributes:
        worker: its name, which no other has.
        host: of its machine.
        version: of internvid.
        plan: digest of the planned work; empty for a build of one process.
        share: such as `2/8`; empty likewise.
        state: `working`; or how it ended: `done` (all shares are), `waiting` (for others'),
            `stopped` (by an error, or by hand).
        stage: what it does now.
        sources, sources_done: of this run.
        bytes, bytes_done: of these sources; a source under way counts in part.
        video_seconds: decoded so far.
        clips: cut so far.
        failures: reason -> sources of this run.
        elapsed_seconds: since it began.
        stage_seconds: stage -> seconds in it.
    """

    worker: str
    host: str
    version: str
    plan: str
    share: str
    state: State
    stage: str
    sources: int
    sources_done: int
    bytes: int
    bytes_done: float
    video_seconds: float
    clips: int
    failures: dict[str, int]
    elapsed_seconds: float
    stage_seconds: dict[str, float]


def beats_folder(layout: Layout) -> Path:
    """Where processes say how far they are."""
    return layout.run(FOLDER)


class Heart:
    """Writes the file of this process.

    Args:
        layout: of the dataset.
        progress: what is written.
        plan, share: see `WorkerBeat`.
    """

    def __init__(
        self, layout: Layout, progress: BuildProgress, plan: str = "", share: str = ""
    ) -> None:
        host = socket.gethostname()
        self._progress, self._plan, self._share, self._host = progress, plan, share, host
        name = "".join(each if each.isalnum() else "-" for each in host)[:40]
        self.worker = f"{name}-{os.getpid()}-{secrets.token_hex(3)}"
        self.path = beats_folder(layout) / f"{self.worker}.json"
        self._began = self._entered = time.monotonic()
        self._stage = progress.stage
        self._stages: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def beat(self, state: State = "working") -> None:
        """Write the file.

        Raises:
            StorageError: it cannot be written.
        """
        with self._lock:
            commit_json(self.path, self._beat_now(state))

    def _beat_now(self, state: State) -> WorkerBeat:
        shown, now = self._progress, time.monotonic()
        # Between two beats a stage may begin and end unseen; that is little.
        self._stages[self._stage] += round(now - self._entered, 3)
        self._stage, self._entered = shown.stage, now
        return WorkerBeat(
            worker=self.worker,
            host=self._host,
            version=__version__,
            plan=self._plan,
            share=self._share,
            state=state,
            stage=shown.stage,
            sources=shown.videos_total,
            sources_done=shown.videos_done,
            bytes=shown.bytes_total,
            bytes_done=round(shown.share_done * shown.bytes_total),
            video_seconds=round(shown.video_seconds, 3),
            clips=shown.clips,
            failures=dict(sorted(shown.reasons.items())),
            elapsed_seconds=round(now - self._began, 3),
            stage_seconds={name: round(spent, 3) for name, spent in self._stages.items() if spent},
        )


@contextmanager
def beating(
    layout: Layout,
    progress: BuildProgress,
    *,
    plan: str = "",
    share: str = "",
    every: float = BEAT_SECONDS,
) -> Iterator[Heart]:
    """While the block runs, a thread says how far this process is.

    Of planned work the last word stays until the work is done; of a build of one process nothing
    does. A disk that is full does not end the work: the work itself meets it, and says so.

    Args:
        layout: of the dataset.
        progress: of the work.
        plan, share: see `WorkerBeat`.
        every: seconds from beat to beat.
    """
    heart, ended = Heart(layout, progress, plan, share), threading.Event()

    def beats() -> None:
        while not ended.is_set():
            with contextlib.suppress(StorageError):
                heart.beat()
            ended.wait(every)

    thread = threading.Thread(target=beats, name="heartbeat", daemon=True)
    thread.start()
    state: State = "stopped"
    try:
        yield heart
        state = "done" if progress.stage == "done" else "waiting"
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(StorageError):
            heart.beat(state) if plan else discard(heart.path)


def clear_beats(layout: Layout, plan: str) -> None:
    """Remove the files of processes of this planned work; with an empty digest, of builds."""
    for path, beat in read_beats(layout):
        if beat["plan"] == plan:
            with contextlib.suppress(StorageError):
                discard(path)


def read_beats(layout: Layout) -> list[tuple[Path, WorkerBeat]]:
    """The last beat of each process, by their shares; other files are passed over.

    Returns:
        Each file with what stands in it.
    """
    from internvid.dataset.layout import read_json

    found: list[tuple[Path, WorkerBeat]] = []
    for path in sorted(beats_folder(layout).glob("*.json")):
        value: Any = read_json(path)
        if _is_beat(value):
            found.append((path, value))
    return sorted(found, key=lambda each: (_number(each[1]["share"]), each[1]["worker"]))


def _is_beat(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    kinds: dict[str, type | tuple[type, ...]] = {
        **dict.fromkeys(("worker", "host", "version", "plan", "share", "state", "stage"), str),
        **dict.fromkeys(("sources", "sources_done", "bytes", "clips"), int),
        **dict.fromkeys(("bytes_done", "video_seconds", "elapsed_seconds"), (int, float)),
        **dict.fromkeys(("failures", "stage_seconds"), dict),
    }
    return all(isinstance(value.get(name), kind) for name, kind in kinds.items())


def _number(share: str) -> int:
    first = share.partition("/")[0]
    return int(first) if first.isdecimal() else 0
