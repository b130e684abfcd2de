"""dedup: groups of clips that show the same pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from internvid.cli.options import DatasetPath, Json
from internvid.cli.output import StageProgress, put, put_json
from internvid.core.system.shell import command


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Curate")(dedup)


def dedup(
    dataset: DatasetPath,
    name: Annotated[
        str, typer.Option("--as", metavar="COLUMN", help="Name of the column.")
    ] = "duplicate",
    distance: Annotated[
        int,
        typer.Option(
            min=0,
            max=16,
            help="Number of bits, of 64, in which the hashes of equal pictures differ.",
        ),
    ] = 10,
    coverage: Annotated[
        float, typer.Option(help="Least share of the shorter clip that both clips show.")
    ] = 0.5,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops/--no-crops", help="Also compare pictures without their rims; decodes them all."
        ),
    ] = True,
    neighbours: Annotated[
        int,
        typer.Option(min=1, help="Number of pictures under one key to compare each picture with."),
    ] = 32,
    vectors: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column of vectors to compare too, made by embed."),
    ] = "",
    similarity: Annotated[
        float, typer.Option(help="Least cosine of the vectors of duplicates.")
    ] = 0.95,
    as_json: Json = False,
) -> None:
    """Find clips that show the same pictures; store their groups as a column."""
    from internvid.api.deduplication import dedup as find_duplicates

    done = find_duplicates(
        dataset,
        name=name,
        distance=distance,
        coverage=coverage,
        crops=crops,
        neighbours=neighbours,
        vectors=vectors,
        similarity=similarity,
        progress=StageProgress(),
    )
    if as_json:
        put_json(done)
        return
    put(f"{done.groups} groups of {done.clips_in_groups} clips, of {done.clips} compared")
    kinds = ", ".join(f"{count} {kind}" for kind, count in done.kinds.items())
    if kinds:
        put(f"    pairs: {kinds}")
    if done.pairs_passed_over:
        put(
            f"    not compared: {done.pairs_passed_over} pairs of pictures under "
            f"{done.crowded_keys} keys that many pictures share"
        )
    if done.duplicates:
        unique = f'{command("select", dataset)} where "not {done.column}" --as unique'
        put(f"    without the {done.duplicates} clips that another one stands for: {unique}")
