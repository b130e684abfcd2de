"""Rows that somebody chose one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.scratch_tables import over
from internvid.dataset.names import is_clip_id

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Listed:
    """Exactly the clips of a list. The recipe of a subset has their digest, not their ids.

    Attributes:
        clips: how many are listed.
        digest: of the ids, sorted, each once.
        ids: of the clips.
    """

    version: ClassVar[int] = 1
    clips: int = 0
    digest: str = ""
    ids: tuple[str, ...] = setting(())

    @classmethod
    def of(cls, ids: Iterable[str]) -> Listed:
        """The selector of these clips.

        Raises:
            ConfigInvalidError: one is no id of a clip.
        """
        chosen = sorted(set(ids))
        for each in chosen:
            if not is_clip_id(each):
                raise ConfigInvalidError(f"{each[:60]!r} is not a clip id (32 hex digits)")
        digest = hashlib.blake2b("\n".join(chosen).encode(), digest_size=16).hexdigest()
        return cls(len(chosen), digest, tuple(chosen))

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `not_listed` is the reason of those that are not in the list."""
        if not self.ids:
            return over(table, "select *, 'not_listed' as rejection from input")
        # Ids are hex digits, checked above.
        listed = ", ".join(f"'{each}'" for each in self.ids)
        return over(
            table,
            f"select *, if(clip_id in ({listed}), null, 'not_listed') as rejection from input",
        )
