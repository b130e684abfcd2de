"""audit: which stored texts do not belong to their clip, and which cannot be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.options import DatasetPath, Json, Settings
from internvid.cli.output import put, put_json, say, table
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.pipeline.annotate.audit import ColumnAudit, Finding

_VALUE_WIDTH = 60


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Annotate")(audit)


def audit(
    dataset: DatasetPath,
    column: Annotated[
        Optional[list[str]],
        typer.Option(help="Column to check; may be repeated; default: all columns."),
    ] = None,
    scorer: Annotated[
        Optional[str],
        typer.Option(help="Scorer that compares each caption with captions of other clips."),
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language that captions should be in; empty for any.")
    ] = "en",
    assignments: Settings = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Number of clips to list at most for each problem.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """Check stored captions and scores: does each belong to its clip, and is it well formed?

    Exit code 1 if some do not belong to their clips.
    """
    from internvid.api.annotations import audit as audit_columns
    from internvid.captions.checks.check import can_tell_language

    if assignments and scorer is None:
        raise MisuseError("--set changes a field of the scorer, and none is named")
    if language and not can_tell_language():
        say("languages are not checked: the package py3langid is not installed")
        language = ""
    audited = audit_columns(
        dataset, column or (), scorer=scorer, language=language, settings=assignments or ()
    )
    if as_json:
        put_json([_plain(one, limit) for one in audited])
    else:
        for one in audited:
            _put(one, limit)
    if any(one.broken for one in audited):
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
