"""publish: write clips in a public format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from internvid.cli.commands.look import note_subset
from internvid.cli.cut_tables import cut_tables, text_warning
from internvid.cli.display import shown_progress
from internvid.cli.options import DatasetPath, Json, Settings, Subset
from internvid.cli.output import duration, put, put_json, say
from internvid.cli.verdicts import put_reissue, put_verification
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.dataset.store import Dataset


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Publish")(publish)


def publish(
    dataset: DatasetPath,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder to write; a new one, or an export that was interrupted."
        ),
    ],
    subset: Subset = None,
    exporter: Annotated[
        str, typer.Option(help="Output format; see: internvid list exporters.")
    ] = "webdataset",
    assignments: Settings = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Rate, frame counts and sides of a trainer's model: wan, ltx, ..."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only say what would be written and what falls out, and why."),
    ] = False,
    keep_paths: Annotated[
        bool,
        typer.Option("--keep-paths", help="Write whole paths of local sources, not only names."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check FOLDER against its manifest; write nothing.")
    ] = False,
    reissue: Annotated[
        bool,
        typer.Option("--reissue", help="Take out of FOLDER the clips that DATASET has no more."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Cut the clips out of their videos and write them, with captions and a manifest."""
    if verify or reissue:
        is_other = subset or exporter != "webdataset" or assignments or keep_paths
        has_more_options = is_other or preset or plan
        if has_more_options or (verify and reissue):
            raise MisuseError(
                f"{'--verify' if verify else '--reissue'} is given with options of another request",
                hint="a folder knows what is in it: name DATASET, FOLDER and no other option",
            )
        run = put_verification if verify else put_reissue
        run(dataset, folder, as_json=as_json)
        return
    from internvid.api.datasets import as_dataset
    from internvid.api.subsets import publish as write_export

    opened = as_dataset(dataset)
    if plan:
        _show_plan(opened, subset, exporter, assignments, preset, as_json=as_json)
        return
    with shown_progress() as shown:

        def report(done: int, total: int) -> None:
            if not done:
                shown.begin("writing clips", total, None)
            shown.reached(done, 0)

        manifest = write_export(
            opened,
            folder,
            subset=subset,
            exporter=exporter,
            settings=assignments or (),
            preset=preset,
            keep_paths=keep_paths,
            progress=report,
        )
    note_subset(opened, subset)
    missing = manifest.get("missing")
    if as_json:
        counts = {"windows": manifest["clips"], "dropped": {}}
        put_json({"folder": folder, **counts, **manifest, "manifest": folder / "manifest.json"})
    else:
        put(f"{manifest['clips']} clips in {len(manifest['files'])} files: {folder}")
        if "buckets" in manifest:
            put(f"\n{cut_tables(manifest, missing or ())}")
    if warning := text_warning(manifest):
        say(warning)
    if dropped := manifest.get("dropped"):
        say(f"{sum(dropped.values())} clips were left out ({_counts(dropped)})")
    if missing:
        why = _counts(Counter(row["reason"] for row in missing))
        say(f"{len(missing)} clips could not be written ({why}); see {folder}/manifest.json")
    if missing and not manifest["clips"]:
        say(f"no clip could be written: {missing[0]['reason']}; the videos must be where they were")
        raise typer.Exit(1)


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())


def _show_plan(
    opened: Dataset,
    subset: str | None,
    exporter: str,
    assignments: list[str] | None,
    preset: str | None,
    *,
    as_json: bool,
) -> None:
    """Say what would be written."""
    from internvid.api.subsets import plan_publication

    planned = plan_publication(
        opened, subset=subset, exporter=exporter, settings=assignments or (), preset=preset
    )
    note_subset(opened, subset)
    if as_json:
        put_json(planned)
    else:
        put(
            f"{planned['clips']} clips, {planned['windows']} windows, "
            f"{duration(planned['hours'] * 3600)} would be written\n\n{cut_tables(planned)}"
        )
    if warning := text_warning(planned):
        say(warning)
