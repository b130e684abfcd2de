"""browse: a dataset in pages that a browser shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid.cli.options import DatasetPath, Device
from internvid.cli.output import put, say


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Look")(browse)


def browse(
    dataset: DatasetPath,
    port: Annotated[
        Optional[int],
        typer.Option(min=0, max=65535, help="Port; default: 8765, or the next one that is free."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Name or address of this machine to listen on.")
    ] = "127.0.0.1",
    name: Annotated[
        Optional[list[str]],
        typer.Option(help="Further name by which browsers reach this machine; may be repeated."),
    ] = None,
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only", help="Refuse verdicts, corrections, subsets, reviews and exports."
        ),
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the page in a browser.")
    ] = False,
    author: Annotated[
        str, typer.Option(help="Name that stands with verdicts; default: the name of the user.")
    ] = "",
    model: Annotated[
        str,
        typer.Option(help="Folder of the model that made the vectors, if it has moved since."),
    ] = "",
    device: Device = "auto",
    exports: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FOLDER",
            help="Let pages start exports, each into a new folder below this one.",
        ),
    ] = None,
) -> None:
    """Look at clips, search, review and choose them in a browser; Ctrl-C ends it."""
    from internvid.api.browsing import serve

    def started(address: str) -> None:
        put(address)
        say("Ctrl-C ends it; whoever has this address can see the dataset")

    serve(
        dataset,
        host=host,
        port=port,
        names=name or (),
        read_only=read_only,
        open_browser=not no_open,
        author=author,
        model=model,
        device=device,
        exports=exports,
        started=started,
    )
