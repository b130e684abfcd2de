"""fetch: get the videos that a table names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.commands.collecting.crawl_options import (
    AllowPrivate,
    Config,
    Contact,
    Exclude,
    Longest,
    Rules,
    Shortest,
)
from internvid.cli.display import PlainLines, live
from internvid.cli.fetched import numbers, put_plan, say_next, shown_counts
from internvid.cli.options import Json
from internvid.cli.output import put, put_json, say

if TYPE_CHECKING:
    from internvid.collect.fetching.fetch_progress import FetchProgress
    from internvid.collect.fetching.fetch_settings import FetchSettings

PANEL = "Collect"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel=PANEL)(fetch)


def fetch(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="Table with addresses or ids of videos: a published one, or one of yours.",
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the videos and table.parquet.")
    ],
    plan: Annotated[
        bool, typer.Option("--plan", help="Estimate days and disk space; fetch nothing.")
    ] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Add the table to a folder made for another one.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also retry what failed for good before.")
    ] = False,
    limit: Annotated[
        Optional[int], typer.Option(min=1, help="Number of videos to try in this run.")
    ] = None,
    recipe: Rules = "internvid",
    shortest: Shortest = None,
    longest: Longest = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Fetch whole videos, also where spans are wanted.")
    ] = False,
    subtitles: Annotated[
        Optional[str],
        typer.Option(
            metavar="LANGUAGES", help="Languages of subtitles: en,de or none; default: en."
        ),
    ] = None,
    licence: Annotated[
        Optional[list[str]],
        typer.Option(
            "--licence",
            metavar="PATTERN",
            help="Fetch only videos of this licence, e.g. 'creative commons*'; may be repeated.",
        ),
    ] = None,
    exclude: Exclude = None,
    layout: Annotated[
        Optional[str], typer.Option(help="Layout of the table; default: known by its columns.")
    ] = None,
    url_template: Annotated[
        str,
        typer.Option(
            "--url-template", metavar="URL", help="Address of an id, e.g. https://host/{id}.mp4."
        ),
    ] = "",
    engine: Annotated[
        str, typer.Option(help="http, yt-dlp, or auto: yt-dlp for sites that it knows.")
    ] = "auto",
    contact: Contact = "",
    config: Config = None,
    allow_private: AllowPrivate = False,
    ignore_robots: Annotated[
        bool, typer.Option("--ignore-robots", help="Do not heed robots.txt, noai and noml.")
    ] = False,
    assignments: Annotated[
        Optional[list[str]],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change another setting, e.g. per_hour=100; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch the videos that a table names, politely; go on where it stopped."""
    from internvid.api import fetching

    chosen = {
        "shortest_seconds": shortest,
        "longest_seconds": longest,
        "whole": whole or None,
        "subtitles": None if subtitles is None else _languages(subtitles),
        "licences": tuple(licence) if licence else None,
        "url_template": url_template or None,
        "engine": engine,
        "contact": contact or None,
        "config": str(config) if config else None,
        "allow_private": allow_private or None,
        "obey_robots": False if ignore_robots else None,
    }
    settings = _settings(recipe, chosen, assignments or ())
    if plan:
        put_plan(
            fetching.plan_fetch(table, folder, settings=settings, layout=layout), as_json=as_json
        )
        return
    with _shown_progress() as progress:
        summary = fetching.fetch(
            table,
            folder,
            settings=settings,
            exclude=exclude or (),
            layout=layout,
            add=add,
            retry=retry,
            limit=limit,
            progress=progress,
        )
    if summary.faults:
        say(f"note: lines of the table that were not taken: {shown_counts(summary.faults)}")
    if as_json:
        put_json(summary)
        return
    put(f"fetched   {summary.fetched} ({summary.now} of them now)")
    put(f"failed    {summary.failed}")
    put(f"skipped   {summary.skipped}")
    put(f"reasons   {shown_counts(summary.reasons) or 'none'}")
    put(f"table     {summary.table}")
    say_next(summary.table)


def _languages(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(filter(None, map(str.strip, text.split(","))))


def _settings(
    recipe: str, chosen: Mapping[str, object], assignments: Sequence[str]
) -> FetchSettings:
    from internvid.collect.crawl_recipes import crawl_rules
    from internvid.collect.fetching.fetch_settings import FetchSettings
    from internvid.core.assignments import with_values

    given = vars(crawl_rules(recipe)) | {
        name: value for name, value in chosen.items() if value is not None
    }
    made: FetchSettings = with_values(FetchSettings(**given), list(assignments))
    return made


@contextlib.contextmanager
def _shown_progress() -> Iterator[FetchProgress]:
    """Shows a fetch live on a terminal, as plain lines elsewhere."""
    from internvid.collect.fetching.fetch_progress import FetchProgress

    lines = PlainLines()
    progress = FetchProgress(
        changed=lambda state: lines.tell(state.stage, lambda: numbers(state)),
        noted=lambda text: say(f"note: {text}"),
    )
    with live(lambda: f"{progress.stage}: {numbers(progress)}"):
        yield progress
