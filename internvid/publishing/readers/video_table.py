"""A Parquet table with a row for each video, all columns of its clip in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import DatasetFormatError
from internvid.publishing.index_files import IndexFacts, WrittenVideo

FILE_NAME = "file_name"
_OF_VIDEO = pa.schema(
    [
        (FILE_NAME, pa.string()),
        ("text", pa.string()),
        ("window", pa.int32()),
        ("frames", pa.int64()),
        ("seconds", pa.float64()),
        ("fps", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sound", pa.string()),
        ("dynamic_range", pa.string()),
        ("uri", pa.string()),
        ("metadata", pa.string()),
    ]
)
# Readers put what such columns name in the place of the column: a video, or several.
_NAMES_OF_FILES = ("file_name", "file_names")
_TAKEN = ("video", "videos", "split")


@dataclass(frozen=True)
class VideoTable:
    """Columns of the table.

    Attributes:
        schema: of the table.
        names: column of clips -> its name in the table, another one where that is taken.
    """

    schema: pa.Schema
    names: Mapping[str, str]

    @classmethod
    def of(cls, columns: pa.Schema) -> VideoTable:
        """The table of clips with these columns."""
        used = {name.lower() for name in _OF_VIDEO.names} | set(_TAKEN)
        names: dict[str, str] = {}
        for name in columns.names:
            shown = name
            while shown.lower() in used or shown.lower().endswith(_NAMES_OF_FILES):
                shown += "_value"
            used.add(shown.lower())
            names[name] = shown
        fields = [pa.field(names[each.name], stored_type(each.type)) for each in columns]
        return cls(pa.schema([*_OF_VIDEO, *fields]), names)

    def row(self, video: WrittenVideo, path: str) -> dict[str, Any]:
        """The row of a video.

        Args:
            video: what was written.
            path: of it, from the table's folder on.
        """
        item = video.item
        described = json.dumps(dict(item.metadata), sort_keys=True, ensure_ascii=False, default=str)
        return {
            FILE_NAME: path,
            "text": video.text or None,
            "window": video.number,
            "frames": video.frames,
            "seconds": video.seconds,
            "fps": video.fps,
            "width": video.width,
            "height": video.height,
            "sound": video.sound,
            "dynamic_range": video.dynamic_range,
            "uri": item.uri,
            "metadata": described,
            **{shown: item.row.get(name) for name, shown in self.names.items()},
        }


def stored_type(kind: pa.DataType) -> pa.DataType:
    """A type that readers of Parquet know, in place of one that some do not."""
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(stored_type(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(stored_type(kind.value_type))
    if pa.types.is_dictionary(kind):
        return stored_type(kind.value_type)
    return kind


def paths_in(path: Path, column: str = FILE_NAME) -> Iterable[str]:
    """The paths that a table names."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[column]):
            yield from batch.column(0).to_pylist()


def refuse_unlisted(folder: Path, indexes: Sequence[IndexFacts]) -> None:
    """Make sure that every row names a video that is there, and every video has one row.

    Raises:
        DatasetFormatError: readers would pass over it, or fail.
    """
    for index in indexes:
        root = folder / index["root"]
        listed = list(paths_in(folder / index["file"], index["path_field"]))
        there = {path.relative_to(root).as_posix() for path in root.rglob("*.mp4")}
        wrong = {
            "rows name no file": set(listed) - there,
            "videos are in no row": there - set(listed),
        }
        if len(listed) != len(set(listed)):
            raise DatasetFormatError(f"{folder / index['file']} names a video twice")
        for what, names in wrong.items():
            if names:
                raise DatasetFormatError(
                    f"{folder / index['file']}: {len(names)} {what}, {min(names)} among them",
                    hint="publish again, into a new folder",
                )
