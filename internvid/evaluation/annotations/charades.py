"""Charades: videos with many actions each (CSV), and its sentences with times (Charades-STA)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.reading import invalid, names_its_file, read_lines, read_table
from internvid.evaluation.annotations.records import (
    LabelledClip,
    LabelledSet,
    MultiLabelledClip,
    MultiLabelledSet,
)

COLUMNS = ("id", "script", "descriptions", "actions", "length")
"""Those of the CSV that tell it from others."""

_ACTION = re.compile(r"(c\d{3}) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")
_CLASS = re.compile(r"(c\d{3}) (.+)")


def is_charades(header: str) -> bool:
    """Whether the first line of a file is the header of Charades' CSV."""
    return set(COLUMNS) <= {cell.strip() for cell in header.split(",")}


def read_action_names(path: Path) -> dict[str, str]:
    """Code -> name of Charades_v1_classes.txt (`c000 Holding some clothes`).

    Raises:
        AnnotationInvalidError: a line is no code with a name, or a code is there twice.
    """
    names: dict[str, str] = {}
    for line, text in read_lines(path):
        found = _CLASS.fullmatch(text)
        if found is None or found[1] in names:
            raise invalid(path, line, repr(text), "c000 and a name, each code once")
        names[found[1]] = found[2].strip()
    return names


@names_its_file
def read_charades(path: Path, names: Mapping[str, str]) -> MultiLabelledSet:
    """All actions of each video; a video may have none.

    Args:
        path: Charades_v1_test.csv or Charades_v1_train.csv.
        names: code -> name, see `read_action_names`; their order gives the classes.
    """
    clips = []
    for line, video, actions in _rows(path):
        unknown = [code for code, _ in actions if code not in names]
        if unknown:
            raise invalid(path, line, f"action {unknown[0]!r} is not in the class list")
        labels = tuple(dict.fromkeys(names[code] for code, _ in actions))
        clips.append(MultiLabelledClip(video, labels, (video,)))
    return MultiLabelledSet(tuple(clips), tuple(names.values()))


@names_its_file
def read_charades_actions(path: Path, names: Mapping[str, str] | None = None) -> LabelledSet:
    """Each action as a clip of its own: the seconds in which it happens.

    For training classifiers of one label a clip. Actions without a length are passed over.

    Args:
        path: as in `read_charades`.
        names: code -> name; by default the codes are the classes.
    """
    clips: dict[str, LabelledClip] = {}
    for line, video, actions in _rows(path):
        for code, span in actions:
            if span is None:
                continue
            if names is not None and code not in names:
                raise invalid(path, line, f"action {code!r} is not in the class list")
            clip = f"{video}_{code}_{span.start_seconds:g}_{span.end_seconds:g}"
            label = code if names is None else names[code]
            clips.setdefault(clip, LabelledClip(clip, label, (video,), span))
    classes = sorted({clip.label for clip in clips.values()}) if names is None else names.values()
    return LabelledSet(tuple(clips.values()), tuple(classes))


def _rows(path: Path) -> list[tuple[int, str, list[tuple[str, TimeSpan | None]]]]:
    """Line, id and actions of each video."""
    rows = []
    for line, row in read_table(path, ["id", "actions"]):
        if not row["id"]:
            raise invalid(path, line, "id is empty")
        actions: list[tuple[str, TimeSpan | None]] = []
        for part in filter(None, (text.strip() for text in row["actions"].split(";"))):
            found = _ACTION.fullmatch(part)
            if found is None:
                raise invalid(path, line, f"action {part!r}", "c092 11.90 21.20;c147 0.00 12.60")
            start, end = float(found[2]), float(found[3])
            actions.append((found[1], TimeSpan(start, end) if start < end else None))
        rows.append((line, row["id"], actions))
    return rows
