"""Where a model's weights lie on this machine, and which weights they are.

A model is named by a local folder or file, or by its hub name ("Salesforce/blip2-opt-2.7b",
optionally with "@revision"). Hub names are looked up in the local Hugging Face cache; only
`internvid.models` downloads.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from internvid.core.errors import WeightsMissingError


def find_weights(name: str) -> Path | None:
    """The local folder (or file) of a model, or None where it would have to be downloaded."""
    path = Path(name).expanduser()
    if path.exists():
        return path.absolute()
    repository, _, revision = name.partition("@")
    if not _is_hub_name(repository):
        return None
    cached = hub_cache() / f"models--{repository.replace('/', '--')}"
    reference = cached / "refs" / (revision or "main")
    commit = reference.read_text("utf-8").strip() if reference.is_file() else revision
    snapshot = cached / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


def require_weights(name: str) -> Path:
    """The folder of a model whose weights must be on this machine.

    Raises:
        WeightsMissingError: they are not; the message says how to get them.
    """
    folder = find_weights(name)
    if folder is not None:
        return folder
    repository = name.partition("@")[0]
    if not _is_hub_name(repository):
        raise WeightsMissingError(
            f"there is no model at {name!r}",
            hint="give a folder with a config.json and weights, or a hub name like org/model",
        )
    raise WeightsMissingError(
        f"the weights of {name!r} are not on this machine (looked in {hub_cache()})",
        hint=f"on a machine with network: hf download {repository}; "
        "or give the path of a folder that holds them",
    )


def weights_identity(name: str) -> str:
    """Which weights a name stands for now: "commit:..." or "files:..."; changes when they do.

    Raises:
        WeightsMissingError: they are not on this machine.
    """
    path = require_weights(name)
    if path.parent.name == "snapshots":
        return f"commit:{path.name}"
    files = [path] if path.is_file() else sorted(_model_files(path))
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        facts = file.stat()
        digest.update((file.name + ":").encode("utf-8"))
        digest.update(_file_digest(str(file), facts.st_size, facts.st_mtime_ns))
    return f"files:{digest.hexdigest()}"


def hub_cache() -> Path:
    """The local cache of the Hugging Face hub, by its own environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")
    return Path(home) / "hub"


def _model_files(folder: Path) -> list[Path]:
    # A model is its files at the top; hidden ones and notes beside them change nothing.
    return [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() != ".md"
    ]


@functools.lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, changed_ns: int) -> bytes:
    # Keyed by size and time of change, so that large weights are read once a process.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()[:16]


def _is_hub_name(name: str) -> bool:
    owner, _, model = name.partition("/")
    return bool(owner and model) and "/" not in model and not name.startswith((".", "~", "/"))
