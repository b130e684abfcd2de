"""MSVD: lists of ids, and captions as JSON, text, or a pickle of which nothing is run."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from internvid.core.errors import AnnotationInvalidError, SourceMissingError
from internvid.evaluation.annotations.captioned import read_captioned_json
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    words,
)
from internvid.evaluation.annotations.records import CaptionedClip, CaptionedSet
from internvid.evaluation.annotations.splits import SplitRows


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
def read_msvd(
    path: Path, captions: Path | None = None, *, split: str | None = None
) -> CaptionedSet:
    """MSVD, with all captions of each clip.

    Args:
        path: test_list.txt (an id a line), which needs `captions`; a JSON object id -> captions;
            the JSON of {metadata, train, val, test}; or the reference's JSON list.
        captions: raw-captions.pkl or a JSON object: id -> captions, as texts or token lists; or
            AllVideoDescriptions.txt: an id and a sentence a line.
        split: of the JSON with several: `train`, `val` or `test`; by default the last.
    """
    if path.suffix.lower() == ".json" and captions is None:
        return _read_msvd_json(path, split)
    if captions is None:
        raise invalid(path, 1, "a list of videos without captions", "raw-captions.pkl as well")
    content = _captions_by_id(captions)
    clips = []
    for line, name in read_lines(path):
        if name not in content:
            raise invalid(path, line, f"{name!r} is not in {captions.name}")
        clips.append(CaptionedClip(name, _texts(captions, name, content[name]), (name,)))
    return CaptionedSet(tuple(clips))


def _read_msvd_json(path: Path, split: str | None) -> CaptionedSet:
    found = read_json(path)
    if isinstance(found, list):
        return read_captioned_json(path)
    if isinstance(found, dict) and "metadata" in found:
        return _read_metadata(path, found, split or "test")
    return read_caption_object(path)


def _read_metadata(path: Path, found: dict[str, Any], split: str) -> CaptionedSet:
    """{metadata: [{video_id, sentence}], train: [id], test: [id]}."""
    rows = SplitRows(path, split)
    listed: list[str] = []
    for name, ids in found.items():
        if name != "metadata" and isinstance(ids, list) and rows.takes(name):
            listed += map(str, ids)
    rows.refuse_none()
    texts: dict[str, list[str]] = {name: [] for name in listed}
    for at, row in enumerate(found["metadata"]):
        if isinstance(row, dict) and row.get("video_id") in texts:
            texts[row["video_id"]].append(words(path, f"metadata[{at}]", row, "sentence"))
    return CaptionedSet(tuple(CaptionedClip(n, tuple(own), (n,)) for n, own in texts.items()))


@names_its_file
def read_caption_object(path: Path) -> CaptionedSet:
    """A JSON object id -> captions: a text, a list of texts, or a list of token lists."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise invalid(path, "whole", f"a JSON {type(found).__name__}", "an object id -> captions")
    return CaptionedSet(
        tuple(
            CaptionedClip(name, _texts(path, name, value), (name,)) for name, value in found.items()
        )
    )


def _captions_by_id(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".json":
        found = read_json(path)
    elif path.suffix.lower() == ".txt":
        found = {}
        for line, text in read_lines(path):
            # The file begins with remarks.
            name, _, sentence = text.partition(" ")
            if name.startswith("#"):
                continue
            if not sentence.strip():
                raise invalid(path, line, repr(text), "an id and a sentence")
            found.setdefault(name, []).append(sentence.strip())
    else:
        found = load_plain_pickle(path)
    if not isinstance(found, dict):
        raise invalid(path, "whole", f"a {type(found).__name__}", "a dict")
    return found


def _texts(path: Path, name: str, value: Any) -> tuple[str, ...]:
    value = [value] if isinstance(value, str) and value.strip() else value
    if not isinstance(value, list) or not value:
        raise invalid(path, repr(name), f"captions are {type(value).__name__}", "token lists")
    texts = []
    for tokens in value:
        parts = [tokens] if isinstance(tokens, str) else tokens
        if not isinstance(parts, list) or not all(isinstance(token, str) for token in parts):
            raise invalid(path, repr(name), "a caption is no list of words", "token lists")
        texts.append(" ".join(parts))
    return tuple(texts)
