"""Sources that were moved: their new place in every table that names them.

The one case in which parts are written anew. Each file is replaced in one step, and what was
written already is passed over by the next call, so that an interrupted one goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json, commit_table, read_part
from internvid.dataset.sources.uris import path_to_uri, uri_to_path
from internvid.dataset.tables import VideoRow

_SAME = "has the same bytes as "


def remap(layout: Layout, pairs: Sequence[str]) -> str:
    """Name the new place of sources that were moved. Under the write lock.

    Args:
        layout: of the dataset.
        pairs: `OLD=NEW`: a folder or file, and where it is now.

    Returns:
        A sentence that says how many sources were moved, and how many are at their new place.

    Raises:
        MisuseError: no source lies at OLD, or none of them is at NEW; nothing is changed.
    """
    uris = _recorded(layout)
    moves: dict[str, str] = {}
    for pair in pairs:
        moves |= _moves(pair, uris)
    there = sum(uri_to_path(uri).exists() for uri in moves.values())
    if not there:
        raise MisuseError(
            f"none of {len(moves)} sources is at its new place, such as {min(moves.values())}",
            hint="name the folder that holds them now: --remap OLD=NEW",
        )
    for path in sorted((layout.root / "sources").glob("part-*.parquet")):
        _replace(path, moves)
    for path in sorted((layout.root / "runs").glob("seen*.parquet")):
        _replace(path, moves)
    for scan in sorted((layout.root / "scans").glob("*")):
        _replace_videos(sorted((scan / "videos").glob("part-*.parquet")), moves)
    for scan in layout.staged_scans():
        for path in sorted(scan.glob("*/*.json")):
            row = json.loads(path.read_text("utf-8"))
            if row.get("uri") in moves:
                commit_json(path, {**row, "uri": moves[row["uri"]]})
    return f"sources that were moved: {len(moves)}, of which {there} are at their new place"


def _recorded(layout: Layout) -> set[str]:
    found: set[str] = set()
    files = [*layout.root.glob("sources/part-*.parquet")]
    files += layout.root.glob("scans/*/videos/part-*.parquet")
    for path in files:
        found.update(read_part(path, ["uri"])["uri"].to_pylist())
    return found


def _moves(pair: str, uris: set[str]) -> dict[str, str]:
    """Recorded uri -> its new one, of one `OLD=NEW`; paths may hold `=` themselves."""
    cuts = [at for at, letter in enumerate(pair) if letter == "="]
    for at in cuts:
        old, new = pair[:at], pair[at + 1 :]
        if old and new:
            found = {uri: moved for uri in uris if (moved := _moved(uri, old, new)) is not None}
            if found:
                return found
    if not cuts:
        raise MisuseError(f"{pair!r} is not OLD=NEW", hint="for example --remap /old=/new")
    raise MisuseError(
        f"no source of the dataset lies at {pair[: cuts[0]]!r}",
        hint=f"their places are such as {min(uris, default='none')}",
    )


def _moved(uri: str, old: str, new: str) -> str | None:
    try:
        path = str(uri_to_path(uri))
    except ConfigInvalidError:
        return None  # at another host
    start, end = os.path.abspath(old), os.path.abspath(new)
    if path == start:
        return path_to_uri(end)
    below = start.rstrip("/") + "/"
    return path_to_uri(os.path.join(end, path[len(below) :])) if path.startswith(below) else None


def _replace(path: Path, moves: Mapping[str, str]) -> None:
    table = read_part(path)
    uris = table["uri"].to_pylist()
    if any(uri in moves for uri in uris):
        moved = pa.array([moves.get(uri, uri) for uri in uris], pa.string())
        at = table.column_names.index("uri")
        commit_table(path, table.set_column(at, "uri", moved).replace_schema_metadata(None))


def _replace_videos(paths: Sequence[Path], moves: Mapping[str, str]) -> None:
    """Renames in the parts of `videos`, whose rows name each other.

    A build that met a file at its new place called it a duplicate of the one at the old: now both
    are one, and the row says what was scanned.
    """
    scanned: dict[str | None, VideoRow] = {}
    for path in paths:
        table = read_part(path)
        earlier: list[VideoRow] = table.to_pylist()
        rows: list[VideoRow] = []
        for before in earlier:
            row: VideoRow = {**before, "uri": moves.get(before["uri"], before["uri"])}
            same = (row["error"] or "").removeprefix(_SAME)
            if row["status"] == "duplicate" and same in moves:
                row["error"] = _SAME + moves[same]
            first = scanned.get(row["video_id"])
            if row["status"] == "ok":
                scanned[row["video_id"]] = row
            elif row["status"] == "duplicate" and first and first["uri"] == row["uri"]:
                row = {**first, "metadata": row["metadata"] or first["metadata"]}
            rows.append(row)
        moved = pa.Table.from_pylist(rows, schema=table.schema)
        if not moved.equals(table):
            commit_table(path, moved)
