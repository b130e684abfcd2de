"""Planned reviews by people: blind audits and comparisons of captions; only ever appended.

`reviews/log.jsonl` has, for each review, a line for every drawn clip in the order in which clips
are shown, then a line with its plan, and later a line for each answer; the last one of a clip
counts. A line is on disk before it is answered, and two that write at once take turns. A review
whose plan is not there, because a kill cut off its beginning, does not exist.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from internvid.core.errors import MisuseError
from internvid.dataset.answers.line_log import append_lines, rewrite
from internvid.dataset.layout import Layout
from internvid.dataset.parts import storage_errors

Kind = Literal["audit", "comparison"]
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "audit": ("keep", "reject", "unsure"),
    "comparison": ("first", "second", "tie", "bad"),
}
"""What can be answered of a clip, by the kind of the review."""
FOLDER, LOG = "reviews", "log.jsonl"
_ID = re.compile(r"[0-9a-f]{8}")
_CLIP_ID = re.compile(rb"[0-9a-f]{32}")
_DRAWN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Drawn:
    """A clip of a review.

    Attributes:
        clip_id: of it.
        facts: `groups` and `kept` in an audit, `is_swapped` in a comparison.
    """

    clip_id: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What somebody answered of a clip.

    Attributes:
        answer: one of `ANSWERS`.
        author: who answered.
        at: when, ISO 8601.
    """

    answer: str
    author: str
    at: str


@dataclass
class PlannedReview:
    """A review with all that was answered.

    Attributes:
        id: 8 hex digits.
        kind: audit or comparison.
        plan: what was planned, as it was recorded.
        drawn: clip id -> clip, in the order in which they are shown.
        answers: clip id -> its last answer; none of those that were taken back.
    """

    id: str
    kind: Kind
    plan: Mapping[str, Any]
    drawn: dict[str, Drawn] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)


def review_log_path(layout: Layout) -> Path:
    """The log."""
    return layout.root / FOLDER / LOG


class ReviewLog:
    """The log of planned reviews of a dataset.

    Args:
        layout: of the dataset.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = review_log_path(layout)
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._reviews: dict[str, PlannedReview] = {}
        self._pending: dict[str, dict[str, Drawn]] = {}
        self._inode, self._read_bytes = 0, 0

    def begin(
        self,
        kind: Kind,
        plan: Mapping[str, Any],
        clips: Sequence[tuple[str, Mapping[str, Any]]],
        author: str,
    ) -> str:
        """Record a review; returns its id.

        Args:
            kind: audit or comparison.
            plan: what is planned; JSON.
            clips: clip id and facts of each, in the order in which they are shown.
            author: who begins it.

        Raises:
            StorageError: the log cannot be written.
        """
        review = secrets.token_hex(4)
        entries: list[dict[str, Any]] = [
            {"kind": "drawn", "review": review, "clip_id": clip_id, **facts}
            for clip_id, facts in clips
        ]
        entries.append({**plan, "kind": kind, "review": review, "author": author, "at": _now()})
        append_lines(self._path, [_line(entry) for entry in entries])
        return review

    def answer(self, review: str, clip_id: str, answer: str | None, author: str) -> PlannedReview:
        """Record what somebody answers of a clip; None takes the last answer back.

        Raises:
            MisuseError: there is no such review, it has no such clip, or it is no such answer.
            StorageError: the log cannot be written.
        """
        known = self.get(review)
        if clip_id not in known.drawn:
            raise MisuseError(f"the {known.kind} {review} has no clip {clip_id[:40]!r}")
        if answer is not None and answer not in ANSWERS[known.kind]:
            words = ", ".join(ANSWERS[known.kind])
            raise MisuseError(f"an answer is {words} or none, not {answer[:40]!r}")
        entry = {"kind": "answer", "review": review, "clip_id": clip_id, "answer": answer}
        append_lines(self._path, [_line({**entry, "author": author, "at": _now()})])
        return self.get(review)

    def get(self, review: str) -> PlannedReview:
        """A review as it is now.

        Raises:
            MisuseError: there is none with that id.
        """
        found = self.read().get(review)
        if found is None:
            raise MisuseError(f"the dataset has no review {review[:40]!r}")
        return found

    def read(self) -> dict[str, PlannedReview]:
        """All reviews by id, in the order in which they were begun; do not change them."""
        with self._lock:
            self._read_on()
            return {
                name: PlannedReview(
                    each.id, each.kind, each.plan, dict(each.drawn), dict(each.answers)
                )
                for name, each in self._reviews.items()
            }

    def _read_on(self) -> None:
        """Read what was appended since; all of it where the log was written anew."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._forget()
            return
        with storage_errors(self._path), file:
            stamp = os.fstat(file.fileno())
            if stamp.st_ino != self._inode or stamp.st_size < self._read_bytes:
                self._forget()
                self._inode = stamp.st_ino
            file.seek(self._read_bytes)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._read_bytes += whole
        for entry in entries_in(data[:whole]):
            self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        review, kind, clip_id = entry["review"], entry["kind"], str(entry.get("clip_id", ""))
        if kind == "drawn":
            if not _DRAWN_ID.fullmatch(clip_id) or not isinstance(entry.get("groups", []), list):
                return
            facts = {k: v for k, v in entry.items() if k not in ("kind", "review", "clip_id")}
            self._pending.setdefault(review, {})[clip_id] = Drawn(clip_id, facts)
        elif kind in ANSWERS and review not in self._reviews and _is_plan(kind, entry):
            drawn = self._pending.pop(review, {})
            self._reviews[review] = PlannedReview(review, kind, dict(entry), drawn)
        elif kind == "answer" and review in self._reviews:
            known = self._reviews[review]
            if entry.get("answer") in ANSWERS[known.kind] and clip_id in known.drawn:
                known.answers[clip_id] = Answer(
                    entry["answer"], str(entry.get("author", "")), str(entry.get("at", ""))
                )
            else:
                known.answers.pop(clip_id, None)


def _is_plan(kind: str, entry: Mapping[str, Any]) -> bool:
    """Whether a line has what results are made of: a dataset from elsewhere may say anything."""
    if not isinstance(entry.get("seed"), int):
        return False
    if kind == "comparison":
        columns = entry.get("columns")
        is_pair = isinstance(columns, list) and [*map(type, columns)] == [str, str]
        return is_pair and all(isinstance(entry.get(name), int) for name in ("size", "equal"))
    groups = entry.get("groups")
    return isinstance(groups, list) and all(
        isinstance(group, dict)
        and isinstance(group.get("group"), str)
        and isinstance(group.get("size"), int)
        for group in groups
    )


def entries_in(data: bytes) -> Iterator[dict[str, Any]]:
    """Lines of a log, in order; one that a kill cut off is passed over."""
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
            continue
        if isinstance(entry.get("review"), str) and _ID.fullmatch(entry["review"]):
            yield entry


def names_clips(path: Path, clip_ids: Collection[str]) -> bool:
    """Whether a log of reviews names any of some clips."""
    with storage_errors(path):
        found = {each.decode() for each in _CLIP_ID.findall(path.read_bytes())}
    return not found.isdisjoint(clip_ids)


def without_reviewed_clips(layout: Layout, clip_ids: Collection[str]) -> None:
    """Write the log anew without what was drawn and answered of some clips.

    Where a plan names one, in an address, `removed` stands for its id.

    Raises:
        StorageError: it cannot be written.
    """
    path = review_log_path(layout)

    def hidden(found: re.Match[bytes]) -> bytes:
        return b"removed" if found[0].decode() in clip_ids else found[0]

    def without(data: bytes) -> bytes:
        lines = [
            _CLIP_ID.sub(hidden, _line(entry))
            for entry in entries_in(data)
            if entry.get("clip_id") not in clip_ids
        ]
        return b"".join(line + b"\n" for line in lines)

    rewrite(path, without)


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
