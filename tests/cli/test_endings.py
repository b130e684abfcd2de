"""How commands end where the world around them is odd, and what they never write over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from internvid.dataset.store import Dataset
from tests.cli.speaking import Capture, spoken
from tests.media import write_video

PROGRAM = [sys.executable, "-m", "internvid"]
EVALUATE = (
    "evaluate",
    "fake",
    "--benchmark",
    "retrieval-synthetic",
    "--set",
    "clips=4",
    "--set",
    "seeds=1",
)


@pytest.mark.parametrize("verb", [["list", "captioners"], ["list", "recipes", "--json"]])
def test_a_reader_that_goes_away_is_no_failure(verb: list[str]) -> None:
    with subprocess.Popen(
        [*PROGRAM, *verb], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_without_stderr_errors_do_not_go_to_stdout(tmp_path: Path) -> None:
    command = f"{sys.executable} -m internvid status {tmp_path} --json 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    # The installed script: with -m, Python itself looks into the current folder.
    code = "import os, sys; from internvid.cli import run; os.rmdir(os.getcwd()); run()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "error: the current folder is gone\nhint: cd to one that is there\n"


def test_a_dataset_on_a_path_that_is_no_unicode_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=20)
    data = os.fsencode(tmp_path) + b"/caf\xe9"
    done = subprocess.run(
        [*PROGRAM, "build", tmp_path / "a.mp4", "-o", data], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"caf\\udce9" in done.stderr
    assert b"is no UTF-8, which tables need" in done.stderr
    assert b"Traceback" not in done.stderr


def test_ctrl_c_while_the_program_is_loaded_exits_130() -> None:
    code = (
        "import sys, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': print('loading', flush=True); signal.pause()\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from internvid.cli import run\n"
        "run()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted; run the same command again to go on\n"


def test_more_clips_than_the_database_can_count_are_all(dataset: Dataset, capsys: Capture) -> None:
    code, out, err = spoken(capsys, "list", dataset.root, "--limit", 10**20, "--json")
    assert code == 0, err
    assert len(json.loads(out)) == dataset.clips().num_rows


def test_an_evaluation_writes_over_results_alone(tmp_path: Path, capsys: Capture) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    code, out, err = spoken(capsys, *EVALUATE, "-o", mine)
    assert (code, out) == (2, "")
    assert "exists and is not a result of internvid evaluate" in err
    assert "clips:" not in err, "told before anything is measured"
    code, _, err = spoken(capsys, *EVALUATE, "-o", tmp_path)
    assert code == 2
    assert "is a folder" in err
    os.mkfifo(tmp_path / "pipe")
    assert spoken(capsys, *EVALUATE, "-o", tmp_path / "pipe")[0] == 2
    code, _, err = spoken(capsys, *EVALUATE, "-o", mine / "result.json")
    assert code == 1
    assert "cannot write" in err
    assert "clips:" not in err
    result = tmp_path / "result.json"
    for _ in range(2):
        assert spoken(capsys, *EVALUATE, "-o", result)[0] == 0
    code, _, err = spoken(capsys, "evaluate", "--page", result, "-o", mine)
    assert code == 2
    assert "exists and is not a page" in err
    for _ in range(2):
        assert spoken(capsys, "evaluate", "--page", result, "-o", tmp_path / "page.html")[0] == 0
    assert mine.read_text() == "precious"
    result.write_text("{}")
    code, _, err = spoken(capsys, "evaluate", "--page", result, "-o", tmp_path / "page.html")
    assert code == 1
    assert "it has no 'format'" in err


def test_the_first_command_needs_nothing_that_another_loaded(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from internvid.synthetic import world\n"
        "world.render_demo = lambda *_, **__: sys.exit(7)\n"
        "from internvid.cli.app import main\n"
        f"main(['demo', {str(tmp_path / 'demo')!r}])"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 7
