"""What pages show by vectors: clips that mean or look the same, and the map of all."""

from __future__ import annotations

from fastapi import FastAPI

from internvid.browse.server.desk import Desk


def add_meaning_routes(application: FastAPI, desk: Desk) -> None:
    """Add them to the application."""
