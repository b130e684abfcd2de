"""Which column of a table a score stands in, where a selection does not say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from internvid.core.errors import ConfigInvalidError
from internvid.curate.tables.expressions import is_number
from internvid.dataset.answers.column_views import quoted_name

if TYPE_CHECKING:
    import duckdb

SIMILARITY = ("similarity", "clipscore", "umt_score", "umt-sim", "clip_score", "matching_score")
"""Video-text similarity: of our scorers, of InternVid, of Panda-70M."""
AESTHETIC = ("aesthetic", "aesthetic_score", "aesthetic score", "aesthetic_mean")
"""Aesthetic scores: of our scorer, of InternVid and Koala-36M, of OpenVid-1M."""


def score_of(table: duckdb.DuckDBPyRelation, column: str, known: Sequence[str], what: str) -> str:
    """A column of scores as a DOUBLE expression: null where there is no finite number.

    Args:
        table: that has it.
        column: its name; empty for the one that has a known name.
        known: names to look for, lower case.
        what: kind of score, for messages.

    Raises:
        ConfigInvalidError: the table has no such column, or several with a known name.
    """
    found = [name for name in table.columns if name.lower() in known]
    if column:
        found = [name for name in table.columns if name == column] or [
            name for name in table.columns if name.lower() == column.lower()
        ]
    if len(found) != 1:
        trouble = "several" if found else "none"
        named = f"called {column!r}" if column else f"of a known name ({', '.join(known)})"
        raise ConfigInvalidError(
            f"which column holds the {what} score? {trouble} is {named}"
            + (f": {', '.join(found)}" if found else ""),
            hint=_way_on(table, known),
        )
    name = quoted_name(found[0])
    if str(table.types[table.columns.index(found[0])]) == "VARCHAR":
        # Tables with one row a video keep the score of a clip as a list of one.
        name = f"trim({name}, ' []')"
    return _finite(name)


def is_single(table: duckdb.DuckDBPyRelation, score: str) -> bool:
    """Whether a score, as `score_of` has it, is a column of FLOAT: then four bytes hold it."""
    named = zip(table.columns, map(str, table.types), strict=True)
    return any(kind == "FLOAT" and _finite(quoted_name(name)) == score for name, kind in named)


def _finite(name: str) -> str:
    value = f"try_cast({name} as double)"
    return f"if(isfinite({value}), {value}, null)"


def _way_on(table: duckdb.DuckDBPyRelation, known: Sequence[str]) -> str:
    if known and "start_pts" in table.columns:
        scorer = known[0]
        return f"make one: internvid score DATASET --scorer {scorer}; or --set column=NAME"
    kinds = zip(table.columns, map(str, table.types), strict=True)
    numbers = [name for name, kind in kinds if is_number(kind) and not name.startswith("row_")]
    return f"name it with --set column=NAME; columns of numbers are: {', '.join(numbers) or 'none'}"
