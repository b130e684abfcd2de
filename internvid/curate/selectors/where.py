"""Rows for which an SQL condition is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError

if TYPE_CHECKING:
    import duckdb


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

        try:
            # One expression only: parentheses keep a condition from ending the statement.
            table.filter(f"({self.condition})")
            return table.project(f"*, if(({self.condition}), null, 'where') as rejection")
        except duckdb.Error as error:
            raise ConfigInvalidError(
                f"the condition {self.condition!r} cannot be used: {_first_line(error)}",
                hint=_way_on(error, table.columns),
            ) from error


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
