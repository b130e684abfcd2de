"""Where rows of a table are fetched from, as SQL: an address, or an id of a known site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from internvid.curate.tables.expressions import NULL_TEXT, quoted_text, text_sql
from internvid.curate.tables.known_layouts import Columns, plain_name
from internvid.dataset.answers.column_views import quoted_name

ADDRESS_COLUMNS = (
    "uri", "url", "contentUrl", "video_url", "webpage_url", "youtube_url", "link", "video_link",
    "href",
)  # fmt: skip
"""Columns that hold addresses; the first that a row has something in counts."""
_ID_COLUMNS = (
    "source_id",
    "id",
    "YoutubeID",
    "youtube_id",
    "video_id",
    "videoID",
    "videoid",
    "vid",
)
_YOUTUBE_LAYOUTS = frozenset(
    {"internvid", "koala-36m", "panda-70m", "hd-vila-100m", "videocc", "vidgen-1m", "openvid-1m"}
)
_YOUTUBE_ID = "^(?:youtube:|v_)?([A-Za-z0-9_-]{11})$"
_YOUTUBE_ADDRESS = (
    "^(?:https?://)?(?:www[.]|m[.])?(?:youtube(?:-nocookie)?[.]com/"
    "(?:watch[?](?:[^#]*&)?v=|embed/|shorts/|live/|v/)|youtu[.]be/)([A-Za-z0-9_-]{11})(?:[?&#/].*)?$"
)
_WATCH = "https://www.youtube.com/watch?v="
# What the row says that is neither its source nor its span; the rest of it is metadata.
_TAKEN = frozenset(
    plain_name(name)
    for name in (
        *ADDRESS_COLUMNS, *_ID_COLUMNS, "timestamp", "Start_timestamp", "End_timestamp",
        "start_seconds", "end_seconds", "start", "end", "start_frame", "end_frame", "clip",
        "start_microseconds", "end_microseconds", "caption", "path", "offset_seconds", "status",
    )
)  # fmt: skip


@dataclass(frozen=True)
class SourceColumns:
    """SQL over the standard relation of a table.

    Attributes:
        source_id: text; null where the row names nothing.
        uri: text; null where nothing can be fetched by it.
        metadata: JSON text of what else the row says; null where that is nothing.
        licence: text; null where the table does not say.
    """

    source_id: str
    uri: str
    metadata: str
    licence: str


def source_columns(kinds: Mapping[str, str], layout: str, url_template: str) -> SourceColumns:
    """How the rows of a table name what is to be fetched.

    Args:
        kinds: DuckDB's type of each own column.
        layout: of the table, by its name.
        url_template: of addresses, with `{id}`; empty for none.
    """
    columns = Columns(kinds)
    licence = columns.first(("licence", "license"))
    has_id = columns.first(_ID_COLUMNS) is not None or layout in _YOUTUBE_LAYOUTS
    has_id = has_id or layout in ("openvid-1m", "vidgen-1m", "webvid", "miradata-v0")
    identity = "nullif(trim(source_id), '')" if has_id else NULL_TEXT
    address = _address(columns)
    youtube = _first_group(identity, _YOUTUBE_ID)
    linked = _first_group(address, _YOUTUBE_ADDRESS)
    by_template = NULL_TEXT
    if url_template:
        before, _, after = url_template.partition("{id}")
        by_template = f"{quoted_text(before)} || url_encode({identity}) || {quoted_text(after)}"
    # A video that is named in several ways is one: the id goes before the rest of an address.
    uri = (
        f"coalesce({quoted_text(_WATCH)} || {linked}, {address}, {by_template}, "
        f"{quoted_text(_WATCH)} || {youtube})"
    )
    named = f"'youtube:' || coalesce({linked}, case when {address} is null then {youtube} end)"
    return SourceColumns(
        f"coalesce({named if not url_template else NULL_TEXT}, {identity}, {address})",
        uri,
        _metadata(kinds, columns),
        NULL_TEXT if licence is None else text_sql(quoted_name(licence), kinds[licence]),
    )


def _address(columns: Columns) -> str:
    known = [columns.first((name,)) for name in ADDRESS_COLUMNS]
    cells = [
        f"nullif(trim({text_sql(quoted_name(name), columns.kinds[name])}), '')"
        for name in dict.fromkeys(known)
        if name is not None
    ]
    if not cells:
        return NULL_TEXT
    cell = f"coalesce({', '.join(cells)})" if len(cells) > 1 else cells[0]
    return f"(case when {cell} like 'www.%' then 'https://' || {cell} else {cell} end)"


def _first_group(text: str, pattern: str) -> str:
    return f"nullif(regexp_extract({text}, {quoted_text(pattern)}, 1), '')"


def _is_heavy(kind: str) -> bool:
    """Whether values of a type are bytes or vectors: pictures and embeddings are no metadata."""
    return any(part in kind.upper() for part in ("BLOB", "FLOAT[", "DOUBLE["))


def _metadata(kinds: Mapping[str, str], columns: Columns) -> str:
    own = [name for name in kinds if plain_name(name) not in _TAKEN]
    caption = columns.first(("caption",))
    own = [name for name in own if name != caption and not _is_heavy(kinds[name])]
    if not own:
        return NULL_TEXT
    pairs = ", ".join(f"{quoted_text(name)}, {quoted_name(name)}" for name in own)
    return f"json_object({pairs})::varchar"
