"""Rows a CPU second of `internvid publish --exporter internvid`, and what memory it takes.

    python -m benchmarks.published_lists [--rows 1e6] [--folder TMP]

A rendered dataset is made larger by repeating its clips under new ids, captions too, in one part;
the list of all of them is then written in a process of its own, start and checksums included. The
peak is that of the process (VmHWM, Linux).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

import internvid
from benchmarks.publish import run
from internvid.synthetic.world import render_world

_TABLES = ("cuts/*/clips/*.parquet", "cuts/*/columns/*/*.parquet")


def enlarge(data: Path, rows: int) -> None:
    """Repeat the clips of a dataset of one part, and what is known of them."""
    clips = len(internvid.open(data))
    for path in (path for pattern in _TABLES for path in data.glob(pattern)):
        larger = path.with_suffix(".larger")
        with duckdb.connect() as connection:
            connection.execute(
                "copy (select md5(clip_id || number::varchar) as clip_id, * exclude (clip_id, "
                f"number) from read_parquet('{path}'), range({rows // clips}) repeated(number)) "
                f"to '{larger}' (format parquet, compression zstd)"
            )
        larger.rename(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--folder", type=Path, help="where the dataset and the list go")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        work = Path(name)
        (work / "world").mkdir()
        world = render_world(work / "world", seed=11, videos=2, seconds=10)
        videos = sorted(path for path in world.folder.iterdir() if path.suffix != ".json")
        internvid.build(videos, work / "data", workers=1)
        enlarge(work / "data", int(options.rows))
        words = f"publish {work / 'data'} {work / 'list'} --exporter internvid --json"
        spent = run([sys.executable, "-m", "internvid", *words.split()])
        listed = work / "list" / "clips.jsonl"
        (table,) = (work / "data").glob(_TABLES[0])
        rows = pq.read_metadata(table).num_rows
        print(
            f"{rows:,} rows, {listed.stat().st_size / 1e6:.0f} MB: {spent.cpu_seconds:.1f} CPU s, "
            f"{rows / spent.cpu_seconds:,.0f} rows a CPU second, {spent.wall_seconds:.1f} s, "
            f"{spent.peak_mb:.0f} MB"
        )


if __name__ == "__main__":
    main()
