"""Folders full of modules that bear the names of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

THIRD = {"numpy", "pyarrow", "duckdb", "av", "PIL", "typer", "rich", "jinja2", "torch", "ftfy"}


def hostile(folder: Path, *but: str) -> Path:
    """A folder with a module of every name that Python and we import; each leaves a mark."""
    folder.mkdir()
    for name in (sys.stdlib_module_names | THIRD | {"sitecustomize", "usercustomize"}) - {*but}:
        (folder / f"{name}.py").write_text(
            f"open({str(folder.parent / 'marks')!r}, 'a').write(__name__ + ' ')\n"
        )
    return folder


def marks(folder: Path) -> str:
    path = folder.parent / "marks"
    return path.read_text() if path.exists() else ""


def loaded_by_python() -> set[str]:
    """What `python -m` imports before the first line of the program; no program can help that."""
    code = "import runpy, pkgutil, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}
