"""The pages' own files: HTML from templates, scripts and styles as they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, Response

if TYPE_CHECKING:
    import jinja2

ROOMS = (
    ("/", "Clips"),
    ("/subsets", "Subsets"),
    ("/map", "Map"),
    ("/audit", "Audit"),
    ("/captioners", "Captioners"),
    ("/limits", "Limits"),
)
"""Address and name of each page that the head of every page leads to."""

FRESH = {"cache-control": "no-store"}
_KINDS = {".js": "text/javascript", ".css": "text/css"}


def add_page_files(application: FastAPI) -> None:
    """Serve scripts and styles by their names."""

    @application.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)

    @application.get("/static/{name}")
    def static(name: str) -> Response:
        found = _static().get(name)
        if found is None:
            raise HTTPException(404)
        kind = _KINDS["." + name.rpartition(".")[2]]
        return Response(found, media_type=kind, headers=FRESH)


def page(name: str, current: str = "") -> HTMLResponse:
    """A page.

    Args:
        name: of its template, without the ending.
        current: its address among `ROOMS`.
    """
    template = _templates().get_template(f"{name}.html")
    return HTMLResponse(template.render(rooms=ROOMS, current=current), headers=FRESH)


@functools.cache
def _templates() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("internvid.browse.server", "static/pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def _files(folder: Traversable) -> Iterator[Traversable]:
    """Files of a folder and of those in it: all names are different."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each)
        else:
            yield each


@functools.cache
def _static() -> dict[str, str]:
    # What there is, by name: nothing of an address becomes a path.
    own = resources.files("internvid.browse.server") / "static"
    found = [each for kind in ("scripts", "styles") for each in _files(own / kind)]
    found.append(resources.files("internvid.browse") / "templates" / "report.css")
    return {
        each.name: each.read_text("utf-8")
        for each in found
        if "." + each.name.rpartition(".")[2] in _KINDS
    }
