"""Video-text datasets and video CLIPs: from raw videos to a trained model.

The public names are loaded when first used, so that `import internvid` stays cheap.
"""

import importlib

from internvid._version import __version__

# `python -m` has the current folder first on the path when this is read: nothing is imported that
# Python has not loaded by then.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXPORTS = {
    "Clip": "internvid.core.types",
    "Dataset": "internvid.dataset.store",
    "FrameBatch": "internvid.core.types",
    "InternvidError": "internvid.core.errors",
    "Shot": "internvid.core.types",
    "TimeSpan": "internvid.core.types",
    "Timeline": "internvid.core.types",
    "ViCLIP": "internvid.models.viclip",
    "build": "internvid.recipes",
    "detect_shots": "internvid.shots.detect",
    "open": "internvid.dataset.store",
    "select": "internvid.curate.select",
}

__all__ = [
    "Clip",
    "Dataset",
    "FrameBatch",
    "InternvidError",
    "Shot",
    "TimeSpan",
    "Timeline",
    "ViCLIP",
    "__version__",
    "build",
    "detect_shots",
    "open",
    "recipes",
    "select",
]


def __getattr__(name: str) -> "Any":
    if name == "recipes":
        return importlib.import_module("internvid.recipes")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'internvid' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
