"""Arguments that may be one thing or several of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def several(value: Any) -> list[Any]:
    """A list of what is given: a text or a path is one thing, and not its letters."""
    if isinstance(value, (str, os.PathLike)):
        return [value]
    return list(value) if isinstance(value, Iterable) else [value]
