"""Files that give each clip a class: Kinetics in its usual forms, and lists of class names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import SourceMissingError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.label_rows import (
    LABEL_NAMES,
    PATH_NAMES,
    read_label_rows,
    split_cells,
)
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_objects,
    read_table,
    read_text,
    seconds,
    words,
)
from internvid.evaluation.annotations.records import LabelledClip, LabelledSet
from internvid.evaluation.annotations.splits import SplitRows
from internvid.evaluation.benchmarks.prompt_templates import clean_label
from internvid.pipeline.sources import MEDIA_SUFFIXES

_NUMBER_NAME = re.compile(r"(\d+)[\s,;]+(.+)")
_NAME_NUMBER = re.compile(r"(.+?)[\s,;]+(\d+)")
_NAME_COLUMNS = ("name", "class_name", "label_name", "classname", "label", "class", "action",
                 "activity", "category", "template")  # fmt: skip
_NUMBER_COLUMNS = ("id", "index", "idx", "number", "class_id", "label_id", "class_index",
                   "class_idx", "label_idx", "classid", "target")  # fmt: skip


class ClassNames(tuple[str, ...]):
    """Class names in the order that numbers them.

    Attributes:
        first: number of the first in the file: UCF101 counts from 1.
    """

    first: int = 0


def read_classes(path: Path) -> ClassNames:
    """Class names in the order that numbers them.

    Forms: a name a line; `number name` or `name number` a line from 0 or 1 (UCF101's
    classInd.txt); CSV with a column `name` (or `label`, `class`, ...) and perhaps `id`, which
    then gives the order; a JSON list, or a JSON object name -> number (SSv2's labels file) or
    number -> name.

    Raises:
        AnnotationInvalidError: a name twice, numbers that leave gaps, or a list of clips.
    """
    if path.suffix.lower() == ".json":
        names = _classes_of_json(path)
    else:
        names = _classes_of_lines(path, read_lines(path))
    for name in names:
        if os.path.splitext(name.split(",")[0])[1].lower() in MEDIA_SUFFIXES:
            raise invalid(path, "whole", f"{name!r} names a video, not a class", "class names")
    spelled: dict[str, str] = {}
    for name in names:
        other = spelled.setdefault(clean_label(name), name)
        if other is not name:
            problem = "is listed twice" if other == name else f"is {other!r} in other letters"
            raise invalid(path, "whole", f"class {name!r} {problem}", "each class once")
    return names


def _classes_of_lines(path: Path, lines: list[tuple[int, str]]) -> ClassNames:
    mark = "\t" if any("\t" in text for _, text in lines) else ","
    header = [cell.lower() for cell in split_cells(lines[0][1], mark)] if lines else []
    named = [name for name in _NAME_COLUMNS if name in header]
    numbered = [name for name in _NUMBER_COLUMNS if name in header]
    if named and (len(header) == 1 or numbered or header[0] in _NAME_COLUMNS):
        rows = [row for _, row in read_table(path, header, mark, any_case=True)]
        names = [row[named[0]].strip('"') for row in rows]
        if numbered and all(row[numbered[0]].isdecimal() for row in rows):
            pairs = [(int(row[numbered[0]]), name) for row, name in zip(rows, names, strict=True)]
            return _in_order(path, pairs)
        return ClassNames(names)
    matches = [_NUMBER_NAME.fullmatch(line) for _, line in lines]
    if lines and all(matches):
        return _in_order(
            path, [(int(each[1]), each[2].strip().strip('"')) for each in matches if each]
        )
    behind = [_NAME_NUMBER.fullmatch(line) for _, line in lines]
    numbers = sorted(int(each[2]) for each in behind if each)
    if len(lines) > 1 and numbers in (list(range(len(lines))), list(range(1, len(lines) + 1))):
        return _in_order(path, [(int(each[2]), each[1].strip('"')) for each in behind if each])
    return ClassNames(line.strip('"').strip() for _, line in lines)


def _classes_of_json(path: Path) -> ClassNames:
    content = read_json(path)
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return ClassNames(content)
    if isinstance(content, dict) and _is_by_number(content):
        return _in_order(path, [(int(key), name) for key, name in content.items()])
    if isinstance(content, dict):
        pairs = []
        for name, number in content.items():
            if isinstance(number, bool) or not str(number).isdecimal():
                raise invalid(path, repr(name), f"number {number!r}", "name -> whole number")
            pairs.append((int(number), name.strip('"')))
        return _in_order(path, pairs)
    raise invalid(path, "whole", "no class list", "a list of names, or name -> number")


def _is_by_number(content: dict[str, Any]) -> bool:
    names = list(content.values())
    return (
        all(key.isdecimal() for key in content)
        and all(isinstance(name, str) for name in names)
        and not all(name.isdecimal() for name in names)
    )


def _in_order(path: Path, pairs: list[tuple[int, str]]) -> ClassNames:
    pairs = sorted(pairs)
    first = pairs[0][0] if pairs else 0
    if [number for number, _ in pairs] != list(range(first, first + len(pairs))) or first > 1:
        raise invalid(path, "whole", "class numbers leave gaps", "0, 1, 2, ... or 1, 2, 3, ...")
    names = ClassNames(name for _, name in pairs)
    names.first = first
    return names


def first_number(classes: Sequence[str] | None, labels: Iterable[str]) -> int:
    """What the first class is called where labels are numbers.

    1 where the class list counts from 1, unless a label is 0: such lists count from 0 beside a
    class list that counts from 1 (UCF101 in the hands of others).
    """
    if not isinstance(classes, ClassNames) or classes.first == 0:
        return 0
    return 0 if any(label.isdecimal() and int(label) == 0 for label in labels) else 1


@names_its_file
def read_kinetics(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """Kinetics 400, 600 and 700, in whatever form they come.

    Forms: DeepMind's CSV (label,youtube_id,time_start,time_end,split) and JSON; lists of paths
    and labels (see `read_label_rows`); the reference's JSON list of {video, caption}; a folder
    per class.

    Args:
        path: the file or folder.
        classes: class names in order; by default those that occur, sorted.
        split: of DeepMind's files, only rows of this split; `validate`, `val` and `validation`
            are one.
    """
    if path.is_dir():
        return read_class_folders(path, classes=classes)
    if path.suffix.lower() == ".jsonl":
        return read_labelled_json(path, classes=classes)
    if path.suffix.lower() == ".json":
        if isinstance(read_json(path), dict):
            return read_deepmind_json(path, classes=classes, split=split)
        return read_labelled_json(path, classes=classes)
    first = read_text(path).partition("\n")[0].lower()
    if "youtube_id" in first and "time_start" in first:
        return read_deepmind_csv(path, classes=classes, split=split)
    return read_path_labels(path, classes=classes, split=split)


@names_its_file
def read_deepmind_csv(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """DeepMind's CSV. Files are looked for as ID_START_END (six digits) and as ID.

    What is found is read whole: downloads of this set are cut already.
    """
    columns = ["label", "youtube_id", "time_start", "time_end", "split"]
    rows = SplitRows(path, split)
    clips = []
    for line, row in read_table(path, columns):
        if not rows.takes(row["split"]):
            continue
        if not row["label"] or not row["youtube_id"]:
            raise invalid(path, line, "label or youtube_id is empty")
        span = seconds(path, line, row["time_start"], row["time_end"])
        clips.append(_of_youtube(row["youtube_id"], row["label"].strip('"'), span))
    rows.refuse_none()
    return _made(clips, classes)


@names_its_file
def read_deepmind_json(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """DeepMind's JSON: {youtube_id: {annotations: {label, segment}, subset}}."""
    rows = SplitRows(path, split)
    clips = []
    for name, item in read_objects(path):
        if not rows.takes(str(item.get("subset", ""))):
            continue
        noted = item.get("annotations")
        if not isinstance(noted, dict) or not isinstance(noted.get("segment"), list):
            raise invalid(path, repr(name), "there is no annotation", "label and segment")
        times = [str(value) for value in noted["segment"]]
        if len(times) != 2:
            raise invalid(path, repr(name), f"segment {times}", "start and end")
        label = words(path, repr(name), noted, "label")
        clips.append(_of_youtube(name, label, seconds(path, repr(name), *times)))
    rows.refuse_none()
    return _made(clips, classes)


def _of_youtube(video: str, label: str, span: TimeSpan) -> LabelledClip:
    name = f"{video}_{int(span.start_seconds):06d}_{int(span.end_seconds):06d}"
    return LabelledClip(name, label, (name, video))


@names_its_file
def read_path_labels(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """A list of paths and labels, see `read_label_rows`.

    Labels are class names, or numbers into `classes`. A column of splits is heeded where a split
    is named.
    """
    rows = read_label_rows(path, classes)
    if split is not None and any(row.split for row in rows):
        wanted = SplitRows(path, split)
        rows = [row for row in rows if wanted.takes(row.split)]
        wanted.refuse_none()
    if classes is None and all(row.label.isdecimal() for row in rows):
        raise invalid(path, "whole", "classes are numbers", "a class list (--set classes=FILE)")
    first = first_number(classes, (row.label for row in rows))
    clips = []
    for row in rows:
        label = row.label
        if classes is not None and label.isdecimal() and label not in classes:
            if not 0 <= int(label) - first < len(classes):
                raise invalid(path, row.line, f"class {label} of {len(classes)}")
            label = classes[int(label) - first]
        clips.append(LabelledClip(row.clip, label, (row.clip,)))
    return _made(clips, classes)


@names_its_file
def read_labelled_json(path: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """The reference's list of {video, caption}, the caption being the class name.

    Other names for the two are read as in a CSV (`vid_name`, `label`, ...), and a label may be a
    number into `classes`. JSON lines hold the same objects.
    """
    clips = []
    for place, item in read_list(path):
        video_key = next((name for name in PATH_NAMES if name in item), "video")
        label_key = next((name for name in ("caption", *LABEL_NAMES) if name in item), "caption")
        video, label = str(item.get(video_key, "")).strip(), item.get(label_key)
        if not video:
            raise invalid(path, place, f"{video_key!r} is {item.get(video_key)!r}", "a text")
        if isinstance(label, int) and not isinstance(label, bool):
            if classes is None:
                raise invalid(
                    path, place, "classes are numbers", "a class list (--set classes=FILE)"
                )
            at = label - (getattr(classes, "first", 0))
            if not 0 <= at < len(classes):
                raise invalid(path, place, f"class {label} of {len(classes)}")
            clips.append(LabelledClip(video, classes[at], (video,)))
        else:
            clips.append(LabelledClip(video, words(path, place, item, label_key), (video,)))
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
