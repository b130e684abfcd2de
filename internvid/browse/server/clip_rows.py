"""Whole rows of the clips on a page, read from the few parts that have them."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from internvid.browse.server.narrow_table import Place
from internvid.dataset.store import SOURCE_COLUMNS, Dataset

_MOST_OPEN = 64
_FEW_PARTS = 2
_OF_VIDEO = (
    *SOURCE_COLUMNS, "duration_seconds", "width", "height", "container", "codec", "status",
    "scan_mode",
)  # fmt: skip


class ClipRows:
    """Reads rows by place.

    Args:
        dataset: whose rows.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._open: OrderedDict[str, Dataset] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, places: Sequence[Place]) -> list[dict[str, Any]]:
        """The row of each place, in their order; one that is gone meanwhile is left out.

        A row has the columns of the clip; `source` is what is known of its source: `uri`,
        `metadata` and the columns of `videos` that say what it looks like.
        """
        found: dict[tuple[str, int], dict[str, Any]] = {}
        parts = list(dict.fromkeys(place.part for place in places))
        # Of many parts little is needed of each: they are opened together, and not kept.
        groups = [[part] for part in parts] if len(parts) <= _FEW_PARTS else [parts]
        for group in groups:
            dataset = self.of_part(group[0]) if len(group) == 1 else self._of_parts(group)
            wanted = {(place.video_id, place.start_pts) for place in places if place.part in group}
            for row in _rows(dataset, wanted):
                found[row["video_id"], row["start_pts"]] = row
            if len(group) > 1:
                dataset.connection.close()
        rows = (found.get((place.video_id, place.start_pts)) for place in places)
        return [row for row in rows if row is not None]

    def source(self, part: str, video_id: str) -> dict[str, Any]:
        """What is known of a source."""
        return _sources(self.of_part(part), [video_id]).get(video_id, {})

    def forget(self) -> None:
        """Open files anew from now on."""
        with self._lock:
            self._open.clear()

    def of_part(self, part: str) -> Dataset:
        """The dataset with one part alone, which opens none of the others' files."""
        with self._lock:
            known = self._open.get(part)
            if known is None:
                known = self._open[part] = self._of_parts([part])
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(part)
            return known

    def _of_parts(self, names: Sequence[str]) -> Dataset:
        record, wanted = self._dataset.record, set(names)
        parts = [each for each in record.parts if each["name"] in wanted]
        opened = Dataset(self._dataset.layout, dataclasses.replace(record, parts=parts))
        opened.connection.execute("select 1")
        return opened


def _rows(dataset: Dataset, wanted: set[tuple[str, int]]) -> list[dict[str, Any]]:
    videos = sorted({video_id for video_id, _ in wanted})
    cursor = dataset.connection.cursor()
    cursor.execute(
        "select * from all_clips where video_id in (select unnest(?)) and start_pts in "
        "(select unnest(?))",
        [videos, sorted({start for _, start in wanted})],
    )
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    sources = _sources(dataset, videos)
    return [
        {**row, "source": dict(sources.get(row["video_id"], {}))}
        for row in rows
        if (row["video_id"], row["start_pts"]) in wanted
    ]


def _sources(dataset: Dataset, videos: Sequence[str]) -> dict[str, dict[str, Any]]:
    cursor = dataset.connection.cursor()
    names = ", ".join(f'"{name}"' for name in _OF_VIDEO)
    rows = cursor.execute(
        f"select video_id, {names} from videos where video_id in (select unnest(?)) "
        "order by status = 'ok', uri desc",
        [list(videos)],
    ).fetchall()
    # The source that was scanned comes last, and stays.
    found = {row[0]: dict(zip(_OF_VIDEO, row[1:], strict=True)) for row in rows}
    for known in found.values():
        known["metadata"] = json.loads(known["metadata"]) if known["metadata"] else {}
    return found
