"""Prints what became of a published folder: that it was checked, or that clips were taken back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from internvid.cli.display import shown_progress
from internvid.cli.output import put, put_json, say

_SHOWN = 10


def put_verification(dataset: Path, folder: Path, *, as_json: bool) -> None:
    """Check a folder against its manifest, and print what is wrong, file by file.

    Args:
        dataset: that it was published from; if it is not there, the folder alone is checked.
        folder: of the export.
        as_json: print JSON.

    Raises:
        Exit: with 1, where something is wrong.
    """
    from internvid.api.datasets import is_dataset
    from internvid.api.releases import verify

    with shown_progress() as shown:

        def report(done: int, total: int) -> None:
            if done == 1:
                shown.begin("reading files", total, None)
            shown.reached(done, 0)

        known = dataset if is_dataset(dataset) else None
        found = verify(folder, dataset=known, progress=report)
    if as_json:
        put_json(
            {
                "ok": found.ok,
                "changed": found.changed,
                "missing": found.missing,
                "foreign": found.foreign,
            }
        )
    else:
        for what in ("changed", "missing", "foreign"):
            for name in getattr(found, what):
                put(f"{what:<8} {name}: {found.reasons[name]}")
        if found.ok:
            put(f"ok: every file is what was published: {folder}")
    if not found.ok:
        say(f"{len(found.reasons)} files of {folder} are not what was published")
        raise typer.Exit(1)


def put_reissue(dataset: Path, folder: Path, *, as_json: bool) -> None:
    """Take back clips of a folder that the dataset has no more, and print what changed.

    Args:
        dataset: that it was published from.
        folder: of the export.
        as_json: print JSON.
    """
    from internvid.api.releases import reissue

    done = reissue(dataset, folder)
    if as_json:
        put_json(done)
        return
    if not done["rewritten"] and not done["deleted"]:
        put(f"nothing changed: version {done['version']} of {folder} has no clip that is gone")
        return
    put(f"version    {done['version']}")
    for name, before in done["before"].items():
        put(f"{name:<9}  {_amount(before)} -> {_amount(done['after'][name])}")
    _put_files("rewritten", done["rewritten"])
    _put_files("deleted", done["deleted"])
    put(f"unchanged  {done['unchanged']} files")


def _put_files(what: str, names: Sequence[str]) -> None:
    """How many files, and the first of them, one a line."""
    put(f"{what:<9}  {len(names)} files")
    for name in names[:_SHOWN]:
        put(f"    {name}")
    if len(names) > _SHOWN:
        put(f"    and {len(names) - _SHOWN} more: --json names all")


def _amount(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
