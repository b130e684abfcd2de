"""select: choose clips of a dataset."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from internvid.cli.options import DatasetPath, Json, Settings
from internvid.cli.output import put, put_json
from internvid.core.errors import MisuseError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Curate")(select)


def select(
    dataset: DatasetPath,
    selector: Annotated[
        str, typer.Argument(metavar="SELECTOR", help="where, random, or module:Class.")
    ],
    argument: Annotated[
        Optional[str],
        typer.Argument(
            metavar="CONDITION|COUNT",
            help="where: an SQL condition over all columns. random: the number of clips.",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Name of the subset; needed.")
    ] = "",
    seed: Annotated[Optional[int], typer.Option(help="Seed of the selector random.")] = None,
    assignments: Settings = None,
    as_json: Json = False,
) -> None:
    """Choose clips and record their ids, with reasons, as a named subset."""
    from internvid.api.subsets import select as record_subset

    if not name:
        raise MisuseError("a subset needs a name", hint="add --as NAME")
    settings = list(assignments or ())
    if seed is not None:
        settings.append(f"seed={seed}")
    summary = record_subset(dataset, selector, name, argument, settings=settings)
    if as_json:
        put_json(summary)
    else:
        put(f"{summary.name}: {summary.clips} of {summary.of} clips, {summary.hours:.3f} hours")
