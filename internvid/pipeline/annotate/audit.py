"""Proves again that each text belongs to its clip, and looks after the health of texts.

Everything is made anew from what lies on disk: the seal of a row from its clip, the bytes of the
pictures, the prompt, the value and the extras. A scorer can say beside that whether a caption fits
its clip better than captions of other clips do.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvid.captions.checks.check import check_language, check_text
from internvid.captions.checks.repeats import bare, shared_texts
from internvid.core.annotators import set_up, traits_of
from internvid.core.binding import origin_of, seal
from internvid.core.contracts import ClipView, Pick
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.dataset.answers.column_inputs import stale_clips
from internvid.dataset.answers.columns import texts_of
from internvid.dataset.answers.generations import latest_rows
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import read_part
from internvid.dataset.picks import SCAN_PICKS, SpanPicks, StoredPicks, span_picks_index
from internvid.dataset.removal.pending import pending_removal
from internvid.dataset.stores.store_path import located
from internvid.dataset.tables import CLIP_FIELDS, AnswerRow, ClipFrames, ClipRow, extras_in
from internvid.pipeline.annotate.rows import bind, make_view

SHUFFLES = 8
MOST_UNHEALTHY = 1000
_CHUNK = 512


@dataclass(frozen=True)
class Finding:
    """One clip of one column, and what is wrong with it."""

    column: str
    clip_id: str
    reason: str
    value: Any = None


@dataclass
class ColumnAudit:
    """What an audit found in one column.

    Attributes:
        rows: answers that were looked at. sealed: those that carry a seal. failed, skipped: those
            without a value.
        stale: those that were made from a text which is another one now.
        broken: bindings that do not hold: `seal` (the row was not made like this), `unsealed` (it
            carries no seal, so nothing can be proved), `clip` (no such clip in the cut), `picture`
            (a frame that it was made from is not stored).
        unhealthy: the first texts that `check_text` distrusts, with its reasons; `identical` where
            a tenth of the clips share a text.
        health: how many texts have each of these reasons.
        compared: texts that were compared with shuffled ones. suspicious: those of them whose
            score leads that of shuffled ones by less than half of the usual lead.
        own_score, shuffled_score: mean scores of the texts with their own clips and with others.
    """

    column: str
    key: str
    rows: int = 0
    sealed: int = 0
    failed: int = 0
    skipped: int = 0
    stale: int = 0
    broken: list[Finding] = field(default_factory=list)
    unhealthy: list[Finding] = field(default_factory=list)
    health: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    suspicious: list[Finding] = field(default_factory=list)
    own_score: float | None = None
    shuffled_score: float | None = None


def audit(
    dataset: str | Path,
    columns: Sequence[str] = (),
    scorer: Any = None,
    language: str = "en",
) -> list[ColumnAudit]:
    """Check every answer of a dataset's current cut, one part at a time.

    Args:
        dataset: the folder.
        columns: names of columns; all when empty.
        scorer: one that reads a text; compares each caption with shuffled ones.
        language: captions should be in it; empty for any.

    Raises:
        MisuseError: no such column or language, or a scorer that reads no text.
        InternvidError: the scorer cannot be set up, or the package that tells languages is missing.
    """
    layout = Layout(located(dataset))
    record = layout.read_record()
    if record.scan is None or record.cut is None:
        raise DatasetFormatError(f"{layout.root} has no finished build yet")
    known = record.columns.get(record.cut, {})
    for name in columns:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise MisuseError(f"{layout.root} has no column {name!r}; it has: {there}")
    if language:
        check_language(language)
    if scorer is not None:
        if "text" not in traits_of(scorer).reads:
            raise MisuseError(f"{type(scorer).__name__} reads no text, so it can compare none")
        set_up(scorer)
    chosen = sorted(columns or known)
    return [_Column(layout, record, name, known[name], language).run(scorer) for name in chosen]


def clips_by_id(layout: Layout, cut: str, part: str) -> dict[str, ClipRow]:
    """clip_id -> identity and span, of every clip of a part."""
    names = [name for name, _ in CLIP_FIELDS]
    path = layout.clips(cut, part)
    if not path.exists():
        return {}
    clips: list[ClipRow] = read_part(path, names).to_pylist()
    return {clip["clip_id"]: clip for clip in clips}


def broken_reason(row: AnswerRow, clips: Mapping[str, ClipRow], picks: PartPicks) -> str:
    """Why a row of a column does not belong to its clip; empty where it does.

    Args:
        row: all columns of an answer, as it is stored.
        clips: the clips of its part, by id.
        picks: the pictures of its part.
    """
    clip = clips.get(row["clip_id"])
    if clip is None:
        return "clip"
    if row.get("seal") is None:
        return "unsealed"
    shown = picks.named(clip, row["pick_set"], row["frames"] or ())
    if shown is None:
        return "picture"
    origin = origin_of(row["clip_id"], shown, row["prompt"] or "")
    extras = extras_in(row)
    made = seal(origin.digest, row["status"], row["value"], extras)
    return "" if made == row["seal"] else "seal"


def health_of(text: str, language: str, shared: Collection[str]) -> list[str]:
    """Reasons to distrust a text: those of `check_text`, and `identical`."""
    found = check_text(text, language=language)
    return [*found, "identical"] if shared and bare(text) in shared else found


def shared_in(layout: Layout, record: Record, key: str) -> frozenset[str]:
    """Texts that many clips of a column share; none where they are made of measured facts alone.

    Equal measurements are stated in equal words: there it means nothing.
    """
    if record.column_recipes.get(key, {}).get("reads") == ["row"]:
        return frozenset()

    def texts() -> Iterator[str]:
        for part in (entry["name"] for entry in record.parts):
            files = layout.column_files(record.cut or "", key, part)
            for value, status in texts_of(files).values():
                if status == "ok" and isinstance(value, str):
                    yield value

    return shared_texts(texts)


@dataclass
class _Column:
    layout: Layout
    record: Record
    name: str
    key: str
    language: str

    def run(self, scorer: Any) -> ColumnAudit:
        audited = ColumnAudit(self.name, self.key)
        recipe = self.record.column_recipes.get(self.key, {})
        is_caption = recipe.get("verb", "caption") == "caption"
        shared = shared_in(self.layout, self.record, self.key) if is_caption else frozenset()
        sums = _Sums()
        removed = pending_removal(self.layout)
        for part in (entry["name"] for entry in self.record.parts):
            table = latest_rows(self.layout.column_files(self._cut, self.key, part))
            if table is not None and removed is not None:
                table = removed.without_clips(table)
            if table is None or not table.num_rows:
                continue
            clips = clips_by_id(self.layout, self._cut, part)
            stale = stale_clips(self.layout, self.record, self._cut, self.key, part)
            audited.stale += len(stale & clips.keys())
            picks = PartPicks(self.layout, self._scan, part)
            for row in _rows(table):
                audited.rows += 1
                audited.sealed += row.get("seal") is not None
                audited.failed += row["status"] == "failed"
                audited.skipped += row["status"] == "skipped"
                reason = broken_reason(row, clips, picks)
                if reason:
                    audited.broken.append(Finding(self.name, row["clip_id"], reason, row["value"]))
                if is_caption:
                    self._check_health(row, shared, audited)
            is_text = pa.types.is_string(table.schema.field("value").type)
            if scorer is not None and is_caption and is_text:
                self._compare(table, clips, picks, scorer, (audited, sums))
        sums.put_into(audited)
        return audited

    @property
    def _cut(self) -> str:
        assert self.record.cut is not None
        return self.record.cut

    @property
    def _scan(self) -> str:
        assert self.record.scan is not None
        return self.record.scan

    def _check_health(self, row: AnswerRow, shared: Collection[str], audited: ColumnAudit) -> None:
        if row["status"] != "ok" or not isinstance(row["value"], str):
            return
        for reason in health_of(row["value"], self.language, shared):
            audited.health[reason] += 1
            if len(audited.unhealthy) < MOST_UNHEALTHY:
                audited.unhealthy.append(Finding(self.name, row["clip_id"], reason, row["value"]))

    def _compare(
        self,
        table: pa.Table,
        clips: Mapping[str, ClipRow],
        picks: PartPicks,
        scorer: Any,
        into: tuple[ColumnAudit, _Sums],
    ) -> None:
        audited, sums = into
        good = [
            row
            for row in _rows(table)
            if row["status"] == "ok" and isinstance(row["value"], str) and row["clip_id"] in clips
        ]
        for at in range(0, len(good), _CHUNK):
            chunk = good[at : at + _CHUNK]
            views = [
                make_view(clips[row["clip_id"]], picks.of(clips[row["clip_id"]])) for row in chunk
            ]
            texts = [row["value"] for row in chunk]
            own = _scores(scorer, views, texts)
            others: list[list[float]] = [[] for _ in chunk]
            for shift in _shifts(len(chunk), at):
                moved = [texts[(place + shift) % len(texts)] for place in range(len(texts))]
                scores = _scores(scorer, views, moved)
                for place, score in enumerate(scores):
                    # An equal text says nothing, whichever clip it was written for.
                    if score is not None and moved[place] != texts[place]:
                        others[place].append(score)
            gaps = {}
            for row, score, rest in zip(chunk, own, others, strict=True):
                if score is not None and rest:
                    sums.add(score, rest)
                    gaps[row["clip_id"]] = score - sum(rest) / len(rest)
            audited.suspicious += [
                Finding(self.name, row["clip_id"], "fits_badly", row["value"])
                for row in chunk
                if _is_suspicious(gaps.get(row["clip_id"]), gaps.values())
            ]


@dataclass
class _Sums:
    compared: int = 0
    own: float = 0.0
    shuffled: float = 0.0

    def add(self, score: float, rest: Sequence[float]) -> None:
        self.compared += 1
        self.own += score
        self.shuffled += sum(rest) / len(rest)

    def put_into(self, audited: ColumnAudit) -> None:
        audited.compared = self.compared
        if self.compared:
            audited.own_score = round(self.own / self.compared, 6)
            audited.shuffled_score = round(self.shuffled / self.compared, 6)


def _shifts(count: int, seed: int) -> list[int]:
    """Different rotations of a list that move every member, drawn by the place of the list."""
    return (
        random.Random(seed).sample(range(1, count), min(SHUFFLES, count - 1)) if count > 1 else []
    )


def _is_suspicious(gap: float | None, gaps: Collection[float]) -> bool:
    """Whether a text leads the shuffled ones by less than half of what is usual.

    Half lies between texts that belong to their clips and those that do not. Where the usual lead
    is none, the scorer cannot tell, and nothing is suspicious.
    """
    if gap is None:
        return False
    usual = statistics.median(gaps)
    return usual > 0 and gap < usual / 2


def _scores(scorer: Any, views: Sequence[ClipView], texts: Sequence[str]) -> list[float | None]:
    with_text = [replace(view, text=text) for view, text in zip(views, texts, strict=True)]
    rows = bind(with_text, scorer.score(iter(with_text)), scorer)
    return [row["value"] if row["status"] == "ok" else None for row in rows]


def _rows(table: pa.Table) -> Iterator[AnswerRow]:
    for batch in table.to_batches(_CHUNK):
        yield from batch.to_pylist()


@dataclass
class PartPicks:
    """The pictures of one part, of whichever set."""

    layout: Layout
    scan: str
    part: str
    _sets: dict[str, dict[str, tuple[tuple[Path, int], ...]]] = field(default_factory=dict)

    def of(self, clip: ClipFrames, pick_set: str = SCAN_PICKS) -> Sequence[Pick]:
        """The pictures of a clip in one of the sets, in time order."""
        if pick_set == SCAN_PICKS:
            stored = StoredPicks(self.layout.scanned(self.scan, "picks", self.part))
            return stored.of(clip["video_id"], clip["start_frame"], clip["end_frame"])
        if pick_set not in self._sets:
            files = self.layout.span_picks_files(self.scan, pick_set, self.part)
            self._sets[pick_set] = span_picks_index(files)
        return SpanPicks(self._sets[pick_set].get(clip["clip_id"], ()), clip["clip_id"])

    def named(self, clip: ClipFrames, pick_set: str, frames: Sequence[int]) -> list[Pick] | None:
        """The picks of these frames, in their order; None where one is not stored."""
        if not frames:
            return []
        held = {pick.frame: pick for pick in self.of(clip, pick_set)}
        if any(frame not in held for frame in frames):
            return None
        return [held[frame] for frame in frames]
