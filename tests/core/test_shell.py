"""Hints can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

from internvid.core.system.shell import command


def test_words_come_back_as_they_were() -> None:
    words = ["select", Path("my data/it's"), "motion > 2", "--as", "a b"]
    assert shlex.split(command(*words)) == ["internvid", *map(str, words)]


def test_plain_words_stay_plain() -> None:
    assert command("status", "data") == "internvid status data"
