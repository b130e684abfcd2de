"""Verdicts of people over clips: keep or reject, labels, corrected texts; only ever appended.

`verdicts/log.jsonl` has a line for each thing that somebody did, in order; the last one of a clip
counts. A line is on disk before it is answered, so that a kill loses nothing that was seen to be
done; two that write at once take turns. In SQL a clip has `verdict` (keep, reject, unsure),
`verdict_labels` and, of each text that was corrected, `<column>_corrected`: beside the text, which
stays.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from internvid.core.errors import MisuseError
from internvid.dataset.answers.line_log import append_lines, rewrite
from internvid.dataset.duckdb_connection import quoted as listed
from internvid.dataset.layout import Layout
from internvid.dataset.names import NAME
from internvid.dataset.parts import reading_part

Verdict = Literal["keep", "reject", "unsure"]
VERDICTS = ("keep", "reject", "unsure")
LABELS = tuple("123456789")
FOLDER, LOG = "verdicts", "log.jsonl"
VIEW = "verdicts"
_MOST_TEXT = 10_000
_COLUMNS = (
    "{'clip_id': 'varchar', 'kind': 'varchar', 'verdict': 'varchar', 'labels': 'varchar[]', "
    "'column': 'varchar', 'text': 'varchar'}"
)


@dataclass(frozen=True)
class Review:
    """What holds of a clip now.

    Attributes:
        verdict: keep, reject or unsure; None for none.
        labels: of `1` to `9`, sorted.
        corrections: column -> corrected text.
        author: of the last change.
    """

    verdict: str | None = None
    labels: tuple[str, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)
    author: str = ""

    @property
    def says_something(self) -> bool:
        """Whether anything is recorded."""
        return bool(self.verdict or self.labels or self.corrections)


def log_path(layout: Layout) -> Path:
    """The log."""
    return layout.root / FOLDER / LOG


class VerdictLog:
    """The log of a dataset.

    Args:
        layout: of the dataset.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def record(self, clip_id: str, verdict: str | None, author: str) -> None:
        """Record that a clip is to be kept, rejected, or that one is unsure; None takes that back.

        Raises:
            MisuseError: it is no verdict.
            StorageError: the log cannot be written.
        """
        if verdict is not None and verdict not in VERDICTS:
            raise MisuseError(f"a verdict is {', '.join(VERDICTS)} or none, not {verdict!r}")
        self._append(clip_id, author, {"kind": "verdict", "verdict": verdict})

    def label(self, clip_id: str, labels: Sequence[str], author: str) -> None:
        """Give a clip these labels and no others.

        Raises:
            MisuseError: one is not of `1` to `9`.
            StorageError: the log cannot be written.
        """
        wrong = sorted(set(labels) - set(LABELS))
        if wrong:
            raise MisuseError(f"labels are 1 to 9, not {', '.join(map(str, wrong))}")
        self._append(clip_id, author, {"kind": "labels", "labels": sorted(set(labels))})

    def correct(self, clip_id: str, column: str, text: str | None, author: str) -> None:
        """Put a text beside one of a clip; None takes it back.

        Raises:
            MisuseError: no column can be called so, or the text is too long.
            StorageError: the log cannot be written.
        """
        if not NAME.fullmatch(column):
            raise MisuseError(f"no column is called {column!r}")
        if text is not None and len(text) > _MOST_TEXT:
            raise MisuseError(f"a text has at most {_MOST_TEXT} characters, this has {len(text)}")
        self._append(clip_id, author, {"kind": "text", "column": column, "text": text})

    def _append(self, clip_id: str, author: str, change: Mapping[str, Any]) -> None:
        if len(clip_id) != 32 or set(clip_id) - set("0123456789abcdef"):
            raise MisuseError(f"{clip_id!r} is not a clip id (32 hex digits)")
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        entry = {"clip_id": clip_id, **change, "author": author, "at": now}
        line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
        append_lines(log_path(self._layout), [line])

    def read(self) -> dict[str, Review]:
        """What holds of each clip that somebody recorded something of."""
        found = reviewed(read_entries(log_path(self._layout)), {})
        return {name: each for name, each in found.items() if each.says_something}


def reviewed(
    entries: Iterable[Mapping[str, Any]], before: Mapping[str, Review]
) -> dict[str, Review]:
    """What holds of each clip after some entries."""
    found = dict(before)
    for entry in entries:
        found[entry["clip_id"]] = _after(found.get(entry["clip_id"], Review()), entry)
    return found


def _after(before: Review, entry: Mapping[str, Any]) -> Review:
    verdict, labels, corrections = before.verdict, before.labels, dict(before.corrections)
    if entry["kind"] == "verdict":
        verdict = entry.get("verdict")
    elif entry["kind"] == "labels":
        labels = tuple(entry.get("labels") or ())
    elif entry.get("text") is None:
        corrections.pop(str(entry.get("column")), None)
    else:
        corrections[str(entry.get("column"))] = str(entry["text"])
    return Review(verdict, labels, corrections, str(entry.get("author", "")))


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a log, in order; one that a kill cut off is passed over."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    yield from parse_entries(data)


def parse_entries(data: bytes) -> Iterator[dict[str, Any]]:
    """Entries of the lines of a log, in order; what is none is passed over."""
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("clip_id"), str) and "kind" in entry:
            yield entry


def without_clips(layout: Layout, clip_ids: Collection[str]) -> None:
    """Write the log anew without what was recorded of some clips.

    Raises:
        StorageError: it cannot be written.
    """

    def without(data: bytes) -> bytes:
        lines = [
            json.dumps(entry, ensure_ascii=False, sort_keys=True)
            for entry in parse_entries(data)
            if entry["clip_id"] not in clip_ids
        ]
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")

    rewrite(log_path(layout), without)


def corrected_columns(layout: Layout) -> list[str]:
    """Columns of which a text was corrected."""
    entries = read_entries(log_path(layout))
    return sorted({str(each["column"]) for each in entries if each["kind"] == "text"})


def verdict_statements(
    layout: Layout, clips: Path, columns: Iterable[str]
) -> tuple[str, str, dict[str, str]]:
    """What verdicts add to the clips in SQL: names, joins, and their view.

    Args:
        layout: of the dataset.
        clips: a part of clips; columns that it has are not added.
        columns: names of columns of captions and scores; these are not added either.
    """
    path = log_path(layout)
    if not path.is_file() or not path.stat().st_size:
        return "", "", {}
    lines = (
        f"select *, row_number() over () as line from read_json({listed([path])}, "
        f"format = 'newline_delimited', ignore_errors = true, columns = {_COLUMNS})"
    )
    with reading_part(clips):
        used = {name.lower() for name in (*pq.read_schema(clips).names, *columns)}
    shown = {"verdict": _last("verdict", "verdict"), "verdict_labels": _last("labels", "labels")}
    for column in corrected_columns(layout):
        quoted = column.replace("'", "''")
        shown[f"{column}_corrected"] = _last("text", "text", f" and \"column\" = '{quoted}'")
    shown = {name: sql for name, sql in shown.items() if name.lower() not in used}
    if not shown:
        return "", "", {}
    chosen = ", ".join(f'{sql} as "{name}"' for name, sql in shown.items())
    view = f"select clip_id, {chosen} from ({lines}) where clip_id is not null group by clip_id"
    columns = "".join(f', {VIEW}."{name}"' for name in shown)
    return columns, f" left join {VIEW} using (clip_id)", {VIEW: view}


def _last(field_name: str, kind: str, further: str = "") -> str:
    value = f"arg_max(struct_pack(v := {field_name}), line) filter (where kind = '{kind}'{further})"
    return f"({value}).v"
