"""Processes that work on a dataset say how far they are; what becomes of that."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.api.datasets import live_work
from internvid.cli.app import main
from internvid.dataset.layout import Layout
from internvid.pipeline.progress import BuildProgress
from internvid.pipeline.watching.live_work import SILENT_SECONDS
from internvid.pipeline.watching.worker_beats import beating, beats_folder, clear_beats, read_beats
from tests.media import write_videos

METRIC = re.compile(
    r"[a-zA-Z_:][a-zA-Z0-9_:]*"
    r'(\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
    r'(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*")*\})? [-+0-9.eE]+'
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_videos(tmp_path / "videos", 3)
    root = tmp_path / "data"
    internvid.build(tmp_path / "videos", root, workers=1)
    return root


def scanning(done: int, total: int = 10, failed: int = 0) -> BuildProgress:
    progress = BuildProgress()
    progress.begin([1000] * total)
    progress.enter("scanning")
    for index in range(done):
        is_bad = index < failed
        progress.finished(index, 60.0, failed=is_bad, reason="hung" if is_bad else "")
    return progress


def set_back(layout: Layout, share: str, seconds: float, **changed: Any) -> None:
    """Let what a process said be so old, and say something else."""
    (found,) = [each for each in read_beats(layout) if each[1]["share"] == share]
    path, beat = found
    path.write_text(json.dumps({**beat, **changed}))
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


def test_shares_are_seen_together_with_those_that_lag_or_are_lost(data: Path) -> None:
    layout = Layout(data)
    for number, done in enumerate([8, 8, 8, 1, 5], start=1):
        with beating(layout, scanning(done, failed=1), plan="p", share=f"{number}/6", every=60):
            pass
    spent = {"stage_seconds": {"scanning": 100.0}, "elapsed_seconds": 100.0, "state": "working"}
    for number in (1, 2, 3, 4):
        set_back(layout, f"{number}/6", 2, **spent)
    set_back(layout, "5/6", SILENT_SECONDS + 30, **spent)
    live = live_work(data)
    assert live is not None
    assert (live["shares"], live["shares_seen"]) == (6, 5)
    assert (live["sources"], live["sources_done"]) == (50, 30)
    assert live["failures"] == {"hung": 5}
    states = {each["share"]: each for each in live["workers"]}
    assert [states[f"{number}/6"]["is_lost"] for number in range(1, 6)] == [False] * 4 + [True]
    assert [states[f"{number}/6"]["lags_behind"] for number in range(1, 6)] == [
        *[False] * 3, True, False,
    ]  # fmt: skip
    # One source of ten took a hundred seconds.
    assert live["remaining_seconds"] == pytest.approx(900)
    assert live["hours_per_hour"] == pytest.approx((8 + 8 + 8 + 1) * 60 / 100, rel=0.01)
    clear_beats(layout, "p")
    assert live_work(data) is None


def test_a_clock_that_is_wrong_and_a_file_that_is_damaged_change_nothing(data: Path) -> None:
    layout = Layout(data)
    with beating(layout, scanning(1), plan="p", share="1/1"):
        pass
    set_back(layout, "1/1", -86_400)
    (beats_folder(layout) / "broken.json").write_text('{"worker": 1')
    (beats_folder(layout) / "other.json").write_text("[]")
    live = live_work(data)
    assert live is not None
    (worker,) = live["workers"]
    assert worker["silent_seconds"] == 0
    assert worker["state"] == "waiting"


def test_a_killed_build_is_told_from_one_that_works(data: Path, tmp_path: Path) -> None:
    write_videos(tmp_path / "more", 60)
    command = [sys.executable, "-m", "internvid", "build", str(tmp_path / "more"), "-o", str(data)]
    process = subprocess.Popen([*command, "--workers", "1", "--no-report"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while (live := live_work(data)) is None:
        assert process.poll() is None
        time.sleep(0.05)
    assert [each["state"] for each in live["workers"]] == ["working"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    ((path, _),) = read_beats(Layout(data))
    at = path.stat().st_mtime - SILENT_SECONDS - 1
    os.utime(path, (at, at))
    live = live_work(data)
    assert live is not None
    assert [each["is_lost"] for each in live["workers"]] == [True]
    # What is left of it goes when the work is done by another.
    internvid.build(tmp_path / "more", data, workers=2)
    assert live_work(data) is None


def test_status_shows_the_work_and_metrics_have_their_form(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(data)
    with beating(layout, scanning(4, failed=2), plan="p", share="2/3"):
        assert main(["status", str(data)]) == 0
        shown = capsys.readouterr().out
        assert "1 processes at work, 1 of 3 shares seen, 4 of 10 sources" in shown
        assert "failing   2 hung" in shown
    assert main(["status", str(data), "--prometheus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] != "#" and not METRIC.fullmatch(line)] == []
    assert 'internvid_sources{status="ok"} 3' in lines
    assert 'internvid_workers{state="waiting"} 1' in lines
    # Of each metric the kind is stated once, before its values.
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    assert main(["status", str(data.parent / "nothing"), "--watch", "0.2"]) == 1
    shown_errors = capsys.readouterr().err
    assert "is not a dataset" in shown_errors
    assert "no process" not in shown_errors
    # Nobody works: the watch ends.
    assert main(["status", str(data), "--watch", "0.2"]) == 0
    assert "no process works on it" in capsys.readouterr().err
