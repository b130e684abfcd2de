"""select and publish."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from internvid.cli.annotating import shown_progress
from internvid.cli.looking import tell_of_subset
from internvid.cli.output import put, put_json, say
from internvid.core import registry
from internvid.core.errors import MisuseError


def run_select(
    dataset: Path,
    selector: str,
    condition: str | None,
    name: str,
    assignments: list[str],
    *,
    as_json: bool,
) -> None:
    """`internvid select`."""
    from internvid.curate.select import select
    from internvid.dataset.store import open_dataset

    if not name:
        raise MisuseError("a subset needs a name", hint="add --as NAME")
    registry.find("selector", selector)
    if condition is not None:
        field = {"where": "condition", "random": "count"}.get(selector)
        if field is None:
            raise MisuseError(
                f"{selector} takes no argument {condition!r}", hint="use --set field=value"
            )
        assignments = [f"{field}={condition}", *assignments]
    component = registry.create("selector", selector, assignments)
    summary = select(open_dataset(dataset), component, name)
    if as_json:
        put_json(summary)
    else:
        put(f"{summary.name}: {summary.clips} of {summary.of} clips, {summary.hours:.3f} hours")


def run_publish(
    dataset: Path,
    folder: Path,
    subset: str | None,
    exporter: str,
    assignments: list[str],
    *,
    as_json: bool,
) -> None:
    """`internvid publish`."""
    from internvid.dataset.store import open_dataset
    from internvid.publishing.publish import publish

    component = registry.create("exporter", exporter, assignments)
    opened = open_dataset(dataset)
    with shown_progress() as shown:

        def report(done: int, total: int) -> None:
            if not done:
                shown.begin("writing clips", total, None)
            shown.reached(done, 0)

        manifest = publish(opened, folder, component, subset, report)
    tell_of_subset(opened, subset)
    missing = manifest.get("missing")
    if as_json:
        put_json({"folder": folder, **manifest})
    else:
        put(f"{manifest['clips']} clips in {len(manifest['files'])} files: {folder}")
    if missing:
        reasons = Counter(row["reason"] for row in missing).most_common()
        why = ", ".join(f"{count} {reason}" for reason, count in reasons)
        say(f"{len(missing)} clips could not be written ({why}); see {folder}/manifest.json")
    if missing and not manifest["clips"]:
        say(f"no clip could be written: {missing[0]['reason']}; the videos must be where they were")
        raise typer.Exit(1)
