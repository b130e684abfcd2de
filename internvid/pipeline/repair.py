"""A lost or damaged `dataset.json`, made again from the parts and from what lies beside them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.core.config import identity
from internvid.core.errors import DatasetFormatError
from internvid.dataset.answers.columns import extras_of
from internvid.dataset.layout import (
    FORMAT_VERSION,
    SOURCES_PER_PART,
    ColumnEntry,
    Layout,
    PartEntry,
    Record,
    plain_json,
    read_json,
)
from internvid.dataset.names import foreign_entry, is_file_name
from internvid.dataset.parts import read_part, read_part_schema
from internvid.dataset.removal.purging import finish_removals
from internvid.dataset.sources.metadata import join_kinds
from internvid.dataset.stores.store_path import located
from internvid.pipeline.annotate.jobs import column_record
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.source_tables import kind_of

DAMAGED = "dataset.json.damaged"


@dataclass(frozen=True)
class Repair:
    """What was found out.

    Attributes:
        intact: the record could be read, and was left as it is.
        parts: how many there are.
        scan, cut: the current ones.
        columns: of the current cut.
        notes: sentences about what could not be found out, or only guessed.
    """

    intact: bool
    parts: int
    scan: str | None
    cut: str | None
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def repair(dataset: Path, known: Sequence[Recipe] = ()) -> Repair:
    """Make `dataset.json` anew, if it cannot be read, from the parts. These are not changed.

    What was damaged stays beside it as `dataset.json.damaged`.

    Args:
        dataset: the folder.
        known: recipes whose scans, cuts and columns are known by their fingerprints, for datasets
            that do not have their configurations beside their parts.

    Raises:
        DatasetFormatError: there are no parts, or the record is of another version.
        DatasetBusyError: another process writes to it.
    """
    layout = Layout(located(dataset))
    if not any(layout.root.glob("sources/part-*.parquet")) and not layout.record_path.exists():
        raise DatasetFormatError(
            f"{layout.root} holds no part of a dataset", hint="name the folder of a dataset"
        )
    with layout.locked():
        try:
            record = layout.read_record()
            finish_removals(layout)
            return _repaired(record, (), intact=True)
        except DatasetFormatError:
            if _is_of_another_version(layout):
                raise
            finder = _Finder(layout, known)
            record = finder.record()
        record.number = layout.set_aside_record(DAMAGED)
        layout.write_record(record)
        finish_removals(layout)
    return _repaired(record, tuple(finder.notes), intact=False)


def _repaired(record: Record, notes: tuple[str, ...], *, intact: bool) -> Repair:
    columns = tuple(sorted(record.columns.get(record.cut or "", {})))
    return Repair(intact, len(record.parts), record.scan, record.cut, columns, notes)


class _Finder:
    """Finds out entry by entry what the record stated."""

    def __init__(self, layout: Layout, known: Sequence[Recipe]) -> None:
        self.layout, self.known = layout, known
        self.notes: list[str] = []
        # Their clock counts whole seconds, that of the file less.
        paths = sorted(
            layout.root.glob("runs/*/run.json"), key=lambda path: path.stat().st_mtime_ns
        )
        runs = (read_json(path) for path in paths)
        whole = (run for run in runs if isinstance(run, dict))
        self.runs = sorted(whole, key=lambda run: str(run.get("finished")))

    def record(self) -> Record:
        """The record.

        Raises:
            DatasetFormatError: the folders have names that internvid does not give.
        """
        record = Record()
        record.parts = list(self._parts())
        self._types(record)
        scans, cuts = self._names("scans"), self._names("cuts")
        record.scans = {scan: self._scan(scan) for scan in scans}
        record.cuts = {cut: self._cut(cut) for cut in cuts}
        record.cut = self._current("cut", cuts)
        of_cut = record.cuts.get(record.cut or "", {}).get("scan")
        if of_cut in scans:
            record.scan = of_cut
        elif record.cut is not None:
            record.scan = self._current("scan", scans)
        for cut in cuts:
            columns, recipes = self._kept_columns(cut) or self._stored_columns(cut)
            if columns:
                record.columns[cut] = columns
                record.column_recipes |= recipes
        for name in ("scans", "cuts", "column_recipes"):
            recipes = getattr(record, name)
            lost = sorted(key for key, recipe in recipes.items() if not recipe.get("component"))
            if lost:
                self.notes.append(f"the configuration of {', '.join(lost)} is not known")
            setattr(record, name, {key: value for key, value in recipes.items() if value})
        wrong = foreign_entry(record.recorded())
        if wrong is not None:
            raise DatasetFormatError(
                f"{self.layout.root} has a folder that no dataset of internvid has: {wrong}",
                hint="remove or rename it",
            )
        return record

    def _parts(self) -> Iterator[PartEntry]:
        paths = {path.stem: path for path in self.layout.root.glob("scans/*/videos/part-*.parquet")}
        paths |= {path.stem: path for path in self.layout.root.glob("sources/part-*.parquet")}
        for name in sorted(paths):
            yield {"name": name, "sources": read_part(paths[name], ["uri"]).num_rows}

    def _types(self, record: Record) -> None:
        kept = read_json(self.layout.types_path)
        if isinstance(kept, dict) and foreign_entry(kept) is None:
            record.metadata = kept.get("metadata", {})
            record.sources_per_part = kept.get("sources_per_part", SOURCES_PER_PART)
            record.megabytes_per_part = kept.get("megabytes_per_part")
            return
        most = max((part["sources"] for part in record.parts), default=0)
        record.sources_per_part = max(SOURCES_PER_PART, most)
        for part in record.parts:
            for text in read_part(self.layout.sources(part["name"]), ["metadata"])["metadata"]:
                values = json.loads(text.as_py() or "{}")
                kinds = {key: kind_of(value) for key, value in values.items()}
                record.metadata = join_kinds(record.metadata, kinds)
        if record.metadata:
            self.notes.append("types of metadata are those of its values: dates and times are text")

    def _names(self, folder: str) -> list[str]:
        return sorted(path.name for path in self.layout.root.glob(f"{folder}/*") if path.is_dir())

    def _current(self, what: str, found: Sequence[str]) -> str | None:
        """The latest one that a run says it made, or else the only one, or the newest."""
        recorded = [run[what] for run in self.runs if run.get(what) in found]
        if recorded or len(found) < 2:
            return recorded[-1] if recorded else next(iter(found), None)
        newest = max(found, key=lambda name: _newest(self.layout.root / f"{what}s" / name))
        self.notes.append(f"no run says which {what} is the current one: {newest} is the newest")
        return newest

    def _scan(self, scan: str) -> Any:
        kept = read_json(self.layout.recipe_path(scan)) if is_file_name(scan) else None
        if isinstance(kept, dict):
            return kept
        made = (each for each in self.known if each.scan_fingerprint() == scan)
        return next((plain_json(identity(each.complete_scan())) for each in made), {})

    def _cut(self, cut: str) -> Any:
        kept = read_json(self.layout.recipe_path(cut)) if is_file_name(cut) else None
        if isinstance(kept, dict):
            return kept
        for each in self.known:
            if each.cut_key() == cut:
                return plain_json(each.cut_record())
        for run in reversed(self.runs):
            recipe = run.get("recipe")
            if run.get("cut") == cut and isinstance(recipe, dict):
                entry = {key: value for key, value in recipe.items() if key != "name"}
                return {"scan": run.get("scan"), **entry}
        return {}

    def _kept_columns(self, cut: str) -> tuple[dict[str, str], dict[str, ColumnEntry]] | None:
        kept = read_json(self.layout.columns_path(cut)) if is_file_name(cut) else None
        if not isinstance(kept, dict) or set(kept) != {"columns", "column_recipes"}:
            return None
        entries = {"columns": {cut: kept["columns"]}, "column_recipes": kept["column_recipes"]}
        return None if foreign_entry(entries) else (kept["columns"], kept["column_recipes"])

    def _stored_columns(self, cut: str) -> tuple[dict[str, str], dict[str, ColumnEntry]]:
        """Name -> key of the columns that have answers, of several of one name the newest."""
        keys: dict[str, list[str]] = defaultdict(list)
        for folder in sorted(self.layout.root.glob(f"cuts/{cut}/columns/*")):
            if any(folder.glob("*.parquet")):
                keys[folder.name.partition("@")[0]].append(folder.name)
        found = {}
        for name, several in keys.items():
            folder = self.layout.root / "cuts" / cut / "columns"
            found[name] = max(several, key=lambda key: (_newest(folder / key), key))
            if len(several) > 1:
                self.notes.append(f"of the columns {', '.join(several)} the newest is current")
        return found, {key: self._column(cut, key) for key in found.values()}

    def _column(self, cut: str, key: str) -> Any:
        for each in self.known:
            for name in each.captioners:
                if each.column_key(name) == key:
                    return plain_json(column_record(each.captioners[name]))
        return self._by_schema(cut, key)

    def _by_schema(self, cut: str, key: str) -> ColumnEntry:
        """What the files themselves say: the type of the value, and the further columns."""
        files = sorted(self.layout.root.glob(f"cuts/{cut}/columns/{key}/*.parquet"))
        schema = read_part_schema(files[0])
        value = schema.field("value").type
        kind = "vector" if pa.types.is_list(value) else str(value)
        extras = {name: _type_name(schema.field(name).type) for name in extras_of(schema)}
        verb = "caption" if kind == "string" else "score"
        return {"value_type": kind, "extras": extras, "verb": verb}


def _is_of_another_version(layout: Layout) -> bool:
    data = read_json(layout.record_path)
    version = data.get("format_version") if isinstance(data, dict) else None
    return isinstance(version, int) and version != FORMAT_VERSION


def _newest(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.rglob("*.parquet")), default=0)


def _type_name(kind: pa.DataType) -> str:
    return f"list<{_type_name(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)
