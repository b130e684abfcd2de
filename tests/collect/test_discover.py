"""Candidates: from searches, feeds and listings, each once, within the rules, also after a kill."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from internvid.cli.app import main
from internvid.collect.discovery.candidate import SCHEMA
from internvid.collect.discovery.discover_settings import DiscoverSettings
from internvid.collect.discovery.discovering import Discovery, discover
from internvid.collect.discovery.discovering import _read as reading
from internvid.collect.discovery.places.commons import Commons
from internvid.collect.discovery.places.feeds import Feeds
from internvid.collect.discovery.places.internet_archive import InternetArchive
from internvid.collect.discovery.places.listings import Listings
from internvid.collect.discovery.places.place import PlaceUnreadableError
from internvid.collect.discovery.places.sites import SiteSearch, search_site
from internvid.core.errors import ConfigInvalidError, MisuseError, OutputExistsError
from tests.cli.speaking import Capture
from tests.collect.places_server import PlacesServer, serving_places

SETTINGS = DiscoverSettings(
    places=("commons",),
    per_query=5,
    per_second=1000.0,
    tries=2,
    allow_private=True,
    contact="someone@example.org",
)


@pytest.fixture
def server() -> Iterator[PlacesServer]:
    with serving_places() as running:
        yield running


def looking(
    server: PlacesServer, out: Path, *inputs: str, settings: DiscoverSettings = SETTINGS
) -> tuple[Discovery, list[dict[str, object]]]:
    """What `discover` finds with the server as Commons and as the Archive."""
    places = [
        Commons(api=f"{server.address}/api.php"),
        InternetArchive(site=server.address),
    ]
    found = discover(list(inputs), out, settings, places=places)
    return found, pq.read_table(out).to_pylist()


def test_commons_is_searched_page_by_page_within_the_crawl_rules(
    server: PlacesServer, tmp_path: Path
) -> None:
    found, rows = looking(server, tmp_path / "c.parquet", "dog")
    # The first two are shorter than 10 s.
    assert [row["source_id"] for row in rows] == [f"commons:dog_{at}.webm" for at in range(2, 7)]
    assert found.dropped == {"too_short": 2}
    first = rows[0]
    assert first["uri"] == f"{server.address}/files/2.720.webm"
    assert (first["width"], first["height"]) == (1280, 720)
    assert (first["licence"], first["owner"]) == ("CC0", "Someone")
    assert first["description"] == "A dog & a cat"
    assert (first["published"], first["rank"], first["queries"]) == ("2021-05-06", 3, ["dog"])
    assert pq.read_schema(tmp_path / "c.parquet").names == SCHEMA.names
    agents = {headers["User-Agent"] for _, headers in server.requests}
    assert len(agents) == 1
    assert "someone@example.org" in agents.pop()
    # Two answers of five, and no robots.txt: the service is made for programs.
    assert len(server.requests) == 2


def test_items_of_the_archive_become_their_best_file(server: PlacesServer, tmp_path: Path) -> None:
    settings = replace(SETTINGS, places=("archive",), per_query=10)
    _, rows = looking(server, tmp_path / "c.parquet", "dog", settings=settings)
    assert [row["source_id"] for row in rows] == [
        f"archive:item-{at}/film 720.mp4" for at in (0, 2, 3, 4, 5)
    ]
    assert rows[0]["uri"] == f"{server.address}/download/item-0/film%20720.mp4"
    assert (rows[0]["duration_seconds"], rows[0]["owner"], rows[0]["bytes"]) == (61.5, "Ann", 1234)


def test_feeds_name_their_videos(server: PlacesServer, tmp_path: Path) -> None:
    settings = replace(SETTINGS, longest_seconds=4000.0)
    _, rows = looking(
        server,
        tmp_path / "c.parquet",
        f"{server.address}/feed",
        f"{server.address}/channel",
        settings=settings,
    )
    assert [row["uri"] for row in rows] == [
        f"{server.address}/files/one.mp4",
        f"{server.address}/files/two.webm",
        "https://www.youtube.com/watch?v=abcdefghijk",
    ]
    one, two, three = rows
    assert (one["duration_seconds"], one["published"], one["language"]) == (
        3723,
        "2025-03-04",
        "de",
    )
    assert (one["licence"], two["height"], two["title"]) == ("CC BY 4.0", 480, "Two")
    assert (three["source_id"], three["owner_id"]) == ("youtube:abcdefghijk", "UC1")


def test_listings_are_read_to_their_end_and_never_left(
    server: PlacesServer, tmp_path: Path
) -> None:
    _, rows = looking(
        server, tmp_path / "c.parquet", f"{server.address}/bucket", f"{server.address}/index/"
    )
    assert [row["uri"] for row in rows] == [
        f"{server.address}/bucket/b/c%20d.mp4",
        f"{server.address}/bucket/e.mov",
        f"{server.address}/index/a%20b.mp4",
        f"{server.address}/index/sub/c.webm",
    ]
    asked = [path for path, _ in server.requests]
    assert not [path for path in asked if path.startswith("/other") or "C=N" in path]
    assert len(asked) == len(set(asked))


def test_what_cannot_be_read_is_a_failed_search_and_the_rest_goes_on(
    server: PlacesServer, tmp_path: Path
) -> None:
    inputs = [f"{server.address}/{name}" for name in ("bomb", "nothing", "secret", "feed")]
    found, rows = looking(server, tmp_path / "c.parquet", *inputs)
    assert found.searches == {"done": 1, "failed": 3}
    reasons = [failure["message"].partition(":")[0] for failure in found.failures]
    assert reasons == ["unreadable", "removed", "robots"]
    assert len(rows) == 1  # the other one of the feed lasts an hour


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"5", b"null", b"{", b'"x"', b"[" * 100_000, b'{"query": null}',
        b'{"query": {"pages": 5}}', b'{"query": {"pages": [1, null]}}', b'{"response": []}',
        b'{"response": {"docs": {"a": 1}, "start": "x"}}', b'{"metadata": 5, "files": 7}',
        b'{"error": "no"}', b"<rss>", b"<ListBucketResult>", b"\xff\xfe\x00",
    ],
)  # fmt: skip
def test_whatever_a_service_answers_ends_its_own_search_alone(body: bytes) -> None:
    for place in (Commons(), InternetArchive(), Feeds(), Listings()):
        address = place.first("http://127.0.0.1/x", 5)
        found: Sequence[object] = ()
        with contextlib.suppress(PlaceUnreadableError):  # and no other error
            found = reading(place, address, body, "x").candidates
        assert found == ()


def test_a_contact_that_no_header_can_have_is_refused(tmp_path: Path) -> None:
    for contact in ("a\r\nX: y", "\u4f60"):
        with pytest.raises(ConfigInvalidError, match="no header can have"):
            discover(["dog"], tmp_path / "c.parquet", replace(SETTINGS, contact=contact))


def test_a_host_that_wants_a_pause_gets_it(server: PlacesServer, tmp_path: Path) -> None:
    server.faults["/api.php"] = [(429, {"Retry-After": "1"})]
    begin = time.monotonic()
    found, rows = looking(server, tmp_path / "c.parquet", "dog")
    assert 1.0 <= time.monotonic() - begin < 3.0
    assert (found.searches, len(rows)) == ({"done": 1}, 5)


def test_lists_of_exclusions_and_licences_are_heeded(server: PlacesServer, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("commons:dog_3.webm\n")
    settings = replace(SETTINGS, excluded=(ids,), licences=("cc by*",))
    found, rows = looking(server, tmp_path / "c.parquet", "dog", settings=settings)
    assert [row["source_id"] for row in rows] == [
        f"commons:dog_{at}.webm" for at in (5, 7, 9, 11, 13)
    ]
    assert found.dropped["excluded"] == 1
    assert found.dropped["licence"] == 7
    owners = tmp_path / "owners.csv"
    owners.write_text("channel,reason\nsomeone,no\n")
    settings = replace(SETTINGS, excluded=(owners,))
    found, rows = looking(server, tmp_path / "d.parquet", "dog", settings=settings)
    assert (rows, found.dropped["excluded"]) == ([], 20)


def test_a_video_that_two_phrases_find_is_one_row(server: PlacesServer, tmp_path: Path) -> None:
    out = tmp_path / "c.parquet"
    looking(server, out, f"{server.address}/feed")
    found, rows = looking(server, out, f"{server.address}/feed", f"{server.address}/feed?again")
    assert len(rows) == 1
    assert rows[0]["queries"] == [f"{server.address}/feed", f"{server.address}/feed?again"]
    assert found.dropped["duplicate"] == 1


def test_a_list_of_queries_is_searched_and_a_rerun_adds_to_it(
    server: PlacesServer, tmp_path: Path
) -> None:
    queries, out = tmp_path / "q.txt", tmp_path / "c.parquet"
    queries.write_text("dog\ncat\n")
    _, rows = looking(server, out, str(queries))
    assert len(rows) == 10
    before = len(server.requests)
    looking(server, out, str(queries))
    assert len(server.requests) == before
    queries.write_text("dog\ncat\nfish\n")
    _, rows = looking(server, out, str(queries))
    assert len(rows) == 15
    assert len(server.requests) == before + 2
    with pytest.raises(MisuseError, match="other settings"):
        looking(server, out, str(queries), settings=replace(SETTINGS, per_query=6))


def test_killed_anywhere_it_goes_on_to_the_same_table(server: PlacesServer, tmp_path: Path) -> None:
    queries = tmp_path / "q.txt"
    queries.write_text("".join(f"word {at}\n" for at in range(30)))
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from internvid.collect.discovery.discovering import discover\n"
        "from internvid.collect.discovery.places.commons import Commons\n"
        "from tests.collect.test_discover import SETTINGS\n"
        f"discover([{str(queries)!r}], Path(sys.argv[1]), SETTINGS,\n"
        f"         places=[Commons(api={server.address + '/api.php'!r})])\n"
    )
    whole, killed = tmp_path / "whole.parquet", tmp_path / "killed.parquet"
    subprocess.run([sys.executable, "-c", script, str(whole)], check=True)
    count, kills = len(server.requests), 0
    server.requests.clear()
    while True:
        process = subprocess.Popen([sys.executable, "-c", script, str(killed)])
        seen = len(server.requests)
        while process.poll() is None and len(server.requests) < seen + 12:
            time.sleep(0.005)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0
    assert kills >= 3
    assert killed.read_bytes() == whole.read_bytes()
    # An answer that was on its way when the process died is read again, and no other.
    assert len(server.requests) <= count + kills


def test_lists_of_sites_are_read_by_yt_dlp_without_opening_a_video(server: PlacesServer) -> None:
    task = SiteSearch(f"{server.address}/feed", is_phrase=False, limit=5, allow_private=True)
    seen: list[int] = []
    found = search_site(task, seen.append)
    # What is sound alone is found out when it is fetched.
    assert [each.uri for each in found] == [
        f"{server.address}/files/one.mp4",
        f"{server.address}/files/three.mp3",
    ]
    assert [each.rank for each in found] == seen == [*range(1, len(found) + 1)]
    assert found[0].title == "One"
    assert not [path for path, _ in server.requests if path.startswith("/files")]
    assert SiteSearch("a dog", is_phrase=True, limit=7).address == "ytsearch7:a dog"


def test_what_cannot_be_is_refused(tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "c.parquet"
    with pytest.raises(ConfigInvalidError, match="name no contact"):
        discover(["dog"], out, DiscoverSettings(places=("commons",)))
    with pytest.raises(MisuseError, match="nothing to look for"):
        discover([], out, SETTINGS)
    with pytest.raises(MisuseError, match="is not there"):
        discover(["no.jsonl"], out, SETTINGS)
    out.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        discover(["dog"], out, SETTINGS)
    assert out.read_bytes() == b"mine"
    assert main(["discover", "dog", str(tmp_path / "d.csv"), "--from", "commons"]) == 2
    assert "contact" in capfd.readouterr().err
