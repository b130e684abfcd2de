"""queries: search phrases from label lists and texts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from internvid.cli.display import shown_progress
from internvid.cli.options import Json
from internvid.cli.output import put, put_json, say
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.collect.queries.comparing import QueryComparison
    from internvid.collect.queries.query_list import QueryList

Files = Optional[list[Path]]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Collect")(queries)


def queries(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="LIST",
            help="List to write (.jsonl, .csv, .parquet, .txt); with --compare alone, to read.",
        ),
    ],
    labels: Annotated[
        Files,
        typer.Option(help="List of action labels (one a line, csv, JSON); may be repeated."),
    ] = None,
    texts: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="Table of captions in which actions are looked for; may be repeated.",
        ),
    ] = None,
    lists: Annotated[
        Files, typer.Option("--from", help="List of queries to take over; may be repeated.")
    ] = None,
    least_count: Annotated[
        int, typer.Option(min=1, help="Number of times that texts must have a phrase.")
    ] = 1,
    most_words: Annotated[
        int, typer.Option(min=0, help="Number of words of the longest phrase; 0: no limit.")
    ] = 8,
    exclude: Annotated[
        Optional[Path], typer.Option(help="File of phrases to leave out, one a line.")
    ] = None,
    unsafe: Annotated[
        Optional[Path], typer.Option(help="File of further words that no phrase may have.")
    ] = None,
    keep_unsafe: Annotated[
        bool, typer.Option("--keep-unsafe", help="Do not leave out phrases with unsafe words.")
    ] = False,
    language: Annotated[
        Optional[list[str]],
        typer.Option(help="Language to translate into (zh, es, ...), by --model; may be repeated."),
    ] = None,
    model: Annotated[
        Optional[str],
        typer.Option(help="Language model that finds actions in texts, and translates."),
    ] = None,
    server: Annotated[
        Optional[str],
        typer.Option(help="OpenAI-compatible server of it, e.g. http://127.0.0.1:8000/v1."),
    ] = None,
    compare: Annotated[
        Optional[Path], typer.Option(help="List of queries to compare LIST with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a list of phrases to search videos by, and compare lists."""
    from internvid.api.collecting import compare_queries, make_queries

    made: QueryList | None = None
    if labels or texts or lists:
        with shown_progress() as shown:

            def report(name: str, count: int) -> None:
                if not count:
                    shown.begin(f"reading {name}", 0, None)
                shown.reached(count, 0)

            made = make_queries(
                out,
                labels=labels or (),
                texts=texts or (),
                lists=lists or (),
                least_count=least_count,
                most_words=most_words,
                excluded=exclude,
                unsafe=unsafe,
                keep_unsafe=keep_unsafe,
                languages=language or (),
                model=model,
                server=server,
                progress=report,
            )
    elif compare is None:
        raise MisuseError(
            "no list of labels, no texts and no list of queries is named",
            hint="--labels FILE, --texts FILE, or --from LIST; or --compare LIST",
        )
    compared = None if compare is None else compare_queries(out, compare)
    if as_json:
        put_json(_as_json(out, made, compared))
        return
    if made is not None:
        _show(out, made)
    if compared is not None:
        _show_comparison(out, compare or out, compared)


def _as_json(out: Path, made: QueryList | None, compared: QueryComparison | None) -> dict[str, Any]:
    whole: dict[str, Any] = {"list": out}
    if made is not None:
        whole |= {**made.counts(), "dropped": dict(made.dropped), "extractor": made.extractor}
    if compared is not None:
        whole["compared"] = dataclasses.asdict(compared)
    return whole


def _show(out: Path, made: QueryList) -> None:
    counts = made.counts()
    put(
        f"{counts['queries']} phrases ({counts['labels']} of labels, {counts['phrases']} found in "
        f"texts), {counts['translations']} translations: {out}"
    )
    for name, count in counts["sources"].items():
        put(f"    {count} from {name}")
    if made.extractor is not None:
        say(f"actions were found by {made.extractor}")
    if made.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in made.dropped.items())
        say(f"left out: {reasons}")


def _show_comparison(out: Path, other: Path, compared: QueryComparison) -> None:
    put(f"{out.name} has {compared.queries} phrases, {other.name} {compared.other_queries}")
    put(f"both have {compared.shared}, of which {compared.equal} letter by letter")
    put(
        f"first words: {compared.verbs} and {compared.other_verbs}; both have "
        f"{compared.verbs_shared}"
    )
    put(f"{out.name} alone: {', '.join(compared.only_here)}")
    put(f"{other.name} alone: {', '.join(compared.only_there)}")
