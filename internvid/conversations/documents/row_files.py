"""Rows of JSON in files: lines, one list, or members of tar files; streamed, with typed faults."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.core.errors import SourceMissingError

_CHUNK = 1 << 20
_BLANK, _BETWEEN = re.compile(r"[ \t\r\n]*"), re.compile(r"[ \t\r\n,]*")
_MOST_EXAMPLES = 20
ROW_ENDINGS = (".jsonl", ".json", ".tar")


@dataclass(frozen=True)
class RowFault:
    """What is wrong with one row.

    Attributes:
        file: its name.
        row: number of the row in it, from 1; 0 where it is the file itself.
        reason: a word.
        detail: for people.
    """

    file: str
    row: int
    reason: str
    detail: str


@dataclass
class Faults:
    """Faults of rows: all are counted, the first of each reason are kept.

    Attributes:
        counts: reason -> rows.
        examples: the first ones.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[RowFault] = field(default_factory=list)

    def add(self, file: str, row: int, reason: str, detail: str = "") -> None:
        """Count a fault."""
        self.counts[reason] += 1
        if self.counts[reason] <= _MOST_EXAMPLES:
            self.examples.append(RowFault(file, row, reason, detail))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class ReadRow:
    """A row.

    Attributes:
        file: that it stands in.
        number: of the row, from 1.
        value: as JSON has it.
        members: names of what lies beside it in a tar file.
    """

    file: Path
    number: int
    value: Any
    members: Collection[str] = ()


def files_with_rows(path: Path, names: Collection[str] = ()) -> list[Path]:
    """The files to read: a file itself, or those of a folder, in order.

    Args:
        path: a file or a folder.
        names: patterns of files in a folder.

    Raises:
        SourceMissingError: there is nothing.
    """
    if path.is_file():
        return [path]
    found = sorted({each for pattern in names for each in path.glob(pattern) if each.is_file()})
    if not found:
        what = "is not there" if not path.exists() else f"has none of {', '.join(names)}"
        raise SourceMissingError(f"{path} {what}", hint="name a file of rows, or its folder")
    return found


def read_rows(path: Path, faults: Faults) -> Iterator[ReadRow]:
    """Rows of one file; what is no JSON is counted and passed over.

    Args:
        path: `.jsonl`, `.json` (one list, or lines after all) or `.tar`.
        faults: reasons `not_json`, `cut_short` and `unreadable` are added.
    """
    try:
        if path.suffix == ".tar":
            yield from _members(path, faults)
        elif path.suffix == ".json" and _is_list(path):
            yield from _list(path, faults)
        else:
            yield from _lines(path, faults)
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        faults.add(path.name, 0, "unreadable", f"{type(error).__name__}: {error}")


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def _lines(path: Path, faults: Faults) -> Iterator[ReadRow]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                faults.add(path.name, number, "not_json", str(error))
                continue
            yield ReadRow(path, number, value)


def _list(path: Path, faults: Faults) -> Iterator[ReadRow]:
    """Values of one list, with little of it in memory at a time."""
    decoder, waiting, number, is_begun = json.JSONDecoder(), "", 0, False
    with path.open(encoding="utf-8-sig") as file:
        while True:
            chunk = file.read(_CHUNK)
            waiting += chunk
            # A piece has thousands of rows: it is passed along, not cut for each.
            at = 0
            while True:
                at = (_BETWEEN if is_begun else _BLANK).match(waiting, at).end()  # type: ignore[union-attr]
                if not is_begun and waiting[at : at + 1] == "[":
                    at, is_begun = at + 1, True
                    continue
                if waiting[at : at + 1] == "]":
                    return
                try:
                    value, end = decoder.raw_decode(waiting, at)
                except (ValueError, RecursionError):
                    break
                # A number may go on in the next piece; rows are objects, which end.
                if not isinstance(value, (dict, list)) and end == len(waiting) and chunk:
                    break
                at, number = end, number + 1
                yield ReadRow(path, number, value)
            waiting = waiting[at:]
            if not chunk:
                faults.add(path.name, number + 1, "cut_short", "the list has no end")
                return


def _members(path: Path, faults: Faults) -> Iterator[ReadRow]:
    with tarfile.open(path) as tar:
        names: list[str] = []
        value: Any = None
        key, number = "", 0
        for member in tar:
            own = member.name.partition(".")[0]
            if own != key and key:
                number += 1
                yield ReadRow(path, number, value, names)
                names, value = [], None
            key = own
            names.append(member.name)
            if member.name == f"{own}.json":
                file = tar.extractfile(member)
                try:
                    value = json.loads(file.read()) if file is not None else None
                except (ValueError, RecursionError) as error:
                    faults.add(path.name, number + 1, "not_json", str(error))
        if key:
            yield ReadRow(path, number + 1, value, names)


def text_field(row: Mapping[str, Any], *names: str) -> str | None:
    """The first of some fields that is a text; None where none is."""
    return next((row[name] for name in names if isinstance(row.get(name), str)), None)
