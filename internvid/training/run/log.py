"""What a run says while it goes: lines for people, numbers for writers."""

from __future__ import annotations

import csv
import importlib
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from internvid.core.errors import ComponentUnknownError
from internvid.core.moved import current_module
from internvid.core.system.imports import import_named
from internvid.training.run.resilient_log import ResilientLog

CSV = "log.csv"
_FIELDS = (
    "step",
    "stage",
    "loss",
    "learning_rate",
    "gradient_norm",
    "temperature",
    "clips_per_second",
    "mfu",
    "data_wait_share",
    "skipped",
)


@dataclass(frozen=True)
class LogLine:
    """What is known at one reading of the loss; means are since the reading before.

    Attributes:
        step: optimiser steps done in all.
        total: steps of the whole run.
        stage: its name.
        loss: mean.
        learning_rate: of the last step.
        gradient_norm: of the last step.
        temperature: after it; None where the loss has none.
        clips_per_second: shown by all processes together.
        mfu: share of the measured peak that the model's own FLOPs make.
        data_wait_share: share of the time spent waiting for batches.
        skipped: clips that could not be read so far.
        eta_seconds: until the run's end at this rate.
    """

    step: int
    total: int
    stage: str
    loss: float
    learning_rate: float
    gradient_norm: float
    temperature: float | None
    clips_per_second: float
    mfu: float
    data_wait_share: float
    skipped: int
    eta_seconds: float


Progress = Callable[[LogLine], None]


@runtime_checkable
class MetricWriter(Protocol):
    """Takes numbers as a run goes. Made with the run's folder and the step it goes on from."""

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Values after a step: numbers, and `stage`."""
        ...

    def close(self) -> None:
        """The run has ended."""
        ...


class CsvWriter:
    """`log.csv`, a row per reading; rows after the step gone on from are cut off first."""

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / CSV
        rows: list[dict[str, str]] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                rows = [row for row in csv.DictReader(file) if _is_kept(row, step)]
        head = dict(zip(_FIELDS, _FIELDS, strict=True))
        self._file = ResilientLog(path, b"".join(self._line(row) for row in [head, *rows]))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """One row; validation has other names and stands in the other writers."""
        if "loss" in values:
            self._file.add(self._line({**values, "step": step}))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @staticmethod
    def _line(row: Mapping[str, Any]) -> bytes:
        text = io.StringIO(newline="")
        csv.DictWriter(text, _FIELDS, restval="", extrasaction="ignore").writerow(row)
        return text.getvalue().encode("utf-8")


class TensorBoardWriter:
    """`tensorboard/`, if TensorBoard is installed; nothing otherwise.

    Its records are written in this thread: the writer that comes with torch writes in another,
    which ends with a traceback where the disk is full.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._file: ResilientLog | None = None
        try:
            self._events = importlib.import_module("tensorboard.compat.proto.event_pb2")
            self._records = importlib.import_module("tensorboard.summary.writer.record_writer")
        except ImportError:
            return
        events, place = self._events, folder / "tensorboard"
        place.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 1000}.{os.getpid()}"
        self._file = ResilientLog(place / name)
        self._add(file_version="brain.Event:2")
        # Numbers of later steps, from a run that was killed, are not shown.
        started = events.SessionLog(status=events.SessionLog.START)
        self._add(session_log=started, step=step + 1)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Each number under its name."""
        if self._file is None:
            return
        kind = importlib.import_module("tensorboard.compat.proto.summary_pb2").Summary
        numbers = {name: value for name, value in values.items() if isinstance(value, (int, float))}
        summary_values = [
            kind.Value(tag=name, simple_value=value) for name, value in numbers.items()
        ]
        self._add(summary=kind(value=summary_values), step=step)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _add(self, **fields: Any) -> None:
        record = io.BytesIO()
        event = self._events.Event(wall_time=time.time(), **fields)
        self._records.RecordWriter(record).write(event.SerializeToString())
        assert self._file is not None
        self._file.add(record.getvalue())


WRITERS: dict[str, Callable[[Path, int], MetricWriter]] = {
    "csv": CsvWriter,
    "tensorboard": TensorBoardWriter,
}


def open_writers(names: Sequence[str], folder: Path, step: int) -> list[MetricWriter]:
    """The writers of these names: ours, or "module:Class" with the same two arguments.

    Raises:
        ComponentUnknownError: there is none of a name.
    """
    return [find_writer(name)(folder, step) for name in names]


def find_writer(name: str) -> Callable[[Path, int], MetricWriter]:
    """What makes the writer of that name.

    Raises:
        ComponentUnknownError: there is none.
    """
    if name in WRITERS:
        return WRITERS[name]
    module, _, attribute = name.partition(":")
    try:
        writer: Callable[[Path, int], MetricWriter] = getattr(
            import_named(current_module(module)), attribute
        )
    except (ImportError, AttributeError, ValueError) as error:
        raise ComponentUnknownError(
            f"there is no writer {name!r}; known: {', '.join(sorted(WRITERS))}",
            hint='an external one is named "module:Class"',
        ) from error
    return writer


def values_of(line: LogLine) -> dict[str, Any]:
    """What writers get of a line."""
    return {name: value for name, value in asdict(line).items() if name in _FIELDS}


def _is_kept(row: Mapping[str, str | None], step: int) -> bool:
    # A row cut short by a kill has fewer fields.
    whole = None not in row.values() and set(row) == set(_FIELDS)
    return whole and (row["step"] or "").isdigit() and int(row["step"] or 0) <= step
