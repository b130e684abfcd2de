"""Something-Something v2, UCF101 and HMDB51 in the form their authors publish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.evaluation.annotations.charades import is_charades, read_charades_actions
from internvid.evaluation.annotations.labelled import (
    ClassNames,
    read_kinetics,
    read_labelled_json,
    read_path_labels,
)
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_table,
    read_text,
    words,
)
from internvid.evaluation.annotations.records import LabelledClip, LabelledSet
from internvid.evaluation.annotations.splits import holds_several_splits

_HMDB_FILE = re.compile(r"(.+)_test_split([123])\.txt")
_UCF_LINE = re.compile(r"(?:\S+/)?(\w+)/v_\1_g\d+_c\d+(?:\.\w{3,4})?(?:\s+\d+){0,2}", re.IGNORECASE)
_HMDB_COLUMNS = ("video_id", "label", "split1", "split2", "split3")
_HMDB_MARK = {"train": "1", "test": "2"}


@names_its_file
def read_labelled(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    part: str = "test",
) -> LabelledSet:
    """A labelled set in any of the forms that this package knows, recognised by its content.

    Each action of Charades' CSV is a clip of its own, with its code as class.

    Args:
        path: a file of Kinetics, Something-Something or UCF101, HMDB51's splits (the folder, or
            the CSV of MIL-NCE), a list of paths and labels, or a folder per class.
        classes: class names in order; by default those that occur.
        split: of DeepMind's files, rows of this split only; of HMDB51, its number.
        part: of HMDB51, `test` or `train`; of a CSV with several splits, `train` takes its training
            rows where no split is named.
    """
    if path.is_dir():
        if any(_HMDB_FILE.fullmatch(inside.name) for inside in path.iterdir()):
            return read_hmdb51(path, split=hmdb51_split(split), part=part, classes=classes)
        return read_kinetics(path, classes=classes)
    if path.suffix.lower() in (".json", ".jsonl"):
        return read_ssv2(path, classes=classes, split=split)
    first = read_text(path).partition("\n")[0].strip()
    if _UCF_LINE.fullmatch(first):
        return read_ucf101(path, classes=classes)
    if is_charades(first):
        return read_charades_actions(path)
    if _is_hmdb_header(first):
        return read_hmdb51(path, split=hmdb51_split(split), part=part, classes=classes)
    if part == "train" and split is None and "," in first and holds_several_splits(path):
        split = "train"
    return read_kinetics(path, classes=classes, split=split)


def is_ucf101_list(path: Path) -> bool:
    """Whether a file's first line is `Class/name`, perhaps with numbers behind it."""
    if path.is_dir() or path.suffix.lower() in (".json", ".jsonl", ".pkl"):
        return False
    first = read_text(path).partition("\n")[0].strip()
    return re.fullmatch(r"[^\s,;]+/[^\s,;/]+(?:\s+\d+){0,2}", first) is not None


def _is_hmdb_header(first: str) -> bool:
    return set(_HMDB_COLUMNS) <= {cell.strip() for cell in first.split(",")}


@names_its_file
def read_ssv2(
    path: Path, *, classes: Sequence[str] | None = None, split: str | None = None
) -> LabelledSet:
    """Something-Something v2's list of {id, label, template, placeholders}.

    The class is the template without its brackets. Other forms are read too: `path frames label`,
    `id;label` of its first version, and the JSON of other sets.

    Raises:
        AnnotationInvalidError: the test file, which has no labels.
    """
    if path.suffix.lower() not in (".json", ".jsonl"):
        return read_path_labels(path, classes=classes, split=split)
    if path.suffix.lower() == ".json" and isinstance(read_json(path), dict):
        return read_kinetics(path, classes=classes, split=split)
    items = read_list(path)
    if items and "template" not in items[0][1] and set(items[0][1]) != {"id"}:
        return read_labelled_json(path, classes=classes)
    clips = []
    for place, item in items:
        clip = str(item.get("id", "")).strip()
        if not clip:
            raise invalid(path, place, "there is no id", "id, label, template")
        label = words(path, place, item, "template").replace("[", "").replace("]", "")
        clips.append(LabelledClip(clip, label, (clip,)))
    names = classes if classes is not None else sorted({clip.label for clip in clips})
    return LabelledSet(tuple(clips), tuple(names))


@names_its_file
def read_ucf101(path: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """A split of UCF101 (testlist01.txt, trainlist01.txt): `Class/v_Class_g01_c01.avi [number]`.

    The class is the folder; its number in training lists, counted from 1 as UCF101 does or from
    0 as others do, is checked against `classes`. A number of frames before it is passed over.
    """
    clips, numbers = [], []
    for line, row in read_lines(path):
        cells = row.split()
        label, _, name = cells[0].rpartition("/")
        label = label.rpartition("/")[2]
        if not label or not name or len(cells) > 3 or not all(c.isdecimal() for c in cells[1:]):
            raise invalid(path, line, repr(row), "Class/v_Class_g01_c01.avi")
        if len(cells) > 1:
            numbers.append((line, int(cells[-1]), label))
        clips.append(LabelledClip(name.removesuffix(".avi"), label, (f"{label}/{name}", name)))
    if classes is not None:
        _check_numbers(path, classes, numbers)
    names = classes if classes is not None else sorted({clip.label for clip in clips})
    return LabelledSet(tuple(clips), tuple(names))


def _check_numbers(
    path: Path, classes: Sequence[str], numbers: Sequence[tuple[int, int, str]]
) -> None:
    """Refuses numbers that are of other classes than the folders, whether they begin at 1 or 0."""
    known = dict(enumerate(classes))
    counts_from_one = isinstance(classes, ClassNames) and classes.first == 1
    from_zero = not counts_from_one or any(number == 0 for _, number, _ in numbers)
    if from_zero and all(known.get(number) == label for _, number, label in numbers):
        return
    for line, number, label in numbers:
        if number - 1 not in known:
            raise invalid(path, line, f"class number {number} of {len(classes)}")
        if known[number - 1] != label:
            raise invalid(path, line, f"class {number} is {known[number - 1]}, not {label}")


def hmdb51_split(text: str | None) -> int:
    """The number of a split; the first where none is named.

    Raises:
        ConfigInvalidError: there is no such split.
    """
    if text not in (None, "1", "2", "3"):
        raise ConfigInvalidError(f"HMDB51 has the splits 1, 2 and 3, not {text!r}")
    return int(text or 1)


@names_its_file
def read_hmdb51(
    folder: Path,
    *,
    split: int = 1,
    part: str = "test",
    classes: Sequence[str] | None = None,
) -> LabelledSet:
    """A split of HMDB51: files CLASS_test_splitN.txt with `name.avi MARK`.

    Args:
        folder: where the files of all classes lie; or MIL-NCE's hmdb51.csv, which has them all.
        split: 1, 2 or 3.
        part: `test` (mark 2) or `train` (mark 1); mark 0 is in neither.
        classes: class names in order; by default those of the files.

    Raises:
        SourceMissingError: no such files.
    """
    if folder.is_file():
        return _read_hmdb51_csv(folder, split, part, classes)
    if not folder.is_dir():
        raise SourceMissingError(f"there is no folder {str(folder)!r} with HMDB51's split files")
    clips, names = [], []
    for path in sorted(folder.iterdir()):
        match = _HMDB_FILE.fullmatch(path.name)
        if match is None or int(match[2]) != split:
            continue
        names.append(match[1])
        for line, row in read_lines(path):
            name, _, mark = row.rpartition(" ")
            if mark not in ("0", "1", "2") or not name.strip():
                raise invalid(path, line, repr(row), "name.avi 0, 1 or 2")
            if mark == _HMDB_MARK[part]:
                clip = name.strip()
                clips.append(LabelledClip(clip, match[1], (f"{match[1]}/{clip}", clip)))
    if not names:
        raise SourceMissingError(
            f"folder {str(folder)!r} holds no CLASS_test_split{split}.txt",
            hint="unpack testTrainMulti_7030_splits there",
        )
    return LabelledSet(tuple(clips), tuple(names if classes is None else classes))


def _read_hmdb51_csv(
    path: Path, split: int, part: str, classes: Sequence[str] | None
) -> LabelledSet:
    """MIL-NCE's CSV: video_id,label,split1,split2,split3; labels end in `_test`."""
    clips, names = [], set()
    for line, row in read_table(path, _HMDB_COLUMNS):
        clip, mark = row["video_id"], row[f"split{split}"]
        label = row["label"].removesuffix("_test")
        if mark not in ("0", "1", "2") or not clip or not label:
            raise invalid(path, line, f"{clip!r}, {label!r}, mark {mark!r}", "a mark 0, 1 or 2")
        names.add(label)
        if mark == _HMDB_MARK[part]:
            clips.append(LabelledClip(clip, label, (f"{label}/{clip}", clip)))
    return LabelledSet(tuple(clips), tuple(sorted(names) if classes is None else classes))
