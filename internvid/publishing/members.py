"""Members of shards: of one type in every sample, because readers infer it from the first ones.

`datasets` of Hugging Face looks at five samples. A null there and a number later ends its loading;
an empty list and a filled one later do too, and so does a sample that lacks a member.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError


def json_member(item: ExportItem, facts: Mapping[str, Any]) -> bytes:
    """The columns of a clip with the `uri` and the `metadata` (JSON text) of its source.

    What is not known of a clip is left out: null, NaN, infinity, and empty lists, which have no
    type.

    Args:
        item: the clip.
        facts: of the file beside it; every sample has them.
    """
    metadata = json.dumps(dict(item.metadata), sort_keys=True, ensure_ascii=False, default=str)
    # A column of that name goes first.
    row = {"uri": item.uri, "metadata": metadata, **facts, **item.row}
    known = {name: found for name, value in row.items() if (found := _known(value)) is not None}
    text = json.dumps(known, sort_keys=True, ensure_ascii=False, default=str, allow_nan=False)
    return text.encode("utf-8")


def refuse_unknown_column(column: str, columns: Mapping[str, str], field: str) -> None:
    """Refuse the name of a column that clips do not have.

    Args:
        column: the name.
        columns: of clips: name -> type.
        field: of the exporter, that has the name.

    Raises:
        ConfigInvalidError: there is none; the texts that there are are named.
    """
    if column not in columns:
        known = texts_among(columns)
        raise ConfigInvalidError(
            f"{field}={column!r}: clips have no such column; texts are: {', '.join(known)}",
            hint=f"--set {field}=NAME names one of them, --set {field}= none",
        )


def refuse_quality(crf: int) -> None:
    """Refuse an x264 quality that there is not.

    Raises:
        ConfigInvalidError: it is not from 0 (lossless) to 51.
    """
    if not 0 <= crf <= 51:
        raise ConfigInvalidError(
            f"crf must be from 0 (lossless) to 51, got {crf}", hint="23 is the usual quality"
        )


def texts_among(columns: Mapping[str, str]) -> list[str]:
    """Names of the text columns that are no ids."""
    return [name for name, kind in columns.items() if kind == "string" and not name.endswith("_id")]


def _known(value: Any) -> Any:
    """A value as JSON has it; None where it says nothing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Collection) and not isinstance(value, (str, Mapping)):
        items = [_known(item) for item in value]
        return items if any(item is not None for item in items) else None
    return value
