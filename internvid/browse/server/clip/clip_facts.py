"""Everything that the page of a clip shows, gathered from the row, the record and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from internvid.browse.server.clip.answers_of_clip import answers_of_clip
from internvid.browse.server.clip.source_line import curves_of, shots_of
from internvid.browse.server.clip.transcripts import transcript_of
from internvid.browse.server.desk import Desk, plain_value
from internvid.browse.wording import label, unit
from internvid.dataset.answers.verdict_log import log_path, read_entries
from internvid.dataset.tables import CLIP_FIELDS

_HIDDEN = frozenset({"source", "part", "kept", "reason_value"})
_NO_SIGNALS = frozenset(
    {"source", "part", "measured", "verdict", "verdict_labels", *(name for name, _ in CLIP_FIELDS)}
)
# As docs/dataset.md states them; of others the name says it.
_UNITS = {
    "motion_mean": "levels/s",
    "motion_peak": "levels/s",
    "object_motion_mean": "levels/0.1 s",
    "camera_motion_mean": "widths/s",
    "camera_speed": "widths/s",
    "flicker_per_second": "1/s",
    "sharpness": "levels²",
    "loudness_mean": "dBFS",
    "loudness_peak": "dBFS",
}


def clip_page(desk: Desk, clip_id: str) -> dict[str, Any]:
    """Everything about a clip: its card, its whole row, and `clip_facts`.

    Raises:
        ClipUnknownError: there is none.
    """
    row = desk.clip(clip_id)
    return {
        **desk.card(row),
        "row": {name: plain_value(value) for name, value in row.items() if name not in _HIDDEN},
        **clip_facts(desk, row),
    }


def clip_facts(desk: Desk, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a page shows of a clip beside its card.

    Args:
        desk: of the dataset.
        row: as `Desk.clip` gives it.

    Returns:
        `captions`, `scores` (both with what made them), `signals` (with units), `transcript`,
        `history` (what people recorded, in order), `clips` (all shots of its source), `curves`,
        `source`, `picks`, and what other rooms add (`Desk.further_facts`).
    """
    answers = answers_of_clip(desk, row)
    history = history_of(desk, row["clip_id"])
    corrections = {
        each["column"]: each for each in history if each["kind"] == "text" and "column" in each
    }
    for each in answers:
        each["correction"] = corrections.get(each["column"])
    spoken = [each for each in answers if each["column"] in _transcripts(desk)]
    source = row["source"]
    return {
        "captions": [each for each in answers if each["verb"] == "caption"],
        "scores": [each for each in answers if each["verb"] != "caption"],
        "signals": _signals(desk, row, {each["column"] for each in answers}),
        "transcript": transcript_of(desk, row, spoken[0]) if spoken else None,
        "history": history,
        "clips": shots_of(desk, row["part"], row["video_id"]),
        "curves": curves_of(desk, row["part"], row["video_id"]),
        "source": {
            name: source.get(name)
            for name in ("uri", "duration_seconds", "width", "height", "container", "codec",
                         "metadata")
        },
        "picks": [{"frame": frame, "seconds": at} for frame, at in desk.media.picks(row)],
        **{
            name: value
            for further in desk.further_facts
            for name, value in further(row["clip_id"]).items()
        },
    }  # fmt: skip


def history_of(desk: Desk, clip_id: str) -> list[dict[str, Any]]:
    """What people recorded of a clip, in order: what, by whom, when."""
    names = ("kind", "verdict", "labels", "column", "text", "author", "at")
    return [
        {name: entry[name] for name in names if name in entry}
        for entry in read_entries(log_path(desk.dataset.layout))
        if entry["clip_id"] == clip_id
    ]


def _transcripts(desk: Desk) -> frozenset[str]:
    """Columns of what is spoken: texts whose lines have times."""
    record = desk.dataset.record
    return frozenset(
        name
        for name, key in record.columns.get(record.cut or "", {}).items()
        if {"starts", "kind"} <= record.column_recipes.get(key, {}).get("extras", {}).keys()
    )


def _signals(desk: Desk, row: Mapping[str, Any], answered: set[str]) -> list[dict[str, Any]]:
    owners = desk.owners
    return [
        {"column": name, "label": label(name), "unit": _unit(name), "value": value}
        for name, value in row.items()
        if name not in _NO_SIGNALS
        and name not in answered
        and name not in owners
        and not name.endswith("_corrected")
        and isinstance(value, (int, float, bool, str))
        and value != ""
    ]


def _unit(column: str) -> str:
    return _UNITS.get(column) or ("of 1" if column.endswith("_share") else unit(column))
