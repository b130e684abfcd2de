"""A fetch that is killed again and again, against a server of which a third misbehaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.collect.conftest import needs_protego, rows_of, write_table
from tests.collect.web_servers import Handler, Site
from tests.docs.manual import ROOT

pytestmark = needs_protego
OPTIONS = [
    "--allow-private", "--shortest", "1", "--engine", "http", "--json",
    "--set", "per_second=1000", "--set", "backoff_seconds=0.05", "--set", "slow_seconds=3",
    "--set", "at_once=6",
]  # fmt: skip
# Of what becomes of a video -> share of the videos.
FAULTS = {"removed": 0.06, "private": 0.04, "not_video": 0.04, "refused_host": 0.04,
          "busy": 0.02, "failing": 0.04, "cut": 0.06}  # fmt: skip
PASSING = frozenset({"busy", "failing", "cut"})


def start(table: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "internvid", "fetch", str(table), str(folder), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)


def misbehave(site: Site, path: str, fault: str, video: bytes) -> None:
    def behaviour(handler: Handler, before: int) -> None:
        if fault in PASSING and before:
            handler.send_file(video)
        elif fault == "busy":
            handler.answer(429, Retry_After="1")
        elif fault == "failing":
            handler.answer(500)
        elif fault == "cut":
            handler.send_file(video, cut=len(video) // 2)
        elif fault == "not_video":
            handler.answer(200, b"<html>", Content_Type="text/html")
        elif fault == "refused_host":
            handler.answer(302, Location="file:///etc/passwd")
        else:
            handler.answer(403 if fault == "private" else 410)

    site.behaviours[path] = behaviour


@pytest.mark.parametrize(
    ("count", "kills"), [(150, 3), pytest.param(1000, 10, marks=pytest.mark.slow)]
)
def test_nothing_is_lost_and_nothing_is_fetched_twice(
    site: Site, tmp_path: Path, video: bytes, count: int, kills: int
) -> None:
    rng = random.Random(count)
    paths = [f"/{number:04d}.mp4" for number in range(count)]
    faults = dict(
        zip(
            rng.sample(paths, count),
            [name for name, share in FAULTS.items() for _ in range(round(share * count))],
            strict=False,
        )
    )
    for path in paths:
        # Each has bytes of its own: a mark behind the last box.
        data = video + b"\x00\x00\x00\x10free" + path.encode()[:8].ljust(8)
        site.files[path] = data
        if path in faults:
            misbehave(site, path, faults[path], data)
    rows = [{"source_id": path[1:5], "url": site.address + path} for path in paths]
    table, folder = write_table(tmp_path / "table.csv", rows), tmp_path / "fetched"
    killed = 0
    while killed < kills:
        process = start(table, folder)
        wanted = len(site.calls) + count // (kills + 2)
        while process.poll() is None and len(site.calls) < wanted:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()[1].decode()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed += 1
    process = start(table, folder)
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    summary = json.loads(out)

    expected = Counter(fault for fault in faults.values() if fault not in PASSING)
    assert summary["reasons"] == dict(expected)
    assert summary["fetched"] == count - expected.total()
    listed = rows_of(folder)
    assert [row["source_id"] for row in listed] == [path[1:5] for path in paths]
    for row, path in zip(listed, paths, strict=True):
        reason = faults.get(path)
        if reason in expected:
            assert (row["reason"], row["path"]) == (reason, None)
        else:
            assert (folder / row["path"]).read_bytes() == site.files[path]
    kept = [each for each in (folder / "media").rglob("*") if each.is_file()]
    assert len(kept) == summary["fetched"]

    counts = site.counts()
    under_way = 7 * kills  # of a process that was killed
    injected = sum(fault in PASSING for fault in faults.values())
    assert sum(counts.values()) <= count + injected + under_way
    requests = sum(number for path, number in counts.items() if faults.get(path) not in expected)
    assert (requests - injected) / summary["fetched"] <= 1.2
    again = len(site.calls)
    process = start(table, folder)
    process.communicate()
    assert process.returncode == 0
    # The rules of the host are read once a run, and only if anything is to be fetched.
    assert len(site.calls) == again


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(
    site: Site, tmp_path: Path, video: bytes
) -> None:
    rows = [{"source_id": str(n), "url": f"{site.address}/{n}"} for n in range(60)]
    for number in range(60):
        site.files[f"/{number}"] = video

    def slow(handler: Handler, _: int) -> None:
        time.sleep(0.2)
        handler.send_file(video)

    for path in list(site.files):
        site.behaviours[path] = slow
    table, folder = write_table(tmp_path / "table.csv", rows), tmp_path / "fetched"
    process = start(table, folder)
    while len(site.calls) < 20:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err.decode()
    assert b"run the same command again" in err
    there = [row for row in rows_of(folder) if row["status"] == "fetched"]
    assert 0 < len(there) < 60
    process = start(table, folder)
    out, err = process.communicate()
    assert json.loads(out)["fetched"] == 60, err.decode()
    assert len(site.calls) < 60 + 10
