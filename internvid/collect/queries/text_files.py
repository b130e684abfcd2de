"""Texts that others wrote, in whatever encoding."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or Latin-1 where it is none.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
