"""What pages do with subsets: list, save what is shown or marked, compare, export."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.conditions import AddressUnreadableError, read_query
from internvid.browse.server.desk import Desk, is_subset_name
from internvid.browse.server.page_templates import FRESH, page
from internvid.browse.server.request_parts import body_of
from internvid.browse.server.subsets.comparison import Comparison, Pair
from internvid.browse.server.subsets.export_routes import add_export_routes
from internvid.browse.server.subsets.failed_sources import failed_sources, read_failed_query
from internvid.browse.server.subsets.subset_list import listed_subsets
from internvid.browse.server.subsets.subset_saving import read_marked, save_marked, save_subset


def add_subset_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""

    @application.get("/subsets", response_class=HTMLResponse)
    def subsets_page() -> HTMLResponse:
        return page("subsets", "/subsets")

    @application.get("/api/subsets")
    def listed() -> JSONResponse:
        return JSONResponse(listed_subsets(desk), headers=FRESH)

    @application.post("/api/subsets")
    async def subset(request: Request) -> JSONResponse:
        wanted = await body_of(request)
        name = wanted.get("name", "")
        if not isinstance(name, str) or not is_subset_name(name):
            raise AddressUnreadableError(f"no subset can be called {str(name)[:60]!r}")
        if "clips" in wanted:
            ids = read_marked(wanted["clips"])
            summary = await run_in_threadpool(save_marked, desk, ids, name)
        else:
            query = read_query([(str(a), str(b)) for a, b in wanted.get("query", [])],
                               desk.table.facets)  # fmt: skip
            summary = await run_in_threadpool(save_subset, desk, query, name)
        return JSONResponse(summary, headers=FRESH)

    @application.get("/api/failed")
    def failed(request: Request) -> JSONResponse:
        query = read_failed_query(request.query_params.multi_items())
        number = whole_number(request, "page", 1)
        return JSONResponse(failed_sources(desk, query, number - 1), headers=FRESH)

    _add_comparison(application, desk)
    add_export_routes(application, desk)


def _add_comparison(application: FastAPI, desk: Desk) -> None:
    comparison = Comparison(desk)

    def pair_of(request: Request) -> Pair:
        fields = request.query_params
        return comparison.read_pair(fields.get("a", ""), fields.get("b", ""))

    @application.get("/api/compare")
    def counts(request: Request) -> JSONResponse:
        return JSONResponse(comparison.counts(pair_of(request)), headers=FRESH)

    @application.get("/api/compare/reasons")
    def reasons(request: Request) -> JSONResponse:
        return JSONResponse(comparison.reasons(pair_of(request)), headers=FRESH)

    @application.get("/api/compare/column/{name}")
    def column(name: str, request: Request) -> JSONResponse:
        facet = desk.table.facets.get(name)
        if facet is None or facet.kind == "text":
            raise HTTPException(404)
        return JSONResponse(comparison.column(pair_of(request), facet), headers=FRESH)

    @application.get("/api/compare/sample/{side}")
    def sample(side: str, request: Request) -> JSONResponse:
        if side not in ("a", "b"):
            raise HTTPException(404)
        seed = whole_number(request, "seed", 0)
        found: list[dict[str, Any]] = comparison.sample(pair_of(request), side, seed)
        return JSONResponse({"clips": found}, headers=FRESH)


def whole_number(request: Request, name: str, least: int) -> int:
    """A whole number of an address.

    Raises:
        AddressUnreadableError: it is none.
    """
    text = request.query_params.get(name, str(least))
    if not (text.isascii() and text.isdecimal()) or len(text) > 8 or int(text) < least:
        raise AddressUnreadableError(f"{name} is a whole number from {least}, not {text[:20]!r}")
    return int(text)
