"""audit: what does not belong to its clip, and what cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from internvid.cli.output import put, put_json, say, table
from internvid.core import registry
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.pipeline.annotate.audit import ColumnAudit, Finding

_VALUE_WIDTH = 60


@dataclass(frozen=True)
class AuditOptions:
    """The arguments of `internvid audit`."""

    dataset: Path
    columns: tuple[str, ...] = ()
    scorer: str | None = None
    language: str = "en"
    assignments: tuple[str, ...] = ()
    limit: int = 50
    as_json: bool = False


def run_audit(options: AuditOptions) -> None:
    """`internvid audit`. Ends with exit code 1 where a binding is broken."""
    from internvid.captions.checks.check import can_tell_language
    from internvid.pipeline.annotate.audit import audit

    if options.assignments and options.scorer is None:
        raise MisuseError("--set changes a field of the scorer, and none is named")
    scorer = None
    if options.scorer is not None:
        scorer = registry.create("scorer", options.scorer, options.assignments)
    language = options.language
    if language and not can_tell_language():
        say("languages are not checked: the package py3langid is not installed")
        language = ""
    audited = audit(options.dataset, options.columns, scorer, language)
    if options.as_json:
        put_json([_plain(column, options.limit) for column in audited])
    else:
        for column in audited:
            _put(column, options.limit)
    if any(column.broken for column in audited):
        say("some answers do not belong to their clips; make them again under another name")
        raise typer.Exit(1)


def _plain(column: ColumnAudit, limit: int) -> dict[str, object]:
    counted = {
        name: {"clips": len(findings), "first": findings[:limit]}
        for name, findings in (
            ("broken", column.broken),
            ("suspicious", column.suspicious),
        )
    }
    health = dict(sorted(column.health.items()))
    return {**vars(column), "health": health, "unhealthy": column.unhealthy[:limit], **counted}


def _put(column: ColumnAudit, limit: int) -> None:
    counts = {
        "failed": column.failed,
        "skipped": column.skipped,
        "stale (their text was made again; the same command asks again)": column.stale,
    }
    further = "".join(f", {count} {what}" for what, count in counts.items() if count)
    put(f"{column.column}: {column.rows} answers, {column.sealed} sealed, "
        f"{len(column.broken)} broken{further}")  # fmt: skip
    if column.health:
        reasons = ", ".join(f"{count} {reason}" for reason, count in column.health.most_common())
        put(f"    health: {reasons}")
    if column.compared:
        scores = f"own {column.own_score:.4f}, shuffled {column.shuffled_score:.4f}"
        put(f"    compared {column.compared} with shuffled ones: {scores}, "
            f"{len(column.suspicious)} suspicious")  # fmt: skip
    for findings in (column.broken, column.suspicious, column.unhealthy):
        if findings:
            put(table([_row(one) for one in findings[:limit]]))
        if len(findings) > limit:
            put(f"... and {len(findings) - limit} more")


def _row(one: Finding) -> dict[str, str]:
    return {"clip_id": one.clip_id, "reason": one.reason, "value": str(one.value)[:_VALUE_WIDTH]}
