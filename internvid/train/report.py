"""What a run says while it goes: lines for people, numbers for writers."""

from __future__ import annotations

import csv
import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from internvid.core.errors import ComponentUnknownError

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
        temperature: after it.
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
    temperature: float
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
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, _FIELDS, restval="", extrasaction="ignore")
        self._writer.writeheader()
        self._writer.writerows(rows)
        self._file.flush()

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """One row; validation has other names and stands in the other writers."""
        if "loss" in values:
            self._writer.writerow({**values, "step": step})
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardWriter:
    """`tensorboard/`, if TensorBoard is installed; nothing otherwise."""

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module = importlib.import_module("torch.utils.tensorboard")
            except ImportError:
                return
            self._writer = module.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Each number under its name."""
        if self._writer is None:
            return
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush."""
        if self._writer is not None:
            self._writer.close()


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
        found: Callable[[Path, int], MetricWriter] = getattr(
            importlib.import_module(module), attribute
        )
    except (ImportError, AttributeError, ValueError) as error:
        raise ComponentUnknownError(
            f"there is no writer {name!r}; known: {', '.join(sorted(WRITERS))}",
            hint='an external one is named "module:Class"',
        ) from error
    return found


def values_of(line: LogLine) -> dict[str, Any]:
    """What writers get of a line."""
    return {name: value for name, value in asdict(line).items() if name in _FIELDS}


def _is_kept(row: Mapping[str, str | None], step: int) -> bool:
    # A row cut short by a kill has fewer fields.
    whole = None not in row.values() and set(row) == set(_FIELDS)
    return whole and (row["step"] or "").isdigit() and int(row["step"] or 0) <= step
