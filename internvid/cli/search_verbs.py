"""The verb `search`. Its body is one call."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from internvid.cli.options import DatasetPath, Device, Json, Subset


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(rich_help_panel="Look")(search)


def search(
    dataset: DatasetPath,
    query: Annotated[
        str, typer.Argument(metavar="TEXT|VIDEO|IMAGE", help="A sentence, or a file.")
    ],
    column: Annotated[
        Optional[str], typer.Option(help="A column of vectors; default: the only one.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="The model that made it, where it lay in a folder.")
    ] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many clips.")] = 10,
    subset: Subset = None,
    exact: Annotated[
        Optional[bool],
        typer.Option("--exact/--index", help="Default: an index from 200,000 clips on."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Clips that fit a sentence, or look like a video or an image, the best first."""
    from internvid.cli.searching import SearchRequest, run_search

    run_search(
        SearchRequest(
            dataset=dataset,
            query=query,
            column=column,
            model=model,
            count=count,
            subset=subset,
            exact=exact,
            device=device,
            as_json=as_json,
        )
    )
