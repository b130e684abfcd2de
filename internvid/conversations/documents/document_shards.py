"""Shards of documents that a rerun does not write again.

A shard holds a fixed run of the documents. What was found out while it was written lies in a note
beside it until the export is whole; the note counts only for the very same documents.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypedDict, TypeVar, cast

from internvid.core.system.streams import batched
from internvid.dataset.layout import read_json
from internvid.dataset.parts import commit_json, committed
from internvid.dataset.releases.documents.document_files import DocumentFile
from internvid.dataset.releases.documents.document_tables import ClipOfDocument
from internvid.publishing.shards import NOTES, MissingClip, add_file

T = TypeVar("T")
ShardForm = Literal["jsonl", "tar"]
SCRATCH = "scratch"


@dataclass
class MadeDocument:
    """A document, made.

    Attributes:
        document: its name.
        members: ending -> bytes; of JSON lines the one with the ending `json` is the row.
        counts: what is counted of it.
        clips: that it has a picture or a text of.
        missing: clips of which no picture could be had, and why.
        left_out: why there is no such document; empty where there is.
        refused: reasons for parts of it that were left out -> how many.
    """

    document: str
    members: Mapping[str, bytes] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    clips: Sequence[ClipOfDocument] = ()
    missing: Sequence[MissingClip] = ()
    left_out: str = ""
    refused: Mapping[str, int] = field(default_factory=dict)


class ShardNote(TypedDict):
    """What is known of a shard; `key` names its very documents, `clips` their clips."""

    key: str
    documents: list[dict[str, Any]]
    clips: list[dict[str, Any]]
    missing: list[MissingClip]
    left_out: dict[str, int]
    refused: dict[str, int]


@dataclass(frozen=True)
class DocumentShards(Generic[T]):
    """How documents become shards.

    Attributes:
        folder: of the export.
        stem: of the shards' names.
        form: `jsonl`: a row a line; `tar`: members that begin with the document's name.
        documents_per_shard: how many documents a shard takes.
        described: a document as JSON values, by which a rerun knows it.
        make: makes some documents, in order.
        recipe: all else that decides what is made, as JSON values.
    """

    folder: Path
    stem: str
    form: ShardForm
    documents_per_shard: int
    described: Callable[[T], Any]
    make: Callable[[Sequence[T]], Iterable[MadeDocument]]
    recipe: Any = None

    def write(self, planned: Iterable[T]) -> Iterator[tuple[str | None, ShardNote]]:
        """Each shard: its name, or None where nothing is in it, and its note."""
        for at, batch in enumerate(batched(planned, self.documents_per_shard)):
            name = f"{self.stem}-{at:06d}.{self.form}"
            path, place = self.folder / name, self.folder / NOTES / f"{name}.json"
            key = self._key(batch)
            known = read_json(place)
            is_known = isinstance(known, dict) and known.get("key") == key
            note = cast("ShardNote", known) if is_known else None
            if note is None or (note["documents"] and not path.is_file()):
                note = self._write(path, batch, key)
                commit_json(place, note)
            yield (name if note["documents"] else None), note

    def file(self, name: str) -> DocumentFile:
        """What a manifest says of a shard."""
        is_tar = self.form == "tar"
        return {"file": name, "form": self.form, "field": "" if is_tar else "id"}

    def _key(self, batch: Sequence[T]) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for each in [self.recipe, *(self.described(one) for one in batch)]:
            text = json.dumps(each, sort_keys=True, default=str)
            digest.update(f"{text}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _write(self, path: Path, batch: Sequence[T], key: str) -> ShardNote:
        note: ShardNote = {
            "key": key, "documents": [], "clips": [], "missing": [], "left_out": {}, "refused": {},
        }  # fmt: skip
        left_out, refused = Counter[str](), Counter[str]()
        with self._adding(path) as add:
            for made in self.make(batch):
                note["missing"] += made.missing
                refused.update(made.refused)
                if made.left_out:
                    left_out[made.left_out] += 1
                    continue
                add(made)
                note["documents"].append({"document": made.document, **made.counts})
                note["clips"] += [{"document": made.document, **clip} for clip in made.clips]
        note["left_out"], note["refused"] = dict(left_out), dict(refused)
        if not note["documents"]:
            path.unlink(missing_ok=True)
        return note

    @contextmanager
    def _adding(self, path: Path) -> Iterator[Callable[[MadeDocument], None]]:
        with committed(path) as temporary:
            if self.form == "tar":
                with tarfile.open(temporary, "w") as tar:

                    def pack(made: MadeDocument) -> None:
                        for ending, data in made.members.items():
                            add_file(tar, f"{made.document}.{ending}", data)

                    yield pack
                return
            with temporary.open("wb") as file:
                yield lambda made: print_row(file, made.members["json"])


def print_row(file: Any, row: bytes) -> None:
    """Write a row of JSON lines."""
    file.write(row + b"\n")


def json_bytes(value: Any) -> bytes:
    """A row as JSON, on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
