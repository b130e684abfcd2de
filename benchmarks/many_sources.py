"""What the process that leads a build holds and sends, by the number of sources.

    python -m benchmarks.many_sources [--sources 1000000] [--scenes first,more]

Two scenes, each in a process of its own. `first`: a table of sources is planned, scanned and sealed
for the first time. `more`: 64 sources join a dataset that has so many already. Sources have no
files; in place of worker processes something here writes the row that a scan leaves. Nothing is
flushed to the disk, which would be most of the time and none of the memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from internvid import recipes
from internvid.dataset.layout import Layout, Record
from internvid.dataset.tables import (
    PICK_SCHEMA,
    SOURCE_SCHEMA,
    VIDEO_SCHEMA,
    clip_schema,
    timeline_schema,
)
from internvid.pipeline import build as building
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.scanning import ScanTask
from internvid.pipeline.shares.sealing import SealTask
from internvid.run.executor import Result

_SCENES = ("first", "more")
_ADDED = 64
_FACTORY = "local_executor"


class Here:
    """An executor that notes the size of each task and does it at once, in this process."""

    def __init__(self) -> None:
        self.tasks = self.most_bytes = 0

    def map(
        self, function: Callable[..., Any], items: Iterable[Any], progress: Any = None
    ) -> Iterator[Result]:
        """One result per item, in their order."""
        del progress
        for index, item in enumerate(items):
            self.tasks += 1
            if self.tasks % 1000 == 1:
                self.most_bytes = max(self.most_bytes, len(pickle.dumps((function, item))))
            # A cut is the work of workers alone.
            if isinstance(item, ScanTask):
                yield Result(index, value=_stage(item))
            else:
                sealing = isinstance(item, SealTask)
                yield Result(index, value=function(item, lambda _: None) if sealing else 0)


def _stage(task: ScanTask) -> dict[str, Any]:
    """What a scan leaves of a source that is not there."""
    row = {"uri": task.uri, "video_id": None, "status": "failed", "reason": "missing", "error": "-"}
    path = task.stage.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row), "utf-8")
    return row


def _uris(first: int, count: int) -> pa.Array:
    return pa.array([f"file:///nowhere/videos/{at // 1000:05}/{at:09}.mp4"
                     for at in range(first, first + count)])  # fmt: skip


def _recipe() -> Recipe:
    return dataclasses.replace(recipes.default(), captioners={})


def _fill(layout: Layout, sources: int) -> None:
    """A dataset of so many videos that are scanned and cut, without a frame and a clip."""
    recipe = _recipe()
    scan, cut = recipe.scan_fingerprint(), recipe.cut_key()
    record = Record(scan=scan, cut=cut)
    empty = {
        "timelines": timeline_schema(recipe.complete_scan().column_specs()).empty_table(),
        "picks": PICK_SCHEMA.empty_table(),
        "clips": clip_schema({}).empty_table(),
    }
    first: dict[str, Path] = {}
    for number, start in enumerate(range(0, sources, record.sources_per_part)):
        part, here = f"part-{number:05}", min(record.sources_per_part, sources - start)
        ids = pa.array(
            [f"{at * 0x9E3779B97F4A7C15 % 2**64:032x}" for at in range(start, start + here)]
        )
        known = {"uri": _uris(start, here), "video_id": ids, "source_id": ids,
                 "status": pa.array(["ok"] * here)}  # fmt: skip
        _write(layout.sources(part), SOURCE_SCHEMA, known)
        _write(layout.scanned(scan, "videos", part), VIDEO_SCHEMA, known)
        for name, table in empty.items():
            path = layout.clips(cut, part) if name == "clips" else layout.scanned(scan, name, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name in first:
                os.link(first[name], path)
            else:
                pq.write_table(table, path)
            # A file has 65,000 names at most on some file systems.
            first[name] = path if number % 1000 == 0 else first[name]
        record.parts.append({"name": part, "sources": here})
    layout.write_record(record)


def _write(path: Path, schema: pa.Schema, known: dict[str, pa.Array]) -> None:
    count = len(known["uri"])
    columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


def measure(scene: str, sources: int, folder: Path) -> dict[str, float]:
    """Peak memory in MB, bytes of a task and seconds of one scene; in this process."""
    layout, table = Layout(folder / "data"), folder / "sources.parquet"
    if scene == "more" and not layout.record_path.exists():
        _fill(layout, sources)
        return {}
    first, count = (0, sources) if scene == "first" else (sources, _ADDED)
    pq.write_table(pa.table({"uri": _uris(first, count)}), table)
    executor, started = Here(), time.monotonic()
    # What the interpreter and its libraries take is no matter of sources.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        mock.patch.object(building, _FACTORY, return_value=executor),
        mock.patch("os.fsync"),
    ):
        summary = building.build([str(table)], layout.root, _recipe())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert summary.scanned == count
    return {
        "sources": sources,
        "start_mb": round(before / 1024),
        "peak_mb": round(peak / 1024),
        "task_bytes": executor.most_bytes,
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Print a line a scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--scenes", default=",".join(_SCENES))
    parser.add_argument("--run", nargs=2, metavar=("SCENE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        scene, folder = options.run
        print(json.dumps(measure(scene, options.sources, Path(folder))))
        return
    for scene in options.scenes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.many_sources", "--run", scene, folder]
            command += ["--sources", str(options.sources)]
            # Filling a dataset and measuring it are processes of their own.
            for _ in range(1 + (scene == "more")):
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(scene, done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
