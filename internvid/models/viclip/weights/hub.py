"""Models by hub name: found in the Hugging Face cache, or downloaded where that is possible."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from internvid.core.errors import SourceMissingError

_NAME = re.compile(r"^[\w][\w.-]*/[\w][\w.-]*$")
# No Python files: nothing that comes along with weights is ever run.
_WANTED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "preprocessing.json",
    "merges.txt",
    "tokenizer.json",
    "bpe_simple_vocab_16e6.txt.gz",
)
_OTHER_WEIGHTS = ("*.pth", "pytorch_model.bin")
WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


def is_hub_name(text: str) -> bool:
    """Whether it looks like `owner/name`."""
    return bool(_NAME.match(text))


def cache_folder() -> Path:
    """Where huggingface_hub keeps downloads, by the same environment variables."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    caches = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    return home.expanduser() / "hub"


def cached_snapshots(repository: str) -> Iterator[Path]:
    """Folders of a repository in the cache, the one its main branch points at first."""
    root = cache_folder() / f"models--{repository.replace('/', '--')}"
    main = root / "refs" / "main"
    first = root / "snapshots" / main.read_text("utf-8").strip() if main.is_file() else None
    if first is not None and first.is_dir():
        yield first
    if (root / "snapshots").is_dir():
        yield from sorted(path for path in (root / "snapshots").iterdir() if path != first)


def resolve(repository: str) -> Path:
    """The folder of a hub model's files: from the cache, else downloaded.

    Raises:
        SourceMissingError: neither works; the hint says what to download, and how.
    """
    for snapshot in cached_snapshots(repository):
        if any(path.suffix in WEIGHTS for path in snapshot.iterdir()):
            return snapshot
    return _download(repository)


def _download(repository: str) -> Path:
    hint = (
        f"where there is a network: pip install huggingface_hub && hf download {repository}; "
        "then give the folder it prints, or copy that to this machine's cache "
        f"({cache_folder()})"
    )
    missing = f"{repository} is not in the Hugging Face cache"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SourceMissingError(f"{missing}, and HF_HUB_OFFLINE forbids downloads", hint=hint)
    try:
        hub = importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise SourceMissingError(
            f"{missing}, and huggingface_hub is not installed", hint=hint
        ) from error
    try:
        folder = Path(hub.snapshot_download(repository, allow_patterns=list(_WANTED)))
        if not any(path.suffix in WEIGHTS for path in folder.iterdir()):
            patterns = [*_WANTED, *_OTHER_WEIGHTS]
            folder = Path(hub.snapshot_download(repository, allow_patterns=patterns))
    # Libraries below raise many kinds: no network, no such repository, no permission.
    except Exception as error:
        text = str(error).strip().splitlines()
        raise SourceMissingError(
            f"{missing} and could not be downloaded: {type(error).__name__}"
            f"{': ' + text[0] if text else ''}",
            hint=hint,
        ) from error
    return folder
