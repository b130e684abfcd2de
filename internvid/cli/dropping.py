"""drop: takes a column out of a dataset."""

from __future__ import annotations

from pathlib import Path

from internvid.cli.output import put, put_json


def run_drop(dataset: Path, column: str, *, force: bool, as_json: bool) -> None:
    """`internvid drop`."""
    from internvid.dataset.drop import drop_column

    done = drop_column(dataset, column, force=force)
    if as_json:
        put_json(done)
        return
    put(f"{done.key}: dropped, {done.rows} answers, {done.bytes} bytes")
    if done.dependents:
        put(f"    made from it: {', '.join(done.dependents)}")
    if done.others:
        put(f"    still stored: {', '.join(done.others)}; the command that made one brings it back")
