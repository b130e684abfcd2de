"""The selector `exclude`: rejects clips of benchmarks, and what may not be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
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
from internvid.curate.exclusions.similar_captions import CaptionIndex
from internvid.curate.exclusions.source_names import source_names
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
SOURCE_COLUMNS = ("source_id", "uri", "video_uri", "url", "YoutubeID", "youtube_id")
"""Columns in which a source is named, where a table has them."""
OWNER_COLUMNS = ("channel_id", "channel", "uploader_id", "uploader", "owner", "author")
LICENCE_COLUMNS = ("licence", "license")
FINDINGS = pa.schema([("row_key", pa.uint64()), ("reason", pa.string()), ("matched", pa.string())])
_VIEW = "internvid_excluded_from"
_ROWS_AT_ONCE = 1 << 16


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
        """All rows with a last column `reason`: null where nothing speaks against the row.

        Args:
            table: at least `row_key` (UBIGINT, once in the table) and what the fields ask for:
                `source_id`, a caption, an owner, a licence, or `clip_id` for pictures.

        Raises:
            ConfigInvalidError: the table lacks a column that is asked for.
            SourceMissingError: a list is not there.
        """
        found = self.findings(table)
        reasons: dict[int, str] = {}
        for key, reason in zip(
            found["row_key"].to_pylist(), found["reason"].to_pylist(), strict=True
        ):
            known = reasons.get(key)
            if known is None or REASONS.index(reason) < REASONS.index(known):
                reasons[key] = reason
        keys: dict[str, list[int]] = {}
        for key, reason in sorted(reasons.items()):
            keys.setdefault(reason, []).append(key)
        # Clips have a column of that name: why a filter rejected them.
        rest = " exclude (reason)" if "reason" in table.columns else ""
        if not keys:
            return table.project(f"*{rest}, null::varchar as reason")
        # Python's tables are out of reach in a locked connection: what was found is written out.
        listed = " union all ".join(
            f"select unnest([{', '.join(map(str, each))}]::ubigint[]) as row_key, '{reason}' as why"
            for reason, each in keys.items()
        )
        chosen = table.query(
            _VIEW,
            f"select t.*{rest}, f.why as reason from {_VIEW} t "
            f"left join ({listed}) f using (row_key)",
        )
        assert chosen is not None  # a SELECT has rows
        return chosen

    def findings(self, table: duckdb.DuckDBPyRelation) -> pa.Table:
        """Everything that speaks against a row: `row_key`, `reason`, `matched`; see `FINDINGS`.

        A row with several reasons is there several times; `matched` is what it was found by: an
        entry of the list, the licence, or the clip that shows the same.

        Raises:
            ConfigInvalidError: the table lacks a column that is asked for.
            SourceMissingError: a list is not there.
        """
        rows: list[tuple[int, str, str | None]] = []
        for path, reason in ((self.ids, REASONS[0]), (self.benchmark_ids, REASONS[3])):
            if path:
                listed = listed_values(path, ID_FIELDS, self.id_field)
                rows += ((key, reason, matched) for key, matched in rows_of_sources(table, listed))
        if self.owners:
            listed = listed_values(self.owners, OWNER_FIELDS, self.owner_field)
            column = _column(table, self.owner_column, OWNER_COLUMNS, "owners")
            found = rows_with_values(table, column, listed)
            rows += ((key, REASONS[1], matched) for key, matched in found)
        if self.licences:
            column = _column(table, self.licence_column, LICENCE_COLUMNS, "licences")
            refused = rows_without_licence(
                table, column, self.licences, unknown=self.unknown_licence
            )
            rows += ((key, REASONS[2], licence) for key, licence in refused)
        if self.captions:
            texts = listed_values(self.captions, CAPTION_FIELDS, self.caption_field)
            index = CaptionIndex(texts, self.likeness, self.least_words)
            column = _column(table, self.caption_column, (), "captions")
            found = rows_with_captions(table, column, index)
            rows += ((key, REASONS[4], matched) for key, matched in found)
        if self.videos:
            rows += ((key, REASONS[5], matched) for key, matched in self._with_pictures(table))
        rows.sort(key=lambda row: (row[0], REASONS.index(row[1]), row[2] or ""))
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        return pa.table(
            [
                pa.array(list(column), field.type)
                for column, field in zip(columns, FINDINGS, strict=True)
            ],
            schema=FINDINGS,
        )

    def _with_pictures(self, table: duckdb.DuckDBPyRelation) -> Iterator[tuple[int, str]]:
        from internvid.curate.exclusions.same_pictures import clips_in_videos

        if self._dataset is None:
            raise ConfigInvalidError(
                "pictures can be compared of the clips of a dataset only, and this is a table",
                hint="leave out videos, or select from the dataset",
            )
        shown = clips_in_videos(self._dataset, self.videos)
        _column(table, "clip_id", (), "videos")
        for keys, clips in _batches(table, "row_key, clip_id"):
            for key, clip_id in zip(keys, clips, strict=True):
                if clip_id in shown:
                    yield key, shown[clip_id]


def contamination(dataset: Dataset, exclude: Exclude) -> pa.Table:
    """What speaks against the kept clips of a dataset: `clip_id`, `reason`, `matched`.

    Args:
        dataset: to look through.
        exclude: what to look for.

    Raises:
        ConfigInvalidError: the clips lack a column that is asked for.
        SourceMissingError: a list is not there.
    """
    relation = dataset.clips_relation(of_video=None)
    numbered = relation.project("*, (row_number() over (order by clip_id) - 1)::ubigint as row_key")
    found = exclude.of_dataset(dataset).findings(numbered)
    ids = numbered.project("clip_id").order("clip_id").to_arrow_table()["clip_id"]
    names = ids.take(found["row_key"].cast(pa.int64()))
    return pa.table({"clip_id": names, "reason": found["reason"], "matched": found["matched"]})


def rows_of_sources(
    table: duckdb.DuckDBPyRelation, listed: Iterable[str]
) -> Iterator[tuple[int, str]]:
    """(row_key, entry of the list) of rows whose source is listed, however either is written.

    Raises:
        ConfigInvalidError: the table names no sources.
    """
    known: dict[str, str] = {}
    for entry in listed:
        for name in sorted(source_names(entry)):
            known.setdefault(name, entry)
    there = [name for name in SOURCE_COLUMNS if name in table.columns]
    if not there:
        _column(table, "source_id", (), "ids")
    seen: set[int] = set()
    for column in there:
        for keys, values in _batches(table, f"row_key, {_quoted(column)}::varchar"):
            for key, value in zip(keys, values, strict=True):
                matched = _listed(known, value)
                if matched is not None and key not in seen:
                    seen.add(key)
                    yield key, matched


def rows_with_values(
    table: duckdb.DuckDBPyRelation, column: str, listed: Iterable[str]
) -> Iterator[tuple[int, str]]:
    """(row_key, entry of the list) of rows with a listed value, capitals aside."""
    known = {entry.casefold(): entry for entry in listed}
    for keys, values in _batches(table, f"row_key, {_quoted(column)}::varchar"):
        for key, value in zip(keys, values, strict=True):
            matched = known.get((value or "").strip().casefold())
            if matched is not None:
                yield key, matched


def rows_without_licence(
    table: duckdb.DuckDBPyRelation, column: str, allowed: Sequence[str], *, unknown: bool
) -> Iterator[tuple[int, str | None]]:
    """(row_key, licence) of rows whose licence is none of the allowed ones, capitals aside.

    Args:
        table: rows.
        column: that states the licence; null and blanks state none.
        allowed: licences.
        unknown: whether rows that state none are allowed.
    """
    known = {licence.strip().casefold() for licence in allowed}
    for keys, values in _batches(table, f"row_key, {_quoted(column)}::varchar"):
        for key, value in zip(keys, values, strict=True):
            stated = (value or "").strip()
            if not (stated.casefold() in known if stated else unknown):
                yield key, stated or None


def rows_with_captions(
    table: duckdb.DuckDBPyRelation, column: str, index: CaptionIndex
) -> Iterator[tuple[int, str]]:
    """(row_key, caption of the list) of rows whose caption says the same."""
    for keys, values in _batches(table, f"row_key, {_quoted(column)}::varchar"):
        for key, value in zip(keys, values, strict=True):
            matched = index.nearest(value) if value else None
            if matched is not None:
                yield key, matched


def _listed(known: dict[str, str], value: str | None) -> str | None:
    names = source_names(value) if value else ()
    return next((known[name] for name in sorted(names) if name in known), None)


def _batches(
    table: duckdb.DuckDBPyRelation, columns: str
) -> Iterator[tuple[list[int], list[str | None]]]:
    """Two columns of a table, some rows at a time."""
    for batch in table.project(columns).to_arrow_reader(_ROWS_AT_ONCE):
        yield batch.column(0).to_pylist(), batch.column(1).to_pylist()


def _column(table: duckdb.DuckDBPyRelation, named: str, usual: Sequence[str], asked_by: str) -> str:
    """The column that is named, or the first usual one.

    Raises:
        ConfigInvalidError: there is none.
    """
    there = {name.lower(): name for name in table.columns}
    wanted = (named,) if named else usual
    found = next((there[name.lower()] for name in wanted if name.lower() in there), None)
    if found is None:
        raise ConfigInvalidError(
            f"`{asked_by}` needs a column {' or '.join(wanted)}, and there is none",
            hint=f"columns are: {', '.join(table.columns)}",
        )
    return found


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
