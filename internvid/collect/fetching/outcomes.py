"""What became of each item: one row an item in SQLite, written the moment that it is known.

`outcomes` has the final word on an item; `transfers` what a broken transfer is gone on with;
`descriptions` what is known of a file that was not named yet. Every row is on the disk before the
next request is sent: whatever kills the process, no outcome is lost.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from internvid.collect.fetching.reasons import MOST_CHARACTERS, PASSING, STATUSES
from internvid.core.errors import DatasetFormatError, StorageError

_SCHEMA = """
create table if not exists outcomes (
    item integer primary key, status text not null, reason text not null, message text not null,
    path text, bytes integer, offset_seconds real, seconds real, facts text not null
) strict;
create table if not exists transfers (
    item integer primary key, address text not null, validator text not null, total integer
) strict;
create table if not exists descriptions (item integer primary key, facts text not null) strict;
"""
_INSERT = "insert or replace into outcomes values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS = (
    "item", "status", "reason", "message", "path", "bytes", "offset_seconds", "seconds", "facts",
)  # fmt: skip
_SOME = 4096


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        item: its number.
        status: `fetched`, `failed` or `skipped`.
        reason: in one word; empty where it is fetched.
        message: one sentence for people.
        path: of the file, relative to the folder; None where there is none.
        bytes: of the file.
        offset_seconds: where in the source the file begins.
        seconds: how long the file plays.
        facts: what is known of the source: title, licence, subtitles, size of the picture.
    """

    item: int
    status: str
    reason: str = ""
    message: str = ""
    path: str | None = None
    bytes: int | None = None
    offset_seconds: float = 0.0
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Transfer:
    """A transfer that may be gone on with.

    Attributes:
        address: that the bytes came from, behind redirects.
        validator: its strong ETag or time of change: the rest is requested only if it still holds.
        total: bytes of the whole, None where it was not stated.
    """

    address: str
    validator: str
    total: int | None


class Outcomes:
    """The database of a folder.

    Args:
        path: the file.
        is_writable: make it where it is not there.

    Raises:
        DatasetFormatError: it is damaged.
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path, *, is_writable: bool = True) -> None:
        self.path = path
        with self._troubles():
            # Rows are written by the loop, and by nobody else at the same time.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            if is_writable:
                self._connection.execute("pragma journal_mode = wal")
                self._connection.execute("pragma synchronous = full")
                self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def record(self, outcome: Outcome) -> None:
        """Write the final word on an item; it is on the disk when this returns."""
        row = (
            outcome.item, outcome.status, outcome.reason, outcome.message[:MOST_CHARACTERS],
            outcome.path, outcome.bytes, outcome.offset_seconds, outcome.seconds,
            _json(outcome.facts),
        )  # fmt: skip
        with self._troubles():
            self._connection.execute("begin immediate")
            self._connection.execute(_INSERT, row)
            # What may pass by the next run keeps what it can be gone on with.
            spent = (
                ("descriptions",) if outcome.reason in PASSING else ("transfers", "descriptions")
            )
            for table in spent:
                self._connection.execute(f"delete from {table} where item = ?", (outcome.item,))
            self._connection.execute("commit")

    def begin_transfer(self, item: int, transfer: Transfer) -> None:
        """Note what the bytes of an item that are being written belong to."""
        row = (item, transfer.address, transfer.validator, transfer.total)
        with self._troubles():
            self._connection.execute("insert or replace into transfers values (?, ?, ?, ?)", row)

    def transfer(self, item: int) -> Transfer | None:
        """What the bytes of an item that are there belong to."""
        query = "select address, validator, total from transfers where item = ?"
        with self._troubles():
            row = self._connection.execute(query, (item,)).fetchone()
        return None if row is None else Transfer(*row)

    def describe(self, item: int, facts: Mapping[str, Any]) -> None:
        """Note what is known of a file, before it has its name."""
        row = (item, _json(facts))
        with self._troubles():
            self._connection.execute("insert or replace into descriptions values (?, ?)", row)

    def described(self, item: int) -> dict[str, Any]:
        """What was noted of a file."""
        query = "select facts from descriptions where item = ?"
        with self._troubles():
            row = self._connection.execute(query, (item,)).fetchone()
        found: dict[str, Any] = {} if row is None else json.loads(row[0])
        return found

    def settled(self, items: int, *, retry: bool = False) -> NDArray[np.bool_]:
        """Which items need nothing more: bool [items].

        Args:
            items: how many there are.
            retry: try all again that have no file, not only what may have passed.
        """
        done = np.zeros(items, np.bool_)
        query = "select item, status, reason from outcomes"
        with self._troubles():
            for number, status, reason in self._connection.execute(query):
                again = status != "fetched" and (retry or reason in PASSING)
                if 0 <= number < items:
                    done[number] = not again
        return done

    def counts(self) -> tuple[dict[str, int], dict[str, int], int]:
        """(items by status, items without a file by reason, bytes of files)."""
        query = (
            "select status, reason, count(*), coalesce(sum(bytes), 0) from outcomes group by 1, 2"
        )
        statuses = dict.fromkeys(("fetched", "failed", "skipped"), 0)
        reasons: dict[str, int] = {}
        total = 0
        with self._troubles():
            for status, reason, count, size in self._connection.execute(query):
                statuses[status] = statuses.get(status, 0) + count
                if reason:
                    reasons[reason] = count
                total += size
        return statuses, {name: reasons[name] for name in STATUSES if name in reasons}, total

    def examples(self, most: int) -> list[tuple[int, str, str]]:
        """(item, reason, message) of the first items of each reason, at most so many in all."""
        query = (
            "select item, reason, message from (select *, row_number() over (partition by reason "
            "order by item) as place from outcomes where reason <> '') order by place, item limit ?"
        )
        with self._troubles():
            return self._connection.execute(query, (most,)).fetchall()

    def in_order(self) -> Iterator[Outcome]:
        """Every outcome, by item."""
        with self._troubles():
            cursor = self._connection.execute("select * from outcomes order by item")
            while rows := cursor.fetchmany(_SOME):
                for row in rows:
                    values = dict(zip(_COLUMNS, row, strict=True))
                    yield Outcome(**{**values, "facts": json.loads(values["facts"])})

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"{self.path} cannot be used: {error}",
                hint="free space or fix the permission, then run the same command again",
            ) from error
        except sqlite3.DatabaseError as error:
            raise DatasetFormatError(
                f"{self.path} is damaged: {error}", hint="restore it from a copy"
            ) from error


def _json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)
