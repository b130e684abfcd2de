"""How a fetch is shown: its state, its plan, its progress."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.cli.output import duration, put, put_json, say, table
from internvid.core.system.shell import command

if TYPE_CHECKING:
    from internvid.collect.fetching.fetch_plan import FetchPlan
    from internvid.collect.fetching.fetch_progress import FetchProgress

_DAY_SECONDS = 86400


def put_fetch_status(folder: Path, *, as_json: bool) -> None:
    """Print how far the fetch of a folder is."""
    from internvid.api.fetching import fetch_status

    facts = fetch_status(folder)
    if as_json:
        put_json(facts)
        return
    put(f"fetched   {facts['fetched']} of {facts['items']} sources, {size(facts['bytes'])}")
    put(
        f"others    {facts['failed']} failed, {facts['skipped']} skipped, {facts['left']} not tried"
    )
    put(f"reasons   {shown_counts(facts['reasons']) or 'none'}")
    for given in facts["tables"]:
        put(f"table     {given['table']}: {given['rows']} rows of {given['sources']} sources")
        if given["faults"]:
            put(f"          lines that were not taken: {shown_counts(given['faults'])}")
    if facts["examples"]:
        put("\nwithout a file, among others")
        put(table([{**each} for each in facts["examples"]], ["reason", "message", "item"]))
    if facts["table"]:
        say_next(facts["table"])


def say_next(table_path: str | Path) -> None:
    """Say how a dataset is built of what was fetched."""
    say(f"\nto build of it: {command('build', table_path, '-o', 'DATASET')}")
    say("with --given the clips are those of the table")


def put_plan(plan: FetchPlan, *, as_json: bool) -> None:
    """Print what a fetch takes."""
    if as_json:
        put_json(plan)
        return
    put(f"videos    {plan['videos']}, named by {plan['rows']} rows")
    if plan["faults"]:
        put(f"          lines that are not taken: {shown_counts(plan['faults'])}")
    put(f"length    about {plan['hours_of_video']:.0f} hours")
    put(f"disk      about {size(plan['bytes'])}; {size(plan['free_bytes'])} are free")
    put(f"time      about {duration(plan['days'] * _DAY_SECONDS)} ({plan['days']:.1f} days) at the "
        "pace of the slowest host")  # fmt: skip
    put("")
    put(table([{**each} for each in plan["hosts"]]))
    if plan["other_hosts"]:
        put(f"and {plan['other_hosts']} more hosts")


def shown_counts(counts: Mapping[str, int]) -> str:
    """Counts on one line."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def numbers(state: FetchProgress) -> str:
    """How far a fetch is, on one line."""
    if not state.total:
        return ""
    parts = [f"{state.done}/{state.total}", f"fetched {state.fetched}", size(state.bytes)]
    parts.append(f"{state.per_second * 3600:.0f} an hour")
    parts += [f"{name} {count}" for name, count in state.reasons.most_common(4)]
    if state.remaining_seconds is not None:
        parts.append(f"about {duration(state.remaining_seconds)} left")
    return ", ".join(parts)


def size(count: float) -> str:
    """Bytes for people."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
