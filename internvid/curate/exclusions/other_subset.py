"""The selector `outside`: rejects the clips of another subset."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.scratch_tables import over
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Outside:
    """Clips of a dataset that are not in one of its subsets.

    Attributes:
        subset: its name.
    """

    version: ClassVar[int] = 1
    subset: str = ""
    _dataset: Dataset | None = None

    def of_dataset(self, dataset: Dataset) -> Outside:
        """The selector for clips of this dataset, which has the subset."""
        return dataclasses.replace(self, _dataset=dataset)

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `in_subset` is the reason of those that the subset has.

        Args:
            table: with `clip_id`.

        Raises:
            ConfigInvalidError: no subset is named, or the rows are not of a dataset.
            MisuseError: the dataset has no such subset.
        """
        if not self.subset:
            raise ConfigInvalidError(
                "outside needs the name of a subset",
                hint="for example: internvid select DATASET outside NAME --as OTHER",
            )
        if self._dataset is None:
            raise ConfigInvalidError(
                "only a dataset has subsets; this is a table",
                hint="select from a dataset",
            )
        path = quoted([self._dataset.subset_path(self.subset)])
        ids = f"(select clip_id from read_parquet({path}))"
        return over(
            table, f"select *, if(clip_id in {ids}, 'in_subset', null) as rejection from input"
        )
