"""What `internvid` exports: typed, complete, and cheap to import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import typer.main

import internvid
from internvid.cli.app import app
from tests.docs.manual import ROOT

# Command -> the function of `internvid` that does the same.
FUNCTIONS = {
    "audit": "audit",
    "browse": "serve",
    "build": "build",
    "caption": "caption",
    "chat": "chat",
    "classify": "classify",
    "compare": "compare",
    "dedup": "dedup",
    "demo": "demo",
    "describe": "describe",
    "dialogues": "make_dialogues",
    "diff": "diff",
    "discover": "discover",
    "drop": "drop_column",
    "embed": "embed",
    "evaluate": "evaluate",
    "generate": "generate",
    "fetch": "fetch",
    "interleave": "interleave",
    "list": "list_components",
    "map": "map_clips",
    "publish": "publish",
    "queries": "make_queries",
    "remove": "remove",
    "repair": "repair",
    "report": "write_report",
    "reviews": "reviews",
    "score": "score",
    "search": "search",
    "select": "select",
    "shots": "detect_shots",
    "show": "show_clip",
    "split": "split",
    "status": "status",
    "train": "train",
    "use": "use_cut",
    "submit": "submit",
    "work": "work",
}


def test_every_command_is_a_function_too() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(FUNCTIONS) == set(commands)
    for name in FUNCTIONS.values():
        assert name in internvid.__all__
        assert callable(getattr(internvid, name))


def test_a_type_checker_sees_every_public_name_and_no_misspelt_one(tmp_path: Path) -> None:
    names = [name for name in internvid.__all__ if name != "__version__"]
    script = tmp_path / "script.py"
    shown = "".join(f"reveal_type(internvid.{name})\n" for name in names)
    script.write_text(f"import internvid\n\n{shown}internvid.biuld\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*command, str(script)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    lines = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(lines) == len(names), done.stdout
    vague = ('is "Any"', 'is "builtins.object"')
    assert [line for line in lines if line.rstrip().endswith(vague)] == []
    assert 'has no attribute "biuld"' in done.stdout


def test_importing_from_the_package_is_cheap() -> None:
    # Some are classes of PyTorch: naming one of them is using it.
    torch_classes = {"ViCLIP", "VideoChat", "ClipDataset", "TextToVideo"}
    names = ", ".join(name for name in internvid.__all__ if name not in torch_classes)
    script = (
        f"import sys, json\nfrom internvid import {names}\n"
        "heavy = {'torch', 'transformers', 'duckdb', 'faiss', 'faster_whisper'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []
