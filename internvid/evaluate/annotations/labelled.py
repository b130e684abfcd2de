"""Files that give each clip a class: Kinetics in its usual forms, and lists of class names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from internvid.core.errors import SourceMissingError
from internvid.evaluate.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_rows,
    read_table,
    read_text,
    seconds,
    words,
)
from internvid.evaluate.annotations.records import LabelledClip, LabelledSet
from internvid.pipeline.sources import MEDIA_SUFFIXES

_NUMBERED = re.compile(r"(\d+)[\s,]+(.+)")


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names in the order that numbers them.

    Forms: a name a line; `number name` a line from 0 or 1 (UCF101's classInd.txt); CSV with a
    column `name` (or `label`) and perhaps `id`; a JSON list, or a JSON object name -> number
    (SSv2's labels file).

    Raises:
        AnnotationInvalidError: a name twice, or numbers that leave gaps.
    """
    if path.suffix.lower() == ".json":
        return _classes_of_json(path)
    lines = read_lines(path)
    header = [cell.strip().lower() for cell in lines[0][1].split(",")] if lines else []
    if "name" in header or ("label" in header and "id" in header):
        name = "name" if "name" in header else "label"
        # Headers are matched as they are written.
        real = [cell.strip() for cell in lines[0][1].split(",")]
        column = real[header.index(name)]
        return tuple(row[column] for _, row in read_table(path, [column]))
    numbered = [_NUMBERED.fullmatch(line) for _, line in lines]
    if lines and all(numbered):
        pairs = [(int(found[1]), found[2].strip()) for found in numbered if found]
        return _in_order(path, pairs)
    return tuple(line.strip('"').strip() for _, line in lines)


def _classes_of_json(path: Path) -> tuple[str, ...]:
    found = read_json(path)
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return tuple(found)
    if isinstance(found, dict):
        pairs = []
        for name, number in found.items():
            if isinstance(number, bool) or not str(number).isdecimal():
                raise invalid(path, repr(name), f"number {number!r}", "name -> whole number")
            pairs.append((int(number), name.strip('"')))
        return _in_order(path, pairs)
    raise invalid(path, "whole", "no class list", "a list of names, or name -> number")


def _in_order(path: Path, pairs: list[tuple[int, str]]) -> tuple[str, ...]:
    pairs = sorted(pairs)
    first = pairs[0][0] if pairs else 0
    if [number for number, _ in pairs] != list(range(first, first + len(pairs))) or first > 1:
        raise invalid(path, "whole", "class numbers leave gaps", "0, 1, 2, ... or 1, 2, 3, ...")
    return tuple(name for _, name in pairs)


@names_its_file
def read_kinetics(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """Kinetics 400, 600 and 700, in whatever form they come.

    Forms: DeepMind's CSV (label,youtube_id,time_start,time_end,split); CSV or text without a
    header, `path,label` or `path label` or `path frames label`; the reference's JSON list of
    {video, caption}; a folder per class.

    Args:
        path: the file or folder.
        classes: class names in order; by default those that occur, sorted.
        split: of DeepMind's CSV, only rows of this split (`validate`, `val`, ...).
    """
    if path.is_dir():
        return read_class_folders(path, classes=classes)
    if path.suffix.lower() == ".json":
        return read_labelled_json(path, classes=classes)
    first = read_text(path).partition("\n")[0].lower()
    if "youtube_id" in first:
        return read_deepmind_csv(path, classes=classes, split=split)
    return read_path_labels(path, classes=classes)


@names_its_file
def read_deepmind_csv(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """DeepMind's CSV. Files are looked for as ID_START_END (six digits) and as ID.

    What is found is read whole: downloads of this set are cut already.
    """
    clips = []
    columns = ["label", "youtube_id", "time_start", "time_end", "split"]
    for line, row in read_table(path, columns):
        if split is not None and row["split"] != split:
            continue
        if not row["label"] or not row["youtube_id"]:
            raise invalid(path, line, "label or youtube_id is empty")
        span = seconds(path, line, row["time_start"], row["time_end"])
        times = f"{int(span.start_seconds):06d}_{int(span.end_seconds):06d}"
        name = f"{row['youtube_id']}_{times}"
        clips.append(LabelledClip(name, row["label"].strip('"'), (name, row["youtube_id"])))
    if not clips:
        raise invalid(path, "whole", f"no row is of split {split!r}", "the file's own split names")
    return _made(clips, classes)


@names_its_file
def read_path_labels(path: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """`path,label`, `path label` or `path frames label` a line, without a header.

    Labels are class names, or numbers into `classes`.
    """
    clips = []
    for line, cells in _path_rows(path):
        if len(cells) not in (2, 3):
            raise invalid(path, line, f"{len(cells)} cells", "path,label")
        label = cells[-1]
        if label.isdecimal() and classes is not None:
            if int(label) >= len(classes):
                raise invalid(path, line, f"class {label} of {len(classes)}")
            label = classes[int(label)]
        clips.append(LabelledClip(cells[0], label, (cells[0],)))
    if classes is None and clips and all(clip.label.isdecimal() for clip in clips):
        raise invalid(path, "whole", "classes are numbers", "a class list (--set classes=FILE)")
    return _made(clips, classes)


def _path_rows(path: Path) -> list[tuple[int, list[str]]]:
    text = read_text(path)
    if "," in text.partition("\n")[0]:
        return list(read_rows(path))
    return [(line, row.split()) for line, row in read_lines(path)]


@names_its_file
def read_labelled_json(path: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """The reference's list of {video, caption}, the caption being the class name."""
    clips = []
    for place, item in read_list(path):
        video = words(path, place, item, "video")
        clips.append(LabelledClip(video, words(path, place, item, "caption"), (video,)))
    return _made(clips, classes)


def read_class_folders(folder: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """A folder per class; the class is the folder's name.

    Raises:
        SourceMissingError: no folder in it holds a video.
    """
    clips = []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
        for name in sorted(os.listdir(inside)):
            if os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES:
                clip = f"{inside.name}/{name}"
                clips.append(LabelledClip(clip, inside.name, (clip,)))
    if not clips:
        raise SourceMissingError(f"no folder in {str(folder)!r} holds a video")
    return _made(clips, classes)


def _made(clips: list[LabelledClip], classes: Sequence[str] | None) -> LabelledSet:
    # Sorted: the reference takes a Python set, whose order differs from run to run.
    names = sorted({clip.label for clip in clips}) if classes is None else list(classes)
    return LabelledSet(tuple(clips), tuple(names))
