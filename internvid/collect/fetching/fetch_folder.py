"""The folder of a fetch: where things lie in it, and which tables it was given.

```text
FOLDER/fetch.json        the tables that were given, with a digest of each
FOLDER/items/ spans/     their sources and rows     faulty/   lines that were not taken, by reason
FOLDER/outcomes.sqlite   what became of each item
FOLDER/media/xx/         files, and subtitles beside them; `.part`: not whole yet
FOLDER/table.parquet     what a build reads
```
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from internvid.collect.fetching.items.item_table import ItemPart, write_items
from internvid.core.errors import (
    DatasetBusyError,
    DatasetFormatError,
    MisuseError,
    OutputExistsError,
)
from internvid.curate.tables.files import find_files
from internvid.dataset.layout import RECORD
from internvid.dataset.left_temporaries import discard_temporaries
from internvid.dataset.parts import commit_json, held, storage_errors

FETCH_RECORD = "fetch.json"
_FORMAT = 1
_CHUNK = 1 << 22


@dataclass(frozen=True)
class GivenTable:
    """A table that was given, and what it became.

    Attributes:
        table: as it was named.
        digest: of all its bytes.
        stamps: (name, size, time of change in nanoseconds) of its files: equal ones are not read
            again to know that nothing changed.
        items, rows, sources, faults: see `ItemPart`.
    """

    table: str
    digest: str
    stamps: list[list[Any]]
    items: int
    rows: int
    sources: int
    faults: dict[str, int]


@dataclass
class FetchFolder:
    """A folder of fetched videos.

    Attributes:
        root: the folder.
        tables: that were given, in this order.
    """

    root: Path
    tables: list[GivenTable] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """Where outcomes are."""
        return self.root / "outcomes.sqlite"

    @property
    def table(self) -> Path:
        """What a build reads."""
        return self.root / "table.parquet"

    @property
    def media(self) -> Path:
        """Where files are."""
        return self.root / "media"

    @property
    def items(self) -> int:
        """How many sources there are."""
        return sum(given.items for given in self.tables)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Nobody else fetches into this folder until the block ends.

        Raises:
            DatasetBusyError: somebody does.
        """
        busy = DatasetBusyError(
            f"another process fetches into {self.root}", hint="wait for it, or stop it"
        )
        with held(self.root / ".lock", busy):
            discard_temporaries(self.root)
            yield

    def add(
        self,
        table: Path,
        *,
        url_template: str = "",
        layout: str | None = None,
        is_added: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """Take the items of a table; of one that was given before, nothing. Under the lock.

        Args:
            table: in any layout that is known.
            url_template, layout, progress: see `write_items`.
            is_added: whether this may be a further table.

        Returns:
            Whether there was anything new.

        Raises:
            MisuseError: the folder was made for another table, or the table has changed.
            InternvidError: the table cannot be read.
        """
        stamps = _stamps(table)
        if any(given.stamps == stamps for given in self.tables):
            return False
        digest = _digest(table)
        for number, given in enumerate(self.tables):
            if given.digest == digest:  # the same bytes elsewhere
                self.tables[number] = GivenTable(**{**asdict(given), "stamps": stamps})
                self._write()
                return False
        if self.tables and not is_added:
            raise MisuseError(
                f"{self.root} was made for {', '.join(given.table for given in self.tables)}, and "
                f"{table} is another table, or was changed since",
                hint="--add takes its sources too; or choose another folder",
            )
        part = write_items(
            table,
            self.root,
            len(self.tables),
            url_template=url_template,
            layout=layout,
            scratch=self.root / ".scratch",
            progress=progress,
        )
        self._remember(str(table), digest, stamps, part)
        return True

    def _remember(self, table: str, digest: str, stamps: list[list[Any]], part: ItemPart) -> None:
        self.tables.append(GivenTable(table, digest, stamps, **vars(part)))
        self._write()

    def _write(self) -> None:
        tables = [asdict(given) for given in self.tables]
        commit_json(self.root / FETCH_RECORD, {"format": _FORMAT, "tables": tables})


def is_fetch_folder(folder: Path) -> bool:
    """Whether videos were fetched into this folder."""
    return (folder / FETCH_RECORD).is_file()


def open_fetch_folder(root: Path, *, may_be_new: bool = False) -> FetchFolder:
    """The folder of a fetch as it was left.

    Args:
        root: the folder.
        may_be_new: an empty folder, or none, is taken too.

    Raises:
        OutputExistsError: it holds something else.
        DatasetFormatError: it is damaged, newer, or no folder of a fetch.
    """
    path = root / FETCH_RECORD
    if not path.is_file():
        if not may_be_new:
            raise DatasetFormatError(
                f"{root} is no folder that videos were fetched into: it has no {FETCH_RECORD}",
                hint="internvid fetch TABLE FOLDER makes one",
            )
        _refuse_strangers(root)
        return FetchFolder(root)
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["format"] > _FORMAT:
            raise DatasetFormatError(
                f"{path} is of format {record['format']}, which is newer than this program",
                hint="pip install --upgrade internvid",
            )
        return FetchFolder(root, [GivenTable(**given) for given in record["tables"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetFormatError(
            f"{path} is damaged: {error}", hint="restore it from a copy"
        ) from error


def _refuse_strangers(root: Path) -> None:
    with storage_errors(root):
        if not root.exists():
            return
        if not root.is_dir():
            raise OutputExistsError(f"{root} is no folder", hint="name another one")
        ours = {".lock", ".scratch", "items", "spans", "faulty"}
        others = sorted(each.name for each in root.iterdir() if each.name not in ours)
    if others:
        what = "is a dataset" if RECORD in others else f"holds {others[0]}"
        raise OutputExistsError(
            f"{root} {what}, and nothing was fetched into it before",
            hint="name a new or empty folder",
        )


def table_files(table: Path) -> Sequence[Path]:
    """The files of a table, or of a plain list.

    Raises:
        SourceMissingError, MisuseError: there are none, or none that is read.
    """
    is_list = table.is_file() and table.suffix.lower() == ".txt"
    return [table] if is_list else find_files(table).paths


def _stamps(table: Path) -> list[list[Any]]:
    return [
        [path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in table_files(table)
    ]


def _digest(table: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in table_files(table):
        digest.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
