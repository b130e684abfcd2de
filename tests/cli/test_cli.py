"""Exit codes, and what goes where: data on stdout, talk on stderr."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import internvid
from internvid.dataset.store import Dataset
from tests.cli.speaking import Capture, read_json, spoken
from tests.media import write_video


def test_every_reading_verb_prints_one_json_value(dataset: Dataset, capsys: Capture) -> None:
    root = dataset.root
    status = read_json(capsys, "status", root)
    assert status["videos"]["ok"] == len(dataset.videos().filter(_ok(dataset)))
    assert status["clips"] == dataset.clips().num_rows
    facts = read_json(capsys, "describe", root)
    assert facts["clips"] == status["clips"]
    assert facts["funnel"][0]["reason"] == "kept"
    listed = read_json(capsys, "list", root, "--limit", 2)
    assert len(listed) == 2
    shown = read_json(capsys, "show", root, listed[0]["clip_id"][:12])
    assert shown["clip_id"] == listed[0]["clip_id"]
    assert shown["picks"]
    detectors = read_json(capsys, "list", "detectors")
    assert {"default", "content"} <= {row["name"] for row in detectors}
    page = read_json(capsys, "report", root, root.parent / "page.html")["report"]
    assert Path(page).read_text("utf-8").lower().startswith("<!doctype html>")


def _ok(dataset: Dataset) -> Any:
    import pyarrow.compute as pc

    return pc.field("status") == "ok"


def test_a_number_that_is_left_out_is_listed_with_what_it_stands_for(capsys: Capture) -> None:
    selectors = {row["name"]: row for row in read_json(capsys, "list", "selectors")}
    counts = {
        name: row["left_out"]["count"] for name, row in selectors.items() if "left_out" in row
    }
    assert counts == {
        "random": "1,000 clips, unless hours are given",
        "div": "10,647,458 clips, unless hours are given",
        "flt": "10,647,458 clips, unless hours are given",
    }


def test_shots_tile_the_video(world_videos: list[Path], capsys: Capture) -> None:
    rows = read_json(capsys, "shots", world_videos[0])["shots"]
    assert rows[0]["start_seconds"] == 0
    for before, after in itertools.pairwise(rows):
        assert before["end_seconds"] == after["start_seconds"]


def test_a_build_says_its_counts_on_stdout_and_its_progress_on_stderr(
    tmp_path: Path, capsys: Capture
) -> None:
    write_video(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video" * 99)
    arguments = ("build", tmp_path / "in", "-o", tmp_path / "data", "--workers", 1)
    code, out, err = spoken(capsys, *arguments, "--json")
    summary = json.loads(out)
    assert code == 0
    assert (summary["videos"], summary["failures"]) == (1, 1)
    assert Path(summary["report"]).is_file()
    assert "scanning" in err
    code, out, err = spoken(capsys, *arguments)
    assert code == 0
    assert "1 ok, 1 failed" in out
    assert "internvid status" in err
    assert "scanning" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "a.mp4", "-o", "new", "--workers", "0"], "--workers"),
        (["build", "a.mp4", "-o", "new", "--set", "nonsense"], "dotted.path=value"),
        (["build", "a.mp4", "-o", "new", "--set", "a.b=1"], "has no field 'a'"),
        (["build", "a.mp4", "-o", "new", "--recipe", "nope"], "no recipe 'nope'"),
        (["build", "a.mp4", "-o", "new", "--detector", "nope"], "no detector 'nope'"),
        (["build", "a.mp4", "-o", "new", "--detector", "no.module:Class"], "cannot be imported"),
        (["build", "a.mp4", "-o", "new", "--scan", "half"], "full or fast"),
        (["build", "a.mp4", "-o", "new", "--set", "scan.mode=half"], "full or fast"),
        (["build", "a.mp4", "-o", "new", "--set", "scan.picks.quality=1000"], "1 to 95"),
        (["build", "a.mp4", "-o", "new", "--set", "scan.picks.short_side=1e30"], "valid int"),
        (["build", "a.mp4", "-o", "new", "--set", "cut.detector.cut_threshold=-1"], "(0, 1]"),
        (["build", "a.mp4", "-o", "new", "--set", "scan.skip_loop_filter=x"], "is one of"),
        (["build", "nothing.mp4", "-o", "new"], "matches nothing"),
        (["build", "empty", "-o", "new"], "no media files"),
        (["build", "fifo", "-o", "new"], "neither a file nor a folder"),
        (["build", "ftp://127.0.0.1:9/a.mp4", "-o", "new"], "cannot be read"),
        (["build", "none.csv", "-o", "new"], "is empty"),
        (["build", "headed.csv", "-o", "new"], "names no source"),
        (["build", "ragged.csv", "-o", "new"], "it has 3 cells, the header 2"),
        (["build", "nouri.csv", "-o", "new"], "no column `uri`"),
        (["build", "twice.csv", "-o", "new"], "names a column twice"),
        (["build", "fake.parquet", "-o", "new"], "cannot be read as a table"),
        (["build", "*.csv", "-o", "new"], "csv"),
        (["build", "a.mp4", "-o", "a.mp4"], "is a file"),
        (["build", "a.mp4", "-o", "empty/.."], "not an internvid dataset"),
        (["show", "data", "zzz"], "not a clip id"),
        (["select", "data", "nope", "3", "--as", "x"], "there is no selector 'nope'"),
        (["shots", "a.mp4", "--detector", "content", "--set", "threshold=nan"], "above 0"),
        (["shots", "a.mp4", "--detector", "content", "--set", "threshold=0"], "above 0"),
        (["list", "nothings"], "no kind of component"),
        (["frobnicate"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_exits_2_with_one_sentence_and_changes_nothing(
    arguments: list[str],
    words: str,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", frames=3)
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    texts = {
        "none.csv": "", "headed.csv": "uri\n", "ragged.csv": "uri,b\na.mp4,1,2\n",
        "nouri.csv": "path\na.mp4\n", "twice.csv": "uri,b,b\na.mp4,1,2\n", "fake.parquet": "PAR1",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    before = sorted(tmp_path.iterdir())
    there = [str(dataset.root) if word == "data" else word for word in arguments]
    code, out, err = spoken(capsys, *there)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_dataset_given_as_videos_is_told_apart(
    dataset: Dataset, tmp_path: Path, capsys: Capture
) -> None:
    code, _, err = spoken(capsys, "build", dataset.root, "-o", tmp_path / "new")
    assert code == 2
    assert "is a dataset" in err


def test_what_is_no_dataset_exits_1(tmp_path: Path, capsys: Capture) -> None:
    for verb in ("status", "describe", "report"):
        code, out, err = spoken(capsys, verb, tmp_path)
        assert (code, out) == (1, "")
        assert "is not a dataset" in err
        assert "hint: make one with: internvid build" in err


def test_names_that_are_no_unicode_can_be_shown(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    write_video(tmp_path / "a.mp4").rename(os.fsdecode(folder + b"/\xff.mp4"))
    command = [sys.executable, "-m", "internvid", "build", folder, "-o", tmp_path / "data"]
    done = subprocess.run([*command, "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["videos"] == 1
    done = subprocess.run(
        [sys.executable, "-m", "internvid", "shots", folder + b"/none.mp4"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"there is no file" in done.stderr


def test_ctrl_c_exits_130_without_a_traceback(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", size=(640, 480), frames=600)
    process = subprocess.Popen(
        [sys.executable, "-m", "internvid", "build", tmp_path / "a.mp4", "-o", tmp_path / "data"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "data" / "staged").exists() and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "run the same command again" in err
    assert "Traceback" not in err


def test_help_needs_little_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from internvid.cli.app import main; main(['--help']); "
        "heavy = {'torch', 'duckdb', 'pyarrow', 'numpy', 'av', 'ray'} & set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"internvid --help: {spent:.2f} CPU seconds")  # measured, not asserted: machines differ
    assert done.stderr.strip() == "[]"
    for panel in ("Build", "Look", "Curate", "Publish"):
        assert panel in done.stdout


def test_a_subset_of_an_earlier_cut_is_told_apart(tmp_path: Path, capsys: Capture) -> None:
    write_video(tmp_path / "in" / "a.mp4")
    data = tmp_path / "data"
    build = ("build", tmp_path / "in", "-o", data, "--no-report", "--workers", 1, "--set")
    assert spoken(capsys, *build, "cut.filters=")[0] == 0
    assert spoken(capsys, "select", data, "random", 5, "--as", "all")[0] == 0
    assert "note" not in spoken(capsys, "list", data, "--subset", "all")[2]
    cut = read_json(capsys, "status", data)["cut"]
    assert spoken(capsys, *build, "cut.filters.dark.column=brightness", "--set",
                  "cut.filters.dark.minimum=2")[0] == 0  # fmt: skip
    (subset,) = read_json(capsys, "status", data)["subsets"]
    assert subset == {"subset": "all", "clips": 1, "cut": cut, "is_current": False}
    assert f"all (1 clips of {cut})" in spoken(capsys, "status", data)[1]
    for verb in ("list", "describe"):
        code, _, err = spoken(capsys, verb, data, "--subset", "all")
        assert code == 0
        assert f"chosen from {cut}; 0 of its 1 clips are in the current cut" in err


def test_it_says_its_version(capsys: Capture) -> None:
    assert spoken(capsys, "--version")[:2] == (0, f"internvid {internvid.__version__}\n")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "needs the package 'torch'"),
        (pa.ArrowInvalid("bad page\nand more"), "a table cannot be read: bad page\n"),
    ],
)
def test_what_a_command_did_not_expect_is_told_in_two_lines(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("internvid.pipeline.status.read_status", fail)
    code, _, err = spoken(capsys, "status", "data")
    assert code == 1
    assert says in err
    assert "\nhint: " in err


def test_list_says_of_how_many_it_shows_some(dataset: Dataset, capsys: Capture) -> None:
    every = len(dataset.clips())
    for extra in ((), ("--json",)):
        code, _, err = spoken(capsys, "list", dataset.root, "--limit", "1", *extra)
        assert (code, err) == (0, f"1 of {every} clips; others with --limit {every}\n")
    code, out, err = spoken(capsys, "list", dataset.root, "--limit", every)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == every + 1


def test_demo_runs_in_a_process_that_loaded_nothing_else(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport internvid.synthetic.world as world\n"
        "def stop(*given, **named): sys.exit(7)\n"
        "world.render_demo = stop\n"
        "from internvid.cli.commands.build import demo\ndemo(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
