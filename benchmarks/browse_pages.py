"""Seconds that pages of `internvid browse` take at one, twenty and two hundred million clips.

    python -m benchmarks.browse_pages --folder TMP [--rows 1e6 2e7 2e8] [--json FILE]

Datasets are made on the spot (`large_dataset.py`), unless they are in the folder. The server is
`internvid browse` as a user starts it; requests are those of the grid, over its port. *First page*
counts from the start of the process; later figures are taken when all columns are copied. Before
a second page somebody looks at the first. Peak memory is the server's (VmHWM, Linux).
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.large_dataset import make_large_dataset

_SLIDERS = "duration_seconds=1.5..3&motion_mean=0.3..0.7"
_PAGES = {
    "page 1": "page=1",
    "page 2": "page=2",
    "page 50": "page=50",
    "page 10,000": "page=10000",
    "sorted": "sort=-motion_mean",
    "sorted, page 2": "sort=-motion_mean&page=2",
    "sorted, page 50": "sort=-motion_mean&page=50",
    "random": "sort=random&seed=7",
    "random, page 2": "sort=random&seed=7&page=2",
    "substring": "q=house+number+4711.",
    "substring of many": "q=camera+pans",
    "sliders": _SLIDERS,
    "other sliders": _SLIDERS.replace("0.7", "0.6"),
}
# The next page is read while somebody looks at this one.
_LOOK_SECONDS = 1.5
_FACETS = ("reason", "duration_seconds", "motion_mean", "camera_move", "is_still")


class Server:
    """`internvid browse` in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.begun = time.perf_counter()
        command = [sys.executable, "-m", "internvid", "browse", str(root), "--no-open"]
        self.process = subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        address = urllib.parse.urlsplit(self.process.stdout.readline().strip())
        self.home = f"{address.scheme}://{address.netloc}"
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self._opener.open(f"{self.home}/?{address.query}").read()

    def ask(self, address: str) -> tuple[Any, float]:
        """What an address answers, and the seconds that took."""
        begun = time.perf_counter()
        with self._opener.open(self.home + address) as answer:
            data = answer.read()
        return json.loads(data), time.perf_counter() - begun

    def seconds(self, address: str) -> float:
        """How long the bytes of an address take."""
        begun = time.perf_counter()
        with self._opener.open(self.home + address) as answer:
            answer.read()
        return time.perf_counter() - begun

    @property
    def peak_mb(self) -> float:
        """Largest resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def measure(root: Path) -> dict[str, float]:
    """Seconds of each page, and the peak memory in MB."""
    server, found = Server(root), {}
    try:
        server.ask("/api/clips?")
        found["first page"] = time.perf_counter() - server.begun
        totals, _ = server.ask("/api/totals?")
        found["first count"] = time.perf_counter() - server.begun
        while totals["copied"] < 1:
            time.sleep(0.2)
            totals, _ = server.ask("/api/totals?")
        found["all counted"] = time.perf_counter() - server.begun
        for name, query in _PAGES.items():
            if name.endswith("page 2"):
                time.sleep(_LOOK_SECONDS)
            (page, found[name]) = server.ask(f"/api/clips?{query}")
            assert page["clips"], name
        for name in ("sliders", "other sliders"):
            query = _PAGES[name]
            _, found[f"{name}: count"] = server.ask(f"/api/totals?{query}")
            for facet in _FACETS:
                _, found[f"{name}: {facet}"] = server.ask(f"/api/facets/{facet}?{query}")
        page, _ = server.ask("/api/clips?sort=random&seed=99")
        clip = page["clips"][-1]["clip_id"]
        _, found["page of a clip"] = server.ask(f"/api/clip/{clip}")
        found["peak MB"] = server.peak_mb
    finally:
        server.stop()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, required=True, help="for the datasets, kept")
    parser.add_argument("--rows", type=float, nargs="*", default=[1e6, 2e7, 2e8])
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    report = {}
    for rows in map(int, options.rows):
        found = report[str(rows)] = measure(make_large_dataset(options.folder, rows))
        print(f"{rows:,} clips", flush=True)
        for name, value in found.items():
            print(f"  {name:32} {value:10,.3f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
