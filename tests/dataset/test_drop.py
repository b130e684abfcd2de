"""Columns are dropped whole, or are there; what was made from them is not forgotten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import internvid
from internvid.core.errors import BudgetSpentError, DatasetFormatError, MisuseError
from internvid.curate.select import select
from internvid.curate.selectors import Where
from internvid.dataset.answers.dropping import drop_column
from internvid.dataset.layout import Layout
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.status import read_status
from internvid.synthetic.fakes import EchoCaptioner
from tests.cli.speaking import Capture, read_json, spoken
from tests.pipeline.annotators import Narrator, TextLength
from tests.trees import digest_tree


@pytest.fixture
def data(dataset: internvid.Dataset, tmp_path: Path) -> Path:
    shutil.copytree(dataset.root, tmp_path / "data")
    return tmp_path / "data"


def columns(data: Path) -> list[str]:
    return [row["column"] for row in read_status(data)["columns"]]


def unlike_runs(data: Path) -> dict[str, str]:
    return {name: digest for name, digest in digest_tree(data).items() if "runs/" not in name}


def test_a_dropped_column_leaves_nothing(data: Path, capsys: Capture) -> None:
    before, there = unlike_runs(data), columns(data)
    annotate(data, EchoCaptioner(), "echo", workers=1)
    rows = internvid.open(data).clips().num_rows
    done = read_json(capsys, "drop", data, "echo")
    assert (done["column"], done["rows"], done["others"]) == ("echo", rows, [])
    assert done["bytes"] > 0
    assert columns(data) == there
    assert unlike_runs(data) == before
    assert annotate(data, EchoCaptioner(), "echo", workers=1).asked == rows


def test_a_try_that_answered_nothing_and_one_that_is_half_done_go_too(data: Path) -> None:
    before = unlike_runs(data)
    with pytest.raises(BudgetSpentError):
        annotate(data, Narrator(budget=2), "told")
    assert list(data.glob("staged/columns/*/told@*"))
    drop_column(data, "told")
    assert unlike_runs(data) == before


def test_one_of_several_versions_is_dropped(data: Path, capsys: Capture) -> None:
    first = annotate(data, Narrator(), "told").key
    second = annotate(data, Narrator(word="sung"), "told").key
    code, out, _ = spoken(capsys, "drop", data, "told")
    assert code == 0
    assert f"{second}: dropped" in out
    assert f"still stored: {first}" in out
    assert "told" not in columns(data)
    with pytest.raises(MisuseError, match=r"no column 'told'; it has(?s:.)*told@"):
        drop_column(data, "told")
    assert annotate(data, Narrator(), "told").asked == 0
    annotate(data, Narrator(word="sung"), "told")
    drop_column(data, first)
    assert not list(data.glob(f"**/{first}"))
    assert "told" in columns(data)


def test_what_others_were_made_from_is_kept_unless_it_is_forced(data: Path) -> None:
    annotate(data, EchoCaptioner(), "echo", workers=1)
    annotate(data, TextLength(), "size", text="echo", workers=1)
    select(internvid.open(data), Where(condition="length(echo) > 3"), "long_echoes")
    select(internvid.open(data), Where(condition="duration_seconds > 0"), "all")
    before = digest_tree(data)
    with pytest.raises(MisuseError, match="column size, subset long_echoes"):
        drop_column(data, "echo")
    assert digest_tree(data) == before
    done = drop_column(data, "echo", force=True)
    assert done.dependents == ("column size", "subset long_echoes")
    (size,) = [row for row in read_status(data)["columns"] if row["column"] == "size"]
    assert size["stale"] == size["ok"] > 0
    assert internvid.open(data).clips("long_echoes")["size"].null_count == size["ok"]
    drop_column(data, "size")


def test_misuse_is_told(data: Path, tmp_path: Path) -> None:
    before = digest_tree(data)
    for name in ("nope", "clip_id", "", "../../videos", "echo@*"):
        with pytest.raises(MisuseError, match="has no column"):
            drop_column(data, name)
    assert digest_tree(data) == before
    with pytest.raises(DatasetFormatError, match="not a dataset"):
        drop_column(tmp_path / "nothing", "echo")
    assert not (tmp_path / "nothing").exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from internvid.dataset import layout
from internvid.dataset.answers import dropping as drop

left = [int(sys.argv[2])]

def dying(work):
    def call(*given, **named):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*given, **named)
    return call

os.rename, layout.commit_json = dying(os.rename), dying(layout.commit_json)
os.rmdir, os.unlink = dying(os.rmdir), dying(os.unlink)
drop.discard = dying(drop.discard)
drop.drop_column(Path(sys.argv[1]), "echo")
"""


def test_killed_at_any_step_it_can_be_read_and_dropped_again(data: Path, tmp_path: Path) -> None:
    annotate(data, EchoCaptioner(), "echo", workers=1)
    whole = tmp_path / "whole"
    shutil.copytree(data, whole)
    drop_column(whole, "echo")
    for step in range(1, 12):
        victim = tmp_path / f"victim{step}"
        shutil.copytree(data, victim)
        command = [sys.executable, "-c", _KILLED, str(victim), str(step)]
        place = {**os.environ, "PYTHONPATH": os.getcwd()}
        ended = subprocess.run(command, env=place, check=False).returncode
        opened = internvid.open(victim)
        assert opened.clips().num_rows > 0
        if "echo" in columns(victim):
            drop_column(victim, "echo")
        else:
            with Layout(victim).locked():  # as every command does that writes
                pass
        assert digest_tree(victim) == digest_tree(whole), step
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert step > 3
