"""Whole rows of the clips on a page, read from the few parts that have them."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from internvid.browse.server.narrow_table import Place
from internvid.dataset.store import SOURCE_COLUMNS, Dataset

_MOST_OPEN = 48
_OF_VIDEO = (*SOURCE_COLUMNS, "duration_seconds", "width", "height", "container", "codec", "status")


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
        for part in dict.fromkeys(place.part for place in places):
            wanted = {(place.video_id, place.start_pts) for place in places if place.part == part}
            for row in self._of_part(part, wanted):
                found[row["video_id"], row["start_pts"]] = row
        rows = (found.get((place.video_id, place.start_pts)) for place in places)
        return [row for row in rows if row is not None]

    def _of_part(self, part: str, wanted: set[tuple[str, int]]) -> list[dict[str, Any]]:
        dataset = self.of_part(part)
        videos = sorted({video_id for video_id, _ in wanted})
        cursor = dataset.connection.cursor()
        cursor.execute(
            "select * from all_clips where video_id in (select unnest(?)) and start_pts in "
            "(select unnest(?))",
            [videos, sorted({start for _, start in wanted})],
        )
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        sources = {video_id: self.source(part, video_id) for video_id in videos}
        return [
            {**row, "source": sources[row["video_id"]]}
            for row in rows
            if (row["video_id"], row["start_pts"]) in wanted
        ]

    def source(self, part: str, video_id: str) -> dict[str, Any]:
        """What is known of a source."""
        return dict(self._source(part, video_id))

    @functools.lru_cache(maxsize=1024)  # noqa: B019 - lives as long as the server
    def _source(self, part: str, video_id: str) -> dict[str, Any]:
        cursor = self.of_part(part).connection.cursor()
        names = ", ".join(f'"{name}"' for name in _OF_VIDEO)
        row = cursor.execute(
            f"select {names} from videos where video_id = ? order by status <> 'ok', uri limit 1",
            [video_id],
        ).fetchone()
        if row is None:
            return {}
        known = dict(zip(_OF_VIDEO, row, strict=True))
        known["metadata"] = json.loads(known["metadata"]) if known["metadata"] else {}
        return known

    def of_part(self, part: str) -> Dataset:
        """The dataset with one part alone, which opens none of the others' files."""
        with self._lock:
            known = self._open.get(part)
            if known is None:
                record = self._dataset.record
                parts = [each for each in record.parts if each["name"] == part]
                known = Dataset(self._dataset.layout, dataclasses.replace(record, parts=parts))
                _ = known.connection
                self._open[part] = known
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(part)
            return known
