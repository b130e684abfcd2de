"""search: clips of a dataset by a text, a video or an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from internvid.cli.options import DatasetPath, Device, Json, Subset
from internvid.cli.output import put, put_json, say, table

_SHOWN_CHARACTERS = 60


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Look")(search)


def search(
    dataset: DatasetPath,
    query: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|VIDEO|IMAGE", help="A sentence, or the path of a video or image file."
        ),
    ],
    column: Annotated[
        Optional[str],
        typer.Option(help="Column of vectors made by embed; default: the only one."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="Folder of the model that made the vectors, if it has moved since."),
    ] = "",
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Number of clips to return.")
    ] = 10,
    subset: Subset = None,
    exact: Annotated[
        Optional[bool],
        typer.Option(
            "--exact/--index",
            help="Compare with every vector, or use an index; "
            "default: an index from 200,000 vectors on.",
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Search for clips that fit a sentence, or look like a video or an image."""
    from internvid.api.searching import search as search_clips

    result = search_clips(
        dataset,
        query,
        count,
        column=column,
        model=model,
        subset=subset,
        exact=exact,
        device=device,
        progress=_show_progress,
    )
    if as_json:
        put_json(result)
        return
    put(table([_shortened(row) for row in result.hits]))


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    short = {"score": row["score"], "clip_id": row["clip_id"][:12]}
    short["start_seconds"], short["end_seconds"] = row["start_seconds"], row["end_seconds"]
    short["video"] = Path(row["uri"]).name if row["uri"] else ""
    for name in list(row)[5:]:
        text = row[name] or ""
        cut = len(text) > _SHOWN_CHARACTERS
        short[name] = text[: _SHOWN_CHARACTERS - 1] + "…" if cut else text
    return short


def _show_progress(stage: str, share: float) -> None:
    if sys.stderr.isatty() or share >= 1:
        say(f"{stage} vectors: {share:.0%}")
