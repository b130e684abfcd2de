"""The clips of a dataset on their way out, each with its source file, pictures and split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.contracts import ExportItem, Pick
from internvid.core.errors import MisuseError
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.duckdb_connection import quoted
from internvid.dataset.parts import read_part
from internvid.dataset.picks import StoredPicks
from internvid.dataset.releases.origin import travelling_uri, travelling_uri_sql
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.store import SOURCE_COLUMNS, Dataset
from internvid.dataset.tables import row_to_clip

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_OF_VIDEO = (
    *("scan_mode", "repaired_times", "damaged_packets", "damaged_frames"),
    *("fps", "time_base_numerator", "time_base_denominator", "width", "height"),
)
# Names that no column has.
_SPLIT = "internvid_split"
SOURCE_URI = "internvid_uri"

Progress = Callable[[int, int], None]
"""Is told how many clips are done, and of how many."""


@dataclass
class ClipItems:
    """Clips of a dataset, gone through as often as wanted.

    Attributes:
        dataset: what they are from.
        subset: only its clips; every kept clip when None.
        keep_paths: give whole paths of local sources, not the names of their files alone.
        splits: split -> subset of the dataset; only clips of one of them then.
        progress: is called with how many clips are done, and of how many.
    """

    dataset: Dataset
    subset: str | None = None
    keep_paths: bool = False
    splits: Mapping[str, str] = field(default_factory=dict)
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name in (self.subset, *self.splits.values()):
            if name is not None:
                self.dataset.subset_path(name)
        if len(self.splits) > 1:
            self._refuse_overlaps()

    def __len__(self) -> int:
        ((total,),) = self._clips().aggregate("count(*)").fetchall()
        return int(total)

    def __iter__(self) -> Iterator[ExportItem]:
        total = len(self) if self.progress is not None else 0
        for at, item in enumerate(self._items()):
            if self.progress is not None:
                self.progress(at, total)
            yield item
        if self.progress is not None:
            self.progress(total, total)

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow types of the columns of clips."""
        with self.dataset.reading():
            return self.dataset.sql("select * from clips limit 0").to_arrow_table().schema

    def pictures_of(self, item: ExportItem) -> Sequence[Pick]:
        """The stored frames of a clip, in time order; read when they are used."""
        part = self._part_of_video.get(item.clip.video_id)
        if part is None:
            return ()
        path = self.dataset.layout.scanned(self.dataset.record.scan or "", "picks", part)
        first, stop = item.row["start_frame"], item.row["end_frame"]
        return StoredPicks(path).of(item.clip.video_id, first, stop)

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Rows of the clips, in video and time order, with `internvid_uri`: it as it travels."""
        uri = quoted_name(self.dataset.video_columns["uri"])
        travelling = uri if self.keep_paths else travelling_uri_sql(uri)
        return self._clips(("uri",)).project(f"* exclude ({uri}), {travelling} as {SOURCE_URI}")

    def _clips(self, of_video: Collection[str] = ()) -> duckdb.DuckDBPyRelation:
        found = self.dataset.clips_relation(self.subset, of_video=of_video)
        if not self.splits:
            return found
        return found.join(self._split_ids(), "clip_id").order("video_id, start_pts")

    def of_clips(self, clip_ids: Collection[str]) -> dict[str, ExportItem]:
        """Some of the clips by their ids; absent where there is no such clip among these.

        Args:
            clip_ids: 32 hex digits each: they stand in the statement.
        """
        if not clip_ids:
            return {}
        named = ", ".join(f"'{clip_id}'" for clip_id in sorted(clip_ids))
        found = self._items(f"clip_id in ({named})")
        return {item.clip.clip_id: item for item in found}

    def _items(self, condition: str | None = None) -> Iterator[ExportItem]:
        dataset, places = self.dataset, self._places
        # Scans of earlier versions lack what later ones write down.
        known_names = dataset.video_columns
        shown = {name: known_names[name] for name in _OF_VIDEO if name in known_names}
        of_recipe = _of_recipe(dataset)
        relation = self._clips((*SOURCE_COLUMNS, *shown))
        if condition is not None:
            relation = relation.filter(condition)
        for row, uri, metadata in dataset.rows_with_source(relation):
            split = row.pop(_SPLIT, None)
            known = {name: row.pop(column) for name, column in shown.items()}
            yield ExportItem(
                row_to_clip(row),
                row,
                source=next(iter(places.get(row["video_id"], ())), None),
                uri=uri if self.keep_paths else travelling_uri(uri),
                metadata=metadata,
                video=of_recipe | {name: each for name, each in known.items() if each is not None},
                copies=tuple(places.get(row["video_id"], ())[1:]),
                split=split,
            )

    @cached_property
    def _places(self) -> dict[str, list[Path]]:
        """Video -> the files that have its bytes, the scanned one first."""
        places: dict[str, list[Path]] = {}
        found = "select video_id, uri, status from videos order by status <> 'ok', uri"
        for video_id, uri, status in self.dataset.sql(found).fetchall():
            if status in ("ok", "duplicate") and (path := uri_to_path(uri)).is_file():
                places.setdefault(video_id, []).append(path)
        return places

    @cached_property
    def _part_of_video(self) -> dict[str, str]:
        cut = self.dataset.record.cut or ""
        return {
            video_id: part
            for part in self.dataset.parts
            for video_id in read_part(self.dataset.layout.clips(cut, part), ["video_id"])[
                "video_id"
            ]
            .unique()
            .to_pylist()
        }

    def _split_ids(self) -> duckdb.DuckDBPyRelation:
        """Ids of clips with the split that each is in."""
        parts = [
            f"select clip_id, '{split}' as {_SPLIT} from "
            f"read_parquet({quoted([self.dataset.subset_path(subset)])})"
            for split, subset in self.splits.items()
        ]
        return self.dataset.sql(" union all ".join(parts))

    def _refuse_overlaps(self) -> None:
        ((rows, ids),) = self._split_ids().aggregate("count(*), count(distinct clip_id)").fetchall()
        if rows != ids:
            named = ", ".join(f"{split}:{subset}" for split, subset in self.splits.items())
            raise MisuseError(
                f"{rows - ids} clips are in more than one of the splits {named}",
                hint="make splits that share no clip, and no source, with: internvid split",
            )


def _of_recipe(dataset: Dataset) -> dict[str, Any]:
    """What the scan's recipe says of all videos."""
    names = ("scan_mode", "mode"), ("maximum_frame_bytes", "maximum_frame_bytes")
    scan = dataset.record.scan or ""
    return {name: dataset.record.scan_setting(scan, field) for name, field in names}


def export_items(
    dataset: Dataset, subset: str | None, *, keep_paths: bool = False
) -> Iterator[ExportItem]:
    """Clips in video and time order, each with a source file that still exists, or None.

    Args:
        dataset: what to publish from.
        subset: only its clips; every kept clip when None.
        keep_paths: give whole paths of local sources, not the names of their files alone.
    """
    return iter(ClipItems(dataset, subset, keep_paths))
