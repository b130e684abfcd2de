"""A current folder full of modules with the names of others, and one that is meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from internvid.captions.tags import load_hook
from internvid.core import registry
from internvid.core.errors import ComponentUnknownError
from internvid.core.system.imports import import_named, leave_current_folder, path_for_workers
from internvid.training.run.log import find_writer
from tests.hostile import hostile, loaded_by_python, marks
from tests.media import write_video

REPOSITORY = Path(__file__).parents[2]
SCORER = """
import os
from dataclasses import dataclass
from internvid.core.contracts import Annotation
{further}

@dataclass(frozen=True)
class Mine:
    version = 1

    def score(self, clips):
        return [Annotation(view.clip.clip_id, float(os.getpid())) for view in clips]
"""


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    """The program as pip installs it."""
    path = tmp_path / "bin" / "internvid"
    path.parent.mkdir()
    path.write_text("import sys\nfrom internvid.cli import run\nsys.exit(run())\n")
    return [sys.executable, str(path)]


def run(command: list[str], folder: Path, path: str = str(REPOSITORY)) -> Any:
    done = subprocess.run(
        [*command, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_build_runs_nothing_of_the_current_folder(tmp_path: Path, script: list[str]) -> None:
    folder = hostile(tmp_path / "desk")
    write_video(folder / "a.mp4")
    (folder / "mine.py").write_text(SCORER.format(further=""))
    built = run([*script, "build", "a.mp4", "-o", "data", "--workers", "1", "--no-report"], folder)
    assert built["videos"] == 1
    assert marks(folder) == ""
    score = [*script, "score", "data", "--scorer", "mine:Mine", "--as", "mine", "--workers", "1"]
    (column,) = run(score, folder)
    assert (column["column"], column["failed"]) == ("mine", 0)
    assert marks(folder) == ""


def test_m_runs_nothing_but_what_python_itself_does(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "desk", *loaded_by_python())
    write_video(folder / "a.mp4")
    command = [sys.executable, "-m", "internvid", "build", "a.mp4", "-o", "data", "--no-report"]
    assert run(command, folder)["videos"] == 1
    assert marks(folder) == ""


def test_an_empty_entry_of_the_path_is_not_the_current_folder(
    tmp_path: Path, script: list[str]
) -> None:
    # What `PYTHONPATH=$PYTHONPATH:/there` makes where nothing was set. Python's own start looks
    # there too, which no program can help.
    started = {*loaded_by_python(), "site", "sitecustomize", "usercustomize"}
    folder = hostile(tmp_path / "desk", *started)
    write_video(folder / "a.mp4")
    path = os.pathsep + str(REPOSITORY)
    command = [*script, "build", "a.mp4", "-o", "data", "--no-report", "--workers", "1"]
    assert run(command, folder, path)["videos"] == 1
    assert marks(folder) == ""


@pytest.fixture
def imports() -> Iterator[None]:
    """Puts back what importing changes."""
    before = list(sys.path), list(sys.meta_path), set(sys.modules)
    safe = os.environ.get("PYTHONSAFEPATH")
    yield
    sys.path[:], sys.meta_path[:] = before[0], before[1]
    for name in set(sys.modules) - before[2]:
        del sys.modules[name]
    if safe is None:
        os.environ.pop("PYTHONSAFEPATH", None)


def test_the_module_that_is_named_is_found_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_current_folder()
    (tmp_path / "mine.py").write_text(SCORER.format(further=""))
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "other.py").write_text(SCORER.format(further="import helper"))
    (tmp_path / "several").mkdir()
    (tmp_path / "several" / "scorers.py").write_text(SCORER.format(further="from . import beside"))
    (tmp_path / "several" / "beside.py").write_text("")
    assert registry.find("scorer", "mine:Mine").__module__ == "mine"
    assert registry.find("scorer", "several.scorers:Mine").__module__ == "several.scorers"
    with pytest.raises(ModuleNotFoundError):
        import_named("nowhere.to.be.found")
    with pytest.raises(ComponentUnknownError, match="helper") as caught:
        registry.find("scorer", "other:Mine")
    assert "put it into a package" in str(caught.value.hint)
    path, folders = path_for_workers()
    assert str(tmp_path) not in path
    assert {name: folders.get(name) for name in ("mine", "several", "helper")} == {
        "mine": str(tmp_path),
        "several": str(tmp_path),
        "helper": None,
    }


@pytest.mark.parametrize("load", [load_hook, find_writer])
def test_functions_that_are_named_are_found_too(
    load: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_current_folder()
    (tmp_path / "named.py").write_text("def made(*_): ...\n")
    assert callable(load("named:made"))
    assert str(tmp_path) not in sys.path


def test_what_is_installed_goes_before_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_current_folder()
    (tmp_path / "colorsys.py").write_text("raise SystemError('not this one')\n")
    assert import_named("colorsys").__file__ != str(tmp_path / "colorsys.py")


def test_a_worker_finds_what_a_notebook_has_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None
) -> None:
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "json.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    import_named("beside")
    path, folders = path_for_workers()
    assert "" not in path
    assert folders["beside"] == str(tmp_path)
    assert folders.get("json") != str(tmp_path)


def test_a_folder_that_is_named_or_installed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path, str(tmp_path)])
    leave_current_folder()
    # As `pip install -e .` does: after the standard library.
    assert sys.path[-1] == str(tmp_path)
    assert "" not in sys.path
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), "/elsewhere"]))
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    leave_current_folder()
    assert sys.path[0] == str(tmp_path)
