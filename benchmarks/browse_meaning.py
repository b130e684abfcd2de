"""Seconds that search by meaning and the map of `internvid browse` take at a million clips.

    python -m benchmarks.browse_meaning --folder TMP [--rows 1e6] [--width 512] [--json FILE]

The dataset is that of `large_dataset.py` with a column of vectors of kept clips: unit vectors round
40 centres. `internvid map` is timed in a process of its own (peak memory: VmHWM); then requests are
made to `internvid browse`, once all columns are copied. The first search by vectors gathers them.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import internvid
from benchmarks.page_server import Server, parser_of, report
from internvid.dataset.parts import read_part
from internvid.dataset.tables import column_schema

_CENTRES = 40
_KEY = "embedding@0123456789ab"


def add_vectors(root: Path, width: int) -> None:
    """A column of vectors of the kept clips, unless it is there."""
    data = internvid.open(root)
    record, cut = data.record, data.record.cut or ""
    if "embedding" in record.columns[cut]:
        return
    draw = np.random.default_rng(1)
    centres = draw.normal(size=(_CENTRES, width)).astype(np.float32)
    schema = column_schema("vector", {})
    for part in data.parts:
        clips = read_part(data.layout.clips(cut, part), ["clip_id", "kept"])
        ids = clips.filter(clips["kept"])["clip_id"].combine_chunks()
        count = len(ids)
        vectors = centres[draw.integers(_CENTRES, size=count)]
        vectors = vectors + draw.normal(size=vectors.shape, scale=0.8).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        known = {
            "clip_id": ids,
            "value": pa.ListArray.from_arrays(
                np.arange(0, (count + 1) * width, width, dtype=np.int32), vectors.ravel()
            ),
            "status": pa.array(["ok"] * count),
        }
        columns = [
            known[field.name] if field.name in known else pa.nulls(count, field.type)
            for field in schema
        ]
        path = data.layout.column(cut, _KEY, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns, schema=schema), path)
    record.columns[cut]["embedding"] = _KEY
    record.column_recipes[_KEY] = {"value_type": "vector", "verb": "score", "extras": {}}
    data.layout.write_record(record)


def measure(root: Path) -> dict[str, float]:
    """Seconds of each step, and peak memory in MB."""
    shutil.rmtree(root / "search", ignore_errors=True)
    begun = time.perf_counter()
    # Another seed each time: a map that is there is not made again.
    seed = str(time.time_ns() % 10**9)
    command = [sys.executable, "-m", "internvid", "map", str(root), "--seed", seed]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = {
        "internvid map": time.perf_counter() - begun,
        "internvid map, peak MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    ((one,), (other,)) = internvid.open(root).sql("select clip_id from clips limit 2").fetchall()
    server = Server(root)
    try:
        server.wait_for_columns()
        begun = time.perf_counter()
        while "clips" not in server.ask(f"/api/clips?near={one}")[0]:
            time.sleep(0.2)
        found["first search"] = time.perf_counter() - begun
        for name, query in {
            "search": f"near={other}",
            "page 50 of it": f"near={other}&page=50",
            "with two filters": f"near={other}&duration_seconds=1.5..3&kept=all",
        }.items():
            page, found[name] = server.ask(f"/api/clips?{query}")
            assert len(page["clips"]) == 60, name
        for facet in ("duration_seconds", "camera_move"):
            _, found[f"its {facet}"] = server.ask(f"/api/facets/{facet}?near={other}")
        about, found["map"] = server.ask("/api/map?colour=motion_mean")
        left, right, low, high = (
            about["bounds"][each] for each in ("left", "right", "low", "high")
        )
        wide, tall = right - left, high - low
        whole = [left, right, low, high]
        middle = [left + 0.45 * wide, left + 0.55 * wide, low + 0.45 * tall, low + 0.55 * tall]
        for name, box in {"the whole map": whole, "a hundredth of it": middle}.items():
            query = urllib.parse.urlencode(
                {"box": ",".join(map(str, box)), "colour": "motion_mean"}
            )
            found[name] = server.seconds(f"/api/map/part?{query}")
        place = f"{left + wide / 2},{low + tall / 2},{wide / 100}"
        _, found["the clip under the pointer"] = server.ask(f"/api/map/clip?at={place}")
        box_of = f"map_x={middle[0]}..{middle[1]}&map_y={middle[2]}..{middle[3]}"
        _, found["clips of a box"] = server.ask(f"/api/clips?{box_of}")
        found["browse, peak MB"] = server.peak_mb
    finally:
        server.stop()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = parser_of(__doc__, [1e6])
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args(arguments)

    def measure_with_vectors(root: Path) -> dict[str, float]:
        add_vectors(root, options.width)
        return measure(root)

    report(options, measure_with_vectors)


if __name__ == "__main__":
    main()
