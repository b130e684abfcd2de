"""The example of CONTRIBUTING.md, taken from the page: it works, and what it says of it is so."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import types
from collections.abc import Iterator

import pytest

from internvid.core import registry
from tests.docs.manual import ROOT, blocks, page, rows, sections
from tests.docs.test_repository import targets

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SOURCES = {
    block.text.partition("\n")[0].removeprefix("# "): block.text
    for block in blocks(TEXT)
    if block.language == "python"
}
SCORER, TESTS = SOURCES
MODULE = SCORER.removesuffix(".py").replace("/", ".")


@pytest.fixture
def scorer() -> Iterator[types.ModuleType]:
    """The example as the module that it would be."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(SOURCES[SCORER], SCORER, "exec"), vars(module))
    yield module
    del sys.modules[MODULE]


def test_the_tests_of_the_example_pass_on_it(scorer: types.ModuleType) -> None:
    space: dict[str, object] = {"__name__": "tests.scores.example"}
    exec(compile(SOURCES[TESTS], TESTS, "exec"), space)
    functions = [value for name, value in space.items() if name.startswith("test_")]
    ran = 0
    for function in functions:
        assert isinstance(function, types.FunctionType)
        marks = getattr(function, "pytestmark", [])
        for values in marks[0].args[1] if marks else [()]:
            function(*values)
            ran += 1
    assert ran == 4


def test_the_lines_to_add_are_of_the_example(
    scorer: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name, target), *_ = re.findall(r'^ +"(\w+)": "([\w.]+:\w+)",$', TEXT, re.MULTILINE)
    monkeypatch.setitem(registry.COMPONENTS["scorer"], name, target)
    component = registry.find("scorer", name)
    fields = [[f.name, str(f.default)] for f in dataclasses.fields(component)]
    (row,) = [list(rows(b.text)) for b in blocks(TEXT) if b.text.startswith("| `")]
    assert [cells[1:] for cells in row] == fields
    assert row[0][0] == name
    assert "Scorers" in sections(page("components.md"))
    assert f"scorers {name}" in TEXT or f"--scorer {name}" in TEXT


def test_the_example_is_in_the_style_that_ci_demands() -> None:
    # Which imports are ours is seen in the folder, where the example is not.
    checks = (["check", "--extend-ignore", "I001"], ["format", "--check"])
    for name, source in SOURCES.items():
        for command in checks:
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--stdin-filename", name, "-"],
                input=source.partition("\n")[2],
                cwd=ROOT,
                text=True,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_files_and_commands_that_it_names_exist() -> None:
    made = {SCORER, TESTS}
    named = set(re.findall(r"`((?:internvid|docs|tests|benchmarks)/[\w./-]*)`", TEXT)) - made
    assert {name for name in named if not (ROOT / name).exists()} == set()
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", TEXT, re.MULTILINE)) <= targets()
    assert registry.COMPONENTS["scorer"].get("density") is None, "the example must be a new one"
