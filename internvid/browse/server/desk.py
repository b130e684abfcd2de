"""What all pages of one dataset share: its narrow table, its rows, its pictures, its verdicts."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from internvid.browse.column_facts import annotation_columns
from internvid.browse.server.clip_rows import ClipRows
from internvid.browse.server.conditions import Query
from internvid.browse.server.meaning.finder import Finder
from internvid.browse.server.media_files import MediaFiles
from internvid.browse.server.narrow_table import NarrowTable, Place
from internvid.browse.server.subsets.export_jobs import ExportJobs
from internvid.browse.wording import label, unit
from internvid.dataset.answers.followed_log import FollowedLog
from internvid.dataset.answers.review_log import ReviewLog
from internvid.dataset.answers.verdict_log import Review, VerdictLog
from internvid.dataset.names import NAME
from internvid.dataset.parts import read_part
from internvid.dataset.removal.tombstones import removals_folder
from internvid.dataset.store import Dataset
from internvid.pipeline.recipe import Recipe

PAGE = 60
_MOST_LIST = 64
_MOST_RECENT = 3_000


class ClipUnknownError(Exception):
    """The dataset has no such clip; the argument is its id."""


class Desk:
    """A dataset with all that its pages need.

    Args:
        dataset: as it is now.
        folder: for files of this run.
        author: who reviews, as it stands in the log.
        model: folder of the model that made the vectors, where the dataset does not say it.
        device: where it runs.
        exports: folder for exports that pages start; None for none.

    Attributes:
        further_facts: what rooms add to the page of a clip, as functions of its id.
    """

    def __init__(
        self,
        dataset: Dataset,
        folder: Path,
        author: str,
        *,
        model: str = "",
        device: str = "auto",
        exports: Path | None = None,
    ) -> None:
        self.dataset, self.author = dataset, author
        self.exports = ExportJobs(dataset.root, exports)
        self.further_facts: list[Callable[[str], Mapping[str, Any]]] = []
        self.table = NarrowTable(dataset, folder)
        self.finder = Finder(dataset, self.table, model, device)
        self.table.finder = self.finder.numbers
        self.rows = ClipRows(dataset)
        self.media = MediaFiles(dataset, self.rows)
        self.verdicts = VerdictLog(dataset.layout)
        self.review_log = ReviewLog(dataset.layout)
        self.recipes: Mapping[str, Callable[[], Recipe]] = {}
        self.texts = [each.name for each in self.table.facets.values() if each.kind == "text"]
        self.owners = annotation_columns(dataset.record)
        self._places: dict[str, Place] = {}
        self._recent: collections.OrderedDict[Place, dict[str, Any]] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._removals = _stamp_of(removals_folder(dataset.layout))
        self._followed = FollowedLog(dataset.layout)
        self.refresh_verdicts()

    def facts(self) -> dict[str, Any]:
        """What pages are made of: columns, subsets, name."""
        facets = [
            {"name": each.name, "kind": each.kind, "label": label(each.name),
             "unit": unit(each.name)}
            for each in self.table.facets.values()
        ]  # fmt: skip
        return {
            "name": self.dataset.root.resolve().name,
            "cut": self.dataset.record.cut,
            "facets": facets,
            "texts": self.texts,
            "subsets": self.dataset.subsets(),
            "vectors": self.finder.columns,
            "page": PAGE,
            "author": self.author,
        }

    def dataset_now(self) -> Dataset:
        """The dataset read anew: its views have what was recorded and removed meanwhile."""
        return Dataset(self.dataset.layout, self.dataset.record)

    def page(self, query: Query, number: int) -> list[dict[str, Any]]:
        """Clips of a page, ready to be shown."""
        self.refresh_verdicts()
        cards = self.cards(self.table.page(query, number * PAGE, PAGE))
        scores = self.finder.scores_of(query, [card["clip_id"] for card in cards])
        for card in cards if scores else ():
            card["score"] = scores.get(card["clip_id"])
        return cards

    def prepare(self, query: Query, number: int) -> None:
        """Read the clips of a page that is likely to be wanted next."""
        if self.table.is_ready:
            self._rows_at(self.table.page(query, number * PAGE, PAGE))

    def cards(self, places: Sequence[Place]) -> list[dict[str, Any]]:
        """Clips at some places, ready to be shown in a grid."""
        return [self.card(row) for row in self._rows_at(places)]

    def _rows_at(self, places: Sequence[Place]) -> list[dict[str, Any]]:
        """Rows with their parts; those of late are kept."""
        self._obey_removals()
        with self._lock:
            known = {place: self._recent[place] for place in places if place in self._recent}
        missing = [place for place in places if place not in known]
        by_place = {(place.video_id, place.start_pts): place for place in missing}
        for row in self.rows.read(missing):
            place = by_place[row["video_id"], row["start_pts"]]
            known[place] = {**row, "part": place.part}
        with self._lock:
            for place, row in known.items():
                self._recent[place] = row
                self._recent.move_to_end(place)
                self._places[row["clip_id"]] = place
            while len(self._recent) > _MOST_RECENT:
                _, oldest = self._recent.popitem(last=False)
                self._places.pop(oldest["clip_id"], None)
        return [known[place] for place in places if place in known]

    def _obey_removals(self) -> None:
        """Forget rows and pictures that are kept, once somebody has removed clips."""
        stamp = _stamp_of(removals_folder(self.dataset.layout))
        with self._lock:
            if stamp == self._removals:
                return
            self._removals = stamp
            self._recent.clear()
            self._places.clear()
            self.rows.forget()
            self.media.forget()

    def card(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What pages show of a clip wherever it stands."""
        source = row["source"]
        return {
            "clip_id": row["clip_id"],
            "video_id": row["video_id"],
            "title": name_of_source(source, row["video_id"]),
            "start_seconds": row["start_seconds"],
            "end_seconds": row["end_seconds"],
            "kept": row["kept"],
            "reason": row["reason"] or "",
            "texts": {name: row[name] for name in self.texts if row.get(name)},
            "values": {
                name: plain_value(row.get(name))
                for name, facet in self.table.facets.items()
                if facet.kind in ("number", "word", "flag") and row.get(name) not in (None, "")
            },
            "playable": self.media.is_playable(source),
            **self.review(row["clip_id"]),
        }

    def clip(self, clip_id: str) -> dict[str, Any]:
        """The whole row of a clip, with its part and its source.

        Raises:
            ClipUnknownError: there is none.
        """
        found = self._rows_at([self._place(clip_id)])
        if not found:
            raise ClipUnknownError(clip_id)
        return found[0]

    def review(self, clip_id: str) -> dict[str, Any]:
        """What people recorded of a clip."""
        with self._lock:
            found = self.table.reviews.get(clip_id, Review())
        return {
            "verdict": found.verdict,
            "labels": list(found.labels),
            "corrections": dict(found.corrections),
        }

    def refresh_verdicts(self) -> None:
        """Read what was added to the log: others may have written to it."""
        with self._lock:
            changed = self._followed.changed()
            self.table.set_reviews(changed)

    def subset_places(self, name: str) -> list[str]:
        """Ids of the clips of a subset."""
        path = self.dataset.subset_path(name)
        ids: list[str] = read_part(path, ["clip_id"])["clip_id"].to_pylist()
        return ids

    def _place(self, clip_id: str) -> Place:
        if len(clip_id) != 32 or set(clip_id) - set("0123456789abcdef"):
            raise ClipUnknownError(clip_id)
        with self._lock:
            known = self._places.get(clip_id)
        if known is not None:
            return known
        place = self.table.place_of(clip_id)
        if place is None:
            raise ClipUnknownError(clip_id)
        return place

    def close(self) -> None:
        """Let go of files; end an export that runs."""
        self.exports.close()
        self.table.close()


def _stamp_of(folder: Path) -> tuple[int, ...]:
    """Changes whenever a removal is begun or done."""
    times = []
    for path in (folder, folder / "pending"):
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime_ns)
    return tuple(times)


def is_subset_name(name: str) -> bool:
    """Whether a subset can be called so."""
    return bool(NAME.fullmatch(name))


def name_of_source(source: Mapping[str, Any], video_id: str) -> str:
    """What people call a source: its title, else the name of its file."""
    title = (source.get("metadata") or {}).get("title")
    if isinstance(title, str) and title.strip():
        return title.strip()[:200]
    uri = str(source.get("uri") or video_id)
    return uri.rstrip("/").rpartition("/")[2] or uri


def plain_value(value: Any) -> Any:
    """A value as JSON takes it; of a long list the beginning."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain_value(each) for each in value[:_MOST_LIST]]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)
