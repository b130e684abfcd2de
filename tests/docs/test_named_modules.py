"""Modules and files of the package that pages, docstrings and scripts name are there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.docs.manual import PACKAGE, ROOT
from tests.docs.test_structure import SOURCES, module_of

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SCRIPTS = sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
MODULES = {module_of(path) for path in SOURCES}

_DOTTED = re.compile(r"(?<![\w./@-])internvid(?:\.[A-Za-z]\w*)+(?![\w/-])")
_PATH = re.compile(r"(?<![\w./-])(?:[a-z_0-9]+/)+[a-z_0-9]+\.py\b")
_IMPORT = re.compile(r"\bfrom (internvid[\w.]*) import (\((?:[^)]*)\)|[^\n\"']*)")

# Groups of entry points, which look like modules.
GROUPS = {"internvid.scorer"}
# What CONTRIBUTING.md has its reader write, and names that tests misspell on purpose.
MADE = ("internvid/scores/density.py", "tests/scores/test_density.py")
MISSPELT = {"internvid.biuld", "internvid.nothing"}


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute that is reached from one."""
    parts = name.split(".")
    length = max(at for at in range(1, len(parts) + 1) if ".".join(parts[:at]) in MODULES)
    thing: object = importlib.import_module(".".join(parts[:length]))
    for part in parts[length:]:
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


def imports_in(text: str) -> Iterator[str]:
    """`module.name` of each import of the package in a text, also inside strings."""
    for module, names in _IMPORT.findall(text):
        for one in re.sub(r"#.*|\\n.*|[()]", "", names).split(";")[0].split(","):
            found = re.match(r"\s*(\w+)", one)
            if found:
                yield f"{module}.{found[1]}"


def missing(path: Path, text: str) -> list[str]:
    """What a text names of the package that is not there."""
    dotted = {name for name in _DOTTED.findall(text) if not name.endswith((".py", ".json"))}
    dotted |= set(imports_in(text))
    made = {name.removesuffix(".py").replace("/", ".") for name in MADE}
    dotted = {name for name in dotted if not any(name.startswith(each) for each in made)}
    wrong = {name for name in dotted - GROUPS - MISSPELT if not is_there(name)}
    for name in set(_PATH.findall(text)) - set(MADE):
        if not any((base / name).is_file() for base in (ROOT, PACKAGE, path.parent)):
            wrong.add(name)
    return sorted(wrong)


@pytest.mark.parametrize("paths", [PAGES, SOURCES, SCRIPTS], ids=["pages", "package", "scripts"])
def test_what_a_file_names_of_the_package_is_there(paths: list[Path]) -> None:
    others = [path for path in paths if path != Path(__file__)]
    wrong = {str(path.relative_to(ROOT)): missing(path, path.read_text("utf-8")) for path in others}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_what_is_not_there_is_seen() -> None:
    stale = (
        "`internvid.train.loop`, internvid.core.types.Clip and `train/step.py`\n"
        '"from internvid.dataset import drop, layout; layout.x"\n'
        "from internvid.core.types import (\n    Clip,\n    Clap,\n)\n"
    )
    assert missing(ROOT / "README.md", stale) == [
        "internvid.core.types.Clap",
        "internvid.dataset.drop",
        "internvid.train.loop",
        "train/step.py",
    ]


def reached(tree: ast.Module, modules: Collection[str]) -> list[str]:
    """Modules that are reached as attributes of their package, which something must have imported.

    A type checker lets `from internvid import api; api.datasets.demo()` through.
    """
    packages = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if f"{node.module}.{alias.name}" in modules
    }
    found = {
        f"{packages[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in packages
    }
    return sorted(found & set(modules))


def test_no_module_is_reached_before_it_is_imported() -> None:
    for path in SOURCES:
        assert reached(ast.parse(path.read_text("utf-8")), MODULES) == [], path
    seen = reached(ast.parse("from internvid import api\napi.datasets.demo()"), MODULES)
    assert seen == ["internvid.api.datasets"]
