"""Which modules come from the current folder: the one that `module:Class` names, and no other.

Python puts the current folder first on its path for `-m` and `-c`, also in the processes that a
program starts. A `json.py` that lies there would then be run in place of the standard library's.

Imported before the current folder is off the path, so this module itself may import only what
Python has loaded by then.
"""

import importlib
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SAFE_PATH = "PYTHONSAFEPATH"


def leave_current_folder() -> None:
    """Take the current folder off the path of this process, and of those that it will start.

    A folder that `PYTHONPATH` names, or that an installed package put there, stays.
    """
    kept, _ = _divided(sys.path)
    sys.path[:] = kept
    os.environ[SAFE_PATH] = "1"


def import_named(name: str) -> "ModuleType":
    """The module of a `module:Class`: an installed one, else the one in the current folder.

    From then on it is found by its name, its submodules too, in this process and in the worker
    processes; modules that lie beside it are not.

    Raises:
        ModuleNotFoundError: there is none of that name, or it imports one that there is not.
    """
    top = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        folder = _current_folder()
        if error.name != top or folder is None or PathFinder.find_spec(top, [folder]) is None:
            raise
    find_in({top: folder})
    return importlib.import_module(name)


def find_in(folders: "Mapping[str, str]") -> None:
    """Find these modules, and no others, in these folders, after every other place.

    Args:
        folders: name of a top-level module -> the folder that it lies in.
    """
    for finder in sys.meta_path:
        if isinstance(finder, _NamedFinder):
            finder.folders.update(folders)
            return
    sys.meta_path.append(_NamedFinder(dict(folders)))


def path_for_workers() -> tuple[list[str], dict[str, str]]:
    """What a worker process shall find: (its `sys.path`, name of a module -> its folder).

    The second are what this process has from the current folder.
    """
    kept, left = _divided(sys.path)
    folders: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if "." not in name and spec is not None and spec.name == name:
            folder = next((each for each in left if _lies_in(spec, each)), None)
            if folder is not None:
                folders[name] = folder
    for finder in sys.meta_path:
        if isinstance(finder, _NamedFinder):
            folders.update(finder.folders)
    return kept, folders


def environment_for_workers() -> dict[str, str]:
    """The environment of a Python process that shall not look into the current folder."""
    environment = {**os.environ, SAFE_PATH: "1"}
    # An empty entry is the current folder.
    named = [entry for entry in _python_path() if entry]
    environment.pop("PYTHONPATH", None)
    return {**environment, "PYTHONPATH": os.pathsep.join(named)} if named else environment


class SafeStart:
    """While the block runs, processes that a library starts are kept from the current folder.

    For libraries that start Python by themselves, and hand on this process's environment and path.
    """

    def __enter__(self) -> None:
        self._path, self._before = list(sys.path), os.environ.get(SAFE_PATH)
        # What a script has beside itself is imported again with the script.
        sys.path[:] = [entry for entry in sys.path if entry]
        os.environ[SAFE_PATH] = "1"

    def __exit__(self, *_: object) -> None:
        sys.path[:] = self._path
        if self._before is None:
            os.environ.pop(SAFE_PATH, None)
        else:
            os.environ[SAFE_PATH] = self._before


class _NamedFinder:
    """Finds modules of certain names, each in one folder."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: object = None, _target: object = None
    ) -> "ModuleSpec | None":
        if path is not None or name not in self.folders:
            return None
        return PathFinder.find_spec(name, [self.folders[name]])


def _divided(entries: list[str]) -> tuple[list[str], list[str]]:
    """A path without the current folder; and what was left out, as absolute paths."""
    folder = _current_folder()
    library = os.path.dirname(os.__file__)
    entries = [entry for entry in entries if isinstance(entry, str)]
    # What stands after the standard library was put there by installed packages, or in code.
    first = entries.index(library) if library in entries else len(entries)
    named = any(entry and _is_folder(entry, folder) for entry in _python_path())
    kept, left = [], []
    for at, entry in enumerate(entries):
        if not entry or (at < first and not named and _is_folder(entry, folder)):
            left += [] if folder is None else [folder]
        else:
            kept.append(entry)
    return kept, left


def _lies_in(spec: "ModuleSpec", folder: str) -> bool:
    name = os.path.join(folder, spec.name)
    if spec.origin is not None:
        return os.path.dirname(spec.origin) in (folder, name)
    return name in (spec.submodule_search_locations or ())


def _is_folder(entry: str, folder: str | None) -> bool:
    return folder is not None and os.path.abspath(entry) == folder


def _python_path() -> "Iterator[str]":
    return iter(os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None
