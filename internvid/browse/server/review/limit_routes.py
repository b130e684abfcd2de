"""The page of limits: where they stand, what they leave, how they are set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from internvid.browse.server.conditions import AddressUnreadableError, read_query
from internvid.browse.server.desk import Desk
from internvid.browse.server.page_templates import FRESH, page
from internvid.browse.server.review.limit_commands import build_command, select_command
from internvid.browse.server.review.limit_counts import BINS, DRAWN_BINS, LimitCounts
from internvid.browse.server.review.limit_rules import Limits, read_limits
from internvid.browse.wording import label, unit


def add_limit_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    counts = LimitCounts(desk)

    def limits_of(request: Request) -> Limits:
        fields = dict(request.query_params)
        return read_limits(fields, counts.rules, desk.table.facets)

    @application.get("/limits", response_class=HTMLResponse)
    def limits() -> HTMLResponse:
        return page("limits", "/limits")

    @application.get("/api/limits")
    def known() -> JSONResponse:
        return JSONResponse(_known(desk, counts), headers=FRESH)

    @application.get("/api/limits/spread")
    def spread(request: Request) -> JSONResponse:
        return JSONResponse(_spread(counts, limits_of(request)), headers=FRESH)

    @application.get("/api/limits/count")
    def count(request: Request) -> JSONResponse:
        wanted = limits_of(request)
        is_exact = request.query_params.get("exact") == "1"
        found = counts.exact(wanted) if is_exact else counts.left(wanted)
        return JSONResponse(asdict(found), headers=FRESH)

    @application.get("/api/limits/examples")
    def examples(request: Request) -> JSONResponse:
        side = request.query_params.get("side", "minimum")
        if side not in ("minimum", "maximum"):
            raise AddressUnreadableError(f"side is minimum or maximum, not {side[:20]!r}")
        return JSONResponse(counts.examples(limits_of(request), side), headers=FRESH)

    @application.get("/api/limits/commands")
    def commands(request: Request) -> JSONResponse:
        wanted = limits_of(request)
        has_nulls = bool(counts.spread(wanted).without)
        found = {
            "build": asdict(build_command(desk, wanted)),
            "select": asdict(select_command(desk, wanted, has_nulls=has_nulls)),
        }
        return JSONResponse(found, headers=FRESH)


def _known(desk: Desk, counts: LimitCounts) -> dict[str, Any]:
    facets = desk.table.facets
    desk.table.cursor()  # waits until all clips can be counted
    kept = desk.table.totals(read_query([], facets))
    every = read_query([("kept", "rejected")], facets)
    rejected = dict(desk.table.values(facets["reason"], every))
    filters = [
        {
            **asdict(rule),
            "clips": rejected.get(rule.reason, 0),
            "is_movable": rule.column in facets and facets[rule.column].kind == "number",
            "label": label(rule.column),
            "unit": unit(rule.column),
        }
        for rule in counts.rules
    ]
    columns = [
        {"name": each.name, "label": label(each.name), "unit": unit(each.name)}
        for each in facets.values()
        if each.kind == "number"
    ]
    return {
        "filters": filters,
        "columns": columns,
        "kept": {"clips": kept.clips, "seconds": kept.seconds},
        "rejected": desk.table.totals(every).clips,
    }


def _spread(counts: LimitCounts, limits: Limits) -> dict[str, Any]:
    found = counts.spread(limits)
    step = BINS // DRAWN_BINS
    return {
        "low": found.low,
        "high": found.high,
        "counts": [sum(found.counts[at : at + step]) for at in range(0, BINS, step)],
        "without": found.without,
        "rejected": found.rejected,
        "later": found.later,
        "not_computed": counts.not_computed(limits),
        "minimum": limits.minimum,
        "maximum": limits.maximum,
    }
