"""drop: remove a column of a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from internvid.cli.options import DatasetPath, Json
from internvid.cli.output import put, put_json


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Annotate")(drop)


def drop(
    dataset: DatasetPath,
    column: Annotated[
        str,
        typer.Argument(
            metavar="COLUMN", help="Name of the column, or NAME@FINGERPRINT for one version of it."
        ),
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Remove it even if columns or subsets were made from it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a column of captions, scores or vectors, for example one of a failed attempt."""
    from internvid.api.annotations import drop_column

    done = drop_column(dataset, column, force=force)
    if as_json:
        put_json(done)
        return
    put(f"{done.key}: dropped, {done.rows} answers, {done.bytes} bytes")
    if done.dependents:
        put(f"    made from it: {', '.join(done.dependents)}")
    if done.others:
        put(f"    still stored: {', '.join(done.others)}; the command that made one brings it back")
