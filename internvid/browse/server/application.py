"""The routes: pages, what they ask for, and what they change."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from internvid.browse.server.access import Access
from internvid.browse.server.clip.clip_facts import clip_page
from internvid.browse.server.conditions import AddressUnreadableError
from internvid.browse.server.desk import PAGE, ClipUnknownError, Desk
from internvid.browse.server.meaning.meaning_routes import add_meaning_routes
from internvid.browse.server.page_templates import FRESH, add_page_files, page
from internvid.browse.server.request_parts import body_of, query_of
from internvid.browse.server.review.review_routes import add_review_routes
from internvid.browse.server.subsets.subset_routes import add_subset_routes
from internvid.core.errors import InternvidError, VideoError

_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}


def make_application(desk: Desk, access: Access) -> FastAPI:
    """The application behind the gate of `access`."""
    application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    application.add_exception_handler(AddressUnreadableError, _bad_address)
    application.add_exception_handler(ClipUnknownError, _no_clip)
    application.add_exception_handler(InternvidError, _trouble)
    _add_pages(application, desk)
    _add_answers(application, desk, access)
    _add_media(application, desk)
    _add_changes(application, desk)
    add_page_files(application)
    for add in (add_meaning_routes, add_review_routes, add_subset_routes):
        add(application, desk)
    return application


def _add_pages(application: FastAPI, desk: Desk) -> None:
    @application.get("/", response_class=HTMLResponse)
    def grid() -> HTMLResponse:
        return page("grid", "/")

    @application.get("/clip/{clip_id}", response_class=HTMLResponse)
    def page_of_clip(clip_id: str) -> HTMLResponse:
        desk.clip(clip_id)
        return page("clip")


def _add_answers(application: FastAPI, desk: Desk, access: Access) -> None:
    @application.get("/api/dataset")
    def facts() -> JSONResponse:
        shown = {**desk.facts(), "token": access.token, "read_only": access.is_read_only}
        return JSONResponse(shown, headers=FRESH)

    @application.get("/api/clips")
    def clips(request: Request) -> JSONResponse:
        page = request.query_params.get("page", "1")
        if not page.isdecimal() or not 0 < int(page) < 10**8:
            raise AddressUnreadableError(f"page is a whole number from 1, not {page[:20]!r}")
        query = query_of(request, desk)
        cards = desk.page(query, int(page) - 1)
        # Whoever looks at a page turns to the next one.
        coming = BackgroundTask(desk.prepare, query, int(page)) if len(cards) == PAGE else None
        return JSONResponse({"clips": cards}, headers=FRESH, background=coming)

    @application.get("/api/totals")
    def totals(request: Request) -> JSONResponse:
        found = desk.table.totals(query_of(request, desk))
        return JSONResponse(vars(found), headers=FRESH)

    @application.get("/api/facets/{name}")
    def facet(name: str, request: Request) -> JSONResponse:
        known = desk.table.facets.get(name)
        if known is None:
            raise HTTPException(404)
        query = query_of(request, desk)
        if known.kind == "number":
            return JSONResponse(vars(desk.table.histogram(known, query)), headers=FRESH)
        if known.kind == "text":
            return JSONResponse({"values": []}, headers=FRESH)
        values = [{"value": value, "clips": clips} for value, clips in
                  desk.table.values(known, query)]  # fmt: skip
        return JSONResponse({"values": values}, headers=FRESH)

    @application.get("/api/clip/{clip_id}")
    def clip(clip_id: str) -> JSONResponse:
        return JSONResponse(clip_page(desk, clip_id), headers=FRESH)


def _add_media(application: FastAPI, desk: Desk) -> None:
    @application.get("/film/{clip_id}.jpg")
    def film(clip_id: str, frames: int = 1) -> Response:
        data = desk.media.film(desk.clip(clip_id), frames)
        if data is None:
            raise HTTPException(404)
        return Response(data, media_type="image/jpeg", headers=_FOREVER)

    @application.get("/pick/{clip_id}/{frame}.jpg")
    def pick(clip_id: str, frame: int) -> Response:
        row = desk.clip(clip_id)
        data = desk.media.picture(row["part"], row["video_id"], frame)
        if data is None:
            raise HTTPException(404)
        return Response(data, media_type="image/jpeg", headers=_FOREVER)

    @application.get("/media/{clip_id}")
    def media(clip_id: str) -> Response:
        row = desk.clip(clip_id)
        found = desk.media.source_file(row["part"], row["video_id"])
        if found is None:
            raise HTTPException(404, "the source is not there now")
        path, kind = found
        return FileResponse(path, media_type=kind, headers={"cache-control": "private"})

    @application.get("/cut/{clip_id}.mp4")
    def cut(clip_id: str) -> Response:
        try:
            data = desk.media.clip_file(desk.clip(clip_id))
        except VideoError as error:
            raise HTTPException(404, error.message) from error
        if data is None:
            raise HTTPException(404, "the source is not there now")
        return Response(data, media_type="video/mp4", headers={"cache-control": "private"})


def _add_changes(application: FastAPI, desk: Desk) -> None:
    @application.post("/api/verdict/{clip_id}")
    async def review(clip_id: str, request: Request) -> JSONResponse:
        change = await body_of(request)

        def write() -> dict[str, Any]:
            desk.clip(clip_id)
            before = desk.review(clip_id)
            if "verdict" in change:
                desk.verdicts.record(clip_id, change["verdict"], desk.author)
            if "labels" in change:
                desk.verdicts.label(clip_id, [str(each) for each in change["labels"]], desk.author)
            if "column" in change:
                text = change.get("text")
                desk.verdicts.correct(
                    clip_id,
                    str(change["column"]),
                    None if text is None else str(text),
                    desk.author,
                )
            desk.refresh_verdicts()
            return {"before": before, **desk.review(clip_id)}

        return JSONResponse(await run_in_threadpool(write), headers=FRESH)


def _bad_address(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _no_clip(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the dataset has no such clip"}, 404)


def _trouble(_: Request, error: Exception) -> Response:
    assert isinstance(error, InternvidError)
    return JSONResponse({"error": error.message, "hint": error.hint}, 400)
