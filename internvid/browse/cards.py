"""A clip as a card: its pictures, its texts, a few numbers at a glance, all of them on demand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.browse.column_facts import Column
from internvid.browse.filmstrips import Strip
from internvid.browse.provenance import Rule
from internvid.browse.wording import clock, footage, label, number, shorten, unit

MOST_CHIPS = 7
MOST_VALUES = 100
_TEXT_LIMIT = 800
_VALUE_LIMIT = 120
_HIDDEN = frozenset(["clip_id", "video_id", "kept", "reason", "reason_value"])
_GLANCE = (
    "camera_move", "transition", "colour_names", "motion_mean", "brightness",
    "sharpness", "loudness_mean",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One clip, ready to print.

    Attributes:
        source: name of its file. title: the source's own title, if it has one.
        start, end: share of the video, in percent.
        texts: (column, text). chips: (name, value). values: every column, (name, value).
        reason, verdict: why it was rejected, and the value that decided; "" for a kept one.
        sort: JSON of the numbers it can be sorted by.
    """

    clip_id: str
    source: str
    title: str
    says_when: str
    length: str
    start: float
    end: float
    strip: Strip
    texts: tuple[tuple[str, str], ...]
    chips: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]
    reason: str
    verdict: str
    sort: str


def make_cards(
    strips: Sequence[Strip], columns: Sequence[Column], rules: Sequence[Rule], root: str
) -> tuple[Card, ...]:
    """Cards of clips, in the order given.

    Args:
        strips: the clips.
        columns: what is known about them, the most telling first.
        rules: the filters of the cut.
        root: the folder that is left out of every source's name.
    """
    return tuple(_card(strip, columns, rules, root) for strip in strips)


def _card(strip: Strip, columns: Sequence[Column], rules: Sequence[Rule], root: str) -> Card:
    row = strip.row
    start, end = row["start_seconds"], row["end_seconds"]
    whole = strip.video.get("duration_seconds") or end or 1.0
    uri = str(strip.video.get("uri", row["video_id"]))
    condemned = row.get("reason_value")
    reason = str(row.get("reason") or "")
    return Card(
        clip_id=row["clip_id"],
        source=shorten(uri.removeprefix(root) or uri, 120),
        title=shorten(strip.video.get("title") or "", 160),
        says_when=f"{clock(start)} – {clock(end)}",
        length=footage(row["duration_seconds"]),
        start=round(100 * start / whole, 2),
        end=round(min(100.0, 100 * end / whole), 2),
        strip=strip,
        texts=tuple(
            (column.name, shorten(row[column.name], _TEXT_LIMIT))
            for column in columns
            if column.kind == "text" and row.get(column.name)
        ),
        chips=_chips(row, columns),
        values=tuple(
            (name, _value(value))
            for name, value in row.items()
            if name not in _HIDDEN and value is not None
        )[:MOST_VALUES],
        reason=reason,
        verdict="" if condemned is None else _verdict(reason, condemned, rules),
        sort=_sort_keys(row, columns),
    )


def _verdict(reason: str, value: float, rules: Sequence[Rule]) -> str:
    rule = next((one for one in rules if one.reason == reason), None)
    return rule.verdict(value) if rule else number(value)


def _chips(row: Mapping[str, Any], columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    by_name = {column.name: column for column in columns if column.kind != "text"}
    scores = [name for name, column in by_name.items() if column.is_annotation]
    rest = [
        name
        for name, column in by_name.items()
        if column.kind == "number" and name not in ("duration_seconds", "transition_score")
    ]
    order = dict.fromkeys([*scores, *(name for name in _GLANCE if name in by_name), *rest])
    chips = []
    for name in order:
        value = row.get(name)
        if value is None or value in ([], "", "none"):
            continue
        measure = unit(name)
        text = _value(value) + (f" {measure}" if measure else "")
        if name == "camera_move" and row.get("camera_direction") not in (None, "", "none"):
            text += f" {row['camera_direction']}"
        chips.append((label(name), shorten(text, 40)))
    return tuple(chips[:MOST_CHIPS])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return shorten(", ".join(_value(item) for item in value[:12]), _VALUE_LIMIT)
    return shorten(value, _VALUE_LIMIT)


def _sort_keys(row: Mapping[str, Any], columns: Sequence[Column]) -> str:
    keys = {}
    for column in columns:
        value = row.get(column.name)
        if column.kind == "number" and value is not None and math.isfinite(value):
            keys[column.name] = float(f"{value:.6g}")
    return json.dumps(keys, separators=(",", ":"))
