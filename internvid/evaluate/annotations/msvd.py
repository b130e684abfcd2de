"""MSVD: lists of ids, and captions in a pickle that is read without running anything in it."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from internvid.core.errors import AnnotationInvalidError, SourceMissingError
from internvid.evaluate.annotations.captioned import read_captioned_json
from internvid.evaluate.annotations.reading import invalid, names_its_file, read_lines
from internvid.evaluate.annotations.records import CaptionedClip, CaptionedSet


class _PlainUnpickler(pickle.Unpickler):
    """Dicts, lists and texts only: every import a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, identifier: Any) -> Any:
        raise pickle.UnpicklingError(f"it asks for {identifier!r}")


def load_plain_pickle(path: Path) -> Any:
    """The value of a pickle that holds nothing but plain data.

    Raises:
        SourceMissingError: there is no such file.
        AnnotationInvalidError: it is damaged, or asks for code.
    """
    if not path.is_file():
        raise SourceMissingError(f"there is no annotation file {str(path)!r}")
    try:
        # The file was written by Python 2, whose texts are bytes.
        return _PlainUnpickler(
            io.BytesIO(path.read_bytes()), encoding="utf-8", errors="replace"
        ).load()
    except (
        pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError,
        AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise AnnotationInvalidError(
            f"{path.name} is no pickle of plain captions: {error}",
            hint="expected a dict: id -> list of token lists (raw-captions.pkl)",
        ) from error


@names_its_file
def read_msvd(path: Path, captions: Path | None = None) -> CaptionedSet:
    """MSVD, with all captions of each clip.

    Args:
        path: test_list.txt (an id a line), which needs `captions`; or the reference's JSON.
        captions: raw-captions.pkl: id -> list of token lists.
    """
    if path.suffix.lower() == ".json":
        return read_captioned_json(path)
    if captions is None:
        raise invalid(path, 1, "a list of videos without captions", "raw-captions.pkl as well")
    found = load_plain_pickle(captions)
    if not isinstance(found, dict):
        raise invalid(captions, "whole", f"a {type(found).__name__}", "a dict")
    clips = []
    for line, name in read_lines(path):
        if name not in found:
            raise invalid(path, line, f"{name!r} is not in {captions.name}")
        clips.append(CaptionedClip(name, _texts(captions, name, found[name]), (name,)))
    return CaptionedSet(tuple(clips))


def _texts(path: Path, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise invalid(path, repr(name), f"captions are {type(value).__name__}", "token lists")
    texts = []
    for tokens in value:
        parts = [tokens] if isinstance(tokens, str) else tokens
        if not isinstance(parts, list) or not all(isinstance(token, str) for token in parts):
            raise invalid(path, repr(name), "a caption is no list of words", "token lists")
        texts.append(" ".join(parts))
    return tuple(texts)
