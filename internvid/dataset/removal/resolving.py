"""From requested ids to all that goes with them: videos, their sources, their clips.

- A video goes with every source that has its bytes now.
- A source id goes with its videos, and with every other source of these bytes.
- A uri goes alone where another source has the same bytes, which keeps the video. Otherwise the
  video goes too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part
from internvid.dataset.removal.pending import CLIP, PART, IdRow
from internvid.dataset.removal.tombstones import (
    SOURCE,
    URI,
    VIDEO,
    read_tombstones,
    tombstones_path,
)

_THREADS = 8
_HOLDS = ("ok", "duplicate")


class Wanted(NamedTuple):
    """One requested id.

    Attributes:
        text: as it was given.
        ids: (kind, id) that it may mean; a relative path may mean several uris.
        is_listed: whether it comes from a table, which may name what the dataset never had.
    """

    text: str
    ids: tuple[tuple[str, str], ...]
    is_listed: bool = False


class SourceRecord(NamedTuple):
    """What one table, or one stage, says of a source.

    Attributes:
        scan: whose; empty for the list of sources, which no scan made.
        part: name of its part.
    """

    scan: str
    part: str
    uri: str | None
    video_id: str | None
    source_id: str | None
    status: str | None


@dataclass(frozen=True)
class KeptVideo:
    """A uri that was removed alone: so many other sources have the same bytes."""

    uri: str
    video_id: str
    sources: int


@dataclass
class Resolution:
    """What requested ids come to.

    Attributes:
        rows: of the pending file.
        unknown: requested ids of which the dataset has nothing, now or removed earlier.
        already: how many of the ids were removed earlier.
        kept: videos that stay, because other sources have them.
    """

    rows: list[IdRow] = field(default_factory=list)
    unknown: list[Wanted] = field(default_factory=list)
    already: int = 0
    kept: list[KeptVideo] = field(default_factory=list)
    matched: int = 0


def resolve(layout: Layout, wanted: Collection[Wanted]) -> Resolution:
    """All that goes with requested ids.

    Reads the id columns of every part of `sources` and `videos`, two to four times, and those of
    the clips of the parts concerned.

    Raises:
        DatasetFormatError: a part is damaged.
    """
    found = _Closure(layout, wanted)
    made = Resolution()
    tombstones = read_tombstones(tombstones_path(layout))
    for each in wanted:
        known = [one for one in each.ids if found.has(*one)]
        made.matched += bool(known)
        if not known:
            if tombstones and any(tombstones.holds(kind, [text])[0] for kind, text in each.ids):
                made.already += 1
                continue
            made.unknown.append(each)
        for kind, text in known or each.ids:
            made.rows.append(IdRow(kind, text, kind, text))
            found.close(kind, text)
    found.close_uris()
    made.rows += found.rows()
    made.kept = found.kept
    return made


class _Closure:
    """Rows of the dataset that are concerned, and what is removed with them."""

    def __init__(self, layout: Layout, wanted: Iterable[Wanted]) -> None:
        self.layout = layout
        ids: dict[str, set[str]] = {VIDEO: set(), SOURCE: set(), URI: set()}
        for each in wanted:
            for kind, text in each.ids:
                ids[kind].add(text)
        self.records = set(collect(layout, ids[URI], ids[VIDEO], ids[SOURCE]))
        videos = self._videos() | ids[VIDEO]
        self._add(videos=videos - ids[VIDEO])
        self._add(uris=self._uris() - ids[URI])
        self._add(videos=self._videos() - videos)
        self._index()
        self.kept: list[KeptVideo] = []
        self.videos: set[str] = set()
        self.uris: set[str] = set()
        self.groups: set[IdRow] = set()
        self._origin: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._kept_parts: set[str] = set()

    def _add(self, uris: Collection[str] = (), videos: Collection[str] = ()) -> None:
        if uris or videos:
            self.records.update(collect(self.layout, uris, videos, ()))

    def _videos(self) -> set[str]:
        return {each.video_id for each in self.records if each.video_id is not None}

    def _uris(self) -> set[str]:
        return {each.uri for each in self.records if each.uri is not None}

    def _index(self) -> None:
        latest: dict[tuple[str, str], SourceRecord] = {}
        self.of_id: dict[tuple[str, str], list[SourceRecord]] = defaultdict(list)
        for each in sorted(self.records, key=lambda one: (one.scan, one.part, str(one.uri))):
            if each.scan and each.uri is not None:
                latest[each.scan, each.uri] = each
            for kind, text in ((VIDEO, each.video_id), (SOURCE, each.source_id), (URI, each.uri)):
                if text is not None:
                    self.of_id[kind, text].append(each)
        self.current: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.failed: dict[str, set[str]] = defaultdict(set)
        for each in latest.values():
            if each.video_id is None or each.uri is None:
                continue
            if each.status in _HOLDS:
                self.current[each.video_id][each.scan].add(each.uri)
            else:
                self.failed[each.video_id].add(each.uri)

    def has(self, kind: str, text: str) -> bool:
        return (kind, text) in self.of_id

    def close(self, kind: str, text: str) -> None:
        """Take in what goes with an id of the request."""
        videos = {text} if kind == VIDEO else set()
        uris = {text} if kind == URI else set()
        if kind == SOURCE:
            of_source = self.of_id.get((SOURCE, text), [])
            videos = {each.video_id for each in of_source if each.video_id is not None}
            uris = {each.uri for each in of_source if each.uri is not None}
        uris = uris.union(*(self._uris_of(video) for video in videos))
        self._take((kind, text), videos, uris)

    def _uris_of(self, video_id: str) -> set[str]:
        by_scan = self.current.get(video_id, {}).values()
        return self.failed.get(video_id, set()).union(*by_scan)

    def _take(self, group: tuple[str, str], videos: Collection[str], uris: Collection[str]) -> None:
        self.videos.update(videos)
        self.uris.update(uris)
        self.groups.update(IdRow(VIDEO, each, *group) for each in videos)
        self.groups.update(IdRow(URI, each, *group) for each in uris)
        for each in uris:
            self._origin[each].add(group)

    def close_uris(self) -> None:
        """The videos of removed uris go too, but for those that other sources have."""
        for uri in sorted(self.uris):
            of_uri = self.of_id.get((URI, uri), [])
            for video in sorted({each.video_id for each in of_uri if each.video_id is not None}):
                if video in self.videos:
                    continue
                others = self._uris_of(video) - self.uris
                if others and self._can_be_handed_over(video, of_uri):
                    self.kept.append(KeptVideo(uri, video, len(others)))
                    self._kept_parts.update(each.part for each in self.of_id[VIDEO, video])
                    continue
                for group in sorted(self._origin[uri]):
                    self._take(group, {video}, self._uris_of(video))

    def _can_be_handed_over(self, video: str, of_uri: Iterable[SourceRecord]) -> bool:
        """Whether another source has the video in every scan in which this one stands for it."""
        scans = {each.scan for each in of_uri if each.video_id == video and each.status == "ok"}
        return all(self.current[video][scan] - self.uris for scan in scans)

    def rows(self) -> Iterator[IdRow]:
        """What goes with the request, for the pending file."""
        yield from self.groups
        parts = {
            each.part
            for kind, texts in ((VIDEO, self.videos), (URI, self.uris))
            for text in texts
            for each in self.of_id.get((kind, text), ())
        } | self._kept_parts
        yield from (IdRow(PART, part) for part in parts)
        for part in sorted(parts):
            yield from (IdRow(CLIP, each) for each in clips_of(self.layout, part, self.videos))


def clips_of(layout: Layout, part: str, videos: Collection[str]) -> set[str]:
    """Ids of all clips of videos in a part, under every cut."""
    found: set[str] = set()
    for path in sorted(layout.root.glob(f"cuts/*/clips/{part}.parquet")):
        table = read_part(path, ["clip_id", "video_id"])
        rows = zip(table["clip_id"].to_pylist(), table["video_id"].to_pylist(), strict=True)
        found.update(clip_id for clip_id, video_id in rows if video_id in videos)
    return found


def collect(
    layout: Layout, uris: Collection[str], videos: Collection[str], sources: Collection[str]
) -> Iterator[SourceRecord]:
    """Every row that names one of these ids: of the lists of sources, of all scans, of stages."""

    def is_wanted(each: SourceRecord) -> bool:
        return each.uri in uris or each.video_id in videos or each.source_id in sources

    readers: list[Callable[[], Iterable[SourceRecord]]] = []
    for path in sorted(layout.root.glob("sources/part-*.parquet")):
        readers.append(partial(_rows, "", path, ["uri", "source_id"]))
    columns = ["uri", "video_id", "source_id", "status"]
    for path in sorted(layout.root.glob("scans/*/videos/part-*.parquet")):
        readers.append(partial(_rows, path.parent.parent.name, path, columns))
    for stage in layout.staged_scans():
        readers += [partial(_staged, folder) for folder in sorted(stage.glob("part-*"))]

    def chosen(read: Callable[[], Iterable[SourceRecord]]) -> list[SourceRecord]:
        return [each for each in read() if is_wanted(each)]

    with ThreadPoolExecutor(_THREADS) as pool:
        for rows in pool.map(chosen, readers):
            yield from rows


def _rows(scan: str, path: Path, columns: list[str]) -> Iterator[SourceRecord]:
    table = read_part(path, columns)
    given: Mapping[str, list[str | None]] = {name: table[name].to_pylist() for name in columns}
    nothing = [None] * table.num_rows
    names = ("uri", "video_id", "source_id", "status")
    for values in zip(*(given.get(name, nothing) for name in names), strict=True):
        yield SourceRecord(scan, path.stem, *values)


def _staged(folder: Path) -> Iterator[SourceRecord]:
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text("utf-8"))
        scan, part = folder.parent.name, folder.name
        yield SourceRecord(scan, part, row.get("uri"), row.get("video_id"), None, row.get("status"))
