"""What pages do with exports: choose, see the command and the plan, start, follow, cancel."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.conditions import AddressUnreadableError
from internvid.browse.server.desk import Desk
from internvid.browse.server.page_templates import FRESH
from internvid.browse.server.request_parts import body_of
from internvid.browse.server.subsets.export_choices import (
    known_exporters,
    known_presets,
    read_choice,
)


def add_export_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    jobs, root = desk.exports, desk.dataset.root

    @application.get("/api/exports")
    def state() -> JSONResponse:
        shown = {
            "root": None if jobs.root is None else str(jobs.root),
            "job": None if jobs.job is None else jobs.job.shown(),
        }
        return JSONResponse(shown, headers=FRESH)

    @application.get("/api/exports/choices")
    def choices() -> JSONResponse:
        shown = {
            "exporters": known_exporters(),
            "presets": known_presets(),
            "captions": desk.texts,
        }
        return JSONResponse(shown, headers=FRESH)

    @application.get("/api/exports/command")
    def command(request: Request) -> JSONResponse:
        fields = request.query_params.multi_items()
        name = request.query_params.get("name", "")
        choice = read_choice(desk.dataset, [pair for pair in fields if pair[0] != "name"])
        folder = jobs.folder(name) if name and jobs.root is not None else "FOLDER"
        return JSONResponse({"command": choice.line(root, folder)}, headers=FRESH)

    @application.get("/api/exports/plan")
    def plan(request: Request) -> JSONResponse:
        choice = read_choice(desk.dataset, request.query_params.multi_items())
        return JSONResponse(jobs.plan(choice), headers=FRESH)

    @application.post("/api/exports")
    async def start(request: Request) -> JSONResponse:
        wanted = await body_of(request)
        name = wanted.get("name", "")
        if not isinstance(name, str):
            raise AddressUnreadableError("a name is a text")
        choice = read_choice(desk.dataset, _pairs(wanted.get("choice")))
        job = await run_in_threadpool(jobs.start, choice, name)
        return JSONResponse({"job": job.shown()}, headers=FRESH)

    @application.post("/api/exports/cancel")
    async def cancel(request: Request) -> JSONResponse:
        await body_of(request)
        job = await run_in_threadpool(jobs.cancel)
        return JSONResponse({"job": None if job is None else job.shown()}, headers=FRESH)


def _pairs(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in value
    ):
        raise AddressUnreadableError("a choice is a list of names with values")
    return [(str(name), str(given)) for name, given in value]
