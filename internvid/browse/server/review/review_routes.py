"""Pages on which people review many clips in a planned way."""

from __future__ import annotations

from fastapi import FastAPI

from internvid.browse.server.desk import Desk


def add_review_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
