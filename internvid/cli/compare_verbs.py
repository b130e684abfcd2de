"""The verb `compare`. Its body is one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid.cli.options import Json


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(rich_help_panel="Train")(compare)


def compare(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset, or frame shards for --captions.")
    ],
    subsets: Annotated[
        Optional[str], typer.Option(metavar="A,B,...", help="Subsets, one model each.")
    ] = None,
    captions: Annotated[
        Optional[str], typer.Option(metavar="X,Y,...", help="Text columns, one model each.")
    ] = None,
    text: Annotated[
        str, typer.Option(metavar="COLUMN", help="The captions, where subsets are compared.")
    ] = "measured",
    recipe: Annotated[str, typer.Option(help="A training recipe.")] = "viclip_tiny",
    steps: Annotated[
        Optional[int], typer.Option(min=1, help="Of each run; 200 if nothing is said.")
    ] = None,
    seconds: Annotated[
        Optional[float], typer.Option(help="Of training each run, turned into equal steps.")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="0,1,...", help="A run of each with each.")] = "0,1",
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of the source videos to measure on.")
    ] = 0.2,
    benchmarks: Annotated[
        Optional[list[str]],
        typer.Option("--benchmark", help="Measure on this too: retrieval-synthetic, ..."),
    ] = None,
    metric: Annotated[str, typer.Option(help="What decides.")] = "mean_recall",
    assignments: Annotated[
        Optional[list[str]],
        typer.Option("--set", metavar="PATH=VALUE", help="Change one field of the recipe."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where runs and results go.")
    ] = Path("comparison"),
    as_json: Json = False,
) -> None:
    """Which subset or captions train the better model: the same small budget for each."""
    from internvid.cli.comparing import CompareRequest, run_compare

    run_compare(
        CompareRequest(
            dataset=dataset,
            subsets=subsets,
            captions=captions,
            text=text,
            recipe=recipe,
            steps=steps,
            seconds=seconds,
            seeds=seeds,
            held_out=held_out,
            benchmarks=tuple(benchmarks or ()),
            metric=metric,
            assignments=tuple(assignments or ()),
            output=output,
            as_json=as_json,
        )
    )
