"""Which files a table consists of, and in which form."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from internvid.core.errors import MisuseError, SourceMissingError
from internvid.core.system.temporary import is_temporary

_FORMS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}
_PACKINGS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_HINT = "name a file, a folder or a glob of .parquet, .jsonl, .json, .csv or .tsv (also .gz, .zst)"


@dataclass(frozen=True)
class TableFiles:
    """The files of a table, all in one form.

    Attributes:
        paths: absolute, sorted by name.
        form: `parquet`, `jsonl`, `json`, `csv` or `tsv`.
    """

    paths: tuple[Path, ...]
    form: str


def form_of(path: Path) -> str | None:
    """The form of a table's file by its name, and null for other files."""
    suffixes = [each.lower() for each in path.suffixes]
    if suffixes and suffixes[-1] in _PACKINGS:
        suffixes = suffixes[:-1]
        if suffixes and _FORMS.get(suffixes[-1]) == "parquet":
            return None
    return _FORMS.get(suffixes[-1]) if suffixes else None


def packing_of(path: Path) -> str | None:
    """How a file is compressed, by its name: `gzip`, `zstd` or null."""
    return _PACKINGS.get(path.suffix.lower())


def find_files(source: Path | str) -> TableFiles:
    """The files that a path, a folder or a glob names.

    Raises:
        SourceMissingError: there are none.
        MisuseError: they are of no form that is read, or of several.
    """
    paths = _named(source)
    forms = {path: form_of(path) for path in paths}
    known = [path for path in paths if forms[path]]
    if not known:
        raise MisuseError(f"{source} is no table that can be read", hint=_HINT)
    found = sorted({str(forms[path]) for path in known})
    if len(found) > 1:
        raise MisuseError(
            f"{source} has files of several forms: {', '.join(found)}", hint="name one with a glob"
        )
    for path in known:
        if found[0] == "parquet" and any(mark in str(path) for mark in "*?["):
            raise MisuseError(
                f"{path} has a name that DuckDB takes for a pattern", hint="rename it"
            )
    return TableFiles(tuple(known), found[0])


def _named(source: Path | str) -> Sequence[Path]:
    path = Path(source)
    if path.is_dir():
        files = [each for each in path.rglob("*") if each.is_file() and not _is_aside(each, path)]
        if not files:
            raise SourceMissingError(f"{source} has no files in it", hint=_HINT)
        return sorted(each.absolute() for each in files if form_of(each)) or files
    if path.exists():
        return [path.absolute()]
    matches = sorted(glob.glob(str(source), recursive=True))
    files = [Path(each).absolute() for each in matches if Path(each).is_file()]
    if not files:
        raise SourceMissingError(f"{source} does not exist", hint=_HINT)
    return files


def _is_aside(path: Path, root: Path) -> bool:
    """Whether a file of a folder is hidden, being written, or in a folder of that kind."""
    names = path.relative_to(root).parts
    return any(name.startswith((".", "_")) or is_temporary(name) for name in names)
