"""The clips that show the same pictures as one clip.

From the column that `internvid dedup` wrote, or from the hashes of the stored pictures, within a
few seconds.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from internvid.curate.duplicates.clip_pairs import match_clips
from internvid.curate.duplicates.difference_hashes import (
    Hashes,
    are_informative,
    distances,
    mirrored,
)
from internvid.curate.duplicates.duplicate_column import EXTRAS
from internvid.curate.duplicates.duplicates import Duplicates
from internvid.curate.duplicates.track_pictures import Gathered, gather_picks, kept_clips
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.parts import read_part
from internvid.dataset.store import Dataset

SECONDS = 8.0
_MOST_KEPT = 256
_MOST_VIDEOS = 64
_MOST_HASHES = 64
_RULE = Duplicates(crops=False)


@dataclass(frozen=True)
class Copy:
    """A clip that shows the same pictures as another one.

    Attributes:
        clip_id: which.
        kind: how they are the same, as `internvid dedup` says it; empty where the column of
            duplicates does not say it of this pair.
    """

    clip_id: str
    kind: str


@dataclass(frozen=True)
class SameClips:
    """What is known of the clips with the same pictures.

    Attributes:
        copies: the clips.
        column: of duplicates that says so; empty where pictures were compared.
        parts_read: parts of the dataset whose pictures were compared.
        parts: there are.
        is_compared: whether the clip could be compared at all: kept clips with pictures.
    """

    copies: tuple[Copy, ...] = ()
    column: str = ""
    parts_read: int = 0
    parts: int = 0
    is_compared: bool = True


class SamePicturesOf:
    """Finds them, one clip at a time; the last few answers are kept.

    Args:
        dataset: whose clips.
        seconds: after so many, no further part is read.
    """

    def __init__(self, dataset: Dataset, seconds: float = SECONDS) -> None:
        # Of its own connection: threads would get into each other's way on one.
        self._dataset = Dataset(dataset.layout, dataset.record)
        self._seconds = seconds
        self._known: OrderedDict[str, SameClips] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, clip_id: str) -> SameClips:
        """The clips that show the same pictures as one.

        Args:
            clip_id: 32 hexadecimal digits; of no clip, nothing is the same.

        Raises:
            DatasetFormatError: a part is missing or damaged.
        """
        with self._lock:
            found = self._known.get(clip_id)
            if found is None:
                found = self._from_column(clip_id) or self._from_pictures(clip_id)
                self._known[clip_id] = found
                if len(self._known) > _MOST_KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(clip_id)
            return found

    @property
    def column(self) -> str:
        """The column that `internvid dedup` wrote; empty for none."""
        record = self._dataset.record
        for name, key in sorted(record.columns.get(record.cut or "", {}).items()):
            if record.column_recipes.get(key, {}).get("extras") == dict(EXTRAS):
                return name
        return ""

    def _from_column(self, clip_id: str) -> SameClips | None:
        name = self.column
        if not name:
            return None
        view = quoted_name(f"column_{name}")
        cursor = self._dataset.connection.cursor()
        row = cursor.execute(
            f"select \"group\" from {view} where clip_id = ? and status = 'ok'", [clip_id]
        ).fetchone()
        if row is None:
            return None  # a clip that came later
        if row[0] is None:
            return SameClips(column=name)
        found = cursor.execute(
            f'select clip_id, kind from {view} where "group" = ? and clip_id <> ? order by 1',
            [row[0], clip_id],
        ).fetchall()
        return SameClips(tuple(Copy(*each) for each in found), name)

    def _from_pictures(self, clip_id: str) -> SameClips:
        deadline = time.monotonic() + self._seconds
        parts = self._dataset.parts
        own = self._own(clip_id)
        if own is None:
            return SameClips(parts=len(parts), is_compared=False)
        gathered, row, hashes = own
        hits: Counter[tuple[str, str]] = Counter()
        read = 0
        for part in self._nearest_first(gathered):
            if read and time.monotonic() > deadline:
                break
            hits.update(dict(self._hits(part, hashes)))
            read += 1
        mine = gathered.video_id(0)
        best = [key for key, _ in hits.most_common() if key[1] != mine][:_MOST_VIDEOS]
        for part in dict.fromkeys(part for part, _ in best):
            videos = [video_id for at, video_id in best if at == part]
            gathered = gathered.with_other(self._gather(part, videos))
        pairs = match_clips(gathered, _RULE.match_rule, first_videos=1).pairs
        ids = gathered.clips["clip_id"]
        copies = (Copy(ids[pair.second].as_py(), pair.kind) for pair in pairs if pair.first == row)
        return SameClips(tuple(copies), "", read, len(parts))

    def _own(self, clip_id: str) -> tuple[Gathered, int, Hashes] | None:
        """The source of a clip, its row among those of the source, hashes of its pictures."""
        layout, cut = self._dataset.layout, self._dataset.record.cut or ""
        files = quoted([layout.clips(cut, part) for part in self._dataset.parts])
        found = self._dataset.connection.cursor().execute(
            "select parse_filename(filename, true), video_id, start_seconds, end_seconds from "
            f"read_parquet({files}, filename = true) where clip_id = ? and kept",
            [clip_id],
        )
        place = found.fetchone()
        if place is None:
            return None
        part, video_id, start, end = place
        gathered = self._gather(part, [video_id])
        ids = gathered.clips["clip_id"].to_pylist()
        if clip_id not in ids:
            return None
        seen = gathered.track(0)
        inside = seen.is_informative & (seen.seconds >= start) & (seen.seconds < end)
        hashes = np.unique(seen.hashes[inside])
        step = max(1, -(-len(hashes) // _MOST_HASHES))
        return gathered, ids.index(clip_id), hashes[::step]

    def _nearest_first(self, gathered: Gathered) -> Iterator[str]:
        """The parts, that of the clip before all others."""
        mine = gathered.files[0].stem if gathered.files else ""
        yield from sorted(self._dataset.parts, key=lambda part: part != mine)

    def _hits(self, part: str, hashes: Hashes) -> Iterator[tuple[tuple[str, str], int]]:
        """(part, video) and how many of the hashes some picture of it agrees with."""
        path = self._dataset.layout.scanned(self._dataset.record.scan or "", "picks", part)
        table = read_part(path, ["video_id", "picture_hash", "sharpness"])
        shown = np.asarray(table["picture_hash"]).astype(np.uint64)
        sharp = np.asarray(table["sharpness"]).astype(np.float32)
        good = np.flatnonzero(are_informative(shown, sharp))
        encoded = pc.dictionary_encode(table["video_id"].combine_chunks())
        codes, shown = np.asarray(encoded.indices)[good], shown[good]
        count: npt.NDArray[np.int64] = np.zeros(len(encoded.dictionary), np.int64)
        for one, other in zip(hashes, mirrored(hashes), strict=True):
            near = distances(shown, one) <= _RULE.distance
            near |= distances(shown, other) <= _RULE.distance
            count[np.unique(codes[near])] += 1
        for at in np.flatnonzero(count):
            yield (part, encoded.dictionary[int(at)].as_py()), int(count[at])

    def _gather(self, part: str, videos: list[str]) -> Gathered:
        record = self._dataset.record
        parts = [each for each in record.parts if each["name"] == part]
        alone = Dataset(self._dataset.layout, dataclasses.replace(record, parts=parts))
        clips = kept_clips(alone)
        clips = clips.filter(pc.is_in(clips["video_id"], pa.array(videos, pa.string())))
        path = self._dataset.layout.scanned(record.scan or "", "picks", part)
        return gather_picks(clips, [path])
