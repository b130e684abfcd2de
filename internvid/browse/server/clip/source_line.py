"""The source of a clip over time: all its shots and cuts, and what was measured of its frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from internvid.dataset.parts import read_rows_of

if TYPE_CHECKING:
    from internvid.browse.server.desk import Desk

POINTS = 600
_MOST_CURVES = 24
_NUMBERS = frozenset({"float", "halffloat", "double", "uint8", "int8", "uint16", "int16", "uint32"})
_SHOT_FIELDS = (
    "clip_id", "start_seconds", "end_seconds", "kept", "reason", "shot", "transition",
    "transition_score",
)  # fmt: skip


def shots_of(desk: Desk, part: str, video_id: str) -> list[dict[str, Any]]:
    """All clips of a source in time order, rejected ones too; `transition` is how each begins."""
    cursor = desk.rows.of_part(part).connection.cursor()
    rows = cursor.execute(
        f"select {', '.join(_SHOT_FIELDS)} from all_clips where video_id = ? order by start_pts",
        [video_id],
    ).fetchall()
    return [dict(zip(_SHOT_FIELDS, row, strict=True)) for row in rows]


def curves_of(desk: Desk, part: str, video_id: str) -> dict[str, Any]:
    """Numbers of each frame of a source, in their units, thinned to at most 600 points each.

    Returns:
        `times`: seconds of each point. `columns`: of each `name`, `unit`, `meaning` and `values`,
        of the frames that a point stands for the one furthest from zero.
    """
    dataset = desk.rows.of_part(part)
    path = dataset.layout.scanned(dataset.record.scan or "", "timelines", part)
    table = read_rows_of(path, video_id)
    facts = dataset.connection.cursor().execute(
        "select start_pts, time_base_numerator, time_base_denominator from videos "
        "where video_id = ? order by status <> 'ok', uri limit 1",
        [video_id],
    )
    row = facts.fetchone()
    if not table.num_rows or row is None or not row[2]:
        return {"times": [], "columns": []}
    start, numerator, denominator = (int(each or 0) for each in row)
    step = max(1, math.ceil(table.num_rows / POINTS))
    ticks = table["ticks"].to_numpy().astype(np.float64)[::step]
    columns: list[dict[str, Any]] = []
    for field in table.schema:
        if str(field.type) not in _NUMBERS or len(columns) == _MOST_CURVES:
            continue
        notes = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        stored = table[field.name].to_numpy(zero_copy_only=False).astype(np.float64)
        values = _largest(stored, step) * float(notes.get("scale", "1"))
        columns.append(
            {
                "name": field.name,
                "unit": notes.get("unit", ""),
                "meaning": notes.get("meaning", ""),
                "values": _plain(values + float(notes.get("offset", "0"))),
            }
        )
    times = (ticks - start) * numerator / denominator
    return {"times": np.round(times, 4).tolist(), "columns": columns}


def _largest(values: npt.NDArray[np.float64], step: int) -> npt.NDArray[np.float64]:
    """The number furthest from zero in each run of frames."""
    if step == 1:
        return values
    starts = np.arange(0, len(values), step)
    high, low = np.maximum.reduceat(values, starts), np.minimum.reduceat(values, starts)
    return np.where(high >= -low, high, low)


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [round(float(each), 5) if math.isfinite(each) else None for each in values]
