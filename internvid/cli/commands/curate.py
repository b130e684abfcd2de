"""select: choose clips of a dataset, or rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.options import Json, Settings
from internvid.cli.output import put, put_json

if TYPE_CHECKING:
    from internvid.curate.select import SubsetSummary

Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A dataset, or a table of clips: Parquet, csv or jsonl; a file, a folder or a glob.",
    ),
]
Out = Annotated[
    Optional[Path],
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the rows here: .parquet, .csv or .jsonl, by its ending.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Curate")(select)


def select(
    dataset: Input,
    selector: Annotated[
        str,
        typer.Argument(
            metavar="SELECTOR",
            help="where, random, div, flt, aes, cap, quota, split, exclude or module:Class.",
        ),
    ],
    argument: Annotated[
        Optional[str],
        typer.Argument(
            metavar="CONDITION|COUNT|COLUMN",
            help="where: an SQL condition over all columns. quota: a column. The others: a count.",
        ),
    ] = None,
    name: Annotated[
        Optional[str],
        typer.Option("--as", metavar="NAME", help="Record the ids as a subset of this name."),
    ] = None,
    count: Annotated[Optional[int], typer.Option(help="Number of clips.")] = None,
    hours: Annotated[Optional[float], typer.Option(help="At most so many hours of clips.")] = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed of the draw.")] = None,
    where: Annotated[
        Optional[str],
        typer.Option(metavar="SQL", help="Choose only among rows for which this is true."),
    ] = None,
    then: Annotated[
        Optional[list[str]],
        typer.Option(
            "--then",
            metavar="STEP",
            help='A further selector over what is left, e.g. "cap 3"; may be repeated.',
        ),
    ] = None,
    out: Out = None,
    with_rejected: Annotated[
        bool, typer.Option("--with-rejected", help="Keep the rejected rows too, with reasons.")
    ] = False,
    assignments: Settings = None,
    as_json: Json = False,
) -> None:
    """Choose clips: a named subset of a dataset, or a file with the chosen rows of a table."""
    from internvid.api.subsets import select as choose

    summary = choose(
        dataset,
        selector,
        name,
        argument,
        where=where,
        then=then or (),
        count=count,
        hours=hours,
        seed=seed,
        settings=assignments or (),
        out=out,
        with_rejected=with_rejected,
    )
    if as_json:
        put_json(summary_json(summary))
    else:
        _put_summary(summary)


def summary_json(summary: SubsetSummary) -> dict[str, object]:
    """What a selection took as one JSON object."""
    return {
        "name": summary.name,
        "chosen": summary.chosen,
        "rejected": summary.rejected,
        "reasons": dict(summary.reasons),
        "hours": summary.hours,
        "out": summary.out,
        "clips": summary.clips,
        "of": summary.of,
    }


def _put_summary(summary: SubsetSummary) -> None:
    named = summary.name or str(summary.out)
    put(f"{named}: {summary.clips} of {summary.of} clips, {summary.hours:.3f} hours")
    for reason, rows in summary.reasons.items():
        put(f"  {rows:>12} {reason}")
    if summary.name and summary.out:
        put(f"written to {summary.out}")
