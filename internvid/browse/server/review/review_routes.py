"""Pages on which people review many clips in a planned way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.conditions import AddressUnreadableError
from internvid.browse.server.desk import Desk
from internvid.browse.server.page_templates import FRESH, page
from internvid.browse.server.request_parts import body_of
from internvid.browse.server.review.audit_state import audit_state
from internvid.browse.server.review.audits import begin_audit
from internvid.browse.server.review.comparisons import (
    answer_pair,
    begin_comparison,
    comparable,
    shown_pair,
)
from internvid.browse.server.review.limit_routes import add_limit_routes
from internvid.browse.server.review.planned_reviews import answered, review_of, shown, standing
from internvid.curate.reviewing.review_results import audit_result, comparison_result
from internvid.dataset.answers.review_log import Kind, PlannedReview

Show = Callable[[Desk, PlannedReview, "int | None"], dict[str, Any]]
Take = Callable[[Desk, PlannedReview, Mapping[str, Any]], PlannedReview]


def add_review_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    desk.further_facts.append(lambda clip_id: audit_state(desk, clip_id))
    _add_audits(application, desk)
    _add_comparisons(application, desk)
    add_limit_routes(application, desk)


def _add_audits(application: FastAPI, desk: Desk) -> None:
    @application.get("/audit", response_class=HTMLResponse)
    def audits() -> HTMLResponse:
        return page("audit", "/audit")

    @application.get("/audit/{review}", response_class=HTMLResponse)
    def audit(review: str) -> HTMLResponse:
        review_of(desk, "audit", review)
        return page("audit", "/audit")

    @application.get("/api/audits")
    def known() -> JSONResponse:
        return JSONResponse({"audits": _standings(desk, "audit")}, headers=FRESH)

    @application.post("/api/audits")
    async def begin(request: Request) -> JSONResponse:
        body = await body_of(request)
        return JSONResponse({"id": await run_in_threadpool(begin_audit, desk, body)}, headers=FRESH)

    _add_answering(application, desk, "audit", shown, answered)


def _add_comparisons(application: FastAPI, desk: Desk) -> None:
    @application.get("/captioners", response_class=HTMLResponse)
    def comparisons() -> HTMLResponse:
        return page("captioners", "/captioners")

    @application.get("/captioners/{review}", response_class=HTMLResponse)
    def comparison(review: str) -> HTMLResponse:
        review_of(desk, "comparison", review)
        return page("captioners", "/captioners")

    @application.get("/api/comparisons")
    def known() -> JSONResponse:
        found = {"comparisons": _standings(desk, "comparison"), "columns": comparable(desk)}
        return JSONResponse(found, headers=FRESH)

    @application.post("/api/comparisons")
    async def begin(request: Request) -> JSONResponse:
        body = await body_of(request)
        review = await run_in_threadpool(begin_comparison, desk, body)
        return JSONResponse({"id": review}, headers=FRESH)

    _add_answering(application, desk, "comparison", shown_pair, answer_pair)


def _add_answering(application: FastAPI, desk: Desk, kind: Kind, show: Show, take: Take) -> None:
    @application.get(f"/api/{kind}s/{{review}}")
    def state(review: str, at: str = "") -> JSONResponse:
        if at and (not at.isdecimal() or len(at) > 6):
            raise AddressUnreadableError(f"at is a whole number, not {at[:20]!r}")
        found = show(desk, review_of(desk, kind, review), int(at) if at else None)
        return JSONResponse(found, headers=FRESH)

    @application.post(f"/api/{kind}s/{{review}}")
    async def answer(review: str, request: Request) -> JSONResponse:
        body = await body_of(request)

        def write() -> dict[str, Any]:
            done = take(desk, review_of(desk, kind, review), body)
            order = list(done.drawn)
            return show(desk, done, order.index(str(body["clip_id"])))

        return JSONResponse(await run_in_threadpool(write), headers=FRESH)

    @application.get(f"/api/{kind}s/{{review}}/result")
    def result(review: str) -> JSONResponse:
        found = review_of(desk, kind, review)
        made = audit_result(found) if found.kind == "audit" else comparison_result(found)
        return JSONResponse(asdict(made), headers=FRESH)


def _standings(desk: Desk, kind: Kind) -> list[dict[str, Any]]:
    found = [each for each in desk.review_log.read().values() if each.kind == kind]
    return [
        {
            **standing(each),
            "about": [group["group"] for group in each.plan["groups"]]
            if kind == "audit"
            else list(each.plan["columns"]),
        }
        for each in reversed(found)
    ]
