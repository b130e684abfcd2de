"""Rows for which an SQL condition is true."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.scratch_tables import over, run_one

if TYPE_CHECKING:
    import duckdb

# A text that has this in it has its quotes escaped.
_CALLED = re.compile(r'"function_name":"([^"\\]+)"')
# They end the selection, or do nothing to it.
_FAILING = frozenset({"error", "stats", "vector_type"})


@dataclass(frozen=True)
class Where:
    """Clips for which an SQL condition over any column, also of their videos, is true.

    Attributes:
        condition: for example `duration_seconds > 2 and camera_move = 'pan'`.
    """

    version: ClassVar[int] = 1
    condition: str = "true"

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `where` is the reason of those for which it is false or null.

        Raises:
            ConfigInvalidError: DuckDB cannot read the condition; the message says where.
        """
        import duckdb

        # One expression only: parentheses keep a condition from ending the statement. The newline
        # ends a comment.
        condition = f"({self.condition}\n)"
        try:
            table.filter(condition)
            refuse_volatile(table, condition)
            return table.project(f"*, if({condition}, null, 'where') as rejection")
        except duckdb.Error as error:
            raise ConfigInvalidError(
                f"the condition {self.condition!r} cannot be used: {_first_line(error)}",
                hint=_way_on(error, table.columns),
            ) from error


def refuse_volatile(table: duckdb.DuckDBPyRelation, condition: str) -> None:
    """Refuse a condition that differs from one look at a row to the next, as with `random()`.

    A selection is looked at several times: to count, to write what was chosen and what was not.

    Args:
        table: that it is about.
        condition: that can be read.

    Raises:
        ConfigInvalidError: it calls such a function.
    """
    text = condition.replace("'", "''")
    (parsed,) = run_one(table, f"select json_serialize_sql('select {text}')")
    called = {name.lower() for name in _CALLED.findall(parsed)}
    known = "select function_name from duckdb_functions() where stability = 'VOLATILE'"
    volatile = {str(name) for (name,) in over(table, known).fetchall()} - _FAILING
    for name in sorted(called & volatile):
        raise ConfigInvalidError(
            f"the condition {condition[1:-2]!r} cannot be used: {name}() gives another value each "
            "time that it is asked",
            hint='draw rows with a seed: --then "random 1000 seed=7"',
        )


def _way_on(error: Exception, columns: list[str]) -> str:
    if "Cannot access file" in str(error):
        return "a condition reads the dataset's own tables and nothing else"
    if "explicit cast is required" in str(error):
        return (
            "say what a text is, for example try_cast(views as double), or give columns of tables "
            "their type: internvid build ... --type views=bigint"
        )
    return f"columns are: {', '.join(columns)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
