"""Takes a column of captions, scores or vectors out of a dataset, whatever happens on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from internvid.core.errors import MisuseError
from internvid.dataset.answers.column_inputs import text_chain
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import discard, reading_part, storage_errors
from internvid.dataset.removal.purging import writing
from internvid.dataset.stores.store_path import located
from internvid.dataset.subset_files import subset_facts, subset_names


@dataclass(frozen=True)
class Dropped:
    """A column that is gone.

    Attributes:
        column: its name. key: `name@fingerprint`.
        cuts: those in which it had rows. rows, bytes: how many, over all of them.
        others: further keys of the same name that are still stored.
        dependents: columns and subsets that were made from it.
    """

    column: str
    key: str
    cuts: tuple[str, ...]
    rows: int
    bytes: int
    others: tuple[str, ...]
    dependents: tuple[str, ...]


def drop_column(root: Path, column: str, *, force: bool = False) -> Dropped:
    """Remove a column under every cut, with its answers that are not sealed yet.

    Its files are moved aside first, each folder in one step, then the record forgets it, then they
    are removed. Killed before the record forgets, the column is there and lacks answers: dropped
    again, it goes. Killed later, the next command that writes removes what is left.

    Args:
        root: the dataset.
        column: a name, for the column that it means now; or `name@fingerprint`.
        force: also where columns or subsets were made from it; such columns are stale then.

    Raises:
        MisuseError: no such column, or others were made from it.
    """
    layout = Layout(located(root))
    layout.read_record()  # a folder that is no dataset stays as it is
    with writing(layout):
        record = layout.read_record()
        key = _key(layout, record, column)
        name = key.partition("@")[0]
        dependents = _dependents(layout, record, key)
        if dependents and not force:
            raise MisuseError(
                f"{key} was used to make: {', '.join(dependents)}",
                hint="--force drops it all the same; columns made from it are stale then, subsets "
                "keep their clips",
            )
        folders = list(_folders(layout, key))
        found = [path for folder in folders for path in sorted(folder.glob("**/*.parquet"))]
        rows = sum(_rows(path) for path in found)
        size = sum(path.stat().st_size for path in found)
        with storage_errors(layout.dropped):
            for number, folder in enumerate(folders):
                layout.dropped.mkdir(parents=True, exist_ok=True)
                folder.rename(layout.dropped / str(number))
        _forget(layout, record, key)
        discard(layout.dropped)
        others = tuple(other for other in _stored(layout) if other.partition("@")[0] == name)
    cuts = sorted({folder.parent.parent.name for folder in folders if folder.parent.name == _OWN})
    return Dropped(name, key, tuple(cuts), rows, size, others, tuple(dependents))


_OWN = "columns"


def _stored(layout: Layout) -> list[str]:
    """Keys of all columns that have a folder, under any cut."""
    patterns = ("cuts/*/columns/*@*", "staged/columns/*/*@*")
    return sorted({path.name for each in patterns for path in layout.root.glob(each)})


def _key(layout: Layout, record: Record, column: str) -> str:
    current = record.columns.get(record.cut or "", {})
    known = {*_stored(layout), *record.column_recipes}
    known |= {key for columns in record.columns.values() for key in columns.values()}
    if column in current:
        return current[column]
    if column in known:
        return column
    of_name = sorted(key for key in known if key.partition("@")[0] == column)
    there = ", ".join(sorted(current)) or "none"
    raise MisuseError(
        f"{layout.root} has no column {column!r}; it has: {there}",
        hint=f"stored beside them: {', '.join(of_name)}" if of_name else None,
    )


def _folders(layout: Layout, key: str) -> Iterator[Path]:
    yield from sorted(layout.root.glob(f"cuts/*/columns/{key}"))
    yield from sorted(layout.root.glob(f"staged/columns/*/{key}"))


def _rows(path: Path) -> int:
    with reading_part(path):
        return int(pq.read_metadata(path).num_rows)


def _forget(layout: Layout, record: Record, key: str) -> None:
    for columns in record.columns.values():
        for name in [name for name, known in columns.items() if known == key]:
            del columns[name]
    record.column_recipes.pop(key, None)
    layout.write_record(record)


def _dependents(layout: Layout, record: Record, key: str) -> list[str]:
    """Current columns that were made from a column, and subsets whose selector names it."""
    columns = record.columns.get(record.cut or "", {})
    found = [
        f"column {name}"
        for name, other in sorted(columns.items())
        if key in text_chain(record, other)
    ]
    name = key.partition("@")[0]
    if columns.get(name) != key:
        return found  # What is chosen by name is chosen by another version.
    extras = record.column_recipes.get(key, {}).get("extras", {})
    words = "|".join(re.escape(word) for word in (name, *(f"{name}_{extra}" for extra in extras)))
    pattern = re.compile(rf"(?<![\w.])(?:{words})(?![\w.])", re.IGNORECASE)
    for subset in subset_names(layout):
        selector = subset_facts(layout, subset).get("recipe", {}).get("selector", {})
        fields = selector.get("fields", selector) if isinstance(selector, dict) else selector
        if pattern.search(json.dumps(fields, ensure_ascii=False)):
            found.append(f"subset {subset}")
    return found
