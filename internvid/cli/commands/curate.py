"""select, split, diff: choose clips of a dataset or rows of a table, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.options import Json, Settings, Subset
from internvid.cli.output import put, put_json, say, table

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
    app.command(rich_help_panel="Curate")(split)
    app.command(rich_help_panel="Curate")(diff)


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
    subset: Subset = None,
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
    layout: Annotated[
        Optional[str],
        typer.Option(help="Layout of a table, e.g. internvid; default: recognised by its columns."),
    ] = None,
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
        subset=subset,
        where=where,
        then=then or (),
        count=count,
        hours=hours,
        seed=seed,
        settings=assignments or (),
        out=out,
        with_rejected=with_rejected,
        layout=layout,
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


def split(
    dataset: Input,
    name: Annotated[
        Optional[str],
        typer.Option(
            "--as", metavar="NAME", help="Record subsets NAME-train, NAME-val, NAME-test."
        ),
    ] = None,
    val: Annotated[
        float, typer.Option(help="Expected share of the sources, or number of clips.")
    ] = 0.05,
    test: Annotated[
        float, typer.Option(help="Expected share of the sources, or number of clips.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    groups: Annotated[
        str, typer.Option(metavar="COLUMN", help="Groups of near-duplicates to keep together.")
    ] = "duplicate_group",
    where: Annotated[
        Optional[str],
        typer.Option(metavar="SQL", help="Split only rows for which this is true."),
    ] = None,
    subset: Subset = None,
    out: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FILE", help="Write FILE with .train, .val and .test before its ending."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Split clips into train, val and test by source video, near-duplicates on one side."""
    from internvid.api.curation import split as make_split

    parts = make_split(
        dataset, name, val=val, test=test, seed=seed, groups=groups, subset=subset, where=where,
        out=out,
    )  # fmt: skip
    if as_json:
        put_json({part: summary_json(summary) for part, summary in parts.items()})
        return
    for part in ("train", "val", "test"):
        if part not in parts:
            put(f"{part:<6}{0:>12} clips")
            continue
        summary = parts[part]
        named = summary.name or str(summary.out)
        put(f"{part:<6}{summary.clips:>12} clips  {summary.hours:>10.3f} hours  {named}")
    wanted = {"val": val, "test": test}
    missing = [part for part, share in wanted.items() if share and part not in parts]
    if missing:
        say(f"note: no source fell to {' and '.join(missing)}: shares are expected ones; a number "
            "of clips, such as --val 100, is reached")  # fmt: skip


def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A dataset, DATASET:SUBSET, or a table of clips.")
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help="A dataset, DATASET:SUBSET, or a table of clips.")
    ],
    as_json: Json = False,
) -> None:
    """Compare two subsets, datasets or tables: clips, reasons and columns."""
    from internvid.api.curation import diff as compare_two

    found = compare_two(a, b)
    if as_json:
        put_json(found)
        return
    for side, given in (("A", a), ("B", b)):
        counts = found["a"] if side == "A" else found["b"]
        put(f"{side}  {counts['clips']} clips, {counts['hours']:.3f} hours  {given}")
    put(f"shared {found['shared']}, only in A {found['only_a']}, only in B {found['only_b']}")
    for title, reasons in (
        ("only in A, because B:", found["only_a_reasons"]),
        ("only in B, because A:", found["only_b_reasons"]),
    ):
        if reasons:
            put(title)
            for reason, number in reasons.items():
                put(f"  {number:>12} {reason}")
    for title, columns in (("A", found["columns_only_a"]), ("B", found["columns_only_b"])):
        if columns:
            put(f"columns only in {title}: {', '.join(columns)}")
    changed = [row for row in found["columns"] if row["differs"]]
    if changed:
        put(table(changed))
    elif found["shared"]:
        put(f"none of the {len(found['columns'])} columns of both differs in a shared clip")
