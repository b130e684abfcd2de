"""Memory of a loader worker that knows a long list of files: columns, and an object a clip.

    python -m benchmarks.file_lists [--lines 300000,3000000] [--json FILE]

A worker is a fresh process into which the source is pickled, as the loader does; it looks at a
thousand clips and counts its private dirty memory (smaps_rollup, Linux; mapped pages of a file are
not its own), less that of a worker with one clip. `objects` is what 0.1.0 sent, one `FileClip` a
line; above a million lines it is left out. Also: seconds to open the list, first and again, the
training process's own memory with everything that a run keeps of the clips, and bytes of the file
that processes map.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_MOST_OBJECTS = 1_000_000

_WORKER = """
import pickle, re, sys
from internvid.training.data.clip_sources import FileSource
clips = pickle.load(open(sys.argv[1], "rb"))
clips = getattr(clips, "clips", clips)
count = len(clips)
for at in range(min(count, 1000)):
    clips[at * 7919 % count].caption
import gc
gc.collect()
found = re.findall(r"Private_Dirty:\\s+(\\d+)", open("/proc/self/smaps_rollup").read())
print(1024 * sum(map(int, found)))
"""

_OPEN = """
import json, re, sys, time
from pathlib import Path
from internvid.training.data.opening import open_source
from internvid.training.prepare import choose_samples
from internvid.training.recipes.pretraining import viclip_b16
started = time.perf_counter()
source = open_source(sys.argv[1], viclip_b16(), Path(sys.argv[2]))
opened = time.perf_counter() - started
samples = choose_samples(viclip_b16(), source)
def private():
    found = re.findall(r"Private_Dirty:\\s+(\\d+)", open("/proc/self/smaps_rollup").read())
    return 1024 * sum(map(int, found))
import gc
gc.collect()
print(json.dumps({"opened": opened, "private": private(), "samples": len(samples)}))
"""


def write_list(path: Path, lines: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for at in range(lines):
            row = {
                "path": f"videos/{at % 4096:04d}/video-{at // 7:09d}.mp4",
                "caption": f"a person number {at} walks past a wall and waves to someone",
                "start_seconds": (at % 7) * 10.0,
                "end_seconds": (at % 7) * 10.0 + 8.5,
            }
            file.write(json.dumps(row) + "\n")


def run(body: str, *arguments: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", body, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def measure(lines: int, folder: Path) -> dict[str, Any]:
    from internvid.training.data.clip_sources import FileSource
    from internvid.training.data.opening import open_source
    from internvid.training.recipes.pretraining import viclip_b16

    path, sent = folder / "list.jsonl", folder / "sent.pickle"
    write_list(path, 10)
    base = json.loads(run(_OPEN, path, folder))["private"]
    (folder / next(folder.glob("list-*.arrow")).name).unlink()
    write_list(path, lines)
    opened = json.loads(run(_OPEN, path, folder))
    again = json.loads(run(_OPEN, path, folder))
    source = open_source(str(path), viclip_b16(), folder)
    assert isinstance(source, FileSource)

    def private(what: Any) -> float:
        sent.write_bytes(pickle.dumps(what, protocol=5))
        return float(run(_WORKER, sent)) / 1e6

    small = FileSource([source.clips[0]])
    empty = private(small)
    columns = private(source)
    objects = private(list(source.clips)) if lines <= _MOST_OBJECTS else None
    (mapped,) = folder.glob("list-*.arrow")
    found = {
        "lines": lines,
        "open_seconds": opened["opened"],
        "open_again_seconds": again["opened"],
        "training_process_megabytes": (again["private"] - base) / 1e6,
        "mapped_megabytes": mapped.stat().st_size / 1e6,
        "worker_megabytes, columns": columns - empty,
        "worker_megabytes, objects": None if objects is None else objects - empty,
    }
    for each in (path, sent, mapped):
        each.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", default="300000,3000000")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = [measure(int(lines), Path(name)) for lines in asked.lines.split(",")]
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
