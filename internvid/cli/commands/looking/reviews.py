"""reviews: what blind audits and comparisons of captions say."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from internvid.cli.options import DatasetPath, Json
from internvid.cli.output import put, put_json, table

if TYPE_CHECKING:
    from internvid.curate.reviewing.review_results import AuditResult, ComparisonResult


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Look")(reviews)


def reviews(dataset: DatasetPath, as_json: Json = False) -> None:
    """Show what blind audits and comparisons of captions say; they are made in browse."""
    from internvid.api.browsing import reviews as read_reviews

    found = read_reviews(dataset)
    if as_json:
        put_json(asdict(found))
        return
    if not found.audits and not found.comparisons:
        put("no audits and no comparisons; they are made in internvid browse")
    for audit in found.audits:
        _put_audit(audit)
    for comparison in found.comparisons:
        _put_comparison(comparison)


def _put_audit(audit: AuditResult) -> None:
    put(f"audit {audit.id}, {audit.started[:10]}, by {audit.author}: "
        f"{audit.clips - audit.open} of {audit.clips} clips answered")  # fmt: skip
    rows = [
        {
            "group": each.group,
            "right": _percent(each.precision),
            "95 % interval": _interval(each.low, each.high),
            "decided": str(each.answered),
            "agreed": str(each.agreed),
            "unsure": str(each.unsure),
            "open": str(each.open),
            "clips": str(each.size),
        }
        for each in audit.groups
    ]
    put(table(rows))
    whole = f"{_percent(audit.precision)}, {_interval(audit.low, audit.high)}"
    put(f"all, weighted by clips: {audit.note or whole}\n")


def _put_comparison(one: ComparisonResult) -> None:
    put(f"comparison {one.id}, {one.started[:10]}, by {one.author}: "
        f"{one.clips - one.open} of {one.clips} clips answered")  # fmt: skip
    first, second = one.columns
    put(f"{first} {one.first}, {second} {one.second}, equally good {one.tie}, both bad {one.bad}")
    if one.share is not None and one.p_value is not None:
        put(f"{first} wins {_percent(one.share)}, {_interval(one.low, one.high)}; "
            f"sign test p = {one.p_value:.4g}")  # fmt: skip
    put("")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"
