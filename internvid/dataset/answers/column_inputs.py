"""What columns were made from, and which of their answers hold no more because that changed.

A column that reads a text column remembers whose text it read: by the text column's key, and with
each row by a digest of the very text. Where either differs from what is there now, the answer is
stale: it is shown as such and joined to no clip, and the command that made it asks again. A row
that was written before digests existed is classified by the key alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.layout import Layout, Record

TEXT_DIGEST = "text_digest"
IS_STALE = "is_stale"


@dataclass(frozen=True)
class TextRow:
    """A row of a text column.

    Attributes:
        value: the text; None where there is none.
        status: of the row.
        digest: of the text that it was itself made from; None where it was made from none.
    """

    value: str | None
    status: str
    digest: str | None = None


def text_digest(text: str | None) -> str:
    """What a row remembers of the text it was made from; SQL's `md5` gives the same."""
    if text is None:
        return ""
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def text_chain(record: Record, key: str) -> tuple[str, ...]:
    """Keys of the text column that a column reads, of the one which that reads, and so on."""
    found: list[str] = []
    while True:
        recipe = record.column_recipes.get(key, {})
        read = recipe.get("text") if isinstance(recipe, Mapping) else None
        if not isinstance(read, str) or read in found:
            return tuple(found)
        found.append(read)
        key = read


def stale_columns(record: Record, cut: str) -> frozenset[str]:
    """Names of the current columns that were made from a column which is not current any more."""
    columns = record.columns.get(cut, {})
    current = set(columns.values())
    return frozenset(
        name for name, key in columns.items() if not current.issuperset(text_chain(record, key))
    )


def rows_of_text(layout: Layout, cut: str, key: str, part: str) -> dict[str, TextRow]:
    """clip_id -> last row of one part of a column; of columns that hold no texts without values."""
    files = layout.column_files(cut, key, part)
    table = latest_rows(files, ["clip_id", "value", "status"], optional=[TEXT_DIGEST])
    if table is None:
        return {}
    names = ("clip_id", "value", "status", TEXT_DIGEST)
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return {
        clip_id: TextRow(value if isinstance(value, str) else None, status, digest)
        for clip_id, value, status, digest in rows
    }


def current_texts(layout: Layout, cut: str, chain: Sequence[str], part: str) -> dict[str, TextRow]:
    """clip_id -> row of the first column of a chain, of one part, without the rows that are stale.

    Args:
        layout, cut: the dataset and its cut.
        chain: a text column, the text column that it reads, and so on.
        part: name of the part.
    """
    if not chain:
        return {}
    rows = rows_of_text(layout, cut, chain[0], part)
    if len(chain) == 1:
        return rows
    below = current_texts(layout, cut, chain[1:], part)
    return {clip_id: row for clip_id, row in rows.items() if not is_stale(row, below.get(clip_id))}


def is_stale(row: TextRow, text: TextRow | None) -> bool:
    """Whether a row was made from another text than this one."""
    return row.digest is not None and row.digest != text_digest(text.value if text else None)


def stale_clips(layout: Layout, record: Record, cut: str, key: str, part: str) -> frozenset[str]:
    """Clips of one part of a current column whose answers hold no more."""
    chain = text_chain(record, key)
    if not chain:
        return frozenset()
    rows = rows_of_text(layout, cut, key, part)
    if not set(record.columns.get(cut, {}).values()).issuperset(chain):
        return frozenset(rows)
    texts = current_texts(layout, cut, chain, part)
    return frozenset(clip_id for clip_id, row in rows.items() if is_stale(row, texts.get(clip_id)))
