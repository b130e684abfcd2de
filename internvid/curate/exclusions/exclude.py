"""The selector `exclude`: rejects clips of benchmarks, and what may not be used."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from internvid.core.config import file_field
from internvid.core.errors import ConfigInvalidError
from internvid.curate.exclusions.list_files import (
    CAPTION_FIELDS,
    ID_FIELDS,
    OWNER_FIELDS,
    listed_values,
)
from internvid.curate.exclusions.refusals import (
    Refusal,
    column_of,
    refuse_captions,
    refuse_clips,
    refuse_copies,
    refuse_licences,
    refuse_sources,
    refuse_values,
)
from internvid.curate.exclusions.same_pictures import clips_in_videos
from internvid.curate.exclusions.similar_captions import CaptionIndex
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import duckdb

REASONS = (
    "excluded_id",
    "excluded_owner",
    "licence",
    "contaminated_id",
    "contaminated_caption",
    "contaminated_pictures",
)
"""Why a row is rejected; of several the first is given."""
OWNER_COLUMNS = ("channel_id", "channel", "uploader_id", "uploader", "owner", "author")
LICENCE_COLUMNS = ("licence", "license")
FINDINGS = pa.schema([("row_key", pa.uint64()), ("reason", pa.string()), ("matched", pa.string())])


@dataclass(frozen=True)
class Exclude:
    """Rejects what is in a benchmark, on a list, or under a licence that is not allowed.

    Attributes:
        ids: file of ids of sources that may not be used (reason `excluded_id`).
        owners: file of owners whose sources may not be used (`excluded_owner`).
        licences: the licences that are allowed (`licence`); all when empty.
        unknown_licence: whether sources without a known licence are allowed too.
        benchmark_ids: file of ids of sources that a benchmark has (`contaminated_id`).
        captions: file of a benchmark's captions (`contaminated_caption`).
        videos: a dataset of a benchmark's videos, or a folder of them; clips that show the same
            pictures are rejected (`contaminated_pictures`).
        likeness: least Jaccard index of the words of two captions that say the same.
        least_words: captions of fewer different words are not compared.
        id_field, owner_field, caption_field: the field to read of the files; the usual ones when
            empty.
        caption_column: column that holds the captions to be compared.
        owner_column, licence_column: the column to compare; the first usual one when empty.
    """

    version: ClassVar[int] = 1
    reads_videos: ClassVar[bool] = True
    ids: str = file_field()
    owners: str = file_field()
    licences: tuple[str, ...] = ()
    unknown_licence: bool = False
    benchmark_ids: str = file_field()
    captions: str = file_field()
    videos: str = ""
    likeness: float = 0.9
    least_words: int = 5
    id_field: str = ""
    owner_field: str = ""
    caption_field: str = ""
    caption_column: str = "caption"
    owner_column: str = ""
    licence_column: str = ""
    _dataset: Dataset | None = None

    def __post_init__(self) -> None:
        if not 0 < self.likeness <= 1:
            raise ConfigInvalidError(f"likeness must be above 0 and at most 1, got {self.likeness}")

    def of_dataset(self, dataset: Dataset) -> Exclude:
        """The selector for clips of this dataset, whose pictures it can look at."""
        return dataclasses.replace(self, _dataset=dataset)

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """All rows with a last column `rejection`: null where nothing speaks against the row.

        Args:
            table: at least `row_key` (UBIGINT, once in the table) and what the fields need:
                `source_id`, a caption, an owner, a licence, or `clip_id` for pictures.

        Raises:
            ConfigInvalidError: the table lacks a column that is needed.
            SourceMissingError: a list is not there.
        """
        cases = "".join(
            f" when {refusal.condition()} then '{refusal.reason}'"
            for refusal in sorted(self.refusals(table), key=lambda one: REASONS.index(one.reason))
        )
        why = f"case{cases} else null end" if cases else "null"
        return table.project(f"*, {why}::varchar as rejection")

    def findings(self, table: duckdb.DuckDBPyRelation) -> pa.Table:
        """Everything that speaks against a row: `row_key`, `reason`, `matched`; see `FINDINGS`.

        A row with several reasons is there several times; `matched` is what it was found by: an
        entry of the list, the licence, or the clip that shows the same.

        Raises:
            ConfigInvalidError: the table lacks a column that is needed.
            SourceMissingError: a list is not there.
        """
        rows = list(
            dict.fromkeys(
                (key, refusal.reason, matched)
                for refusal in self.refusals(table)
                for key, matched in refusal.rows(table)
            )
        )
        rows.sort(key=lambda row: (row[0], REASONS.index(row[1]), row[2] or ""))
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        return pa.table(
            [
                pa.array(list(column), field.type)
                for column, field in zip(columns, FINDINGS, strict=True)
            ],
            schema=FINDINGS,
        )

    def refusals(self, table: duckdb.DuckDBPyRelation) -> list[Refusal]:
        """What is refused of a table, and why.

        Raises:
            ConfigInvalidError: there is nothing to exclude, or the table lacks a column that is
                needed.
            SourceMissingError: a list is not there.
        """
        wanted = (
            self.ids, self.owners, self.licences, self.benchmark_ids, self.captions, self.videos,
        )  # fmt: skip
        if not any(wanted):
            raise ConfigInvalidError(
                "exclude was not told what to exclude",
                hint="set ids, owners, licences, benchmark_ids, captions or videos, for example "
                "--set benchmark_ids=FILE",
            )
        found: list[Refusal] = []
        if self.ids:
            found += self._refuse_ids(table, self.ids, "excluded_id")
        if self.owners:
            listed = listed_values(self.owners, OWNER_FIELDS, self.owner_field)
            column = column_of(table, self.owner_column, OWNER_COLUMNS, "owners")
            found.append(refuse_values(table, column, listed, "excluded_owner"))
        if self.licences:
            column = column_of(table, self.licence_column, LICENCE_COLUMNS, "licences")
            found.append(
                refuse_licences(table, column, self.licences, unknown=self.unknown_licence)
            )
        if self.benchmark_ids:
            found += self._refuse_ids(table, self.benchmark_ids, "contaminated_id")
        if self.captions:
            texts = listed_values(self.captions, CAPTION_FIELDS, self.caption_field)
            index = CaptionIndex(texts, self.likeness, self.least_words)
            column = column_of(table, self.caption_column, (), "captions")
            found.append(refuse_captions(table, column, index, "contaminated_caption"))
        if self.videos:
            if self._dataset is None:
                raise ConfigInvalidError(
                    "pictures can be compared of the clips of a dataset only; this is a table",
                    hint="leave out videos, or select from a dataset",
                )
            shown = clips_in_videos(self._dataset, self.videos)
            found.append(refuse_clips(table, shown, "contaminated_pictures"))
        return found

    def _refuse_ids(self, table: duckdb.DuckDBPyRelation, file: str, reason: str) -> list[Refusal]:
        listed = listed_values(file, ID_FIELDS, self.id_field)
        found = refuse_sources(table, listed, reason)
        if self._dataset is not None:
            found.append(refuse_copies(self._dataset, listed, reason))
        return found


def contamination(dataset: Dataset, exclude: Exclude) -> pa.Table:
    """What speaks against the kept clips of a dataset: `clip_id`, `reason`, `matched`.

    Args:
        dataset: to look through.
        exclude: what to look for.

    Raises:
        ConfigInvalidError: the clips lack a column that is needed.
        SourceMissingError: a list is not there.
    """
    with dataset.reading():
        relation = dataset.clips_relation(of_video=None)
        numbered = relation.project(
            "*, (row_number() over (order by clip_id) - 1)::ubigint as row_key"
        )
        found = exclude.of_dataset(dataset).findings(numbered)
        ids = numbered.project("clip_id").order("clip_id").to_arrow_table()["clip_id"]
    names = ids.take(found["row_key"].cast(pa.int64()))
    return pa.table({"clip_id": names, "reason": found["reason"], "matched": found["matched"]})
