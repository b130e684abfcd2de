"""A search phrase with its origin, and the files that hold lists of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from internvid.collect.queries.text_files import read_text
from internvid.core.errors import MisuseError, OutputExistsError, SourceMissingError
from internvid.dataset.parts import commit_bytes

Kind = Literal["label", "phrase"]
SUFFIXES = (".jsonl", ".csv", ".parquet", ".txt")
# Published as `search_word_id` (English) and `search_word` (Chinese).
_PUBLISHED = "search_word_id", "search_word"


@dataclass(frozen=True)
class Query:
    """A phrase to search videos by.

    Attributes:
        query: the phrase, in lower case.
        kind: `label`: of a list of labels; `phrase`: found in a text.
        language: code of ISO 639-1.
        sources: names of the lists and texts that it comes from, sorted.
        count: how often it was found.
        verb, object: of a phrase; empty where it has none.
        of: the English phrase that it translates; empty for none.
    """

    query: str
    kind: Kind = "label"
    language: str = "en"
    sources: tuple[str, ...] = ()
    count: int = 1
    verb: str = ""
    object: str = ""
    of: str = ""


@dataclass(frozen=True)
class QueryList:
    """Search phrases, and what became of the others.

    Attributes:
        queries: each phrase once, labels first, in the order in which they were found.
        dropped: reason -> how many phrases were left out; docs/queries.md says what each means.
        extractor: what found phrases in texts; None where there were none.
    """

    queries: tuple[Query, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    extractor: str | None = None

    def counts(self) -> dict[str, Any]:
        """How many there are, by kind, by language, by source, by number of words."""
        english = [each for each in self.queries if not each.of]
        return {
            "queries": len(english),
            "translations": len(self.queries) - len(english),
            "labels": sum(each.kind == "label" for each in english),
            "phrases": sum(each.kind == "phrase" for each in english),
            "languages": _counted(each.language for each in self.queries),
            "sources": _counted(name for each in english for name in each.sources),
            "words": _counted(str(min(5, len(each.query.split()))) for each in english),
        }


def _counted(values: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return dict(sorted(found.items()))


def write_queries(queries: Sequence[Query], path: Path) -> None:
    """Write a list by its ending: .jsonl, .csv, .parquet, or .txt with the phrases alone.

    Raises:
        OutputExistsError: the file is there.
        MisuseError: the ending is none of these.
        StorageError: it cannot be written.
    """
    refuse_list_file(path)
    if path.exists():
        raise OutputExistsError(f"{path} exists", hint="choose a new name, or remove the file")
    rows = [row_of(query) for query in queries]
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            [(name, pa.int64() if name == "count" else pa.string()) for name in row_of(Query(""))]
        )
        schema = schema.set(
            schema.get_field_index("sources"), pa.field("sources", pa.list_(pa.string()))
        )
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
        commit_bytes(path, sink.getvalue())
        return
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif path.suffix == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(row_of(Query(""))), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "sources": ";".join(row["sources"])} for row in rows)
        text = out.getvalue()
    else:
        text = "".join(f"{query.query}\n" for query in queries)
    commit_bytes(path, text.encode("utf-8"))


def refuse_list_file(path: Path) -> None:
    """Refuse a name whose ending says no form that lists are written in.

    Raises:
        MisuseError: it is none of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise MisuseError(
            f"{path.name}: a list of queries is {', '.join(SUFFIXES)}, not {path.suffix!r}",
            hint=f"name it {path.stem}.jsonl",
        )


def row_of(query: Query) -> dict[str, Any]:
    """A query as the row of a table."""
    return {
        "query": query.query,
        "kind": query.kind,
        "language": query.language,
        "sources": list(query.sources),
        "count": query.count,
        "verb": query.verb,
        "object": query.object,
        "of": query.of,
    }


def read_queries(path: Path) -> list[Query]:
    """Read a list: one of ours, InternVid's published one, or a text with a phrase a line.

    Raises:
        SourceMissingError: there is no such file.
        MisuseError: it has neither phrases nor a column of them.
    """
    if not path.is_file():
        raise SourceMissingError(f"{path} is not there", hint="name a list of queries")
    return list(_read(path))


def _read(path: Path) -> Iterator[Query]:
    if path.suffix == ".txt":
        for line in read_text(path).splitlines():
            if line.strip():
                yield Query(line.strip())
        return
    for number, row in enumerate(_rows(path), 1):
        if _PUBLISHED[0] in row:
            phrase = str(row[_PUBLISHED[0]]).strip()
            yield Query(phrase, sources=(path.stem,))
            if translation := str(row.get(_PUBLISHED[1]) or "").strip():
                yield Query(translation, language="zh", sources=(path.stem,), of=phrase)
            continue
        if not str(row.get("query") or "").strip():
            raise MisuseError(
                f"{path}, row {number}: no `query` and no `{_PUBLISHED[0]}`",
                hint="a list of queries has a column `query`, or is a .txt with a phrase a line",
            )
        sources = row.get("sources") or ()
        yield Query(
            query=str(row["query"]).strip(),
            kind="phrase" if row.get("kind") == "phrase" else "label",
            language=str(row.get("language") or "en"),
            sources=tuple(sources.split(";") if isinstance(sources, str) else sources),
            count=int(row.get("count") or 1),
            verb=str(row.get("verb") or ""),
            object=str(row.get("object") or ""),
            of=str(row.get("of") or ""),
        )


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.read_table(path).to_pylist()
        elif path.suffix == ".csv":
            yield from csv.DictReader(io.StringIO(read_text(path)))
        elif path.suffix == ".json":
            yield from _objects(path, json.loads(read_text(path)))
        else:
            lines = (line for line in read_text(path).splitlines() if line.strip())
            yield from _objects(path, [json.loads(line) for line in lines])
    except (ValueError, OSError, csv.Error) as error:
        raise MisuseError(
            f"{path} cannot be read as {path.suffix or 'JSON lines'}: {error}".splitlines()[0],
            hint="a list of queries has a column `query`, or is a .txt with a phrase a line",
        ) from error


def _objects(path: Path, value: Any) -> Iterator[Mapping[str, Any]]:
    for row in value if isinstance(value, list) else [value]:
        if not isinstance(row, Mapping):
            raise MisuseError(
                f"{path}: a row is {json.dumps(row, ensure_ascii=False)[:60]}, and no object",
                hint='rows are objects: {"query": "playing guitar"}',
            )
        yield row
