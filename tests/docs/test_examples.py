"""What the manual shows works as shown."""

from __future__ import annotations

import importlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

import internvid
from internvid.cli.app import app, main
from tests.docs.manual import PAGES, ROOT, Block, blocks, commands

# These need weights, several videos or the network, repeat what other tests render, or do not end.
ONLY_PARSED = (
    *("internvid demo", "internvid compare", "--detector learned", "# needs weights"),
    *("internvid browse", "internvid discover"),
)
SHOWN = [path for path in PAGES if {b.language for b in blocks(path.read_text("utf-8"))} - {"text"}]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_a_page_run_in_order(
    path: Path, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip_id = internvid.open("data").clips()["clip_id"][0].as_py()
    for block in blocks(path.read_text("utf-8")):
        if block.language == "python":
            _run_python(block)
        elif block.language == "sh":
            for line in commands(block):
                _run_command(line.replace("CLIP_ID", clip_id[:12]))
        elif block.language == "json":
            capsys.readouterr()
            _run_command(block.note)
            _assert_alike(json.loads(block.text), json.loads(capsys.readouterr().out), block.note)
        else:
            assert block.language == "text", f"{path.name}: what is {block.language!r}?"


def _run_python(block: Block) -> None:
    first = block.text.partition("\n")[0].removeprefix("# ").strip()
    if first.endswith(".py"):
        Path(first).write_text(block.text, "utf-8")
        importlib.invalidate_caches()
        importlib.import_module(first.removesuffix(".py"))
    else:
        exec(compile(block.text, "an example", "exec"), {"__name__": "example"})


def _run_command(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    if any(part in line for part in ONLY_PARSED):
        group = typer.main.get_command(app)
        context = group.make_context("internvid", list(arguments))
        name, command, rest = group.resolve_command(context, list(arguments))
        command.make_context(name, rest, parent=context)
        return
    assert main(arguments) == 0, line


def _assert_alike(shown: Any, real: Any, where: str) -> None:
    """Same keys and kinds of values; values themselves are examples."""
    if isinstance(shown, dict):
        assert isinstance(real, dict), where
        assert set(shown) == set(real), where
        for key, value in shown.items():
            _assert_alike(value, real[key], f"{where}: {key}")
    elif isinstance(shown, list):
        assert isinstance(real, list), where
        if shown and real:
            _assert_alike(shown[0], real[0], f"{where}[]")
    elif isinstance(shown, (int, float)) and not isinstance(shown, bool):
        assert isinstance(real, (int, float)), where
    else:
        assert type(shown) is type(real), where


def test_every_command_is_shown_with_an_example() -> None:
    text = "\n".join(path.read_text("utf-8") for path in PAGES)
    shown = [line for block in blocks(text) if block.language == "sh" for line in commands(block)]
    shown += [block.note for block in blocks(text) if block.language == "json"]
    used = {shlex.split(line, comments=True)[1] for line in shown}
    assert used == set(typer.main.get_command(app).commands)
