"""What pages do with subsets: save what is shown."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.conditions import AddressUnreadableError, read_query
from internvid.browse.server.desk import Desk, is_subset_name
from internvid.browse.server.page_templates import FRESH
from internvid.browse.server.request_parts import body_of
from internvid.browse.server.subsets.subset_saving import save_subset


def add_subset_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""

    @application.post("/api/subsets")
    async def subset(request: Request) -> JSONResponse:
        wanted = await body_of(request)
        name = str(wanted.get("name", ""))
        if not is_subset_name(name):
            raise AddressUnreadableError(f"no subset can be called {name[:60]!r}")
        query = read_query([(str(a), str(b)) for a, b in wanted.get("query", [])],
                           desk.table.facets)  # fmt: skip
        summary = await run_in_threadpool(save_subset, desk, query, name)
        return JSONResponse(summary, headers=FRESH)
