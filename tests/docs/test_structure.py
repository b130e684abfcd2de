"""How the package is laid out: no circles, no crowded folders, no name for two things."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.docs.manual import PACKAGE, ROOT

MOST_FILES = 15
SOURCES = sorted(PACKAGE.rglob("*.py"))

# A file name that stands in several rooms, and the one thing that it means in all of them.
SHARED_NAMES = {
    "annotate": "writing a column of captions or scores: the pass, and its commands",
    "audit": "checking stored texts: the pass, and its command",
    "build": "making a dataset: the pass, and its command",
    "compare": "comparing what was trained on different data: the runs, and the command",
    "publish": "writing an export: the pass, and its command",
    "audio": "the loudness of the sound track: measured in the scan, summed up for a clip",
    "camera": "how the camera moves: measured in the scan, summed up for a clip",
    "colours": "the named colours, and their shares in a clip",
    "config": "the settings of one thing as a dataclass, and how any settings are read",
    "content": "PySceneDetect's content change: measured in the scan, read by the detector",
    "learned": "a TransNet V2 network: run in the scan, read by the detector",
    "picks": "small JPEG frames: kept by the scan, stored in the dataset",
    "pictures": "decoded pictures of a clip's picks, as models are given them",
    "recipe": "all settings of a run as plain dataclasses",
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(tree: ast.Module, modules: Iterable[str]) -> set[str]:
    """Every module of ours that a file imports, at its top or inside a function."""
    known, found = set(modules), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found |= {below if below in known else node.module} & known
    return found


def circle_in(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle of a graph; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    trees = {module_of(path): ast.parse(path.read_text("utf-8")) for path in SOURCES}
    return {name: imports_of(tree, trees) - {name} for name, tree in trees.items()}


def test_files_import_one_another_in_no_circle(graph: dict[str, set[str]]) -> None:
    assert circle_in(graph) == []


def test_a_circle_would_be_seen(graph: dict[str, set[str]]) -> None:
    text = "def later():\n    from internvid.core import registry\n"
    lazy = imports_of(ast.parse(text), graph)
    assert lazy == {"internvid.core.registry"}
    assert circle_in({**graph, "internvid.core.errors": lazy}) != []


def test_no_folder_is_crowded() -> None:
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in SOURCES)
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_a_file_name_means_one_thing() -> None:
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        if path.name not in ("__init__.py", "__main__.py"):
            rooms[path.stem].append(path.parent.relative_to(PACKAGE).as_posix())
    several = {name: places for name, places in rooms.items() if len(places) > 1}
    assert {name: places for name, places in several.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) <= set(several)


def test_no_component_is_looked_up_to_dodge_an_import() -> None:
    """A fixed name in a look-up would be an import that the floors cannot see."""
    dodges = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", getattr(call.func, "id", "")) in ("find", "create")
        and len(call.args) == 2
        and all(isinstance(argument, ast.Constant) for argument in call.args)
        and all(isinstance(argument.value, str) for argument in call.args)  # type: ignore[attr-defined]
    ]
    assert [place for place in dodges if "jpegs" not in place] == []
