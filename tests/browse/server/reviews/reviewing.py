"""What tests of reviews share: audits that are begun, a browser's requests."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from internvid.browse.server.access import TOKEN_HEADER, Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.audits import begin_audit

PORT = 8765


HOME = f"http://127.0.0.1:{PORT}"


PLAN: dict[str, Any] = {"groups": ["kept"], "count": 3, "seed": 1}


PAIR: dict[str, Any] = {"columns": ["measured", "echo"], "count": 3, "seed": 1}


def reasons(desk: Desk) -> dict[str, int]:
    found = desk.dataset.sql(
        "select reason, count(*) from all_clips where not kept group by 1 order by 2 desc, 1"
    )
    return dict(found.fetchall())


def audited(desk: Desk, *groups: str, count: int = 1000, seed: int = 1) -> str:
    return begin_audit(desk, {"groups": list(groups), "count": count, "seed": seed})


def client(desk: Desk, *, read_only: bool = False) -> TestClient:
    access = Access(PORT, token="secret", is_read_only=read_only)
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, follow_redirects=False)
    made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    made.headers.update({"origin": HOME, TOKEN_HEADER: "secret"})
    return made
