"""What a discovery knows so far, in one SQLite file: killed at any moment, it goes on from there.

Each answer that was read, with its candidates and with where to go on, is one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.collect.discovery.candidate import SCHEMA, Candidate, row_of
from internvid.core.errors import DatasetFormatError, MisuseError, StorageError
from internvid.dataset.parts import part_writer

_ROWS_AT_ONCE = 4096
_TABLES = """
create table if not exists facts (name text primary key, value text) without rowid;
create table if not exists searches (
    number integer primary key, place text, query text, follow text, further text,
    pages integer default 0, taken integer default 0, outcome text, message text,
    unique (place, query)
);
create table if not exists candidates (
    number integer primary key, source_id text unique, row text, queries text
);
create table if not exists dropped (reason text primary key, count integer) without rowid;
"""


@dataclass(frozen=True)
class Search:
    """One phrase at one place, or one listing.

    Attributes:
        number: in the order they were given.
        place, query: what and where.
        follow: the next address; None before the first answer.
        further: addresses of answers that are still to be read.
        pages: answers that were read.
        taken: candidates that were taken of it.
    """

    number: int
    place: str
    query: str
    follow: str | None
    further: tuple[str, ...]
    pages: int
    taken: int


class CandidateStore:
    """The state of a discovery.

    Args:
        path: of the file; made where it is not there.

    Raises:
        DatasetFormatError: the file is none of ours.
        MisuseError: another process works with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.2)
            self._connection.execute("pragma locking_mode = exclusive")
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = full")
            self._connection.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise MisuseError(
                    f"another process works with {path}", hint="wait until it ends, or stop it"
                ) from error
            raise StorageError(f"{path} cannot be written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DatasetFormatError(
                f"{path} is no state of a discovery: {error}", hint="choose another name for OUT"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("begin immediate")
            yield self._connection
            self._connection.execute("commit")
        except sqlite3.OperationalError as error:
            self._undo()
            raise StorageError(f"{self.path} cannot be written: {error}") from error
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def request(self, settings: str, searches: Iterable[tuple[str, str]]) -> None:
        """Note what is wanted; searches that are known keep what is known of them.

        Args:
            settings: text that is another one where other candidates would be taken.
            searches: (place, query) pairs.

        Raises:
            MisuseError: the file was made with other settings.
        """
        rows = self._connection.execute("select value from facts where name = 'settings'")
        known = rows.fetchone()
        if known is not None and known[0] != settings:
            raise MisuseError(
                f"{self.path} belongs to a discovery with other settings",
                hint="choose another name for OUT, or give the settings of before",
            )
        with self._writing() as connection:
            connection.execute("insert or ignore into facts values ('settings', ?)", [settings])
            connection.executemany(
                "insert or ignore into searches (place, query) values (?, ?)", searches
            )

    def pending(self) -> list[Search]:
        """Searches without an outcome, in their order."""
        rows = self._connection.execute(
            "select number, place, query, follow, further, pages, taken from searches "
            "where outcome is null order by number"
        )
        return [
            Search(number, place, query, follow, tuple(json.loads(further or "[]")), pages, taken)
            for number, place, query, follow, further, pages, taken in rows
        ]

    def retry(self) -> None:
        """Forget the outcomes of searches that failed."""
        with self._writing() as connection:
            connection.execute("update searches set outcome = null where outcome = 'failed'")

    def take(
        self,
        search: Search,
        candidates: Iterable[tuple[Candidate, str]],
        most: int,
    ) -> Search:
        """Keep candidates of an answer, and where its search goes on, in one step.

        A video that is known gets the query beside its others. It counts for the limit too.

        Args:
            search: as it stands after the answer.
            candidates: in order, each with the reason why it is left out, or an empty text.
            most: candidates of one search; those behind the last one are not looked at.

        Returns:
            The search with what was taken of it.
        """
        taken = search.taken
        with self._writing() as connection:
            for candidate, reason in candidates:
                if taken >= most:
                    break
                if reason:
                    _count(connection, reason)
                else:
                    taken += _keep(connection, candidate)
            further = json.dumps(list(search.further))
            connection.execute(
                "update searches set follow = ?, further = ?, pages = ?, taken = ? "
                "where number = ?",
                [search.follow, further, search.pages, taken, search.number],
            )
        return Search(
            search.number, search.place, search.query, search.follow, search.further,
            search.pages, taken,
        )  # fmt: skip

    def end(self, search: Search, outcome: str, message: str = "") -> None:
        """Note that a search is `done` or `failed`."""
        with self._writing() as connection:
            connection.execute(
                "update searches set outcome = ?, message = ? where number = ?",
                [outcome, message, search.number],
            )

    def summary(self) -> dict[str, Any]:
        """Counts: `candidates`, `searches` by outcome, `dropped` by reason, `failures`."""
        connection = self._connection
        ((count,),) = connection.execute("select count(*) from candidates").fetchall()
        outcomes = connection.execute(
            "select coalesce(outcome, 'pending'), count(*) from searches group by 1 order by 1"
        ).fetchall()
        failures = connection.execute(
            "select place, query, message from searches where outcome = 'failed' "
            "order by number limit 20"
        ).fetchall()
        return {
            "candidates": count,
            "searches": dict(outcomes),
            "dropped": dict(connection.execute("select * from dropped order by reason")),
            "failures": [
                {"place": place, "query": query, "message": message}
                for place, query, message in failures
            ],
        }

    def write(self, path: Path) -> int:
        """Write the table of all candidates, in the order they were found; returns their number."""
        count = 0
        cursor = self._connection.cursor()
        cursor.execute("select row, queries from candidates order by number")
        with part_writer(path, SCHEMA) as writer:
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                table = [
                    {**json.loads(row), "queries": json.loads(queries)} for row, queries in rows
                ]
                writer.write_table(pa.Table.from_pylist(table, schema=SCHEMA))
                count += len(rows)
        return count


def _keep(connection: sqlite3.Connection, candidate: Candidate) -> bool:
    """Whether a candidate is one of the search that it was not before."""
    known = connection.execute(
        "select number, queries from candidates where source_id = ?", [candidate.source_id]
    ).fetchone()
    if known is None:
        row = json.dumps(row_of(candidate), ensure_ascii=False)
        connection.execute(
            "insert into candidates (source_id, row, queries) values (?, ?, ?)",
            [candidate.source_id, row, json.dumps([candidate.query], ensure_ascii=False)],
        )
        return True
    queries = json.loads(known[1])
    if candidate.query in queries:
        return False
    _count(connection, "duplicate")
    queries.append(candidate.query)
    text = json.dumps(queries, ensure_ascii=False)
    connection.execute("update candidates set queries = ? where number = ?", [text, known[0]])
    return True


def _count(connection: sqlite3.Connection, reason: str) -> None:
    connection.execute(
        "insert into dropped values (?, 1) on conflict (reason) do update set count = count + 1",
        [reason],
    )
