"""Where CLIP's table of byte-pair merges is found. It is data, and not part of this package."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from internvid.core.errors import CheckpointFormatError, SourceMissingError
from internvid.models.viclip.weights.hub import cached_snapshots

MERGES_VARIABLE = "INTERNVID_MERGES"
"""The environment variable that names a file of merges."""

FULL_TABLE = 48894
"""Merges of CLIP's vocabulary; the public file goes on after them."""

FILE_NAMES = ("bpe_simple_vocab_16e6.txt.gz", "merges.txt", "tokenizer.json")
_REPOSITORIES = (
    "openai/clip-vit-large-patch14",
    "openai/clip-vit-base-patch16",
    "OpenGVLab/ViCLIP-L-14-hf",
    "OpenGVLab/ViCLIP-B-16-hf",
    "OpenGVLab/ViCLIP",
)


@dataclass(frozen=True)
class Merges:
    """Pairs of symbols that are joined, the earliest first.

    Attributes:
        pairs: at most 48,894.
        source: the file they were read from.
    """

    pairs: tuple[tuple[str, str], ...]
    source: str = ""

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the pairs, wherever they came from."""
        text = "\n".join(f"{left} {right}" for left, right in self.pairs)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def write(self, path: Path) -> None:
        """Write them as a `merges.txt` that other libraries read too."""
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in self.pairs)]
        path.write_text("\n".join(lines) + "\n", "utf-8")


def read_merges(path: Path) -> Merges:
    """The merges of a file: `bpe_simple_vocab_16e6.txt.gz`, `merges.txt` or `tokenizer.json`.

    Raises:
        SourceMissingError: there is no such file.
        CheckpointFormatError: it holds no merges.
    """
    if not path.is_file():
        raise SourceMissingError(f"there is no file of merges {str(path)!r}", hint=_hint())
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
        pairs = _of_json(text) if path.suffix == ".json" else _of_lines(text)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CheckpointFormatError(
            f"{path.name} holds no table of merges: {error}", hint=_hint()
        ) from error
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise CheckpointFormatError(f"{path.name} holds no table of merges", hint=_hint())
    return Merges(tuple((left, right) for left, right in pairs[:FULL_TABLE]), str(path))


def find_merges(place: str | Path | None = None, folder: Path | None = None) -> Merges:
    """The merges table, from the first of these that has one.

    1. `place`: a file, or a folder with one of the known files;
    2. `folder`: of the checkpoint;
    3. the file named by the environment variable `INTERNVID_MERGES`;
    4. snapshots of CLIP and ViCLIP in the Hugging Face cache;
    5. the data file of an installed open_clip_torch, which is read but not imported.

    Raises:
        SourceMissingError: `place` has none, or nothing has; the hint says what to do.
        CheckpointFormatError: the file holds no merges.
    """
    if place is not None:
        given = Path(place)
        table_path = _inside(given) if given.is_dir() else given
        if table_path is None:
            raise SourceMissingError(f"{str(given)!r} holds none of {', '.join(FILE_NAMES)}")
        return read_merges(table_path)
    for path in _candidates(folder):
        return read_merges(path)
    raise SourceMissingError("CLIP's table of byte-pair merges was not found", hint=_hint())


def _candidates(folder: Path | None) -> Iterator[Path]:
    if folder is not None and (path := _inside(folder)):
        yield path
    if named := os.environ.get(MERGES_VARIABLE):
        yield Path(named)
    for repository in _REPOSITORIES:
        for snapshot in cached_snapshots(repository):
            if path := _inside(snapshot):
                yield path
    # find_spec of a top-level name reads no code of the package.
    spec = importlib.util.find_spec("open_clip")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if path := _inside(Path(place)):
            yield path


def _inside(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def _of_lines(text: str) -> list[tuple[str, ...]]:
    lines = text.split("\n")
    if "#version" in lines[0]:
        lines = lines[1:]
    return [tuple(line.split()) for line in lines[:FULL_TABLE] if line.strip()]


def _of_json(text: str) -> list[tuple[str, ...]]:
    listed = json.loads(text)["model"]["merges"]
    return [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in listed]


def _hint() -> str:
    return (
        "pass merges=PATH of bpe_simple_vocab_16e6.txt.gz (public CLIP) or a CLIP merges.txt, "
        f"set {MERGES_VARIABLE}=PATH, or pip install --no-deps open_clip_torch"
    )
