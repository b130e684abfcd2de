"""Which columns a dataset has to show, and as what: a number, a word, a flag, a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from internvid.dataset.layout import Record
from internvid.dataset.store import Dataset
from internvid.dataset.tables import CLIP_FIELDS, VIDEO_SCHEMA

Kind = Literal["number", "word", "flag", "list", "text", "id"]

_WHOLE = frozenset(
    [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
    ]
)
_NUMBERS = _WHOLE | {"DOUBLE", "FLOAT"}
_SHOWN_CLIP_FIELDS = ("duration_seconds", "transition", "transition_score")
_SHOWN_VIDEO_FIELDS = ("duration_seconds", "fps", "container", "codec", "has_audio")
# What people look at first. Columns that are not named here follow in their stored order.
_FIRST = (
    "duration_seconds", "camera_move", "camera_direction", "motion_mean", "object_motion_mean",
    "brightness", "sharpness", "contrast", "loudness_mean", "colour_names", "transition",
    "transition_score", "camera_speed",
)  # fmt: skip
_ALWAYS_WORDS = frozenset(["transition", "camera_move", "camera_direction", "container", "codec"])
_MOST_WORDS = 200
# Ids of clips and videos, as columns of duplicates hold them.
_ID = "[0-9a-f]{32}"


@dataclass(frozen=True)
class Column:
    """One column to show.

    Attributes:
        name: as stored.
        kind: how it is shown; a text is free (captions), a word repeats.
        is_whole: holds whole numbers.
        is_annotation: written by a captioner or scorer, for kept clips only.
    """

    name: str
    kind: Kind
    is_whole: bool = False
    is_annotation: bool = False

    @property
    def sql(self) -> str:
        """The quoted name."""
        return '"' + self.name.replace('"', '""') + '"'


def clip_columns(dataset: Dataset, rows: int | None = None) -> list[Column]:
    """Columns of the clips worth showing, the best known first.

    Args:
        dataset: whose clips.
        rows: so many of them tell words from texts; all when None.
    """
    hidden = {name for name, _ in CLIP_FIELDS} - set(_SHOWN_CLIP_FIELDS)
    annotations = annotation_columns(dataset.record)
    columns = _typed(dataset, "all_clips", hidden, frozenset(annotations), rows)
    rank = {name: at for at, name in enumerate(_FIRST)}
    return sorted(columns, key=lambda column: rank.get(column.name, len(rank)))


def annotation_columns(record: Record) -> dict[str, str]:
    """Columns of the view that captioners and scorers wrote -> the column each belongs to."""
    owners: dict[str, str] = {}
    for name, key in record.columns.get(record.cut or "", {}).items():
        extras = record.column_recipes.get(key, {}).get("extras", {})
        owners |= {name: name, **{f"{name}_{extra}": name for extra in extras}}
    return owners


def video_columns(dataset: Dataset) -> list[Column]:
    """Columns of the usable sources worth showing: what was probed, then given metadata."""
    hidden = set(VIDEO_SCHEMA.names) - set(_SHOWN_VIDEO_FIELDS)
    return _typed(dataset, "videos", hidden, frozenset())


def _typed(
    dataset: Dataset,
    view: str,
    hidden: set[str],
    annotations: frozenset[str],
    rows: int | None = None,
) -> list[Column]:
    relation = dataset.sql(f"select * from {view} limit 0")
    columns: list[Column] = []
    words: list[Column] = []
    for name, stored in zip(relation.columns, map(str, relation.types), strict=True):
        if name in hidden:
            continue
        annotation = name in annotations
        if stored in _NUMBERS or stored.startswith("DECIMAL"):
            columns.append(Column(name, "number", stored in _WHOLE, annotation))
        elif stored == "BOOLEAN":
            columns.append(Column(name, "flag", is_annotation=annotation))
        elif stored == "VARCHAR[]":
            columns.append(Column(name, "list", is_annotation=annotation))
        elif stored == "VARCHAR":
            words.append(Column(name, "word", is_annotation=annotation))
            columns.append(words[-1])
    some = view if rows is None else f"(select * from {view} limit {rows})"
    kinds = _kinds_of_words(dataset, some, words)
    shown = (replace(column, kind=kinds.get(column.name, column.kind)) for column in columns)
    return [column for column in shown if column.kind != "id"]


def _kinds_of_words(dataset: Dataset, view: str, columns: Sequence[Column]) -> dict[str, Kind]:
    """Tells words that repeat from free text, and both from ids, which say nothing as a chart."""
    if not columns:
        return {}
    expressions = ", ".join(
        f"count({column.sql}), count(distinct {column.sql}), "
        f"coalesce(sum(len(string_split_regex(trim({column.sql}), '\\s+'))), 0)::bigint, "
        f"coalesce(bool_and(regexp_full_match({column.sql}, '{_ID}')), false)"
        for column in columns
    )
    row = dataset.connection.execute(f"select {expressions} from {view}").fetchall()[0]
    kinds: dict[str, Kind] = {}
    for at, column in enumerate(columns):
        filled, different, words, are_ids = row[4 * at : 4 * at + 4]
        repeats = 0 < 2 * different <= min(filled, 2 * _MOST_WORDS)
        if are_ids:
            kinds[column.name] = "id"
        elif column.is_annotation:
            kinds[column.name] = "word" if repeats and words <= 3 * filled else "text"
        else:
            few = repeats or different <= 3 or column.name in _ALWAYS_WORDS
            kinds[column.name] = "word" if few else "id"
    return kinds


def literals(texts: Sequence[str]) -> str:
    """Texts as an SQL list of literals, sorted, each once."""
    return ", ".join(literal(text) for text in sorted(set(texts)))


def literal(value: str | float) -> str:
    """A text or number as SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def values(rows: Sequence[Sequence[str | float]]) -> str:
    """Rows as an SQL `values` list. A registered table would make DuckDB import pandas."""
    return ", ".join("(" + ", ".join(literal(value) for value in row) + ")" for row in rows)
