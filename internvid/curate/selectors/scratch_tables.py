"""Tables of a selection's own, in the DuckDB connection of the rows that it chooses from."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

PREFIX = "internvid_scratch_"


def new_table(purpose: str) -> str:
    """A name that no table has."""
    return f"{PREFIX}{purpose}_{secrets.token_hex(6)}"


def over(rows: duckdb.DuckDBPyRelation, query: str) -> duckdb.DuckDBPyRelation:
    """A SELECT, in which `input` stands for the rows; lazy."""
    relation = rows.query("input", query)
    # What is no SELECT has none.
    assert relation is not None
    return relation


def run(rows: duckdb.DuckDBPyRelation, statement: str) -> None:
    """Run a statement, in which `input` stands for the rows."""
    rows.query("input", statement)


def run_one(rows: duckdb.DuckDBPyRelation, statement: str) -> tuple[Any, ...]:
    """The one row that a SELECT gives, in which `input` stands for the rows."""
    (row,) = over(rows, statement).fetchall()
    return tuple(row)


def drop_scratch(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables of selections that are over."""
    names = connection.execute(
        "select table_name from duckdb_tables() where starts_with(table_name, ?)", [PREFIX]
    ).fetchall()
    for (name,) in names:
        connection.execute(f'drop table if exists "{name}"')
