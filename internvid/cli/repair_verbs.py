"""The verb `repair`. Its body is one call."""

from __future__ import annotations

import typer

from internvid.cli.options import DatasetPath, Json, Moved


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(rich_help_panel="Build")(repair)


def repair(dataset: DatasetPath, moved: Moved = None, as_json: Json = False) -> None:
    """Make a damaged dataset.json anew from the parts; name the new place of moved videos."""
    from internvid.cli.repairing import run_repair

    run_repair(dataset, tuple(moved or ()), as_json=as_json)
