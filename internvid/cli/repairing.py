"""repair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from internvid.cli.output import put, put_json, say


def run_repair(dataset: Path, moved: Sequence[str], *, as_json: bool) -> None:
    """`internvid repair`."""
    from internvid import recipes
    from internvid.dataset.layout import Layout
    from internvid.dataset.sources.remap import remap
    from internvid.pipeline.repair import repair

    done = repair(dataset, [make() for make in recipes.RECIPES.values()])
    notes = list(done.notes)
    if moved:
        layout = Layout(dataset.absolute())
        with layout.locked():
            notes.append(remap(layout, moved))
    for note in notes:
        say(f"note: {note}")
    if as_json:
        put_json({"dataset": dataset, **vars(done), "notes": notes})
        return
    put("dataset.json is whole" if done.intact else "dataset.json was made anew")
    put(f"parts     {done.parts}")
    put(f"cut       {done.cut or 'none yet'}")
    put(f"columns   {', '.join(done.columns) or 'none'}")
