"""map: clips in the plane, near where their vectors are near."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from internvid.cli.options import DatasetPath, Json
from internvid.cli.output import StageProgress, put, put_json
from internvid.core.system.shell import command


class Method(StrEnum):
    """How vectors are brought into the plane."""

    pca = "pca"
    umap = "umap"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("map", rich_help_panel="Look")(map_clips)


def map_clips(
    dataset: DatasetPath,
    vectors: Annotated[
        str,
        typer.Option(
            metavar="COLUMN", help="Column of vectors, made by embed; default: the only one."
        ),
    ] = "",
    method: Annotated[
        Method, typer.Option(help="pca: the plane of most variance; umap: near stays near.")
    ] = Method.pca,
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Name of the map: columns NAME_x, NAME_y.")
    ] = "map",
    neighbours: Annotated[
        int, typer.Option(min=2, help="With umap: number of neighbours to keep near each clip.")
    ] = 15,
    sample: Annotated[
        int, typer.Option(min=16, help="With umap: number of clips to fit the layout on.")
    ] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the layout.")] = 42,
    as_json: Json = False,
) -> None:
    """Lay the clips out on a map by their vectors; store places as two columns."""
    from internvid.api.searching import map_clips as make_map

    done = make_map(
        dataset,
        vectors=vectors,
        method=method.value,
        name=name,
        neighbours=neighbours,
        sample=sample,
        seed=seed,
        progress=StageProgress(),
    )
    if as_json:
        put_json(done)
        return
    put(f"{done.clips} clips have a place in {' and '.join(done.columns)}, by {done.method}")
    if done.without:
        put(f"    {done.without} kept clips have no vector")
    put(f"    to look at it: {command('browse', dataset)}")
