"""Something-Something v2, UCF101 and HMDB51 in the form their authors publish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.evaluate.annotations.labelled import (
    read_kinetics,
    read_labelled_json,
    read_path_labels,
)
from internvid.evaluate.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_text,
    words,
)
from internvid.evaluate.annotations.records import LabelledClip, LabelledSet

_HMDB_FILE = re.compile(r"(.+)_test_split([123])\.txt")
_UCF_LINE = re.compile(r"(?:\S+/)?(\w+)/v_\1_g\d+_c\d+(?:\.avi)?(?:\s+\d+)?", re.IGNORECASE)
_HMDB_MARK = {"train": "1", "test": "2"}


@names_its_file
def read_labelled(
    path: Path,
    *,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    part: str = "test",
) -> LabelledSet:
    """A labelled set in any of the forms that this package knows, told by its content.

    Args:
        path: a file of Kinetics, Something-Something v2 or UCF101, the folder of HMDB51's splits,
            or a folder per class.
        classes: class names in order; by default those that occur.
        split: of DeepMind's CSV, rows of this split only; of HMDB51, its number.
        part: of HMDB51, `test` or `train`.
    """
    if path.is_dir():
        if any(_HMDB_FILE.fullmatch(inside.name) for inside in path.iterdir()):
            return read_hmdb51(path, split=hmdb51_split(split), part=part, classes=classes)
        return read_kinetics(path, classes=classes)
    if path.suffix.lower() == ".json":
        return read_ssv2(path, classes=classes)
    if _UCF_LINE.fullmatch(read_text(path).partition("\n")[0].strip()):
        return read_ucf101(path, classes=classes)
    return read_kinetics(path, classes=classes, split=split)


@names_its_file
def read_ssv2(path: Path, *, classes: Sequence[str] | None = None) -> LabelledSet:
    """Something-Something v2's list of {id, label, template, placeholders}.

    The class is the template without its brackets. Other forms (`path frames label`, the
    reference's {video, caption}) are read too.

    Raises:
        AnnotationInvalidError: the test file, which has no labels.
    """
    if path.suffix.lower() != ".json":
        return read_path_labels(path, classes=classes)
    found = read_json(path)
    if isinstance(found, list) and found and isinstance(found[0], dict) and "video" in found[0]:
        return read_labelled_json(path, classes=classes)
    clips = []
    for place, item in read_list(path):
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

    The class is the folder; its number in training lists is checked against `classes`.
    """
    clips = []
    for line, row in read_lines(path):
        cells = row.split()
        label, _, name = cells[0].rpartition("/")
        label = label.rpartition("/")[2]
        if not label or not name or len(cells) > 2:
            raise invalid(path, line, repr(row), "Class/v_Class_g01_c01.avi")
        if classes is not None and len(cells) == 2:
            number = cells[1]
            if not number.isdecimal() or not 1 <= int(number) <= len(classes):
                raise invalid(path, line, f"class number {number} of {len(classes)}")
            if classes[int(number) - 1] != label:
                raise invalid(path, line, f"class {number} is {classes[int(number) - 1]}")
        clips.append(LabelledClip(name.removesuffix(".avi"), label, (f"{label}/{name}", name)))
    names = classes if classes is not None else sorted({clip.label for clip in clips})
    return LabelledSet(tuple(clips), tuple(names))


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
        folder: where the files of all classes lie.
        split: 1, 2 or 3.
        part: `test` (mark 2) or `train` (mark 1); mark 0 is in neither.
        classes: class names in order; by default those of the files.

    Raises:
        SourceMissingError: no such files.
    """
    if not folder.is_dir():
        raise SourceMissingError(f"there is no folder {str(folder)!r} with HMDB51's split files")
    clips, names = [], []
    for path in sorted(folder.iterdir()):
        found = _HMDB_FILE.fullmatch(path.name)
        if found is None or int(found[2]) != split:
            continue
        names.append(found[1])
        for line, row in read_lines(path):
            name, _, mark = row.rpartition(" ")
            if mark not in ("0", "1", "2") or not name.strip():
                raise invalid(path, line, repr(row), "name.avi 0, 1 or 2")
            if mark == _HMDB_MARK[part]:
                clip = name.strip()
                clips.append(LabelledClip(clip, found[1], (f"{found[1]}/{clip}", clip)))
    if not names:
        raise SourceMissingError(
            f"folder {str(folder)!r} holds no CLASS_test_split{split}.txt",
            hint="unpack testTrainMulti_7030_splits there",
        )
    return LabelledSet(tuple(clips), tuple(names if classes is None else classes))
