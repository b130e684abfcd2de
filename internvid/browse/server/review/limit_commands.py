"""The commands that set a limit: a build with another recipe, or a selection among kept clips."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.browse.server.desk import Desk
from internvid.browse.server.review.limit_rules import Limits
from internvid.core.assignments import settings_of, spell, with_values
from internvid.core.errors import InternvidError
from internvid.core.system.shell import command
from internvid.dataset.sources.uris import uri_to_path
from internvid.pipeline.recipe import Recipe

_BASE = "default"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_SOURCES_TRIED = 50


@dataclass(frozen=True)
class Command:
    """A command, or why there is none.

    Attributes:
        text: to be pasted into a shell; None where there is none.
        note: what it does, or why there is none.
    """

    text: str | None
    note: str


def select_command(desk: Desk, limits: Limits, *, has_nulls: bool) -> Command:
    """The selection among kept clips that the limits are.

    Args:
        desk: of the dataset.
        limits: of a column.
        has_nulls: whether clips have no such number; they stay.
    """
    if not limits.is_tighter:
        return Command(None, "select chooses among kept clips, and these limits bring others back.")
    rule = limits.rule
    if rule and (limits.minimum, limits.maximum) == (rule.minimum, rule.maximum):
        return Command(None, "These are the recorded limits: all kept clips pass.")
    if limits.minimum is None and limits.maximum is None:
        return Command(None, "Without a limit there is nothing to select by.")
    name = limits.facet.name
    quoted = name if _PLAIN.fullmatch(name) else limits.facet.sql
    parts = [
        f"{quoted} {sign} {_literal(limit)}"
        for limit, sign in ((limits.minimum, ">="), (limits.maximum, "<="))
        if limit is not None
    ]
    condition = " and ".join(parts)
    if has_nulls:
        condition = f"({condition}) or {quoted} is null"
    text = command("select", desk.dataset.root, "where", condition, "--as", f"limited-{name}")
    return Command(text, "A subset of the kept clips; the dataset stays as it is.")


def build_command(desk: Desk, limits: Limits) -> Command:
    """The build whose recipe is the recorded one with these limits."""
    record = desk.dataset.record
    entry = record.cuts.get(record.cut or "", {})
    recorded = {each["setting"]: each["value"] for each in entry.get("settings") or ()}
    name = recorded.get("name", "")
    base = desk.recipes.get(name) or desk.recipes.get(_BASE)
    if base is None or not recorded:
        return Command(None, "The dataset does not record the settings of its cut.")
    before, changes = _assignments(base(), recorded), _changes(limits)
    if any(":" in one for one in before):
        # To read the settings would import modules that a dataset from elsewhere names.
        return Command(None, "The recorded recipe has components of its own: build in Python.")
    # What takes a filter out goes with nothing that changes it.
    removed = tuple(f"{one.removesuffix('=none')}." for one in changes if one.count(".") == 2)
    settings = [*(one for one in before if not one.startswith(removed or ("=",))), *changes]
    try:
        if with_values(base(), before).cut_key() != record.cut:
            return Command(
                None, "The recorded cut is not made by settings alone: no --set does it."
            )
        with_values(base(), settings).check()
    except InternvidError as error:
        return Command(None, f"No build does it: {error.message}.")
    if not changes:
        return Command(None, "These are the recorded limits: the cut is there.")
    recipe = ["--recipe", name] if name in desk.recipes and name != _BASE else []
    words = [word for one in settings for word in ("--set", one)]
    source = _source(desk)
    text = command("build", source or "VIDEOS", "-o", desk.dataset.root, *recipe, *words)
    note = "A further cut from the stored numbers: no video is read again, other cuts stay."
    if source is None:
        note += " In place of VIDEOS name what the dataset was built from."
    return Command(text, note)


def _assignments(base: Recipe, recorded: dict[str, str]) -> list[str]:
    """What must be set in a recipe to make it the recorded one."""
    known = {path: spell(value) for path, value in settings_of(base).items()}
    return [
        f"{path}={value}"
        for path, value in recorded.items()
        if known.get(path, "none") != value and not _is_own_name(path, value)
    ]


def _is_own_name(path: str, value: str) -> bool:
    """Whether it is the reason of a filter that is called by it."""
    return path == f"cut.filters.{value}.reason"


def _changes(limits: Limits) -> list[str]:
    rule = limits.rule
    if rule is None:
        name = f"cut.filters.{limits.facet.name}_limit"
        sides = [(side, getattr(limits, side)) for side in ("minimum", "maximum")]
        given = [f"{name}.{side}={_number(limit)}" for side, limit in sides if limit is not None]
        return [f"{name}.column={limits.facet.name}", *given] if given else []
    name = f"cut.filters.{rule.name}"
    if limits.minimum is None and limits.maximum is None:
        return [f"{name}=none"]
    return [
        f"{name}.{side}={_number(getattr(limits, side))}"
        for side in ("minimum", "maximum")
        if getattr(limits, side) != getattr(rule, side)
    ]


def _number(value: float | None) -> str:
    return "none" if value is None else repr(value).removesuffix(".0")


def _literal(value: float) -> str:
    # A long decimal would be a DECIMAL in SQL, which becomes another double.
    text = _number(value)
    return text if len(text) <= 15 else f"{value:.17e}"


def _source(desk: Desk) -> Path | None:
    """A source of the dataset that is there: one is enough to have all cut anew."""
    rows: list[Any] = (
        desk.dataset.connection.cursor()
        .execute(f"select uri from videos where status = 'ok' order by uri limit {_SOURCES_TRIED}")
        .fetchall()
    )
    paths = (uri_to_path(uri) for (uri,) in rows)
    return next((path for path in paths if path is not None and path.is_file()), None)
