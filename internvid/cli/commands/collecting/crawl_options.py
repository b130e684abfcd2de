"""Options that discovering and fetching share, with one meaning and one text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Rules = Annotated[
    str,
    typer.Option("--recipe", help="Rules of lengths and sizes: internvid (the paper's), or any."),
]
Shortest = Annotated[
    Optional[float],
    typer.Option("--shortest", help="Least duration in seconds; default: the recipe's."),
]
Longest = Annotated[
    Optional[float],
    typer.Option("--longest", help="Most duration in seconds; default: the recipe's."),
]
Exclude = Annotated[
    Optional[list[Path]],
    typer.Option(
        "--exclude", metavar="FILE", help="List of ids or owners to leave out; may be repeated."
    ),
]
Contact = Annotated[
    str, typer.Option("--contact", help="Your address or page, sent with each request.")
]
Config = Annotated[
    Optional[Path],
    typer.Option("--config", metavar="FILE", help="Configuration of yt-dlp: cookies, proxy."),
]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Also reach private and loopback addresses.")
]
