"""The packages of the extra `collect`, looked for before they are used."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from internvid.core.errors import DependencyMissingError

WEB_PACKAGES = ("httpx2", "httpcore2", "protego")
"""What reads from the web."""


def require_packages(names: Sequence[str]) -> None:
    """Refuse where a package is not installed.

    Raises:
        DependencyMissingError: with the command that installs it.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise DependencyMissingError(
            f"collecting needs {', '.join(missing)}", hint='pip install "internvid[collect]"'
        )
