"""Commands as a hint shows them: ready to be pasted into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(*words: str | Path) -> str:
    """An `internvid` command line, each word quoted where a shell would take it apart."""
    return shlex.join(["internvid", *map(str, words)])
