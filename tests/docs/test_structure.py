"""How the package is laid out: no circles, no crowded folders, no state, no name for two things."""

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
    "opening": "what a user names becomes what is read: clips to train on, tables of clips",
    "rows": "rows of a table: those that a pass writes, those of a table that is chosen from",
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
    "fetch": "getting the videos that a table names: the pass, and its command",
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


MUTABLE = (ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Set, ast.SetComp)
# Calls whose result can be changed in place; locks guard state that is kept elsewhere.
MAKERS = frozenset(
    "dict list set sorted bytearray defaultdict deque Counter OrderedDict ChainMap local count "  # noqa: SIM905
    "Lock RLock Condition Event Semaphore BoundedSemaphore Barrier Queue SimpleQueue cycle "
    "SimpleNamespace WeakKeyDictionary WeakValueDictionary WeakSet".split()
)
CHANGERS = frozenset(
    "append extend insert remove pop popitem popleft appendleft clear add discard update "  # noqa: SIM905
    "setdefault sort reverse".split()
)


def mutable_names(tree: ast.Module) -> dict[str, bool]:
    """Names bound in a module's body to what can be changed -> whether it is a plain dict."""
    names: dict[str, bool] = {}
    blocks = [tree.body]
    while blocks:
        for node in blocks.pop():
            if isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                blocks += [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
                blocks += [handler.body for handler in getattr(node, "handlers", [])]
            if not isinstance(node, (ast.Assign, ast.AnnAssign)):
                continue
            value = node.value
            maker = value.func if isinstance(value, ast.Call) else None
            called = getattr(maker, "attr", getattr(maker, "id", ""))
            if isinstance(value, MUTABLE) or called in MAKERS:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                is_dict = isinstance(value, (ast.Dict, ast.DictComp))
                names |= {ast.unparse(target): is_dict for target in targets}
    return names


def changed_names(tree: ast.Module) -> set[str]:
    """Names, and last parts of dotted names, that a file changes in place or binds as global."""
    changed: set[str] = set()

    def note(node: ast.expr) -> None:
        while isinstance(node, ast.Subscript):
            node = node.value
        changed.add(getattr(node, "attr", getattr(node, "id", "")))

    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            changed |= set(node.names)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            note(node)
        elif isinstance(node, ast.Attribute) and node.attr in CHANGERS:
            note(node.value)
    return changed


def state_in(sources: Mapping[str, ast.Module]) -> list[str]:
    """`file:NAME` of all that a module keeps and that may change while the package runs.

    A dict with an upper-case name is a table, as long as nobody changes it.
    """
    changed = {name: changed_names(tree) for name, tree in sources.items()}
    anywhere = set().union(*changed.values())
    kept = []
    for file, tree in sources.items():
        for name, is_dict in mutable_names(tree).items():
            is_changed = name in (changed[file] if name.startswith("_") else anywhere)
            is_table = is_dict and name.isupper() and not is_changed
            if name != "__all__" and not is_table:
                kept.append(f"{file}:{name}")
        kept += [
            f"{file}:global {name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Global)
            for name in node.names
        ]
    return sorted(kept)


def test_no_module_keeps_state() -> None:
    """State belongs to a context (see core/timings.py): two runs in one process must not mix."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCES
    }
    assert state_in(trees) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("_loaded: dict[str, int] = {}", ["a:_loaded"]),
        ("_lock = threading.Lock()", ["a:_lock"]),
        ("try:\n    import x\nexcept ImportError:\n    SEEN = set()", ["a:SEEN"]),
        ("if True:\n    NAMES = [name for name in 'ab']", ["a:NAMES"]),
        ("TABLE = {'a': 1}\ndef f():\n    return TABLE['a']", []),
        ("TABLE = {'a': {}}\ndef f():\n    TABLE['a']['b'] = 1", ["a:TABLE"]),
        ("TABLE = {'a': {}}\ndef f():\n    TABLE.setdefault('b', {})", ["a:TABLE"]),
        ("_N = 0\ndef f():\n    global _N\n    _N += 1", ["a:global _N"]),
        ("_N = frozenset({1})\n_M = (1, 2)\n__all__ = ['f']", []),
    ],
)
def test_state_would_be_seen(text: str, kept: list[str]) -> None:
    assert state_in({"a": ast.parse(text)}) == kept


def test_a_table_that_another_file_changes_would_be_seen() -> None:
    sources = {"a": ast.parse("TABLE = {'a': 1}"), "b": ast.parse("del a.TABLE['a']")}
    assert state_in(sources) == ["a:TABLE"]
