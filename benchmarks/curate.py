"""Curation at 1 to 234 million rows: each selection beside one scan of its columns.

    python -m benchmarks.curate --folder TMP [--rows 1e6 1e7 1e8 2.34e8] [--json FILE]
    python -m benchmarks.curate --folder TMP --reference [--rows 1e7]

Tables are made on the spot in InternVid's layout: ids of 11 characters, times as texts, captions
of 18 words, two scores; clips a video are lognormal (mean 33, a few of thousands), as in a crawl.
Every measurement is a process of its own, whose peak memory is reported. Counts grow with the
table as the paper's (10.6 M of 234 M). `--reference` puts `div` beside the usual way, counts in a
dictionary and numpy's `choice` with p: once over a list of all rows, as scripts for these tables
hold them, and once as leanly as that can be, over a list of ids alone.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from internvid.curate.select_table import select_table
from internvid.curate.selectors import Aesthetic, Cap, Diverse, Filtered, Random
from internvid.curate.tables.opening import open_rows
from internvid.dataset.duckdb_connection import open_connection

PAPER_ROWS, PAPER_DIV = 234_000_000, 10_647_458
CLIPS_AT_ONCE = 5_000_000
WORDS = """
man woman dog cat child car road tree runs walks jumps plays holds eats talks sings red blue
green small large old young street kitchen field beach guitar ball bike camera table
"""
COLUMNS = (
    "YoutubeID",
    "Start_timestamp",
    "End_timestamp",
    "Caption",
    "Aesthetic_Score",
    "UMT_Score",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=float, nargs="*", default=[1e6, 1e7, 1e8, 2.34e8])
    parser.add_argument("--only", nargs="*", default=sorted(MEASURED))
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "TABLE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], Path(arguments.one[1]))))
        return
    results = []
    for rows in map(int, arguments.rows):
        table = arguments.folder / f"rows-{rows}"
        # In a process too: a child's peak memory begins with what its parent holds.
        in_process("table", table)
        references = ["reference-rows", "reference-ids", "div"]
        names = references if arguments.reference else ["scan", *arguments.only]
        for name in names:
            results.append({"rows": rows, **in_process(name, table)})
            print(results[-1], flush=True)
    print_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


def make_table(folder: Path, _out: Path) -> int:
    """Parquet parts of so many rows as the name says; kept between runs."""
    rows = int(folder.name.partition("-")[2])
    if (folder / ".done").exists():
        return rows
    folder.mkdir(parents=True, exist_ok=True)
    counts = clips_of_videos(rows)
    generator = np.random.default_rng(1)
    phrases = [" ".join(generator.choice(WORDS.split(), 6)) for _ in range(4096)]
    connection = open_connection()
    connection.register("phrases", pa.table({"number": np.arange(4096), "phrase": phrases}))
    connection.execute("set variable p = (select list(phrase order by number) from phrases)")
    ends = np.cumsum(counts)
    first = part = 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        last = min(len(counts), int(np.searchsorted(ends, before + CLIPS_AT_ONCE)) + 1)
        videos = pa.table({"video": np.arange(first, last), "clips": counts[first:last]})
        connection.register("videos", videos)
        connection.execute(PART.format(path=folder / f"part-{part:04d}.parquet"))
        first, part = last, part + 1
    (folder / ".done").touch()
    return rows


def clips_of_videos(rows: int) -> np.ndarray:
    """How many clips each video has, of so many rows in all."""
    generator = np.random.default_rng(0)
    counts = np.maximum(1, np.round(generator.lognormal(2.9, 1.05, rows // 20 + 10))).astype(int)
    ends = np.cumsum(counts)
    last = int(np.searchsorted(ends, rows))
    counts = counts[: last + 1]
    counts[-1] -= ends[last] - rows
    return counts


PART = """
copy (
  with clips as (select video, unnest(range(clips)) as clip from videos),
  numbers as (select *, md5_number(video || '-' || clip) as h from clips),
  hashed as (select *, (h & 4294967295::uhugeint)::bigint as a,
    ((h >> 32) & 4294967295::uhugeint)::bigint as b from numbers),
  timed as (select *, clip * 11.7 + (a % 1000) / 1000.0 as starts,
    0.4 - ln(((b % 1000000) + 1) / 1000001.0) * 11 as lasts from hashed)
  select left(replace(replace(to_base64(unhex(md5('v' || video))), '+', '-'), '/', '_'), 11)
      as YoutubeID,
    strftime(make_timestamp((starts * 1e6)::bigint), '%H:%M:%S.%g') as Start_timestamp,
    strftime(make_timestamp(((starts + lasts) * 1e6)::bigint), '%H:%M:%S.%g') as End_timestamp,
    getvariable('p')[1 + a % 4096] || ' ' || getvariable('p')[1 + (a // 4096) % 4096] || ' '
      || getvariable('p')[1 + b % 4096] as Caption,
    (3.2 + 3 * ((a % 997) + (b % 991)) / 1986.0)::float as Aesthetic_Score,
    (0.2 + 0.3 * ((a % 983) + (b % 977) + (a % 971)) / 2928.0)::float as UMT_Score
  from timed
) to '{path}' (format parquet, compression zstd, row_group_size 250000)
"""


def in_process(name: str, table: Path) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.curate",
        "--folder",
        ".",
        "--one",
        name,
        str(table),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, table: Path) -> dict[str, Any]:
    """Wall and CPU seconds, peak memory and what was taken."""
    out = table.parent / f"chosen-{name}.parquet"
    out.unlink(missing_ok=True)
    started, cpu = time.perf_counter(), _cpu_seconds()
    taken = MEASURED.get(name, OTHERS.get(name))(table, out)  # type: ignore[misc]
    found = {
        "name": name,
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(_cpu_seconds() - cpu, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "taken": taken,
    }
    out.unlink(missing_ok=True)
    return found


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _share(table: Path) -> int:
    rows = int(table.name.partition("-")[2])
    return max(1, round(rows * PAPER_DIV / PAPER_ROWS))


def _select(selector: Any) -> Any:
    return lambda table, out: select_table(table, selector(_share(table)), out).clips


def scan(table: Path, _out: Path) -> int:
    """Read every column of every row, as a selection's last step has to."""
    connection = open_connection()
    connection.execute("set threads = 2")
    columns = ", ".join(f"max({name})" for name in COLUMNS)
    row = connection.execute(f"select count(*), {columns} from '{table}/*.parquet'").fetchall()[0]
    return int(row[0])


def statistics(table: Path, _out: Path) -> int:
    """What `describe` counts of a table, without the words of captions."""

    from internvid.curate.statistics import clip_statistics, find_roles

    with open_rows(table) as rows:
        kinds = dict(zip(rows.relation.columns, map(str, rows.relation.types), strict=True))
        roles = find_roles(kinds, ("Caption",))
        found = clip_statistics(rows.connection, rows.relation, roles, captions=0)
        return int(found["clips"])


def reference_ids(table: Path, out: Path) -> int:
    """Ids in a list, counts in a dictionary, numpy's choice with p, then the rows."""
    import pyarrow.dataset as pads

    whole = pads.dataset(table, format="parquet", exclude_invalid_files=True)
    ids = whole.to_table(columns=["YoutubeID"])["YoutubeID"].to_pylist()
    drawn = _drawn_by_numpy(ids, _share(table))
    pa.parquet.write_table(whole.take(drawn), out, compression="zstd")
    return len(drawn)


def reference_rows(table: Path, out: Path) -> int:
    """All rows in a list of dictionaries, drawn likewise."""
    rows: list[dict[str, Any]] = []
    for path in sorted(table.glob("*.parquet")):
        for batch in pa.parquet.ParquetFile(path).iter_batches():
            rows += batch.to_pylist()
    drawn = _drawn_by_numpy([row["YoutubeID"] for row in rows], _share(table))
    chosen = pa.Table.from_pylist([rows[place] for place in drawn])
    pa.parquet.write_table(chosen, out, compression="zstd")
    return len(drawn)


def _drawn_by_numpy(ids: list[str], count: int) -> np.ndarray:
    """Places in order, [count]."""
    counts: dict[str, int] = {}
    for one in ids:
        counts[one] = counts.get(one, 0) + 1
    weights = np.array([1 / counts[one] for one in ids])
    np.random.seed(42)
    drawn = np.random.choice(len(ids), count, replace=False, p=weights / weights.sum())
    return np.sort(drawn)


MEASURED: dict[str, Any] = {
    "random": _select(lambda count: Random(count=count)),
    "div": _select(lambda count: Diverse(count=count)),
    "div-hours": _select(lambda count: Diverse(hours=count * 11.7 / 3600)),
    "flt": _select(lambda count: Filtered(count=count)),
    "aes": _select(lambda count: Aesthetic(count=count)),
    "aes-text": _select(lambda count: Aesthetic(text_column="UMT_Score", count=count)),
    "cap": _select(lambda _count: Cap(3)),
    "statistics": statistics,
}
OTHERS: dict[str, Any] = {
    "table": make_table,
    "scan": scan,
    "reference-rows": reference_rows,
    "reference-ids": reference_ids,
}


def print_table(results: list[dict[str, Any]]) -> None:
    """A table for the docs: seconds and memory, beside a scan, and the growth from size to size."""
    scans = {row["rows"]: row for row in results if row["name"] == "scan"}
    print("| rows | what | wall s | CPU s | peak GB | scans of its columns | growth |")
    print("|---|---|---|---|---|---|---|")
    last: dict[str, dict[str, Any]] = {}
    for row in results:
        beside = scans.get(row["rows"])
        scanned = f"{row['cpu_s'] / beside['cpu_s']:.1f}" if beside else ""
        growth = ""
        if row["name"] in last:
            before = last[row["name"]]
            power = math.log(row["cpu_s"] / before["cpu_s"]) / math.log(
                row["rows"] / before["rows"]
            )
            growth = f"n^{power:.2f}"
        last[row["name"]] = row
        print(
            f"| {row['rows'] / 1e6:g} M | {row['name']} | {row['wall_s']} | {row['cpu_s']} "
            f"| {row['peak_gb']} | {scanned} | {growth} |"
        )


if __name__ == "__main__":
    main()
