"""Reads text, CSV and JSON with errors that name the file and the line."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError, SourceMissingError
from internvid.core.types import TimeSpan


def invalid(
    path: Path, line: int | str, problem: str, expected: str = ""
) -> AnnotationInvalidError:
    """The error of a malformed file.

    Args:
        path: the file.
        line: its line, or a place inside it (`[3].times`).
        problem: what is wrong there.
        expected: what the format wants.
    """
    place = f"{path.name}, line {line}" if isinstance(line, int) else f"{path.name}, {line}"
    return AnnotationInvalidError(
        f"{place}: {problem}", hint=f"expected {expected}" if expected else None
    )


P = ParamSpec("P")
R = TypeVar("R")


def names_its_file(
    read: Callable[Concatenate[Path, P], R],
) -> Callable[Concatenate[Path, P], R]:
    """A reader whose errors about its records as a whole name the file as well."""

    @functools.wraps(read)
    def reader(path: Path, /, *others: P.args, **named: P.kwargs) -> R:
        try:
            return read(path, *others, **named)
        except AnnotationInvalidError as error:
            if path.name in error.message:
                raise
            raise AnnotationInvalidError(f"{path.name}: {error.message}", hint=error.hint) from None

    return reader


def read_text(path: Path) -> str:
    """The file as text, without a byte order mark.

    Raises:
        SourceMissingError: there is no such file.
        AnnotationInvalidError: it is no UTF-8.
    """
    if not path.is_file():
        raise SourceMissingError(f"there is no annotation file {str(path)!r}")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise invalid(path, line, "no UTF-8 text", "UTF-8: save the file anew as that") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines that hold something, stripped, with their numbers from 1."""
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(at, line.strip()) for at, line in lines if line.strip()]


def read_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Cells of every row that holds something, with the number of its last line.

    Tab-separated files have no quotes: a quotation mark is a letter there.
    """
    lines = read_text(path).splitlines()
    if delimiter == "\t":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise invalid(path, reader.line_num, f"no CSV: {error}") from error


def read_table(
    path: Path, columns: Sequence[str], delimiter: str = ",", *, any_case: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, by column name.

    Args:
        path: the file.
        columns: names that must be there; others are left out.
        delimiter: what separates the cells.
        any_case: whether the file's names count in lower case.

    Raises:
        AnnotationInvalidError: a column is missing, or a row is shorter than the header.
    """
    rows = read_rows(path, delimiter)
    at, header = next(rows, (1, []))
    header = [name.lower() for name in header] if any_case else header
    missing = [name for name in columns if name not in header]
    if missing:
        raise invalid(path, at, f"there is no column {missing[0]!r}", ",".join(columns))
    places = {name: header.index(name) for name in columns}
    for line, cells in rows:
        if len(cells) != len(header):
            raise invalid(path, line, f"{len(cells)} cells under {len(header)} columns")
        yield line, {name: cells[place] for name, place in places.items()}


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        AnnotationInvalidError: it is none; the message names the line.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid(path, error.lineno, f"no JSON: {error.msg}") from error
    except RecursionError as error:
        raise invalid(path, "whole", "JSON of too many levels") from error


def read_list(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Objects of a JSON list, each with its place (`[3]`); or of JSON lines (.jsonl)."""
    content = _json_lines(path) if path.suffix.lower() == ".jsonl" else read_json(path)
    if not isinstance(content, list):
        raise invalid(path, "whole", f"a JSON {type(content).__name__}", "a JSON list of objects")
    for at, item in enumerate(content):
        if not isinstance(item, dict):
            raise invalid(path, f"[{at}]", f"a {type(item).__name__}", "an object")
    return [(f"[{at}]", item) for at, item in enumerate(content)]


def _json_lines(path: Path) -> list[Any]:
    objects = []
    for line, text in read_lines(path):
        try:
            objects.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise invalid(path, line, f"no JSON: {error.msg}") from error
    return objects


def read_objects(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Objects inside a JSON object, each with its key."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise invalid(path, "whole", "other JSON", "a JSON object of objects")
    return list(content.items())


def words(path: Path, place: str, item: Mapping[str, Any], key: str) -> str:
    """A text that must be there and not empty."""
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise invalid(path, place, f"{key!r} is {value!r}", "a text")
    return value.strip()


def texts(path: Path, place: str, item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A text or a list of texts that must be there; empty ones are refused."""
    value = item.get(key)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise invalid(path, place, f"{key!r} is {value!r}", "a text or a list of texts")
    if not all(isinstance(text, str) and text.strip() for text in listed):
        raise invalid(path, place, f"{key!r} holds an empty text, or none", "texts")
    return tuple(text.strip() for text in listed)


def seconds(path: Path, line: int | str, start: str, end: str) -> TimeSpan:
    """A span of two cells.

    Raises:
        AnnotationInvalidError: no numbers, or an empty span.
    """
    try:
        span = TimeSpan(float(start), float(end))
    except (ValueError, ConfigInvalidError) as error:
        raise invalid(path, line, f"{start!r} to {end!r}", "seconds, start < end") from error
    if span.duration_seconds <= 0 or span.start_seconds < 0:
        raise invalid(path, line, f"an empty span {start} to {end}", "start < end")
    return span
