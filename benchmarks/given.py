"""Tables of stated clips: reading them for a build, and finding the rows of a part.

    python -m benchmarks.given --folder TMP [--rows 1e6 1e7] [--json FILE]

Tables are made on the spot: files, times, captions of seven words and a score, five clips a video,
in no order.
Every measurement is a process of its own, whose peak memory is reported. The files do not exist:
each name is looked for at its two places, as those of a real table are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from internvid.dataset.duckdb_connection import open_connection
from internvid.pipeline.given.given_table import GivenInputs, open_given, rows_of_files

CLIPS_A_VIDEO = 5
SOURCES_A_PART = 64
PARTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=float, nargs="*", default=[1e6, 1e7])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=Path, metavar="TABLE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results = []
    for rows in map(int, arguments.rows):
        table = write_table(arguments.folder / f"given-{rows}.parquet", rows)
        command = [sys.executable, "-m", "benchmarks.given", "--one", str(table)]
        command += ["--folder", str(arguments.folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results.append(json.loads(done.stdout))
        print(json.dumps(results[-1]), flush=True)
        table.unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


def write_table(path: Path, rows: int) -> Path:
    """A table of that many clips, whose rows lie in no order."""
    videos = max(1, rows // CLIPS_A_VIDEO)
    open_connection().execute(
        f"copy (select printf('videos/%09d.mp4', hash(i) % {videos}) as path, "
        "(i % 600) + (i % 1000) / 1000.0 as start_seconds, "
        "(i % 600) + (i % 1000) / 1000.0 + 4 as end_seconds, "
        "'a person walks over street number ' || i as caption, (i % 97) / 10.0 as score "
        f"from range({rows}) each(i)) to '{path}'"
    )
    return path


def measure(table: Path) -> dict[str, Any]:
    """Wall and CPU seconds, and peak memory, of reading one table and of finding rows."""
    wall, cpu = time.perf_counter(), time.process_time()
    with open_given(GivenInputs((str(table),)), table.parent) as given:
        found: dict[str, Any] = {
            "rows": given.rows,
            "sources": given.sources.table.num_rows,
            "read_wall_seconds": round(time.perf_counter() - wall, 2),
            "read_cpu_seconds": round(time.process_time() - cpu, 2),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        uris = given.sources.table["uri"]
        cpu = time.process_time()
        for number in range(PARTS):
            start = number * max(0, len(uris) - SOURCES_A_PART) // PARTS
            rows_of_files(given.path, uris.slice(start, SOURCES_A_PART).to_pylist())
        found["part_cpu_seconds"] = round((time.process_time() - cpu) / PARTS, 4)
    return found


if __name__ == "__main__":
    main()
