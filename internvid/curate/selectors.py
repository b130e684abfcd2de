"""Selectors: which clips a subset takes, as ids with reasons.

A selector gets the kept clips with every column joined, as a DuckDB relation, and returns a
relation (clip_id, reason). If it asks for a column that they lack, it is called once more with the
columns of their videos beside them. Nothing is loaded into Python, so a selection scales with
DuckDB.
"""

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
        """Every clip that fits, in id order.

        Raises:
            ConfigInvalidError: DuckDB cannot read the condition; the message says where.
        """
        import duckdb

        try:
            # One expression only: parentheses keep a condition from ending the statement.
            chosen = table.filter(f"({self.condition})")
            return chosen.project("clip_id, 'where' as reason").order("clip_id")
        except duckdb.Error as error:
            raise ConfigInvalidError(
                f"the condition {self.condition!r} cannot be used: {_first_line(error)}",
                hint=_way_on(error, table.columns),
            ) from error


@dataclass(frozen=True)
class Random:
    """A uniform random sample, the same for the same seed on any machine and version.

    The order is that of a hash of (seed, clip_id), so a larger sample contains a smaller one.

    Attributes:
        count: how many clips; all of them when there are fewer.
        seed: another seed gives another sample.
    """

    version: ClassVar[int] = 1
    count: int = 1000
    seed: int = 0

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """The clips with the smallest hashes, in id order."""
        if self.count < 1:
            raise ConfigInvalidError(f"count must be at least 1, got {self.count}")
        # MD5 is a published function: the sample can be made again years from now.
        drawn = table.project(f"clip_id, md5('{int(self.seed)}:' || clip_id) as draw")
        drawn = drawn.order("draw, clip_id").limit(self.count)
        return drawn.project("clip_id, 'random' as reason").order("clip_id")


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
