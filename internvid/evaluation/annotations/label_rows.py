"""Rows of a list of clips and labels: TABs, commas, semicolons or blanks; with a header or not.

What separates the cells is decided once a file, by what follows the first path: a TAB wherever the
file holds one, else the mark behind the file name's ending. So paths and labels may hold blanks.
A cell between path and label must be a number (of frames): anything else is refused, not dropped.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from internvid.core.errors import AnnotationInvalidError
from internvid.evaluation.annotations.reading import invalid, read_lines
from internvid.evaluation.annotations.splits import SPLIT_NAMES
from internvid.pipeline.sources import MEDIA_SUFFIXES

PATH_NAMES = (
    "path", "video_path", "clip_path", "filepath", "file_path", "file", "filename", "file_name",
    "video", "video_name", "vid_name", "clip_name", "clip", "video_id", "videoid", "clip_id",
    "vid", "id", "name", "frames_dir", "frame_dir", "folder", "url", "uri", "youtube_id",
)  # fmt: skip
"""Headers of the column that names the clip, best first, in lower case."""

LABEL_NAMES = (
    "label", "label_name", "class_name", "classname", "class", "action", "activity", "category",
    "caption", "template", "target", "label_id", "class_id", "classid", "label_idx", "class_idx",
    "class_index", "labels", "tag",
)  # fmt: skip
"""Headers of the column that names the class, best first, in lower case."""
_ENDINGS = "|".join(sorted(re.escape(suffix[1:]) for suffix in MEDIA_SUFFIXES))
_MEDIA_END = re.compile(rf"\.(?:{_ENDINGS})\"?(?=[\s,;]|$)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NUMBERED = re.compile(r"(.+?)(?:\s+(\d+))?\s+(\d+)")
_WORD = re.compile(r"[A-Za-z_][\w .-]*")
_SEMICOLON = re.compile(r"[^\s,;]+\s*;")
_MOMENTS_CELLS = 4
_MARKS = MappingProxyType({"\t": "TAB", ",": "comma", ";": "semicolon"})
_FORM = "path,label; path,frames,label; or a header with the names path and label"


@dataclass(frozen=True)
class LabelRow:
    """One clip and its label as a line has them.

    Attributes:
        line: its number, from 1.
        clip: the path or id.
        label: a class name, or a number as text.
        split: what a column of that name says; empty without one.
    """

    line: int
    clip: str
    label: str
    split: str = ""


def read_label_rows(path: Path, classes: Sequence[str] | None = None) -> list[LabelRow]:
    """The clips and labels of a text file.

    Forms: TAB, comma, semicolon (`id;label`) or blanks between the cells; `path label`,
    `path frames label`, `Class/name.avi` alone, or `path,label,votes,votes` (Moments in Time);
    with a header, columns by name in any order.

    Args:
        path: the file.
        classes: class names, where they are known: a label that is one of them is taken whole,
            whatever marks it holds.

    Raises:
        AnnotationInvalidError: a line does not fit; the message names it.
    """
    lines = read_lines(path)
    if not lines:
        raise AnnotationInvalidError(f"{path.name} is empty", hint=f"expected {_FORM}")
    mark = find_mark(lines)
    header = find_header(lines[0][1], mark)
    if header is not None:
        return _by_name(path, lines, mark, header)
    known = frozenset(classes or ())
    rows = [_row(path, line, text, mark, known) for line, text in lines]
    _refuse_unknown_header(path, rows)
    return rows


def find_mark(lines: Sequence[tuple[int, str]]) -> str:
    """What separates the cells: TAB, comma, semicolon or blank."""
    if any("\t" in text for _, text in lines):
        return "\t"
    for _, text in lines[:2]:
        ends = [match.end() for match in _MEDIA_END.finditer(text)]
        if ends and ends[-1] < len(text):
            following = text[ends[-1] :].lstrip()
            return following[0] if following[:1] in (",", ";") else " "
    first = lines[0][1]
    if all(_SEMICOLON.match(text) for _, text in lines):
        return ";"
    return "," if "," in first else " "


def find_header(text: str, mark: str) -> list[str] | None:
    """Column names in lower case, if the line is a header: it names a path and a label."""
    cells = [cell.strip().strip('"').lower() for cell in split_cells(text, mark)]
    named = set(cells)
    if not named & set(PATH_NAMES) or not named & set(LABEL_NAMES):
        return None
    return cells if all(not cell or _WORD.fullmatch(cell) for cell in cells) else None


def split_cells(text: str, mark: str) -> list[str]:
    """Cells of a line; only commas know quotation marks."""
    if mark == ",":
        return [cell.strip() for cell in next(csv.reader([text]))]
    if mark == ";":
        clip, *rest = [cell.strip() for cell in text.split(";")]
        # Sentences of Something-Something hold semicolons too; a number of frames stands first.
        if not rest:
            return [clip]
        return [clip, *rest] if _NUMBER.fullmatch(rest[0]) else [clip, "; ".join(rest)]
    return [cell.strip() for cell in (text.split() if mark == " " else text.split(mark))]


def _by_name(
    path: Path, lines: Sequence[tuple[int, str]], mark: str, header: Sequence[str]
) -> list[LabelRow]:
    clip_name = next(name for name in PATH_NAMES if name in header)
    label_name = next(name for name in LABEL_NAMES if name in header and name != clip_name)
    places = header.index(clip_name), header.index(label_name)
    if mark == " ":
        if places != (0, len(header) - 1):
            raise invalid(path, lines[0][0], "columns parted by blanks", "path first, label last")
        return [_row(path, line, text, mark, frozenset()) for line, text in lines[1:]]
    split_name = next((name for name in SPLIT_NAMES if name in header), None)
    rows = []
    for line, text in lines[1:]:
        cells = split_cells(text, mark)
        if len(cells) != len(header):
            raise invalid(path, line, f"{len(cells)} cells under {len(header)} columns")
        clip, label = (cells[place] for place in places)
        if not clip or not label:
            raise invalid(path, line, f"{clip_name} or {label_name} is empty")
        split = "" if split_name is None else cells[header.index(split_name)]
        rows.append(LabelRow(line, clip, _bare(label), split))
    return rows


def _bare(label: str) -> str:
    """A label without the quotation marks that enclose it."""
    enclosed = len(label) > 2 and label[0] == label[-1] == '"'
    return label[1:-1].strip() if enclosed else label


def _row(path: Path, line: int, text: str, mark: str, known: Collection[str]) -> LabelRow:
    ends = [match.end() for match in _MEDIA_END.finditer(text)]
    if mark == " " and not ends:
        return _bare_row(path, line, text, known)
    if ends and mark != ";" and (mark == " " or '"' not in text):
        clip, rest = text[: ends[-1]].strip().strip('"'), text[ends[-1] :].strip()
        if mark == " ":
            return LabelRow(line, clip, _bare(_label_of_words(path, line, clip, rest, known)))
        marked = text[ends[-1] :].lstrip(" ").startswith(mark)
        if rest and not marked:
            raise invalid(path, line, f"there is no {_MARKS[mark]} behind {clip!r}", _FORM)
        rest = rest.removeprefix(mark).strip()
        cells = [clip, *(split_cells(rest, mark) or [""])] if marked else [clip]
    else:
        cells = split_cells(text, mark)
        rest = text.partition(mark)[2].strip()
    if rest in known:
        return LabelRow(line, cells[0], rest)
    return LabelRow(line, cells[0], _bare(_label_of_cells(path, line, cells)))


def _label_of_cells(path: Path, line: int, cells: Sequence[str]) -> str:
    """The last cell; one in between must be a number."""
    if len(cells) == 1:
        return _class_folder(path, line, cells[0])
    numbers = [bool(_NUMBER.fullmatch(cell)) for cell in cells]
    if len(cells) == _MOMENTS_CELLS and numbers[1:] == [False, True, True]:
        return cells[1]
    if len(cells) > 3:
        raise invalid(path, line, f"{len(cells)} cells", _FORM)
    if len(cells) == 3 and not numbers[1]:
        raise invalid(path, line, f"the middle cell {cells[1]!r} is no number of frames", _FORM)
    if not cells[0] or not cells[-1]:
        raise invalid(path, line, "an empty cell", _FORM)
    return cells[-1]


def _label_of_words(path: Path, line: int, clip: str, rest: str, known: Collection[str]) -> str:
    """The label behind a path, where blanks separate; a number in front of it is of frames."""
    if not rest:
        return _class_folder(path, line, clip)
    if rest in known:
        return rest
    words = rest.split(None, 1)
    if len(words) == 1 or not _NUMBER.fullmatch(words[0]):
        return rest
    if len(words[1].split()) > 1 and _NUMBER.fullmatch(words[1].split()[0]):
        raise invalid(path, line, f"several numbers in {rest!r}", _FORM)
    return words[1]


def _bare_row(path: Path, line: int, text: str, known: Collection[str]) -> LabelRow:
    """A line parted by blanks whose path has no ending of a media file."""
    match = _NUMBERED.fullmatch(text)
    if match and not re.search(r"\s\d+$", match[1]):
        return LabelRow(line, match[1], match[3])
    words = text.split()
    if match:
        raise invalid(path, line, f"several numbers behind the path in {text!r}", _FORM)
    for at in range(1, len(words)):
        label = " ".join(words[at:])
        if label in known:
            return LabelRow(line, " ".join(words[:at]), label)
    if len(words) == 1:
        return LabelRow(line, text, _class_folder(path, line, text))
    # `air drumming/abc yoga`: a folder may hold blanks, the name behind it does not.
    folders = re.fullmatch(r"(.*/\S+)\s+(.+)", text)
    clip, rest = (folders[1], folders[2]) if folders else text.split(None, 1)
    return LabelRow(line, clip, _label_of_words(path, line, clip, rest, known))


def _class_folder(path: Path, line: int, clip: str) -> str:
    """The class of a path that stands alone: its folder."""
    folder = clip.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
    if not folder:
        raise invalid(path, line, f"{clip!r} has no label", _FORM)
    return folder


def _refuse_unknown_header(path: Path, rows: Sequence[LabelRow]) -> None:
    """A first line that no other line is like is a header whose names nobody knows.

    Raises:
        AnnotationInvalidError: the first clip has no file's ending and all others have one; or
            the first label is no number and all others are.
    """
    first, others = rows[0], rows[1:]
    if not others or _MEDIA_END.search(first.clip) or not _WORD.fullmatch(first.clip):
        return
    files = all(_MEDIA_END.search(row.clip) and row.label != first.label for row in others)
    numbers = not first.label.isdecimal() and all(row.label.isdecimal() for row in others)
    if files or numbers:
        raise invalid(
            path,
            first.line,
            f"{first.clip!r} and {first.label!r} look like a header",
            "the names path and label there",
        )
