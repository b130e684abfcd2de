"""compare: the request, and what is shown of its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.output import put, put_json, say, table
from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError, MisuseError

if TYPE_CHECKING:
    from internvid.training.compare.compare import Comparison
    from internvid.training.compare.outcome import Outcome

_STEPS = 200


@dataclass(frozen=True)
class CompareRequest:
    """The arguments of `internvid compare`."""

    dataset: str
    subsets: str | None = None
    captions: str | None = None
    text: str = "measured"
    recipe: str = "viclip_tiny"
    steps: int | None = None
    seconds: float | None = None
    seeds: str = "0,1"
    held_out: float = 0.2
    benchmarks: tuple[str, ...] = ()
    metric: str = "mean_recall"
    assignments: tuple[str, ...] = ()
    output: Path = Path("comparison")
    as_json: bool = False


def run_compare(request: CompareRequest) -> None:
    """`internvid compare`."""
    from internvid.training.compare.compare import run_comparison
    from internvid.training.recipes import pretraining as recipes

    comparison = make_comparison(request)
    recipe = with_values(recipes.get(request.recipe), request.assignments)
    outcome, record = run_comparison(comparison, recipe, request.output, say)
    if request.as_json:
        put_json(record)
    else:
        _put_outcome(outcome, record, request.output)


def make_comparison(request: CompareRequest) -> Comparison:
    """What a request asks for.

    Raises:
        MisuseError: neither or both of subsets and captions, or a value that cannot be.
        ConfigInvalidError: seeds that are no numbers.
    """
    from internvid.training.compare.compare import Comparison

    if (request.subsets is None) == (request.captions is None):
        raise MisuseError(
            "subsets or captions are compared, one of both", hint="--subsets a,b or --captions x,y"
        )
    kind = "captions" if request.subsets is None else "subsets"
    try:
        seeds = tuple(int(each) for each in _listed(request.seeds))
    except ValueError as error:
        raise ConfigInvalidError(
            f"seeds are whole numbers, not {request.seeds!r}", hint="as in --seeds 0,1,2"
        ) from error
    plain = request.steps is None and request.seconds is None
    return Comparison(
        data=request.dataset,
        kind=kind,
        names=_listed(request.subsets or request.captions or ""),
        text=request.text,
        seeds=seeds,
        steps=_STEPS if plain else request.steps,
        seconds=request.seconds,
        held_out=request.held_out,
        metric=request.metric,
        benchmarks=request.benchmarks,
    )


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
