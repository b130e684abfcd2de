"""What benchmarks of `internvid browse` share: the server, and a report of seconds by size."""

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.large_dataset import make_large_dataset


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

    def wait_for_columns(self) -> None:
        """Until all columns are copied."""
        while self.ask("/api/totals?")[0]["copied"] < 1:
            time.sleep(0.2)


def parser_of(text: str | None, rows: Sequence[float]) -> argparse.ArgumentParser:
    """The options that all have.

    Args:
        text: the docstring of the benchmark.
        rows: sizes of datasets where none are named.
    """
    parser = argparse.ArgumentParser(description=text.split("\n")[0] if text else None)
    parser.add_argument("--folder", type=Path, required=True, help="for the datasets, kept")
    parser.add_argument("--rows", type=float, nargs="*", default=list(rows))
    parser.add_argument("--json", type=Path, help="write the numbers here")
    return parser


def report(options: argparse.Namespace, measure: Callable[[Path], dict[str, float]]) -> None:
    """Measure a large dataset of each size; print the numbers, write them where that is wanted."""
    found = {}
    for rows in map(int, options.rows):
        numbers = found[str(rows)] = measure(make_large_dataset(options.folder, rows))
        print(f"{rows:,} clips", flush=True)
        for name, value in numbers.items():
            print(f"  {name:36} {value:10,.3f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
