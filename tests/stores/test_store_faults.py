"""Many writers over a store that breaks a third of all requests: nothing is lost or won twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from internvid.dataset.layout import Layout
from internvid.dataset.stores.store_path import StorePath, located

pytestmark = pytest.mark.cluster
SHARE = 0.3

# One writer: tries to commit every name, each under its own bytes, and says which it has.
_WRITER = """
import json, sys
from pathlib import Path
from internvid.dataset.stores import remote
remote._TIMEOUT = "5s"
from internvid.dataset.parts import commit_json, committed
from internvid.dataset.stores.store_commit import NameTakenError
from internvid.dataset.stores.store_path import located
root, number, count = located(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
won = []
for at in range(count):
    path = root / f"{at:05d}.json"
    try:
        with committed(path, otherwise=()) as temporary:
            temporary.write_text(json.dumps({"writer": number, "at": at}))
        won.append(at)
    except NameTakenError:
        assert path.is_file(), path
    commit_json(root / "own" / f"{number}-{at % 7}.json", {"writer": number, "at": at})
print(json.dumps(won))
"""
# One that goes on from the newest record, adds its part, and begins anew where another was faster.
_RECORDER = """
import sys
from internvid.dataset.stores import remote
remote._TIMEOUT = "5s"
from internvid.core.errors import DatasetBusyError
from internvid.dataset.layout import Layout
from internvid.dataset.stores.store_path import located
layout, number, count = Layout(located(sys.argv[1])), sys.argv[2], int(sys.argv[3])
added = 0
while added < count:
    record = layout.read_record()
    record.parts.append({"name": f"part-{int(number) * 100 + added:05d}", "sources": 1})
    try:
        layout.write_record(record)
    except DatasetBusyError:
        # It may be ours all the same, with another's after it.
        if not any(each["name"] == record.parts[-1]["name"] for each in layout.read_record().parts):
            continue
    added += 1
"""


def _writers(program: str, root: str, port: int, writers: int, count: int) -> list[str]:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, root, str(number), str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "INTERNVID_CACHE": f"{os.environ['INTERNVID_CACHE']}/{number}",
            },
        )
        for number in range(writers)
    ]
    outputs = []
    for process in running:
        output, error = process.communicate(timeout=3000)
        assert process.returncode == 0, error[-3000:]
        outputs.append(output)
    return outputs


def _commits(
    store: str, proxy: Callable[[float, int], int], writers: int, count: int
) -> Counter[int]:
    root = f"{store}/commits"
    outputs = _writers(_WRITER, root, proxy(SHARE, count), writers, count)
    won = {number: set(json.loads(output)) for number, output in enumerate(outputs)}
    claimed = Counter(at for names in won.values() for at in names)
    # Each name was won by one, and only by whom the store says.
    assert claimed == Counter(range(count))
    found = [path for path in located(root).rglob("*") if path.is_file()]
    named = [path for path in found if path.parent.name == "commits"]
    assert len(named) == count
    for path in named:
        held = json.loads(path.read_bytes())
        assert held["at"] == int(path.stem)
        assert held["at"] in won[held["writer"]]
    own = {path.name: json.loads(path.read_bytes()) for path in found if path not in named}
    assert len(own) == writers * min(7, count)
    for name, held in own.items():
        assert name == f"{held['writer']}-{held['at'] % 7}.json"
        assert held["at"] >= count - 7
    # Nothing is left on this machine of what was on its way.
    cache = Path(os.environ["INTERNVID_CACHE"])
    assert not [path for path in cache.rglob("*.writing") if path.is_file()]
    return Counter({number: len(names) for number, names in won.items()})


def test_commits_of_several_writers_through_faults(
    store: str, fault_proxy: Callable[[float, int], int]
) -> None:
    _commits(store, fault_proxy, writers=3, count=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_commits_of_six_writers_through_faults(
    store: str, fault_proxy: Callable[[float, int], int]
) -> None:
    won = _commits(store, fault_proxy, writers=6, count=1000)
    assert len(won) == 6


def test_no_change_of_the_record_is_lost_through_faults(
    store: str, fault_proxy: Callable[[float, int], int]
) -> None:
    layout = Layout(located(f"{store}/data"))
    layout.create()
    _writers(_RECORDER, f"{store}/data", fault_proxy(SHARE, 5), 3, 6)
    assert isinstance(layout.root, StorePath)
    layout.root.remote.forget_lists()
    parts = [part["name"] for part in layout.read_record().parts]
    added = [number * 100 + at for number in range(3) for at in range(6)]
    assert sorted(parts) == [f"part-{number:05d}" for number in added]
