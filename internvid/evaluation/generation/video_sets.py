"""Sets of videos: generated ones with their prompts, and real ones to compare them with."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from internvid.core.errors import (
    AnnotationInvalidError,
    ConfigInvalidError,
    MisuseError,
    SourceMissingError,
)
from internvid.core.types import TimeSpan
from internvid.dataset.parts import reading_part
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.store import SOURCE_COLUMNS, open_dataset
from internvid.evaluation.results.protocol import MissingClip
from internvid.pipeline.sources import MEDIA_SUFFIXES

PROMPT_FILES = ("prompts.jsonl", "prompts.csv", "prompts.parquet")
_VIDEO_NAMES = ("video", "path", "file", "file_name", "name", "id")
_TEXT_NAMES = ("prompt", "caption", "text")
UCF101_CLASSES, UCF101_SAMPLES = 101, 20
MSRVTT_PROMPTS = 2990


@dataclass(frozen=True)
class VideoItem:
    """A video, or a part of one.

    Attributes:
        name: for people: a path below the folder, or a clip's id.
        path: the file.
        span: seconds of it; None for everything.
        prompt: the text that it was made from, if known.
    """

    name: str
    path: Path
    span: TimeSpan | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class VideoSet:
    """Videos that are measured, or measured against.

    Attributes:
        name: the folder.
        items: the videos, by name.
        missing: what a list of prompts names and the folder lacks.
    """

    name: str
    items: tuple[VideoItem, ...]
    missing: tuple[MissingClip, ...] = ()

    @property
    def without_prompt(self) -> int:
        """How many videos have no prompt."""
        return sum(item.prompt is None for item in self.items)


def read_samples(folder: str | Path) -> VideoSet:
    """The videos of a folder, at any depth, with their prompts.

    Prompts stand in `prompts.jsonl`, `.csv` or `.parquet` (columns `video` and `prompt`), or in a
    `.txt` beside each video.

    Raises:
        SourceMissingError: there is no such folder, or it holds no video.
        AnnotationInvalidError: the list of prompts is malformed; file and row are named.
        MisuseError: there are several lists of prompts.
    """
    root = Path(folder)
    paths = _videos_below(root)
    lists = [root / name for name in PROMPT_FILES if (root / name).is_file()]
    if len(lists) > 1:
        raise MisuseError(
            f"{root} holds several lists of prompts: {', '.join(path.name for path in lists)}",
            hint="leave one",
        )
    prompts = _read_prompts(lists[0], root) if lists else {}
    items = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        key = name if name in prompts else path.relative_to(root).with_suffix("").as_posix()
        prompt = prompts.pop(key, None) if lists else _text_beside(path)
        items.append(VideoItem(name, path, prompt=prompt or None))
    gone = tuple(MissingClip(name, "not_found") for name in prompts)
    return VideoSet(str(folder), tuple(items), gone)


def read_reference(source: str | Path, subset: str = "") -> VideoSet:
    """Real videos: the clips of a dataset, or of a subset of it, or all videos of a folder.

    Raises:
        SourceMissingError: there is nothing, or no video.
        MisuseError: there is no such subset, or a folder of videos has none.
        DatasetFormatError: the dataset cannot be read.
    """
    root = Path(source)
    if not (root / "dataset.json").is_file():
        if subset:
            raise MisuseError(
                f"{root} is no dataset and has no subset {subset!r}",
                hint="--reference DATASET for subsets",
            )
        return read_samples(root)
    dataset = open_dataset(root)
    items, missing = [], []
    with dataset.reading():
        rows = dataset.clips_relation(subset or None, of_video=SOURCE_COLUMNS)
        for row, uri, _ in dataset.rows_with_source(rows):
            clip_id, span = str(row["clip_id"]), TimeSpan(row["start_seconds"], row["end_seconds"])
            try:
                if uri is None:
                    raise ConfigInvalidError("no source is known")
                items.append(VideoItem(clip_id, uri_to_path(uri), span))
            except ConfigInvalidError:
                missing.append(MissingClip(clip_id, "not_local"))
    if not items:
        raise SourceMissingError(f"{root} has no clip whose video lies on this machine")
    return VideoSet(str(source), tuple(items), tuple(missing))


def check_prompts(samples: VideoSet, protocol: str) -> None:
    """Whether samples are those of the paper's protocol (§9.1).

    Args:
        samples: all of them.
        protocol: `ucf101`: 101 prompts, 20 samples each; `msrvtt`: 2,990 samples with prompts.

    Raises:
        ConfigInvalidError: another protocol, or other numbers, with those that there are.
    """
    counts = Counter(item.prompt for item in samples.items if item.prompt)
    if protocol == "ucf101":
        sizes = sorted(set(counts.values()))
        if len(counts) != UCF101_CLASSES or sizes != [UCF101_SAMPLES] or samples.without_prompt:
            raise ConfigInvalidError(
                f"protocol ucf101 takes {UCF101_CLASSES} class prompts with {UCF101_SAMPLES} "
                f"samples each, 2,020 videos; {samples.name} has {len(samples.items):,} videos, "
                f"{len(counts):,} prompts, {' or '.join(map(str, sizes)) or 'no'} samples of each, "
                f"{samples.without_prompt:,} videos without prompt",
                hint="complete the samples, or measure without --protocol",
            )
    elif protocol == "msrvtt":
        if len(samples.items) != MSRVTT_PROMPTS or samples.without_prompt:
            raise ConfigInvalidError(
                f"protocol msrvtt takes {MSRVTT_PROMPTS:,} videos, one for a caption of each test "
                f"video; {samples.name} has {len(samples.items):,}, "
                f"{samples.without_prompt:,} of them without prompt",
                hint="complete the samples, or measure without --protocol",
            )
    elif protocol:
        raise ConfigInvalidError(f"protocol is ucf101 or msrvtt, not {protocol!r}")


def _videos_below(root: Path) -> list[Path]:
    if not root.is_dir():
        raise SourceMissingError(f"there is no folder {str(root)!r}")
    found = []
    for here, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES:
                found.append(Path(here) / name)
    if not found:
        raise SourceMissingError(
            f"folder {str(root)!r} holds no videos",
            hint=f"files ending in {', '.join(sorted(MEDIA_SUFFIXES)[:6])} ... are videos",
        )
    return sorted(found)


def _text_beside(path: Path) -> str | None:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return None
    try:
        return beside.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise AnnotationInvalidError(f"{beside} is not UTF-8: {error.reason}") from error


def _read_prompts(path: Path, root: Path) -> dict[str, str]:
    """Video as listed -> prompt."""
    prompts: dict[str, str] = {}
    for number, row in _rows(path):
        video, text = _cell(row, _VIDEO_NAMES), _cell(row, _TEXT_NAMES)
        if not isinstance(video, str) or not video or not isinstance(text, (str, type(None))):
            raise AnnotationInvalidError(
                f"{path.name}, row {number}: each row has {_VIDEO_NAMES[0]} (a path below "
                f"{root}) and {_TEXT_NAMES[0]}, and this has {', '.join(map(str, row)) or 'none'}",
                hint=f"columns may be called {', '.join(_VIDEO_NAMES)}; {', '.join(_TEXT_NAMES)}",
            )
        if video in prompts:
            raise AnnotationInvalidError(f"{path.name}, row {number}: {video!r} is listed twice")
        prompts[video] = (text or "").strip()
    return prompts


def _cell(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if path.suffix == ".parquet":
        with reading_part(path):
            rows = pq.read_table(path).to_pylist()
        yield from enumerate(rows, start=1)
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                yield from enumerate(csv.DictReader(file), start=1)
                return
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                yield number, row if isinstance(row, dict) else {}
    except (ValueError, csv.Error) as error:
        raise AnnotationInvalidError(f"{path.name} cannot be read: {error}") from error
