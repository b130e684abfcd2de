"""Where everything lies inside a dataset folder, and what is recorded about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.config import Identity
from internvid.core.errors import DatasetBusyError, DatasetFormatError, OutputExistsError
from internvid.core.system.shell import command
from internvid.core.system.temporary import is_temporary
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.names import foreign_entry, is_file_name
from internvid.dataset.parts import (
    commit_bytes,
    commit_json,
    discard,
    held,
    json_pieces,
    storage_errors,
)
from internvid.dataset.stores.numbered import newest, numbered, put_next
from internvid.dataset.stores.store_path import StorePath

FORMAT = "internvid-dataset"
FORMAT_VERSION = 2
RECORD = "dataset.json"
MANIFESTS = "manifests"
SOURCES_PER_PART = 64
_SIZES = ("sources_per_part", "megabytes_per_part")


class PartEntry(TypedDict):
    """A part as it is recorded: its name, and how many sources it has."""

    name: str
    sources: int


class Setting(TypedDict):
    """A setting of a recipe and its value, both as `--set` takes them."""

    setting: str
    value: str


class CutEntry(Identity, total=False):
    """What made a cut: its recipe, the scan it reads, the fingerprints of its signals."""

    scan: str | None
    signals: dict[str, str]
    settings: list[Setting]


class ColumnEntry(Identity, total=False):
    """What made a column: the component, its verb and value's type, what it read.

    Attributes:
        verb: `caption` or `score`.
        extras: further columns -> type.
        reads: what the component looks at.
        text: key of the text column that it read.
        weights: field -> name of each model.
        describes: what the loaded component says of itself beyond its fields.
    """

    verb: str
    value_type: str
    extras: dict[str, str]
    reads: list[str]
    text: str | None
    weights: dict[str, str]
    describes: Any


@dataclass
class Record:
    """`dataset.json`: what the folder holds. Changed only under the write lock, atomically.

    Attributes:
        sources_per_part: how many sources a part takes; fixed when the dataset is made.
        megabytes_per_part: what a part shall take, as reckoned from its sources; then it may have
            more sources, or fewer. Fixed when the dataset is made; None where sources are counted.
        parts: part names in the order they were planned, with the number of sources of each.
        scan: fingerprint of the current scan.
        cut: `name@fingerprint` of the current cut.
        scans, cuts: fingerprint -> the configuration that made it.
        columns: cut -> column name -> `name@fingerprint` now current.
        column_recipes: `name@fingerprint` -> the component, its value's type, what it read.
        metadata: key of the sources' metadata -> SQL type that holds all its values.
        number: in a store, of the manifest that this was read from; no part of what is recorded.
    """

    sources_per_part: int = SOURCES_PER_PART
    megabytes_per_part: int | None = None
    parts: list[PartEntry] = field(default_factory=list)
    scan: str | None = None
    cut: str | None = None
    scans: dict[str, Identity] = field(default_factory=dict)
    cuts: dict[str, CutEntry] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    column_recipes: dict[str, ColumnEntry] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    number: int = field(default=0, compare=False, repr=False)

    def recorded(self) -> dict[str, Any]:
        """What is recorded: field -> value."""
        return {key: value for key, value in vars(self).items() if key not in ("number", *_SIZES)}

    def scan_setting(self, scan: str, name: str) -> Any:
        """A field of the recipe that made a scan; None where it is not known."""
        recipe: Any = self.scans.get(scan)
        fields = recipe.get("fields") if isinstance(recipe, dict) else None
        return fields.get(name) if isinstance(fields, dict) else None


@dataclass(frozen=True)
class Layout:
    """Paths of one dataset folder."""

    root: Path

    @property
    def record_path(self) -> Path:
        """`dataset.json`; in a store the newest of `manifests`, which are written once each."""
        if isinstance(self.root, StorePath):
            folder = self.root / MANIFESTS
            return numbered(folder, max(newest(folder), 1))
        return self.root / RECORD

    def has_record(self) -> bool:
        """Whether there is a record; no error for names that no file can have."""
        path = self.record_path
        return path.is_file() if isinstance(path, StorePath) else os.path.isfile(path)

    def sources(self, part: str) -> Path:
        """The recorded list of a part's sources, made before any of them is read."""
        return self._path("sources", file=part)

    def scanned(self, scan: str, table: str, part: str) -> Path:
        """A part of `videos`, `timelines` or `picks` of one scan."""
        return self._path("scans", scan, table, file=part)

    def staged(self, scan: str, part: str) -> Path:
        """Sources of an unsealed part that are done."""
        return self._path("staged", scan, part)

    def staged_scans(self) -> list[Path]:
        """Folders of `staged` that belong to scans."""
        others = ("columns", "pick_sets", "shares", self.dropped.name)
        return [path for path in (self.root / "staged").glob("*") if path.name not in others]

    def clips(self, cut: str, part: str) -> Path:
        """A part of a cut's clips."""
        return self._path("cuts", cut, "clips", file=part)

    def given_rejected(self, cut: str, part: str) -> Path:
        """Rows of tables that became no clips of a part of a cut of stated spans."""
        return self._path("cuts", cut, "given_rejected", file=part)

    def column(self, cut: str, column: str, part: str, generation: int = 0) -> Path:
        """A part of a column (`name@fingerprint`) of a cut; further generations hold retries."""
        return self._path("cuts", cut, "columns", column, file=part + _generation(generation))

    def column_files(self, cut: str, column: str, part: str) -> list[Path]:
        """What there is of a part of a column, the oldest generation first."""
        return _generations(self.column(cut, column, part))

    def staged_column(self, cut: str, column: str, part: str) -> Path:
        """Folder of answers that are not sealed yet."""
        return self._path("staged", "columns", cut, column, part)

    @property
    def work_path(self) -> Path:
        """What is planned for workers to do; there until it is done."""
        return self.root / "work.json"

    def work_done(self, plan: str) -> Path:
        """What was planned and is done, by its digest; with times, among the runs."""
        return self._path("runs", f"done-{plan}") / "plan.json"

    def work_marks(self, plan: str, column: str) -> Path:
        """Folder of notes on the parts of a column that are done."""
        return self._path("staged", "shares", plan, column)

    @property
    def dropped(self) -> Path:
        """Folder of what is about to be removed; whoever writes next removes what a kill left."""
        return self.root / "staged" / "dropped"

    def span_picks(self, scan: str, pick_set: str, part: str, generation: int = 0) -> Path:
        """A part of a further pick set of a scan, whose rows are keyed by clip."""
        file = part + _generation(generation)
        return self._path("scans", scan, "pick_sets", pick_set, file=file)

    def span_picks_files(self, scan: str, pick_set: str, part: str) -> list[Path]:
        """What there is of a part of a further pick set, the oldest generation first."""
        # Rows of answers name theirs.
        known = is_file_name(pick_set)
        return _generations(self.span_picks(scan, pick_set, part)) if known else []

    def staged_picks(self, scan: str, pick_set: str, part: str) -> Path:
        """Folder of a further pick set's videos that are decoded but not sealed yet."""
        return self._path("staged", "pick_sets", scan, pick_set, part)

    def subset(self, name: str) -> Path:
        """The ids of a subset."""
        return self._path("subsets", file=name)

    def rejected_by(self, name: str) -> Path:
        """Ids of the clips that a subset does not take, with reasons, where they were recorded."""
        return self._path("subsets", "rejected", file=name)

    def run(self, run_id: str) -> Path:
        """The folder of one run: the only place where times stand."""
        return self._path("runs", run_id)

    def _path(self, *steps: str, file: str | None = None) -> Path:
        """A path below the folder; no step of it leads anywhere else."""
        for step in (*steps, *([] if file is None else [file])):
            if not is_file_name(step):
                raise DatasetFormatError(
                    f"{step!r} cannot be a name in {self.root}: letters, digits and . _ - @ can",
                    hint="internvid did not write it: ask whoever made this dataset",
                )
        folder = self.root.joinpath(*steps)
        return folder if file is None else folder / f"{file}.parquet"

    def read_record(self) -> Record:
        """What is recorded.

        Raises:
            DatasetFormatError: no dataset there, or one this program cannot read.
        """
        path = self.record_path
        try:
            data = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise DatasetFormatError(
                f"{self.root} is not a dataset (no {RECORD} in it)",
                hint=f"it has parts: {command('repair', self.root)} makes it anew"
                if any(self.root.glob("sources/part-*.parquet"))
                else "make one with: internvid build VIDEOS -o " + str(self.root),
            ) from error
        except NotADirectoryError as error:
            raise DatasetFormatError(
                f"{self.root} is a file, not the folder of a dataset",
                hint="make one with: internvid build VIDEOS -o FOLDER",
            ) from error
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise DatasetFormatError(f"{path} cannot be read: {reason}") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DatasetFormatError(
                f"{path} is damaged: {error}",
                hint=f"its parts need not be: {command('repair', self.root)} makes it anew",
            ) from error
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise DatasetFormatError(
                f"{path} was not written by internvid",
                hint=f"if the parts are your own: {command('repair', self.root)} makes it anew",
            )
        version = data.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise DatasetFormatError(
                f"{self.root} has format version {version}, this program reads {FORMAT_VERSION}",
                hint="build it anew into another folder, or read it with the version that made it"
                if isinstance(version, int) and version < FORMAT_VERSION
                else "update internvid",
            )
        wrong = foreign_entry(data)
        if wrong is not None:
            raise DatasetFormatError(
                f"{path} says what no dataset of internvid can: {wrong}",
                hint=f"if the parts are your own: {command('repair', self.root)} makes it anew",
            )
        known = Record.__dataclass_fields__.keys() - {"number"}
        record = Record(**{key: value for key, value in data.items() if key in known})
        record.number = int(path.stem) if isinstance(path, StorePath) else 0
        return record

    @property
    def types_path(self) -> Path:
        """What is recorded of the sources beside their parts: `metadata`, size of parts."""
        return self.root / "sources" / "types.json"

    def recipe_path(self, key: str) -> Path:
        """The configuration behind a scan or a cut, beside its parts."""
        return self._path("cuts" if "@" in key else "scans", key) / "recipe.json"

    def columns_path(self, cut: str) -> Path:
        """The current columns of a cut, and the configurations behind them, beside its parts."""
        return self._path("cuts", cut) / "columns.json"

    def _recipes(self, record: Record) -> Iterator[tuple[Path, Any]]:
        """What a lost record is made again from, with the parts: path -> JSON value."""
        kept = {"metadata": record.metadata, **_part_size(record)}
        yield self.types_path, kept
        for key, recipe in (*record.scans.items(), *record.cuts.items()):
            yield self.recipe_path(key), recipe
        for cut, columns in record.columns.items():
            read = {key: record.column_recipes.get(key, {}) for key in columns.values()}
            yield self.columns_path(cut), {"columns": columns, "column_recipes": read}

    def write_record(self, record: Record) -> None:
        """Replace `dataset.json` in one step.

        Its configurations are kept beside the parts too, so that it can be made again.
        """
        for path, value in self._recipes(record):
            if path.parent.is_dir() and read_json(path) != plain_json(value):
                commit_json(path, value)
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        entries = {name: entry for name, entry in record.recorded().items() if name not in _SIZES}
        value = {**head, **entries, **_part_size(record)}
        if isinstance(self.root, StorePath):
            self._put_manifest(self.root / MANIFESTS, record, b"".join(json_pieces(value)))
        else:
            commit_json(self.record_path, value)

    def _put_manifest(self, folder: StorePath, record: Record, data: bytes) -> None:
        if not put_next(folder, record.number + 1, data):
            raise DatasetBusyError(
                f"another process has changed what is recorded of {self.root} meanwhile",
                hint="run the same command again: it goes on from what both have written",
            )
        record.number += 1

    def set_aside_record(self, name: str) -> int:
        """Keep a record that cannot be read beside it; its number, which the next goes on from."""
        path = self.record_path
        if isinstance(path, StorePath):
            if not path.exists():
                return 0
            commit_bytes(self.root / name, path.read_bytes())
            return int(path.stem)
        if path.exists():
            os.replace(path, self.root / name)
        return 0

    def create(self) -> Record:
        """The record of a new or existing dataset.

        Raises:
            OutputExistsError: the path holds something that is not a dataset.
        """
        self.refuse_foreign()
        if self.record_path.exists():
            return self.read_record()
        record = Record()
        self.write_record(record)
        return record

    def refuse_foreign(self) -> None:
        """Change nothing, but make sure that the path is a dataset or can become one.

        Raises:
            OutputExistsError: the path holds something that is not a dataset.
            StorageError: it cannot be looked at.
        """
        with storage_errors(self.root):
            if self.record_path.is_file():
                return
            if self.root.exists() and not self.root.is_dir():
                raise OutputExistsError(
                    f"{self.root} is a file, not a dataset folder",
                    hint="choose another path with -o",
                )
            names = _names(self.root)
        # A build that was killed at its very beginning leaves no more than these.
        foreign = [name for name in names if name != "lock" and not is_temporary(name)]
        if foreign:
            raise OutputExistsError(
                f"{self.root} exists and is not an internvid dataset "
                f"(it holds {foreign[0]!r}{' and more' if len(foreign) > 1 else ''})",
                hint="choose an empty or new folder with -o",
            )

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Hold the write lock together with others that do the same planned work.

        Raises:
            DatasetBusyError: another process holds it alone.
        """
        busy = DatasetBusyError(
            f"another process is writing to {self.root}",
            hint="wait until it ends, then run the same command again; nothing was changed",
        )
        with held(self.root / "lock", busy, shared=True):
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock. The system frees it however the process ends.

        What a killed writer left half written is removed.

        Raises:
            DatasetBusyError: another process holds it.
        """
        busy = DatasetBusyError(
            f"another process is writing to {self.root}",
            hint="wait until it ends; nothing was changed",
        )
        with held(self.root / "lock", busy):
            discard_temporaries(self.root)
            discard(self.dropped)
            yield


def _part_size(record: Record) -> dict[str, int]:
    """How large parts are, as it is written: without what is not set."""
    sizes = {name: getattr(record, name) for name in _SIZES}
    return {name: size for name, size in sizes.items() if size is not None}


def read_json(path: Path) -> Any:
    """The value in a JSON file; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def plain_json(value: Any) -> Any:
    """A value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def _generation(number: int) -> str:
    return f".g{number:03d}" if number else ""


def _generations(first: Path) -> list[Path]:
    further = sorted(
        first.parent.glob(f"{first.stem}.g*.parquet"),
        key=lambda path: int(path.stem.rpartition(".g")[2]),
    )
    return [path for path in (first, *further) if path.exists()]


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
