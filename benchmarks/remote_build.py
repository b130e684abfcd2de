"""What a dataset in an object store costs: the same build into a folder and into S3, in turn.

    python -m benchmarks.remote_build FOLDER_OF_VIDEOS [PAIRS]

Needs moto, whose server keeps the bucket on this machine; so what is measured is the work of
requests and copies, not a network. Wall and CPU seconds of whole commands, without the report.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


def built(videos: str, place: str) -> tuple[float, float]:
    """Wall and CPU seconds of one build, its workers included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, "-m", "internvid", "build", videos, "-o", place, "--no-report"]
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def main(videos: str, pairs: int = 3) -> None:
    """Print a row for each way, and the ratio of their medians."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    port = next(int(line) for line in server.stdout if line.strip().isdecimal())
    address = f"http://127.0.0.1:{port}"
    made = urllib.request.Request(f"{address}/bucket", method="PUT")
    urllib.request.urlopen(made).close()
    found: dict[str, list[tuple[float, float]]] = {"folder": [], "s3": []}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(
            AWS_ENDPOINT_URL=address,
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="x",
            AWS_REGION="us-east-1",
            INTERNVID_CACHE=str(Path(scratch, "cache")),
        )
        for number in range(pairs):
            places = {"folder": f"{scratch}/data{number}", "s3": f"s3://bucket/data{number}"}
            for way in sorted(places, reverse=bool(number % 2)):
                found[way].append(built(videos, places[way]))
    server.kill()
    server.communicate()
    print("| where | wall s, median | CPU s, median |\n|---|---|---|")
    medians = {
        way: [statistics.median(each[at] for each in runs) for at in range(2)]
        for way, runs in found.items()
    }
    for way, (wall, cpu) in medians.items():
        print(f"| {way} | {wall:.1f} | {cpu:.1f} |")
    ratios = [medians["s3"][at] / medians["folder"][at] for at in range(2)]
    print(f"| s3 / folder | {ratios[0]:.2f} | {ratios[1]:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1], *(int(text) for text in sys.argv[2:]))
