"""Deterministic stand-ins, one per contract: for tests, and as the smallest example of each.

They read nothing and need nothing, and they say so in what they return.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView, ExportItem
from internvid.core.system.streams import batched

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class EchoCaptioner:
    """Says which clip it was given: a text bound to its clip beyond doubt."""

    version: ClassVar[int] = 1
    prefix: str = "clip"

    def caption(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        """`<prefix> <clip_id> with <n> pictures`, a few at a time, each few in reverse order."""
        for views in batched(clips, 8):
            for view in reversed(views):
                origin = origin_of(view.clip.clip_id, view.picks, self.prefix)
                text = f"{self.prefix} {view.clip.clip_id} with {len(view.picks)} pictures"
                yield Annotation(view.clip.clip_id, text, origin=origin)


@dataclass(frozen=True)
class HashScorer:
    """A number between 0 and 1 made of the clip's id (and its text, when there is one)."""

    version: ClassVar[int] = 2
    seed: int = 0

    def score(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        """A number that depends on the clip, the text and the seed alone."""
        for view in clips:
            text = view.text or ""
            digest = hashlib.blake2b(
                f"{self.seed}:{view.clip.clip_id}:{text}".encode(), digest_size=8
            ).digest()
            yield Annotation(view.clip.clip_id, int.from_bytes(digest, "big") / 2**64)


@dataclass(frozen=True)
class OracleScorer:
    """Knows which text belongs to which clip, if `EchoCaptioner` wrote it: 1, else below 0.5."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)

    def score(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        """1 where the text names the clip, else noise."""
        for view in clips:
            text = view.text or ""
            noise = hashlib.blake2b(f"{view.clip.clip_id}{text}".encode(), digest_size=1).digest()
            value = 1.0 if view.clip.clip_id in text else noise[0] / 512
            origin = origin_of(view.clip.clip_id, prompt=text)
            yield Annotation(view.clip.clip_id, value, origin=origin)


@dataclass(frozen=True)
class FirstSelector:
    """The first clips in id order."""

    version: ClassVar[int] = 1
    count: int = 10

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row; `not_first` is the reason of the others."""
        place = "row_number() over (order by clip_id)"
        return table.project(f"*, if({place} <= {self.count}, null, 'not_first') as rejection")


@dataclass(frozen=True)
class ListExporter:
    """Writes the clip ids, one JSON line each."""

    version: ClassVar[int] = 1

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]:
        """`clips.jsonl`."""
        lines = [json.dumps({"clip_id": item.clip.clip_id}) + "\n" for item in items]
        (folder / "clips.jsonl").write_text("".join(lines), "utf-8")
        return {"files": ["clips.jsonl"], "clips": len(lines)}
