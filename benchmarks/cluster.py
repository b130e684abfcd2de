"""Builds of millions of videos on many nodes, reckoned with stage times that are measured here.

    python -m benchmarks.cluster VIDEO... [--videos 1000000] [--nodes 1,10,100,1000] [--ray]

First the stages of a build are timed on the given videos (CPU seconds), then what every process
reads of all sources, and with --ray what the process that leads a Ray cluster does for an item.
Then each cluster is gone through event by event: each source on the next free core, some nodes
slow, parts sealed in order. Lengths of videos are drawn: a log-normal law with a mean of 6.4
minutes, that of 7.1 million videos with 760,000 hours.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import internvid
from internvid import recipes
from internvid.dataset.parts import read_part
from internvid.dataset.sources.known_videos import KnownVideos
from internvid.dataset.tables import VIDEO_SCHEMA
from internvid.pipeline.build import build
from internvid.pipeline.cutting import CutTask
from internvid.pipeline.scanning import ScanTask
from internvid.run.executor import Result

MEAN_SECONDS = 760_000 * 3600 / 7_100_000
SPREAD = 1.0
LONGEST_SECONDS = 4 * 3600.0
SOURCES_PER_PART = 64
SLOW_SHARE, SLOWNESS = 0.02, 2.0
"""So many nodes take so many times as long."""
PUTS_PER_SOURCE = 3
PUTS_PER_PART = 8
PUTS_A_SECOND = 3500.0
"""What Amazon states for one prefix of a bucket."""


@dataclass(frozen=True)
class Costs:
    """Seconds that are measured.

    Attributes:
        scan, cut: CPU seconds an hour of video.
        lead: of the process that leads a build, a source; its sealing included.
        row: in which a process reads the row of one source.
        item, worker: of the process that leads a Ray cluster: an item, and for each worker that it
            waits on beside it.
    """

    scan: float
    cut: float
    lead: float
    row: float
    item: float = 0.0
    worker: float = 0.0


class Timed:
    """An executor that does each task at once, and notes its CPU seconds."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def map(
        self, function: Callable[..., Any], items: Iterable[Any], progress: Any = None
    ) -> Iterator[Result]:
        """One result per item, in their order."""
        del progress
        for index, item in enumerate(items):
            started = time.process_time()
            value = function(item, lambda _: None)
            spent = time.process_time() - started
            kinds = {CutTask: "cut", ScanTask: "scan"}
            kind = kinds.get(type(item), "other")
            self.seconds[kind] += spent  # type: ignore[assignment]
            yield Result(index, value=value)


def measure(videos: list[str]) -> Costs:
    """Time builds of some videos in this process, and the reading of many rows."""
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded once, and what a build costs without any video, is no matter of sources.
        _timed_build(videos[:1], Path(folder) / "first")
        half = len(videos) // 2
        some, _, _ = _timed_build(videos[:half], Path(folder) / "some")
        rest, seconds, hours = _timed_build(videos, Path(folder) / "all")
        row = _row_seconds(Path(folder))
    others = seconds["cut"] + seconds["other"]
    lead = max(0.0, rest - some) / (len(videos) - half)
    return Costs(seconds["scan"] / hours, others / hours, lead, row)


def _timed_build(videos: list[str], root: Path) -> tuple[float, Counter[str], float]:
    """CPU seconds outside of tasks, those of tasks by kind, and the hours of video."""
    timed = Timed()
    started = time.process_time()
    recipe = dataclasses.replace(recipes.default(), captioners={})
    build(videos, root, recipe, executor=timed)
    whole = time.process_time() - started
    rows = internvid.open(root).videos().to_pylist()
    hours = sum(row["duration_seconds"] or 0.0 for row in rows) / 3600
    return whole - sum(timed.seconds.values()), timed.seconds, hours


def _row_seconds(folder: Path, parts: int = 400) -> float:
    """CPU seconds in which the rows of sealed parts become known videos, for one source."""
    count = SOURCES_PER_PART
    for number in range(parts):
        known = {
            "uri": [f"file:///videos/{number:05}/{at:03}.mp4" for at in range(count)],
            "video_id": [f"{number * count + at:032x}" for at in range(count)],
            "status": ["ok"] * count,
        }
        columns = [
            pa.array(known[field.name]) if field.name in known else pa.nulls(count, field.type)
            for field in VIDEO_SCHEMA
        ]
        pq.write_table(pa.Table.from_arrays(columns, schema=VIDEO_SCHEMA),
                       folder / f"part-{number:05}.parquet")  # fmt: skip
    seen = KnownVideos()
    started = time.process_time()
    for path in sorted(folder.glob("part-*.parquet")):
        for row in read_part(path, columns=["video_id", "uri", "status"]).to_pylist():
            seen.add(row["video_id"], row["uri"])
    return (time.process_time() - started) / (parts * count)


def echo(item: Any, report: Any) -> Any:
    """Nothing, in a worker."""
    del report
    return item


def measure_ray(costs: Costs, items: int = 400, waits: int = 2000) -> Costs:
    """Add what leading a Ray cluster takes: CPU seconds of this process, and of a long wait."""
    # By the name that workers find it under.
    from benchmarks.cluster import echo
    from internvid.run.ray_executor import RayExecutor, connect

    executor = RayExecutor(workers=2)
    list(executor.map(echo, range(4)))
    started = time.process_time()
    for _ in executor.map(echo, range(items)):
        pass
    item = (time.process_time() - started) / items
    executor.close()
    ray = connect()
    # Nothing has such a resource, so these wait for ever, as workers do that are busy.
    waiting = ray.remote(echo).options(resources={"none": 1})
    refs = [waiting.remote(0, None) for _ in range(waits)]
    ready = ray.put(0)
    started = time.process_time()
    for _ in range(20):
        ray.wait([*refs, ready], num_returns=1, timeout=1)
    worker = (time.process_time() - started) / 20 / waits
    ray.shutdown()
    return dataclasses.replace(costs, item=item, worker=worker)


@dataclass(frozen=True)
class Outcome:
    """One cluster: hours of its build, hours of each bound by itself, and the largest of these."""

    hours: float
    bounds: dict[str, float]

    @property
    def bound(self) -> str:
        """What takes longest."""
        return max(self.bounds, key=lambda name: self.bounds[name])


def lengths_of(videos: int, seed: int = 7) -> Any:
    """Seconds of so many videos."""
    rng = np.random.default_rng(seed)
    drawn = rng.lognormal(np.log(MEAN_SECONDS) - SPREAD**2 / 2, SPREAD, videos)
    return np.minimum(drawn, LONGEST_SECONDS)


def _slowness(nodes: int) -> Any:
    slow = np.ones(nodes)
    # From the end, so that the slow ones are the same for both engines.
    slow[nodes - round(SLOW_SHARE * nodes) :] = SLOWNESS
    return slow


def shares(lengths: Any, nodes: int, cores: int, costs: Costs) -> Outcome:
    """Every node has its parts from the beginning: nobody leads."""
    parts = [lengths[at : at + SOURCES_PER_PART] for at in range(0, len(lengths), SOURCES_PER_PART)]
    loads = [(0.0, node) for node in range(nodes)]
    slow = _slowness(nodes)
    # Each node reads the list of parts, and the rows of those before its own.
    begun = costs.row * len(lengths)
    slots = [[begun] * cores for _ in range(nodes)]
    scanned = np.zeros(len(parts))
    for number, part in enumerate(parts):
        load, node = heapq.heappop(loads)
        heapq.heappush(loads, (load + float(part.sum()), node))
        ends = slots[node]
        for seconds in part:
            end = ends[0] + seconds / 3600 * costs.scan * slow[node]
            heapq.heapreplace(ends, end)
            scanned[number] = max(scanned[number], end)
    # A part is sealed when all before it are scanned; then it is cut.
    sealed = np.maximum.accumulate(scanned)
    last = np.array([part.sum() for part in parts[-nodes:]]).max() / 3600 * costs.cut
    spare = float(lengths.sum()) / 3600 * costs.cut / (nodes * cores)
    seconds = float(sealed[-1]) + max(last, spare) * float(slow.max())
    # Nobody takes over what a slow node has.
    led = len(lengths) * costs.row
    bounds = _bounds(lengths, nodes, cores, costs, led, float(slow.max()))
    return Outcome(_after_store(seconds, len(lengths)) / 3600, bounds)


def ray_cluster(lengths: Any, nodes: int, cores: int, costs: Costs) -> Outcome:
    """One process hands the next source to the next free core."""
    slow = _slowness(nodes)
    workers = nodes * cores
    each = costs.item + costs.lead
    # An answer is heard with the next look at all workers.
    look = costs.worker * workers
    free = [(0.0, worker) for worker in range(workers)]
    leading = end = 0.0
    for seconds in lengths:
        at, worker = heapq.heappop(free)
        leading = max(leading, at) + each
        done = leading + seconds / 3600 * costs.scan * slow[worker // cores]
        heapq.heappush(free, (done + look, worker))
        end = max(end, done)
    end += float(lengths.sum()) / 3600 * costs.cut / workers
    # Slow nodes take fewer sources.
    bounds = _bounds(lengths, nodes, cores, costs, len(lengths) * each, 1.0)
    return Outcome(_after_store(end, len(lengths)) / 3600, bounds)


def _after_store(seconds: float, videos: int) -> float:
    """No build is faster than the store takes its objects."""
    return max(seconds, _puts(videos) / PUTS_A_SECOND)


def _puts(videos: int) -> float:
    return videos * (PUTS_PER_SOURCE + PUTS_PER_PART / SOURCES_PER_PART)


def _bounds(
    lengths: Any, nodes: int, cores: int, costs: Costs, led: float, slow: float
) -> dict[str, float]:
    cpu = float(lengths.sum()) / 3600 * (costs.scan + costs.cut)
    return {
        "cores": cpu / (nodes * cores) / 3600,
        **({"slow nodes": cpu / (nodes * cores) / 3600 * slow} if slow > 1 else {}),
        "longest source": float(lengths.max()) / 3600 * costs.scan / 3600,
        "leading": led / 3600,
        "store requests": _puts(len(lengths)) / PUTS_A_SECOND / 3600,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("footage", nargs="+", metavar="VIDEO")
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--nodes", default="1,10,30,100,300,1000")
    parser.add_argument("--cores", type=int, default=32)
    parser.add_argument("--scan", type=float, help="CPU seconds an hour of video, as of others")
    parser.add_argument("--ray", action="store_true", help="also measure what leads a Ray cluster")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    costs = measure(arguments.footage)
    if arguments.ray:
        costs = measure_ray(costs)
    print({name: float(f"{value:.3g}") for name, value in vars(costs).items()}, flush=True)
    if arguments.scan:
        ratio = arguments.scan / costs.scan
        costs = dataclasses.replace(costs, scan=arguments.scan, cut=costs.cut * ratio)
    lengths = lengths_of(arguments.videos)
    engines = {"shares": shares, **({"ray": ray_cluster} if arguments.ray else {})}
    rows = []
    for nodes in (int(text) for text in arguments.nodes.split(",")):
        row: dict[str, Any] = {"nodes": nodes}
        for name, engine in engines.items():
            outcome = engine(lengths, nodes, arguments.cores, costs)
            alone = outcome.bounds["cores"] / outcome.hours
            row[name] = {"hours": outcome.hours, "efficiency": alone, "bound": outcome.bound}
            rate = arguments.videos / outcome.hours
            print(f"{nodes} nodes, {name}: {outcome.hours:.2f} h, {rate:,.0f} videos an hour,",
                  f"{alone:.0%} of what cores can, bound by {outcome.bound}",
                  flush=True)  # fmt: skip
        rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps({"costs": vars(costs), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
