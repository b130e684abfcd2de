"""Files that list the videos of an export: a JSON list, JSON lines, csv or Parquet.

Rows are written one by one as clips are, so that an index of millions is never in memory. The
manifest says of each index which of its fields has the path of the video (`indexes`): a release
that takes clips back finds their rows by it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import pyarrow as pa

from internvid.core.contracts import ExportItem
from internvid.dataset.parts import committed, part_writer

IndexForm = Literal["json", "jsonl", "csv", "parquet", "tar", "lance"]
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class WrittenVideo:
    """A written video file, and what there is to say of it.

    Attributes:
        item: the clip.
        path: of the file below the export's folder, with `/`.
        text: of the clip, one line.
        number: of the window, from 0.
        frames, seconds, width, height: of the file.
        fps: mean frames per second.
        sound: `kept`, `none` or `unsure`.
        dynamic_range: of the source: `sdr`, `pq` or `hlg`.
        copied_share: with a lossless cut, how many of its frames are copied, of all.
    """

    item: ExportItem
    path: str
    text: str
    number: int
    frames: int
    seconds: float
    width: int
    height: int
    fps: float
    sound: str
    dynamic_range: str = "sdr"
    copied_share: float | None = None

    @property
    def stem(self) -> str:
        """Name of the file without folder and ending: unique among the videos of an export."""
        return self.path.rpartition("/")[2].rpartition(".")[0]

    @property
    def rights(self) -> dict[str, str]:
        """Licence and uri of the source, for the end of a row; empty where none is known.

        Texts in every row: readers that infer types take no null beside a text.
        """
        return {"licence": licence_of(self.item) or "", "source": self.item.uri or ""}


def licence_of(item: ExportItem) -> str | None:
    """What the metadata of a source says of its licence, under either spelling of the word."""
    for name, value in item.metadata.items():
        if name.strip().lower() in ("licence", "license") and str(value or "").strip():
            return str(value).strip()
    return None


Fields = Callable[[WrittenVideo], Mapping[str, Any] | None]
"""Makes a row of a video; None where the file does not list it."""


class IndexFacts(TypedDict):
    """What a manifest says of an index: its name, its form, the field with the path of the video.

    That path begins with `base`; without it, and behind `root`, it is the path below the export's
    folder.
    """

    file: str
    form: IndexForm
    path_field: str
    root: str
    base: str


def tar_facts(file: str) -> IndexFacts:
    """What a manifest says of a tar file: its members begin with the ids of their clips."""
    return {"file": file, "form": "tar", "path_field": "", "root": "", "base": ""}


def lance_facts(file: str, column: str) -> IndexFacts:
    """What a manifest says of a Lance dataset: the column with the ids of clips."""
    return {"file": file, "form": "lance", "path_field": column, "root": "", "base": ""}


@dataclass(frozen=True)
class IndexFile:
    """A file with a row for each video.

    Attributes:
        file: its name below the export's folder.
        form: how rows are written; `json` is one list.
        path_field: the field of a row with the path of the video, or a list of such paths.
        fields: makes a row, if any; every row has the same fields in the same order.
        schema: of Parquet.
        root: the folder that paths in it start from, below the export's; with a `/` at its end.
        base: what paths in it begin with: where the export will lie for who reads it.
    """

    file: str
    form: IndexForm
    path_field: str
    fields: Fields = field(compare=False)
    schema: pa.Schema | None = None
    root: str = ""
    base: str = ""

    def facts(self) -> IndexFacts:
        """What the manifest says of it."""
        return {
            "file": self.file,
            "form": self.form,
            "path_field": self.path_field,
            "root": self.root,
            "base": self.base,
        }


def folder_path(path: str) -> str:
    """The path of a folder as one puts it before names: with `/` at its end; empty stays empty."""
    return path and path.rstrip("/") + "/"


@contextmanager
def writing_indexes(
    folder: Path, indexes: Sequence[IndexFile]
) -> Iterator[Callable[[WrittenVideo], None]]:
    """Gives what adds a video to all indexes; they are there, whole, when the block ends well."""
    with ExitStack() as stack:
        rows = [
            stack.enter_context(writing_rows(folder / index.file, index.form, index.schema))
            for index in indexes
        ]

        def add(video: WrittenVideo) -> None:
            for index, put in zip(indexes, rows, strict=True):
                row = index.fields(video)
                if row is not None:
                    put(row)

        yield add


@contextmanager
def writing_rows(
    path: Path, form: IndexForm, schema: pa.Schema | None = None
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Gives what adds a row to one file, which is there, whole, when the block ends well.

    Args:
        path: of the file.
        form: how rows are written.
        schema: of Parquet, which needs one.
    """
    if form == "parquet":
        assert schema is not None
        with _parquet(path, schema) as put:
            yield put
        return
    with committed(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            yield _csv(file)
        elif form == "jsonl":
            yield lambda row: print(_json(row), file=file)
        else:
            count = 0

            def put(row: Mapping[str, Any]) -> None:
                nonlocal count
                file.write(("[\n" if not count else ",\n") + _json(row))
                count += 1

            yield put
            file.write("\n]\n" if count else "[]\n")


def _csv(file: io.TextIOBase | io.TextIOWrapper) -> Callable[[Mapping[str, Any]], None]:
    writer: csv.DictWriter[str] | None = None

    def put(row: Mapping[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)

    return put


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    with part_writer(path, schema) as writer:
        waiting: list[Mapping[str, Any]] = []

        def flush() -> None:
            if waiting:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting.clear()

        def put(row: Mapping[str, Any]) -> None:
            waiting.append(row)
            if len(waiting) >= _ROWS_AT_ONCE:
                flush()

        yield put
        flush()


def _json(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)
