"""How far the fetch of a folder is."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from internvid.collect.fetching.fetch_folder import open_fetch_folder
from internvid.collect.fetching.outcomes import Outcomes

_EXAMPLES = 20


class FetchTable(TypedDict):
    """A table that was given: its rows and sources, and lines that were not taken, by reason."""

    table: str
    rows: int
    sources: int
    faults: dict[str, int]


class FetchExample(TypedDict):
    """An item without a file."""

    item: int
    reason: str
    message: str


class FetchStatus(TypedDict):
    """What is fetched, what is left, and why some items have no file.

    `fetched`, `failed`, `skipped` and `left` (no outcome yet) add up to `items`.
    """

    folder: str
    items: int
    fetched: int
    failed: int
    skipped: int
    left: int
    bytes: int
    reasons: dict[str, int]
    tables: list[FetchTable]
    examples: list[FetchExample]
    table: str | None


def read_fetch_status(root: Path) -> FetchStatus:
    """The state of a folder; also while a fetch is running.

    Raises:
        DatasetFormatError: nothing was fetched into it, or it is damaged.
    """
    folder = open_fetch_folder(root)
    statuses, size = dict.fromkeys(("fetched", "failed", "skipped"), 0), 0
    reasons: dict[str, int] = {}
    examples: list[FetchExample] = []
    if folder.database.exists():
        with Outcomes(folder.database, is_writable=False) as outcomes:
            statuses, reasons, size = outcomes.counts()
            examples = [
                {"item": item, "reason": reason, "message": message}
                for item, reason, message in outcomes.examples(_EXAMPLES)
            ]
    return {
        "folder": str(root),
        "items": folder.items,
        "fetched": statuses["fetched"],
        "failed": statuses["failed"],
        "skipped": statuses["skipped"],
        "left": folder.items - sum(statuses.values()),
        "bytes": size,
        "reasons": reasons,
        "tables": [
            {
                "table": given.table,
                "rows": given.rows,
                "sources": given.sources,
                "faults": given.faults,
            }
            for given in folder.tables
        ],
        "examples": examples,
        "table": str(folder.table) if folder.table.exists() else None,
    }
