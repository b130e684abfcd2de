"""Interleaved documents and dialogues of many clips: clips a second, and the most memory held.

Each way is a process of its own, over a dataset without files (`benchmarks.large_dataset`).

    python -m benchmarks.conversations FOLDER [CLIPS]
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import internvid
from benchmarks.large_dataset import make_large_dataset

Way = Callable[[Path, Path], dict[str, Any]]


def documents(form: Any, *settings: str) -> Way:
    return lambda root, out: internvid.interleave(root, out, form=form, settings=settings)


def dialogues(*settings: str) -> Way:
    return lambda root, out: internvid.make_dialogues(root, out, settings=settings)


WAYS: dict[str, Way] = {
    "documents a": documents("a", "budget.tokens=2048"),
    "documents c, random": documents("c", "budget.tokens=2048"),
    "documents c, captions": documents("c", "budget.tokens=2048", "join.by=captions"),
    "dialogues": dialogues(),
}


def measured(way: Way, root: Path, out: Path) -> None:
    """Runs one way in a child and prints what it took."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        way(root, out)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    unit = 1 if sys.platform == "darwin" else 1024
    print(
        f"{seconds:8.1f} s  {usage.ru_utime + usage.ru_stime:8.1f} s CPU  "
        f"{usage.ru_maxrss * unit / 2**20:7.0f} MiB  {size / 2**20:7.0f} MiB written"
    )


def main() -> None:
    folder = Path(sys.argv[1])
    clips = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    began = time.monotonic()
    root = make_large_dataset(folder, clips)
    print(f"{clips} clips, made in {time.monotonic() - began:.0f} s")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, way in WAYS.items():
        print(f"{name:<24}", end="", flush=True)
        measured(way, root, folder / "out")


if __name__ == "__main__":
    main()
