"""Habits of the package that a test can hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import internvid
from tests.docs.manual import PACKAGE, PAGES, ROOT, page, rows, sections

SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 450, 60
# Folders of the machine a text was written on.
_MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|tmp|home|root|Users|mnt|scratch)\b/?")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long() -> None:
    lengths = {named(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's statements; its signature and docstring are read apart."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{named(path)}:{node.name}": body_lines(node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_file_names_say_what_is_inside() -> None:
    vague = {"utils.py", "util.py", "misc.py", "helpers.py", "common.py", "legacy.py"}
    assert [named(path) for path in SOURCES if path.name in vague] == []


def test_no_text_names_a_folder_of_some_machine() -> None:
    texts = [*SOURCES, *PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    found = {
        named(path): match.group()
        for path in texts
        if (match := _MACHINE_PATH.search(path.read_text("utf-8")))
    }
    assert found == {}


def test_public_names_are_sorted_and_importable() -> None:
    assert internvid.__all__ == sorted(internvid.__all__, key=lambda name: (name.islower(), name))
    assert sorted(dir(internvid)) == sorted(internvid.__all__)
    for name in internvid.__all__:
        assert getattr(internvid, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        internvid.nothing  # noqa: B018


def test_every_public_name_is_in_the_manual() -> None:
    cells = [row[0] for row in rows(sections(page("index.md"))["From Python"])]
    listed = {name.strip(" `") for cell in cells for name in cell.split(",")}
    assert listed == set(internvid.__all__) - {"__version__"}


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["list", "detectors"]])
def test_help_is_quick_because_nothing_heavy_is_imported(arguments: list[str]) -> None:
    script = (
        "import sys, json\n"
        "from internvid.cli.app import main\n"
        f"code = main({arguments!r})\n"
        "heavy = {'torch', 'ray', 'duckdb', 'pyarrow', 'pandas'} & set(sys.modules)\n"
        "print(json.dumps([code, sorted(heavy)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
