"""Arguments of the Python functions, checked where they come in: a wrong type is a misuse.

A type checker finds these before a program runs. Notebooks have none, and what Python says there is
a `TypeError` from deep inside.
"""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.dataset.stores.store_path import StorePath


def given_path(value: Any, what: str) -> str:
    """A path as text.

    Args:
        value: that was given.
        what: it is, for messages.

    Raises:
        MisuseError: it is no path.
    """
    if isinstance(value, (str, os.PathLike)):
        # Of an address in a store the address, not the name of a kept copy.
        return str(value) if isinstance(value, StorePath) else os.fsdecode(value)
    hint = "give them one at a time" if isinstance(value, (list, tuple, set)) else None
    raise MisuseError(
        f"{what} is a path, not {_shown(value)}", hint=hint or "name a file or folder"
    )


def refuse_no_text(value: Any, what: str) -> None:
    """Refuse what is neither a text nor None.

    Raises:
        MisuseError: it is of another type.
    """
    if value is not None and not isinstance(value, str):
        raise MisuseError(
            f"{what} is a text, not {_shown(value)}",
            hint=f"write it in quotes, or leave {what} out",
        )


def refuse_no_number(value: Any, what: str, *, is_whole: bool = False) -> None:
    """Refuse what is no number; numpy's are numbers, True and False are none.

    Raises:
        ConfigInvalidError: it is of another type.
    """
    kind = Integral if is_whole else Real
    if isinstance(value, bool) or not isinstance(value, kind):
        number = "a whole number" if is_whole else "a number"
        raise ConfigInvalidError(
            f"{what} must be {number}, got {_shown(value)}", hint="write it without quotes"
        )


def _shown(value: Any) -> str:
    return f"{value!r:.60} ({type(value).__name__})"
