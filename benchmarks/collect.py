"""What collecting costs: a table of millions of rows as items, and a fetch from a bad server.

    python -m benchmarks.collect table [--rows 10000000]
    python -m benchmarks.collect fetch [--videos 1000]

`table` writes lines in InternVid's layout with 1,000 bad ones among them, and makes items of them.
`fetch` serves that many videos on loopback, of which three in ten misbehave once or for good, and
fetches them with the pace of the host out of the way: what is left is what a file costs.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import string
import tempfile
import time
from pathlib import Path
from typing import Any

import internvid
from internvid.collect.fetching.fetch_folder import open_fetch_folder
from internvid.collect.fetching.fetch_settings import FetchSettings
from tests.collect.conftest import write_table
from tests.collect.test_fetch_killed import FAULTS, PASSING, misbehave
from tests.collect.web_servers import Site, serving
from tests.media import write_video

_CLIPS = 33
_BAD = 1000
_TEXT = "a man woman dog is walking street playing guitar in the with red blue car people"
_LETTERS = string.ascii_letters + string.digits + "-_"
_NO_ID = {"YoutubeID": "", "Start_timestamp": "00:00:01.000", "End_timestamp": "00:00:02.000"}
_BROKEN = ("{cut off", "[]", json.dumps(_NO_ID))


def write_lines(path: Path, rows: int) -> None:
    rng = random.Random(0)
    words = _TEXT.split()
    bad = set(rng.sample(range(rows), min(_BAD, rows)))
    video = ""
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        for number in range(rows):
            clip = number % _CLIPS
            if not clip:
                video = "".join(rng.choices(_LETTERS, k=11))
            if number in bad:
                file.write(rng.choice(_BROKEN) + "\n")
                continue
            begin = clip * 12
            start, end = (
                f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.578"
                for second in (begin, begin + 11)
            )
            file.write(
                f'{{"YoutubeID": "{video}", "Start_timestamp": "{start}", '
                f'"End_timestamp": "{end}", "Caption": "{" ".join(rng.choices(words, k=14))}", '
                f'"Aesthetic_Score": {rng.random() * 5:.6f}, "UMT_Score": {rng.random():.6f}}}\n'
            )


def measure_table(rows: int, folder: Path) -> dict[str, Any]:
    table = folder / "table.jsonl"
    write_lines(table, rows)
    began, cpu = time.monotonic(), time.process_time()
    opened = open_fetch_folder(folder / "fetched", may_be_new=True)
    opened.root.mkdir()
    opened.add(table)
    (given,) = opened.tables
    return {
        "rows": given.rows,
        "items": given.items,
        "faults": given.faults,
        "table_bytes": table.stat().st_size,
        "wall_seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def measure_fetch(videos: int, folder: Path) -> dict[str, Any]:
    data = write_video(folder / "video.mp4", frames=30, size=(640, 360)).read_bytes()
    paths = [f"/{number:06d}.mp4" for number in range(videos)]
    kinds = [kind for kind, share in FAULTS.items() for _ in range(round(share * videos))]
    faults = dict(zip(random.Random(0).sample(paths, len(kinds)), kinds, strict=True))
    site = Site(files=dict.fromkeys(paths, data))
    for path, fault in faults.items():
        misbehave(site, path, fault, data)
    settings = FetchSettings(
        allow_private=True, shortest_seconds=1.0, engine="http", per_second=10_000.0,
        backoff_seconds=0.05, at_once=8,
    )  # fmt: skip
    with serving(site):
        rows = [{"source_id": path, "url": site.address + path} for path in paths]
        table = write_table(folder / "table.csv", rows)
        began, cpu = time.monotonic(), time.process_time()
        summary = internvid.fetch(table, folder / "fetched", settings=settings)
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
    injected = sum(fault in PASSING for fault in faults.values())
    lasting = len(faults) - injected
    requests = sum(site.counts().values()) - injected - lasting
    return {
        "videos": videos,
        "faults": len(faults),
        "fetched": summary.fetched,
        "reasons": summary.reasons,
        "requests_a_success": round(requests / summary.fetched, 3),
        "wall_seconds": round(seconds, 1),
        "cpu_seconds_with_the_server": round(cpu_seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("table", "fetch"))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--videos", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="collect-") as scratch:
        folder = Path(scratch)
        if arguments.what == "table":
            print(json.dumps(measure_table(arguments.rows, folder), indent=2))
        else:
            print(json.dumps(measure_fetch(arguments.videos, folder), indent=2))


if __name__ == "__main__":
    main()
