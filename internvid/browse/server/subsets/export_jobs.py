"""Exports that a page starts: one process at a time, into new folders below one that was stated."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.browse.server.subsets.export_choices import ExportChoice
from internvid.core.errors import DatasetBusyError, InternvidError, MisuseError, OutputExistsError
from internvid.core.system.imports import environment_for_workers, path_for_workers
from internvid.core.system.shell import command
from internvid.dataset.names import NAME
from internvid.dataset.parts import storage_errors

# As of workers, the path is set before anything is imported by it.
_WATCHED = (
    "import sys; own = 2 + int(sys.argv[1]); sys.path[:] = sys.argv[2:own]; del sys.argv[1:own]; "
    "from internvid.browse.server.subsets.watched_command import main; main()"
)
_MOST_LINES, _MOST_LINE, _MOST_OUTPUT = 200, 500, 64 << 10
_GRACE_SECONDS = 15.0
_PLAN_SECONDS = 600.0
_AGAIN_SECONDS = 2.0
_LINE_SECONDS = "0.5"


@dataclass
class ExportJob:
    """An export that was started.

    Attributes:
        name: of its folder.
        folder: where it is written.
        words: of its command, behind `internvid`.
        process: that writes.
        hold: end of the pipe that keeps the process alive.
        started: when, in seconds since 1970.
        lines: of its progress, the last ones.
        output: what it printed.
        ended: when it ended; None while it runs.
        is_cancelled: whether somebody cancelled it.
    """

    name: str
    folder: Path
    words: list[str]
    process: subprocess.Popen[str]
    hold: int
    started: float = field(default_factory=time.time)
    lines: collections.deque[str] = field(
        default_factory=lambda: collections.deque(maxlen=_MOST_LINES)
    )
    output: str = ""
    ended: float | None = None
    is_cancelled: bool = False

    @property
    def state(self) -> str:
        """`running`, `done`, `cancelled` or `failed`."""
        if self.ended is None:
            return "running"
        if self.process.returncode == 0:
            return "done"
        return "cancelled" if self.is_cancelled else "failed"

    def shown(self) -> dict[str, Any]:
        """What a page shows of it."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "command": command(*self.words),
            "state": self.state,
            "seconds": round((self.ended or time.time()) - self.started, 1),
            "lines": list(self.lines),
            "output": self.output,
            "can_go_on": self.state in ("cancelled", "failed"),
        }


class ExportJobs:
    """Starts exports of a dataset, one at a time.

    Args:
        dataset: its folder.
        root: folder for exports; None where the server was given none.
    """

    def __init__(self, dataset: Path, root: Path | None) -> None:
        self._dataset = dataset.resolve()
        self.root = None if root is None else root.resolve()
        self._job: ExportJob | None = None
        self._lock = threading.Lock()
        self._planning = threading.Lock()

    @property
    def job(self) -> ExportJob | None:
        """The export that runs, or the last one."""
        return self._job

    def folder(self, name: str) -> Path:
        """Where an export of that name lies.

        Raises:
            MisuseError: the server writes no exports, or no folder can be called so.
        """
        if self.root is None:
            raise MisuseError(
                "this server writes no exports",
                hint="start it with --exports FOLDER, or paste the command into a shell",
            )
        if not NAME.fullmatch(name):
            raise MisuseError(
                f"no export can be called {name[:60]!r}",
                hint="letters, digits, '.', '_' and '-', at most 100, a letter or digit first",
            )
        return self.root / name

    def start(self, choice: ExportChoice, name: str) -> ExportJob:
        """Start an export into a new folder, or go on with the one that was just cancelled.

        Raises:
            MisuseError: see `folder`.
            OutputExistsError: the folder is there.
            DatasetBusyError: an export runs.
            StorageError: the folder cannot be made.
        """
        folder = self.folder(name)
        words = choice.arguments(self._dataset, folder)
        with self._lock:
            last = self._job
            if last is not None and last.state == "running":
                raise DatasetBusyError(
                    f"the export {last.name!r} is running", hint="wait until it ends, or cancel it"
                )
            goes_on = last is not None and last.words == words and last.state != "done"
            if not goes_on:
                _make_new(folder)
            job = ExportJob(name, folder, words, *_spawn(words))
            self._job = job
        for target in (_read_lines, _read_output):
            threading.Thread(target=target, args=(job,), daemon=True).start()
        return job

    def cancel(self) -> ExportJob | None:
        """Interrupt the export that runs, as Ctrl-C would; what it wrote stays."""
        job = self._job
        if job is None or job.state != "running":
            return job
        job.is_cancelled = True
        threading.Thread(target=_stop, args=(job.process,), daemon=True).start()
        return job

    def plan(self, choice: ExportChoice) -> dict[str, Any]:
        """What `publish --plan` says of a choice.

        Raises:
            InternvidError: what the command itself refuses.
        """
        words = [*choice.arguments(self._dataset, "FOLDER"), "--plan", "--json"]
        with self._planning:
            process, hold = _spawn(words)
            try:
                output, spoken = process.communicate(timeout=_PLAN_SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise InternvidError(
                    f"the plan took more than {_PLAN_SECONDS:.0f} s", hint="run it in a shell"
                ) from error
            finally:
                os.close(hold)
        if process.returncode != 0:
            raise _refusal(spoken)
        planned: dict[str, Any] = json.loads(output)
        notes = [line[:_MOST_LINE] for line in spoken.splitlines() if line.strip()]
        return {**planned, "notes": notes[-20:]}

    def close(self) -> None:
        """End what runs."""
        if self.cancel() is not None:
            job = self._job
            assert job is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.process.wait(_GRACE_SECONDS + _AGAIN_SECONDS)


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a process until it ends; one that does not within 15 seconds is killed."""
    until = time.monotonic() + _GRACE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        # A single one may be lost in the midst of an import.
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_AGAIN_SECONDS)
    if process.poll() is None:
        process.kill()


def _spawn(words: Sequence[str]) -> tuple[subprocess.Popen[str], int]:
    """A command as a process that ends with this one, and the pipe that it watches for that."""
    path, _ = path_for_workers()
    watched, hold = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WATCHED, str(len(path)), *path, *words],
            stdin=watched,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**environment_for_workers(), "INTERNVID_LINE_SECONDS": _LINE_SECONDS},
            # A session of its own: Ctrl-C is for the server, which ends it then.
            start_new_session=True,
        )
    except BaseException:
        os.close(hold)
        raise
    finally:
        os.close(watched)
    return process, hold


def exports_root(given: Path, dataset: Path) -> Path:
    """The folder for exports that a user stated, made if it is not there.

    Raises:
        MisuseError: it is no folder, or lies inside the dataset.
        StorageError: it cannot be made.
    """
    path, inside = given.resolve(), dataset.resolve()
    if path == inside or inside in path.parents:
        raise MisuseError(
            f"{given} lies inside the dataset", hint="name a folder beside it: --exports FOLDER"
        )
    if path.exists() and not path.is_dir():
        raise MisuseError(f"{given} is no folder", hint="--exports names a folder")
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _make_new(folder: Path) -> None:
    try:
        with storage_errors(folder):
            folder.mkdir()
    except FileExistsError as error:
        raise OutputExistsError(
            f"{folder} exists", hint="choose another name: an export is written to a new folder"
        ) from error


def _read_lines(job: ExportJob) -> None:
    assert job.process.stderr is not None
    with job.process.stderr as stream:
        for line in stream:
            if text := line.strip()[:_MOST_LINE]:
                job.lines.append(text)


def _read_output(job: ExportJob) -> None:
    assert job.process.stdout is not None
    with job.process.stdout as stream:
        for line in stream:
            if len(job.output) < _MOST_OUTPUT:
                job.output += line
    job.process.wait()
    os.close(job.hold)
    job.ended = time.time()


def _refusal(spoken: str) -> InternvidError:
    """The error that a command ended with, from what it spoken."""
    found = {"error": "the command failed", "hint": ""}
    for line in spoken.splitlines():
        for kind in found:
            if line.startswith(f"{kind}: "):
                found[kind] = line.removeprefix(f"{kind}: ")[:_MOST_LINE]
    return InternvidError(found["error"], hint=found["hint"] or None)
