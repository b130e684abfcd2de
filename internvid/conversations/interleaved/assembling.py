"""Rows of clips become documents: which clips are shown, and where a document ends.

Whether a clip is shown depends on the seed and its id alone, so that neither the order of rows nor
the number of threads, nor which other clips there are, changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.drawn import drawn_share, name_of
from internvid.conversations.interleaved.interleaved_document import (
    Format,
    PlannedClip,
    PlannedDocument,
)
from internvid.core.errors import ConfigInvalidError

NO_CAPTION, NO_TIMES, OVER_TOKENS = "no_caption", "no_times", "over_tokens"


@dataclass(frozen=True)
class Budget:
    """How much a document holds; what is over begins the next document of the same videos.

    Attributes:
        clips: most clips that are shown; None for no bound.
        frames: most frames of them together.
        tokens: most tokens of all texts.
    """

    clips: int | None = None
    frames: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("clips", "frames", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigInvalidError(f"budget.{name} must be at least 1, got {value}")

    def holds(self, clips: int, frames: int, tokens: int) -> bool:
        """Whether so much is within it."""
        bounds = (self.clips, clips), (self.frames, frames), (self.tokens, tokens)
        return all(most is None or value <= most for most, value in bounds)


@dataclass
class Assembler:
    """Makes documents of rows.

    Attributes:
        format: `a`, `b` or `c`.
        drop: probability with which a clip is not shown; its texts stay.
        seed: of these draws.
        budget: of each document.
        frames: of each clip that is shown.
        count_tokens: of a text.
        left_out: reason -> clips that are in no document.
    """

    format: Format
    drop: float
    seed: int
    budget: Budget
    frames: int
    count_tokens: Callable[[str], int]
    left_out: Counter[str] = field(default_factory=Counter)

    def documents(self, rows: Iterable[ClipRow]) -> Iterator[PlannedDocument]:
        """Documents of rows whose groups come one after another."""
        for _, group in groupby(rows, key=lambda row: row.group):
            yield from self._of_group(group)

    def _of_group(self, rows: Iterable[ClipRow]) -> Iterator[PlannedDocument]:
        clips: list[PlannedClip] = []
        shown = tokens = 0
        for row in rows:
            planned = self._planned(row)
            if planned is None:
                continue
            more = shown + planned.is_shown
            within = self.budget.holds(more, more * self.frames, tokens + planned.tokens)
            if clips and not within:
                yield self._document(clips)
                clips, shown, tokens = [], 0, 0
            clips.append(planned)
            shown, tokens = shown + planned.is_shown, tokens + planned.tokens
        if clips:
            yield self._document(clips)

    def _planned(self, row: ClipRow) -> PlannedClip | None:
        """A clip with its draw; None, counted with its reason, where it is in no document."""
        reason = ""
        if not row.has_times:
            reason = NO_TIMES
        elif not row.caption:
            reason = NO_CAPTION
        tokens = 0
        if not reason:
            tokens = self.count_tokens(row.caption)
            tokens += self.count_tokens(row.transcript) if row.transcript else 0
            if self.budget.tokens is not None and tokens > self.budget.tokens:
                reason = OVER_TOKENS
        if reason:
            self.left_out[reason] += 1
            return None
        return PlannedClip(row, self._share(row) >= self.drop, tokens)

    def _share(self, row: ClipRow) -> float:
        return drawn_share(self.seed, "shown", row.clip_id)

    def _document(self, clips: Sequence[PlannedClip]) -> PlannedDocument:
        if not any(one.is_shown for one in clips):
            # Texts without a single video teach nothing about videos.
            kept = max(range(len(clips)), key=lambda at: self._share(clips[at].row))
            clips = [replace(one, is_shown=at == kept) for at, one in enumerate(clips)]
        named = (f"{one.row.clip_id}{'+' if one.is_shown else '-'}" for one in clips)
        return PlannedDocument(name_of(self.format, *named), self.format, tuple(clips))


@dataclass
class PlanCounts:
    """Counts of documents that are planned and not written; see `counts_of_documents`."""

    documents: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def add(self, counts: dict[str, int]) -> None:
        """Count a document."""
        self.documents += 1
        for name, value in counts.items():
            self.sums[name] += value
            self.least[name] = min(self.least.get(name, value), value)
            self.most[name] = max(self.most.get(name, value), value)

    def as_json(self) -> dict[str, Any]:
        """The counts as a manifest states them; `clips` is added by who knows it."""
        return {
            "dropped_share": round(self.sums["dropped"] / max(1, self.sums["clips"]), 6),
            "documents": self.documents,
            "hours": round(self.sums["milliseconds"] / 3_600_000, 6),
            "per_document": {
                name: {
                    "total": total,
                    "least": self.least[name],
                    "mean": round(total / self.documents, 3),
                    "most": self.most[name],
                }
                for name, total in self.sums.items()
            },
        }
