"""remove: take videos out of a dataset, for good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from internvid.cli.display import shown_progress
from internvid.cli.options import DatasetPath, Json
from internvid.cli.output import put, put_json, say
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.pipeline.removal.removing import Removal, RemovalPlan

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Build")(remove)


def remove(
    dataset: DatasetPath,
    video: Annotated[
        Optional[list[str]],
        typer.Option("--video", metavar="ID", help="Video id to remove; may be repeated."),
    ] = None,
    source: Annotated[
        Optional[list[str]],
        typer.Option(
            "--source", metavar="ID", help="Source id to remove, with its videos; may be repeated."
        ),
    ] = None,
    uri: Annotated[
        Optional[list[str]],
        typer.Option("--uri", metavar="URI", help="Path or uri to remove; may be repeated."),
    ] = None,
    tables: Annotated[
        Optional[list[Path]],
        typer.Option(
            "--table",
            metavar="FILE",
            help="Table with video_id, source_id or uri, or a .txt file with one id a line.",
        ),
    ] = None,
    ignore_missing: Annotated[
        bool,
        typer.Option("--ignore-missing", help="Also accept ids that the dataset does not have."),
    ] = False,
    forget: Annotated[
        Optional[list[str]],
        typer.Option(
            "--forget", metavar="ID", help="Let a removed id be built again; may be repeated."
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be removed; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove videos from a dataset: every row, picture and answer, also from its exports."""
    from internvid.api import removal

    request: dict[str, Any] = {
        "videos": video or (),
        "sources": source or (),
        "uris": uri or (),
        "tables": tables or (),
        "ignore_missing": ignore_missing,
    }
    if plan:
        if forget:
            raise MisuseError("--plan shows a removal; --forget removes nothing")
        _put_plan(removal.plan_removal(dataset, **request), as_json=as_json)
        return
    with shown_progress() as shown:

        def report(done: int, total: int) -> None:
            if not done:
                shown.begin("purging files", total, None)
            shown.reached(done, 0)

        done = removal.remove(dataset, forget=forget or (), progress=report, **request)
    _tell(done)
    if as_json:
        put_json(done)
        return
    if forget:
        put(f"forgotten {done.forgotten} digests: a build may read these sources again")
        return
    put(f"removed   {done.removed_videos} videos of {done.removed_sources} sources, "
        f"{done.removed_clips} clips")  # fmt: skip
    put(f"purged    {', '.join(done.purged) or 'nothing'}")
    put(f"freed     {done.bytes_freed} bytes in {done.files} files")


def _tell(done: Removal) -> None:
    """What needs a person's eye, on stderr."""
    if done.unknown:
        named = ", ".join(done.unknown[:3]) + (", ..." if len(done.unknown) > 3 else "")
        say(f"note: ids that the dataset does not have: {len(done.unknown)} ({named}); later "
            "builds refuse them")  # fmt: skip
    if done.already:
        say(f"note: ids that were removed before: {done.already}")
    for kept in done.kept:
        say(f"note: {kept.sources} other sources have the bytes of {kept.uri}: the video stays; "
            f"--video {kept.video_id} removes it with all of them")  # fmt: skip
    for copy in done.to_reissue:
        say(f"note: to be written again: {copy['kind']} {copy['path']} ({copy['reason']})")
    for name in done.purged:
        if name.endswith(".html"):
            say(
                f"note: {name} showed what was removed, and is gone: internvid report makes it anew"
            )
    for path in done.left[:_SHOWN]:
        say(f"note: {path} is not internvid's and names what was removed")


def _put_plan(plan: RemovalPlan, *, as_json: bool) -> None:
    if as_json:
        put_json(plan)
        return
    put(f"would remove  {plan['removed_videos']} videos of {plan['removed_sources']} sources, "
        f"{plan['removed_clips']} clips")  # fmt: skip
    put(f"from          {', '.join(plan['purged']) or 'nothing'}")
    put(f"files         {len(plan['files'])}, {plan['bytes']} bytes now")
    for path in plan["files"][:_SHOWN]:
        put(f"    {path}")
    if len(plan["files"]) > _SHOWN:
        put(f"    and {len(plan['files']) - _SHOWN} more: --json names all")
    for copy in plan["copies"]:
        put(
            f"{copy['action']:<13} {copy['path']}"
            + (f" ({copy['reason']})" if copy["reason"] else "")
        )
