"""Nobody but the user's own browser gets in, and nothing but the dataset gets out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import TOKEN_HEADER, Access, Gate, own_names
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.browse.server.narrow_copy import NarrowCopy
from internvid.dataset.store import Dataset

PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"
WRITING = {"origin": HOME, TOKEN_HEADER: "secret"}


@pytest.fixture(scope="module")
def desk(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    root = folder / "data"
    shutil.copytree(dataset.root, root)
    made = Desk(internvid.open(root), folder, "tester")
    made.table.build()
    yield made
    made.close()


def client(desk: Desk, *, inside: bool = True, read_only: bool = False) -> TestClient:
    """A browser that opened the address with the token, or did not."""
    access = Access(PORT, token="secret", is_read_only=read_only)
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, follow_redirects=False, raise_server_exceptions=False)
    if inside:
        made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    return made


def any_clip(desk: Desk) -> str:
    return str(desk.dataset.clips()["clip_id"][0].as_py())


def test_the_first_address_gives_a_cookie_and_goes_on_without_the_token(desk: Desk) -> None:
    answer = client(desk, inside=False).get("/?token=secret&kept=all")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?kept=all"
    cookie = answer.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie


@pytest.mark.parametrize("path", ["/", "/api/dataset", "/api/clips", "/static/grid.js", "/docs"])
def test_without_cookie_or_with_a_wrong_token_nothing_is_shown(desk: Desk, path: str) -> None:
    outside = client(desk, inside=False)
    assert outside.get(path).status_code == 403
    assert outside.get(path, params={"token": "guess"}).status_code == 403
    assert (
        outside.get(path, headers={"cookie": f"internvid_browse_{PORT}=guess"}).status_code == 403
    )


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1:1", "127.0.0.1", "", f"[::2]:{PORT}"],
)
def test_a_name_that_was_made_to_lead_here_is_not_answered(desk: Desk, host: str) -> None:
    assert client(desk).get("/api/dataset", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", [f"localhost:{PORT}", f"127.0.0.1:{PORT}", f"[::1]:{PORT}"])
def test_this_machine_is_answered_by_its_names(desk: Desk, host: str) -> None:
    headers = {"host": host, "cookie": f"internvid_browse_{PORT}=secret"}
    assert client(desk).get("/api/dataset", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": HOME},
        {TOKEN_HEADER: "secret"},
        {"origin": "http://evil.example", TOKEN_HEADER: "secret"},
        {"origin": "null", TOKEN_HEADER: "secret"},
        {"origin": HOME, TOKEN_HEADER: "guess"},
        {"origin": f"https://127.0.0.1:{PORT}", TOKEN_HEADER: "secret"},
    ],
)
def test_a_change_needs_our_own_page_and_the_token(desk: Desk, headers: dict[str, str]) -> None:
    clip = any_clip(desk)
    answer = client(desk).post(f"/api/verdict/{clip}", json={"verdict": "keep"}, headers=headers)
    assert answer.status_code == 403
    assert clip not in desk.verdicts.read()


def test_read_only_changes_nothing(desk: Desk) -> None:
    clip, reader = any_clip(desk), client(desk, read_only=True)
    body = {"verdict": "keep"}
    assert reader.post(f"/api/verdict/{clip}", json=body, headers=WRITING).status_code == 403
    saved = reader.post("/api/subsets", json={"name": "x", "query": []}, headers=WRITING)
    assert saved.status_code == 403
    assert desk.verdicts.read() == {}


@pytest.mark.parametrize(
    "path",
    [
        "/media/../../etc/passwd",
        "/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/media//etc/passwd",
        "/static/../access.txt",
        "/static/%2e%2e/access.txt",
        "/static/access.txt",
        "/film/..%2f..%2fetc%2fpasswd.jpg",
        "/clip/%00",
        "/pick/0/../../x.jpg",
    ],
)
def test_files_are_reached_by_id_alone(desk: Desk, path: str) -> None:
    answer = client(desk).get(path)
    assert answer.status_code in (404, 422)
    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    "address",
    [
        "duration_seconds=1 or 1=1",
        "duration_seconds=1..2);drop table clips;--",
        "no_such_column=1",
        'reason"; drop table clips; --=x',
        "sort=clip_id;drop",
        "sort=-nothing",
        "kept=everything",
        "page=0",
        "page=-1",
        "page=99999999999999999999",
        "seed=1e9",
        "is_dark=perhaps",
        "subset=../../etc",
    ],
)
def test_addresses_are_no_sql_and_no_path(desk: Desk, address: str) -> None:
    name, _, value = address.partition("=")
    answer = client(desk).get("/api/clips", params={name: value})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client(desk).get("/api/totals").json()["clips"] == len(desk.dataset)


def test_words_of_a_filter_are_values(desk: Desk) -> None:
    answer = client(desk).get("/api/clips", params={"camera_move": "x') or ('1'='1", "q": "'; --"})
    assert answer.status_code == 200
    assert answer.json()["clips"] == []


def test_every_answer_forbids_what_is_from_elsewhere(desk: Desk) -> None:
    for path in ("/", "/api/dataset", "/nothing", "/static/browse.css"):
        headers = client(desk).get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_ranges_are_bounded(desk: Desk) -> None:
    clip, browser = any_clip(desk), client(desk)
    first = browser.get(f"/media/{clip}", headers={"range": "bytes=0-99"})
    assert (first.status_code, len(first.content)) == (206, 100)
    many = ",".join(f"{at}-{at}" for at in range(0, 4000, 2))
    answer = browser.get(f"/media/{clip}", headers={"range": f"bytes={many}"})
    assert answer.status_code in (200, 400, 416)
    assert answer.headers["content-type"] != "multipart/byteranges"


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        (WRITING | {"content-length": "99999999999"}, b"{}", 413),
        (WRITING, b"no json", 400),
        (WRITING, b"[1]", 400),
        (WRITING, b'{"verdict": "delete"}', 400),
        (WRITING, b'{"labels": ["0"]}', 400),
        (WRITING, b'{"column": "../x", "text": "a"}', 400),
    ],
)
def test_what_is_sent_is_checked(
    desk: Desk, headers: dict[str, str], content: bytes, status: int
) -> None:
    clip: Any = any_clip(desk)
    answer = client(desk).post(f"/api/verdict/{clip}", content=content, headers=headers)
    assert answer.status_code == status
    assert desk.verdicts.read() == {}


def test_a_wildcard_address_has_no_name_of_itself() -> None:
    assert own_names("0.0.0.0") == frozenset()
    assert own_names("0.0.0.0", ["lab"]) == {"lab"}
    assert own_names("192.168.1.5") == {"192.168.1.5"}


def test_pages_need_no_folder_of_ours(desk: Desk, tmp_path: Path) -> None:
    # Scripts and styles are part of the package.
    for name in ("grid.js", "clip.js", "parts.js", "browse.css", "report.css"):
        assert client(desk).get(f"/static/{name}").status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_what_pages_say(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NarrowCopy, "_copy", full)
    desk = Desk(dataset, tmp_path, "tester")
    with pytest.raises(OSError, match="No space left"):
        desk.table.build()
    answer = client(desk).get("/api/totals")
    assert answer.status_code == 400
    assert "No space left" in answer.json()["error"]
    assert "TMPDIR" in answer.json()["hint"]
    desk.close()
