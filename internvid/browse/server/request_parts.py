"""What requests bring: the query of an address, the object of a change."""

from __future__ import annotations

import json
from typing import Any

from fastapi import HTTPException, Request

from internvid.browse.server.conditions import Query, read_query
from internvid.browse.server.desk import Desk


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a change brings.

    Raises:
        HTTPException: 400, it is none.
    """
    try:
        value = json.loads(await request.body())
    except ValueError as error:
        raise HTTPException(400, "a JSON object is taken") from error
    if not isinstance(value, dict):
        raise HTTPException(400, "a JSON object is taken")
    return value


def query_of(request: Request, desk: Desk) -> Query:
    """What the address says.

    Raises:
        AddressUnreadableError: it says nothing that can be shown.
    """
    fields = [pair for pair in request.query_params.multi_items() if pair[0] != "page"]
    return read_query(fields, desk.table.facets)
