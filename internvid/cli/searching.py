"""search: clips of a dataset by a text, a video or an image."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.output import put, put_json, say, table
from internvid.core.errors import MisuseError
from internvid.core.types import instant

if TYPE_CHECKING:
    from internvid.dataset.store import Dataset
    from internvid.searching.vectors import Hit

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class SearchRequest:
    """What was asked for on the command line."""

    dataset: Path
    query: str
    column: str | None
    model: str
    count: int
    subset: str | None
    exact: bool | None
    device: str
    as_json: bool


def run_search(request: SearchRequest) -> None:
    """`internvid search`."""
    from internvid.dataset.store import open_dataset
    from internvid.searching.query import open_search

    if not request.query.strip():
        raise MisuseError("an empty query finds nothing", hint="give a text or the path of a file")
    dataset = open_dataset(request.dataset)
    search = open_search(
        dataset,
        request.column,
        model=request.model,
        device=request.device,
        progress=_tell,
    )
    options = {"subset": request.subset, "exact": request.exact}
    file = Path(request.query)
    if is_file(file):
        hits = search.by_file(file, request.count, **options)
    else:
        hits = search.by_text(request.query, request.count, **options)
    rows = _rows(dataset, hits)
    if request.as_json:
        put_json(
            {"query": request.query, "column": search.column, "model": search.model, "hits": rows}
        )
        return
    put(table([_shortened(row) for row in rows]))


def is_file(path: Path) -> bool:
    """Whether there is such a file; a long sentence is no name of one."""
    try:
        return path.is_file()
    except OSError:
        return False


def _rows(dataset: Dataset, hits: list[Hit]) -> list[dict[str, Any]]:
    from internvid.dataset.columns import is_text_column

    record = dataset.record
    columns = record.columns.get(record.cut or "", {})
    texts = [
        name
        for name, key in sorted(columns.items())
        if is_text_column(dataset.layout, record, record.cut or "", key)
    ]
    chosen = ", ".join(
        f'c."{name}"' for name in ("clip_id", "start_seconds", "end_seconds", *texts)
    )
    # One query for all hits: each would read the clips' files anew.
    matches = dataset.connection.execute(
        f"select {chosen}, min(v.uri) filter (v.status = 'ok') as first, min(v.uri) as any_of "
        "from all_clips c left join videos v on v.video_id = c.video_id "
        "and v.status in ('ok', 'duplicate') "
        f"where c.clip_id in (select unnest(?)) group by {chosen}",
        [[hit.clip_id for hit in hits]],
    ).fetchall()
    by_id = {row[0]: row for row in matches}
    rows = []
    for hit in hits:
        _, start, end, *words, first, any_of = by_id[hit.clip_id]
        rows.append(
            {
                "score": round(hit.score, 4),
                "clip_id": hit.clip_id,
                "start_seconds": instant(start),
                "end_seconds": instant(end),
                "uri": first or any_of,
                **dict(zip(texts, words, strict=True)),
            }
        )
    return rows


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    short = {"score": row["score"], "clip_id": row["clip_id"][:12]}
    short["start_seconds"], short["end_seconds"] = row["start_seconds"], row["end_seconds"]
    short["video"] = Path(row["uri"]).name if row["uri"] else ""
    for name in list(row)[5:]:
        text = row[name] or ""
        cut = len(text) > _SHOWN_CHARACTERS
        short[name] = text[: _SHOWN_CHARACTERS - 1] + "…" if cut else text
    return short


def _tell(stage: str, share: float) -> None:
    if sys.stderr.isatty() or share >= 1:
        say(f"{stage} vectors: {share:.0%}")
