"""compare: which subset or captions train the better model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from internvid.cli.options import Json, TrainSettings
from internvid.cli.output import put, put_json, say, table
from internvid.core.errors import ConfigInvalidError, MisuseError

if TYPE_CHECKING:
    from internvid.training.compare.outcome import Outcome

_STEPS = 200


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Train")(compare)


def compare(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset; with --captions also frame shards.")
    ],
    subsets: Annotated[
        Optional[str],
        typer.Option(metavar="A,B,...", help="Subsets to compare; one model is trained on each."),
    ] = None,
    captions: Annotated[
        Optional[str],
        typer.Option(
            metavar="X,Y,...", help="Text columns to compare; one model is trained on each."
        ),
    ] = None,
    text: Annotated[
        str, typer.Option(metavar="COLUMN", help="Text column to use as captions, with --subsets.")
    ] = "measured",
    recipe: Annotated[str, typer.Option(help="Training recipe of every model.")] = "viclip_tiny",
    steps: Annotated[
        Optional[int], typer.Option(min=1, help="Training steps of each model; default: 200.")
    ] = None,
    seconds: Annotated[
        Optional[float],
        typer.Option(help="Training time of each model in seconds, converted to equal steps."),
    ] = None,
    seeds: Annotated[
        str,
        typer.Option(metavar="0,1,...", help="Random seeds; each model is trained once with each."),
    ] = "0,1",
    held_out: Annotated[
        float,
        typer.Option("--held-out", help="Share of the source videos held out for evaluation."),
    ] = 0.2,
    benchmarks: Annotated[
        Optional[list[str]],
        typer.Option(
            "--benchmark", help="Further benchmark to measure on, e.g. retrieval-synthetic."
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Metric that decides which is better.")
    ] = "mean_recall",
    assignments: TrainSettings = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the runs and results."),
    ] = Path("comparison"),
    as_json: Json = False,
) -> None:
    """Train one small model on each of several subsets or captions, and say which is better."""
    from internvid.api.training import compare as compare_training
    from internvid.training.compare.compare import Comparison

    if (subsets is None) == (captions is None):
        raise MisuseError(
            "subsets or captions are compared, one of both", hint="--subsets a,b or --captions x,y"
        )
    comparison = Comparison(
        data=dataset,
        kind="captions" if subsets is None else "subsets",
        names=_listed(subsets or captions or ""),
        text=text,
        seeds=_seeds(seeds),
        steps=_STEPS if steps is None and seconds is None else steps,
        seconds=seconds,
        held_out=held_out,
        metric=metric,
        benchmarks=tuple(benchmarks or ()),
    )
    outcome, record = compare_training(
        comparison, output, recipe=recipe, settings=assignments or (), notice=say
    )
    if as_json:
        put_json(record)
    else:
        _put_outcome(outcome, record, output)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in _listed(text))
    except ValueError as error:
        raise ConfigInvalidError(
            f"seeds are whole numbers, not {text!r}", hint="as in --seeds 0,1,2"
        ) from error


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _put_outcome(outcome: Outcome, record: dict[str, Any], folder: Path) -> None:
    budget, held = record["budget"], record["held_out"]
    seeds = ", ".join(str(seed) for seed in record["seeds"])
    put(f"each run   {budget['steps']} steps, {budget['samples_seen']} samples seen")
    put(f"seeds      {seeds}")
    put(
        f"held out   {held['clips']} clips of {held['videos']} of {held['of_videos']} source "
        f"videos; by chance R@1 is {100 / held['clips']:.1f}"
    )
    for name, count in record["clips"].items():
        put(f"{name:<10} {count} clips to train on")
    put("")
    put(table(outcome.rows()))
    put("")
    put(outcome.verdict)
    put(f"result     {folder / 'result.json'}")
