"""discover: a table of videos that may be fetched."""

from __future__ import annotations

from typing import Annotated, Optional

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
from internvid.cli.display import shown_progress
from internvid.cli.options import Json
from internvid.cli.output import put, put_json, say


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Collect")(discover)


def discover(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS... OUT",
            help="Lists of queries, phrases, addresses of channels, playlists, feeds and "
            "listings; last the table to write (.parquet).",
        ),
    ],
    places: Annotated[
        Optional[list[str]],
        typer.Option(
            "--from", metavar="PLACE", help="Where phrases are searched: youtube, commons, archive."
        ),
    ] = None,
    per_query: Annotated[
        int, typer.Option(min=1, help="Number of videos to take of each phrase and listing.")
    ] = 20,
    exclude: Exclude = None,
    licence: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="PATTERN", help="Licence that is allowed, e.g. 'cc*'; may be repeated."
        ),
    ] = None,
    unknown_licence: Annotated[
        bool,
        typer.Option("--unknown-licence", help="With --licence, also take videos that state none."),
    ] = False,
    language: Annotated[
        Optional[list[str]],
        typer.Option(help="Use only phrases of this language; may be repeated."),
    ] = None,
    recipe: Rules = "internvid",
    shortest: Shortest = None,
    longest: Longest = None,
    contact: Contact = "",
    config: Config = None,
    allow_private: AllowPrivate = False,
    ignore_robots: Annotated[
        bool, typer.Option("--ignore-robots", help="Read what robots.txt forbids to programs.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try searches again that failed.")] = False,
    as_json: Json = False,
) -> None:
    """Find videos to fetch, by phrases, in channels, feeds and listings; a rerun goes on."""
    from internvid.api.collecting import discover as look
    from internvid.core.errors import MisuseError

    if len(inputs) < 2:
        raise MisuseError(
            "two things are named: what to look for, and the table to write",
            hint="for example: internvid discover phrases.jsonl candidates.parquet",
        )
    with shown_progress() as shown:
        begun = False

        def report(ended: int, total: int, candidates: int) -> None:
            nonlocal begun
            if not begun:
                shown.begin("looking for videos", total, None)
                begun = True
            shown.reached(ended, 0)

        found = look(
            inputs[:-1],
            inputs[-1],
            places=places or "youtube",
            per_query=per_query,
            excluded=exclude or (),
            licences=licence or (),
            unknown_licence=unknown_licence,
            languages=language or (),
            recipe=recipe,
            shortest_seconds=shortest,
            longest_seconds=longest,
            contact=contact,
            config=config,
            allow_private=allow_private,
            obey_robots=not ignore_robots,
            retry=retry,
            progress=report,
        )
    if as_json:
        put_json(found)
        return
    put(f"{found.candidates} candidates: {found.table}")
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.searches.items())
    say(f"searches: {outcomes}")
    if found.dropped:
        say("left out: " + ", ".join(f"{count} {why}" for why, count in found.dropped.items()))
    for failure in found.failures[:5]:
        say(f"failed: {failure['place']}, {failure['query']}: {failure['message']}")
    if found.failures:
        say("to try them again: the same command with --retry")
    if not found.candidates and found.failures:
        raise typer.Exit(1)
