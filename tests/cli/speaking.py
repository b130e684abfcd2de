"""Run the program in this process and catch what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from internvid.cli.app import main

Capture = pytest.CaptureFixture[str]


def spoken(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def read_json(capsys: Capture, *arguments: object) -> Any:
    """What a command that must end well prints with `--json`."""
    code, out, err = spoken(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)
