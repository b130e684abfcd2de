"""What pages show by vectors: clips that mean or look the same, and the map of all."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.conditions import read_query
from internvid.browse.server.desk import Desk
from internvid.browse.server.meaning.map_routes import add_map_routes
from internvid.browse.server.meaning.picture_copies import SameClips
from internvid.browse.server.meaning.waiting import StillWorkingError
from internvid.browse.server.page_templates import FRESH
from internvid.core.system.shell import command


def add_meaning_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    application.add_exception_handler(StillWorkingError, _still_working)
    add_map_routes(application, desk)

    @application.post("/api/pictures")
    async def picture(request: Request) -> JSONResponse:
        data = await request.body()
        name = await run_in_threadpool(desk.finder.pictures.add, data)
        return JSONResponse({"picture": name}, headers=FRESH)

    @application.get("/api/pictures/{name}.jpg")
    def uploaded(name: str) -> Response:
        jpeg = desk.finder.pictures.jpeg(name)
        return Response(jpeg, media_type="image/jpeg", headers=FRESH)

    @application.get("/api/same/{clip_id}")
    def same(clip_id: str) -> JSONResponse:
        desk.clip(clip_id)
        found = desk.finder.copies.of(clip_id)
        kinds = {each.clip_id: each.kind for each in found.copies}
        query = read_query([("kept", "all"), ("same", clip_id)], desk.table.facets)
        cards = [
            {**card, "kind": kinds.get(card["clip_id"], "")}
            for card in desk.page(query, 0)
            if card["clip_id"] != clip_id
        ]
        shown = {"clips": cards, "count": len(kinds), "note": _note(found), "hint": ""}
        if not found.column:
            shown["hint"] = command("dedup", desk.dataset.root)
        return JSONResponse(shown, headers=FRESH)


def _note(found: SameClips) -> str:
    if found.column:
        return f"as the column {found.column} has it"
    if not found.is_compared:
        return "clips that were rejected are not compared"
    note = "by the stored pictures"
    if found.parts_read < found.parts:
        note += f" of {found.parts_read} of {found.parts} parts, for which the time was enough"
    return note + "; copies that are cropped or have bars are found by the command alone"


def _still_working(_: Request, error: Exception) -> Response:
    shown = {"error": f"{error} …", "waiting": True}
    return JSONResponse(shown, 202, headers={**FRESH, "retry-after": "1"})
