"""Sources that could not be read, as pages list them: which, at what, and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import AddressUnreadableError
from internvid.dataset.duckdb_connection import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from internvid.browse.server.desk import Desk

PAGE = 60
_MOST_TEXT = 500
_MOST_REASONS = 60
_MOST_ERROR = 2000
_STAGES = {
    "opening": frozenset(
        ["missing", "permission", "empty", "not_media", "not_a_file", "unreadable", "unsupported",
         "foreign_reference", "changing"]
    ),
    "probing": frozenset(
        ["no_video_stream", "no_decoder", "no_size", "no_time_base", "too_large"]
    ),
    "decoding": frozenset(
        ["no_frames", "damaged", "out_of_memory", "hung", "crashed", "bug"]
    ),
    "comparing": frozenset(["duplicate", "removed"]),
}  # fmt: skip
_OWN = frozenset({"kept", "reason", "status", "q", "page"})


@dataclass(frozen=True)
class FailedQuery:
    """What an address shows of the sources that were not used.

    Attributes:
        reasons: of these; all when empty.
        status: `failed`, `duplicate` or empty for both.
        search: text in the uri, the reason or the error.
    """

    reasons: tuple[str, ...] = ()
    status: str = ""
    search: str = ""

    def where(self, *, without_reasons: bool = False) -> tuple[str, list[Any]]:
        """SQL over `videos`, and its parameters."""
        parts, parameters = ["status <> 'ok'"], list[Any]()
        if self.status:
            parts.append("status = ?")
            parameters.append(self.status)
        if self.reasons and not without_reasons:
            parts.append("coalesce(reason, '') in (select unnest(?))")
            parameters.append(list(self.reasons))
        if self.search:
            sought = "concat_ws(' ', uri, reason, error)"
            parts.append(f"contains(lower({sought}), lower(?))")
            parameters.append(self.search)
        return " and ".join(parts), parameters


def read_failed_query(fields: Iterable[tuple[str, str]]) -> FailedQuery:
    """What an address says.

    Raises:
        AddressUnreadableError: a name that failed sources do not have.
    """
    given = dict(fields)
    for name in given:
        if name not in _OWN:
            raise AddressUnreadableError(f"failed sources cannot be filtered by {name[:40]!r}")
    status = given.get("status", "")
    if status not in ("", "failed", "duplicate"):
        raise AddressUnreadableError(f"status is failed or duplicate, not {status[:40]!r}")
    reasons = [each.replace("%2C", ",") for each in given.get("reason", "").split(",")]
    return FailedQuery(
        tuple(each for each in reasons if each)[:_MOST_REASONS],
        status,
        given.get("q", "")[:_MOST_TEXT].strip(),
    )


def failed_sources(desk: Desk, query: FailedQuery, number: int) -> dict[str, Any]:
    """One page of them, how many there are in all, and how many by reason and status."""
    dataset = desk.dataset
    where, parameters = query.where()
    loose, loose_parameters = query.where(without_reasons=True)
    with dataset.reading():
        cursor = dataset.connection.cursor()
        rows = cursor.execute(
            "select uri, status, reason, error, codec, duration_seconds, file_bytes "
            f"from videos where {where} order by uri limit {PAGE} offset {PAGE * number}",
            parameters,
        ).fetchall()
        reasons = cursor.execute(
            "select coalesce(reason, ''), status, count(*) from videos "
            f"where {loose} group by 1, 2 order by 3 desc, 1",
            loose_parameters,
        ).fetchall()
        written = _times(desk, [row[0] for row in rows])
    return {
        "sources": [_shown(row, written) for row in rows],
        # Counted once for both: of millions of sources each count is a pass over all.
        "total": sum(
            int(count)
            for reason, _, count in reasons
            if not query.reasons or reason in query.reasons
        ),
        "page_size": PAGE,
        "reasons": [
            {"reason": reason, "status": status, "sources": int(count)}
            for reason, status, count in reasons[:_MOST_REASONS]
        ],
    }


def _shown(row: tuple[Any, ...], written: dict[str, str]) -> dict[str, Any]:
    uri, status, reason, error, codec, seconds, size = row
    return {
        "uri": uri,
        "status": status,
        "stage": stage_of(str(reason or ""), str(status)),
        "reason": reason or "",
        "error": (error or "")[:_MOST_ERROR],
        "codec": codec,
        "duration_seconds": seconds,
        "file_bytes": size,
        "when": written.get(uri, ""),
    }


def stage_of(reason: str, status: str) -> str:
    """How far a source came before it was left: opening, probing, decoding or comparing."""
    if status == "duplicate":
        return "comparing"
    found = (stage for stage, reasons in _STAGES.items() if reason in reasons)
    return next(found, "reading")


def _times(desk: Desk, uris: list[str]) -> dict[str, str]:
    """When the rows of some sources were written, as the newest file that has them says."""
    dataset = desk.dataset
    scan = dataset.record.scan or ""
    files = [dataset.layout.scanned(scan, "videos", part) for part in dataset.parts]
    found = dataset.connection.cursor().execute(
        f"select uri, max(filename) from read_parquet({quoted(files)}, filename = true) "
        "where uri in (select unnest(?)) group by uri",
        [uris],
    )
    times: dict[str, str] = {}
    for uri, name in found.fetchall():
        stamp = Path(name).stat().st_mtime
        times[uri] = dt.datetime.fromtimestamp(stamp, dt.UTC).isoformat(timespec="seconds")
    return times
