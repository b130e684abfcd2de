"""The map page and what it draws."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from internvid.browse.server.conditions import Query, read_query
from internvid.browse.server.desk import Desk
from internvid.browse.server.meaning.map_view import MapView, read_box, read_place
from internvid.browse.server.meaning.waiting import StillWorkingError
from internvid.browse.server.page_templates import FRESH, page
from internvid.core.system.shell import command

_PATIENCE_SECONDS = 1.5
_OF_MAPS = frozenset({"map", "colour", "box", "at", "page"})


def add_map_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
    maps = MapView(desk.dataset, desk.table)

    @application.get("/map", response_class=HTMLResponse)
    def map_page() -> HTMLResponse:
        return page("map", "/map")

    @application.get("/api/map")
    def facts(request: Request) -> JSONResponse:
        if not maps.names:
            return JSONResponse({"maps": [], "commands": _commands(desk)}, headers=FRESH)
        name, column = _chosen(request, maps, desk)
        shown: dict[str, Any] = {
            "maps": maps.names,
            "map": name,
            "bounds": asdict(maps.bounds(name)),
            "clips": maps.count(_query(request, desk), name),
            "shades": None,
        }
        if column:
            shades = maps.shades(column)
            shown["shades"] = {
                "kind": shades.facet.kind,
                "low": shades.low,
                "high": shades.high,
                "words": shades.words,
            }
        return JSONResponse(shown, headers=FRESH)

    @application.get("/api/map/part")
    def part(request: Request) -> Response:
        name, column = _chosen(request, maps, desk)
        box = read_box(request.query_params.get("box", ""))
        found = maps.part(_query(request, desk), name, box, column)
        headers = {**FRESH, "x-map-kind": found.kind, "x-map-clips": str(found.clips)}
        return Response(found.data, media_type="application/octet-stream", headers=headers)

    @application.get("/api/map/clip")
    def clip(request: Request) -> JSONResponse:
        name, _ = _chosen(request, maps, desk)
        x, y, reach = read_place(request.query_params.get("at", ""))
        place = maps.nearest(_query(request, desk), name, (x, y), reach)
        cards = desk.cards([place]) if place is not None else []
        return JSONResponse({"clip": cards[0] if cards else None}, headers=FRESH)


def _chosen(request: Request, maps: MapView, desk: Desk) -> tuple[str, str]:
    """The map and the column of its colours, once all columns are copied."""
    if not desk.table.wait(_PATIENCE_SECONDS):
        raise StillWorkingError(f"the columns are copied: {desk.table.copied:.0%}")
    name = request.query_params.get("map", "") or next(iter(maps.names), "")
    maps.axes(name)
    return name, request.query_params.get("colour", "")


def _query(request: Request, desk: Desk) -> Query:
    fields = [pair for pair in request.query_params.multi_items() if pair[0] not in _OF_MAPS]
    return read_query(fields, desk.table.facets)


def _commands(desk: Desk) -> list[str]:
    root = desk.dataset.root
    embed = [] if desk.finder.columns else [f"{command('embed', root)} --model MODEL"]
    return [*embed, command("map", root)]
