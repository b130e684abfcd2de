"""Fetching files at addresses: what comes, what does not and why, and what a build makes of it."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

import internvid
from internvid.core.errors import (
    ConfigInvalidError,
    DatasetBusyError,
    MisuseError,
    OutputExistsError,
)
from internvid.pipeline.recipe import Recipe
from tests.collect.conftest import QUICK, Fetch, needs_protego, rows_of, write_table
from tests.collect.web_servers import Handler, Site, http_date

pytestmark = needs_protego


def test_a_table_becomes_files_and_a_table_that_a_build_reads(
    site: Site, tmp_path: Path, recipe: Recipe
) -> None:
    address = f"{site.address}/video.mp4"
    spans = [("0.5", "1.5", "first"), ("1.5", "2.5", "second")]
    rows = [
        {"source_id": "007", "url": address, "start_seconds": s, "end_seconds": e, "caption": c}
        for s, e, c in spans
    ]
    table = write_table(tmp_path / "table.csv", [*rows, {**rows[0], "url": address + "?gone"}])
    site.behaviours["/video.mp4?gone"] = lambda handler, _: handler.answer(410)
    summary = internvid.fetch(table, tmp_path / "fetched", settings=QUICK)
    assert (summary.fetched, summary.failed, summary.reasons) == (1, 1, {"removed": 1})
    first, second, gone = rows_of(tmp_path / "fetched")
    assert (first["source_id"], first["start_seconds"], first["caption"]) == ("007", 0.5, "first")
    assert first["path"] == second["path"]
    assert (tmp_path / "fetched" / first["path"]).read_bytes() == site.files["/video.mp4"]
    assert (gone["status"], gone["reason"], gone["path"]) == ("failed", "removed", None)
    assert site.counts() == {"/video.mp4": 1, "/video.mp4?gone": 1}

    built = internvid.build(summary.table, tmp_path / "data", recipe, workers=1)
    assert (built.videos, built.failures, built.set_aside) == (1, 0, 1)
    dataset = internvid.open(tmp_path / "data")
    ((source_id, address_kept, width),) = dataset.sql(
        "select source_id, address, width from videos"
    ).fetchall()
    assert (source_id, address_kept, width) == ("007", address, 640)


def test_what_a_table_of_candidates_says_reaches_the_video(
    site: Site, tmp_path: Path, recipe: Recipe
) -> None:
    row = {"source_id": "a", "uri": f"{site.address}/video.mp4", "title": "A dog", "query": "dog",
           "queries": ["dog", "run"], "licence": None, "duration_seconds": 3.0,
           "metadata": json.dumps({"views": 7, "title": "older"})}  # fmt: skip
    (tmp_path / "candidates.jsonl").write_text(json.dumps(row) + "\n")
    summary = internvid.fetch(tmp_path / "candidates.jsonl", tmp_path / "fetched", settings=QUICK)
    known = json.loads(rows_of(tmp_path / "fetched")[0]["metadata"])
    assert (known["title"], known["views"], known["queries"]) == ("A dog", 7, ["dog", "run"])
    internvid.build(summary.table, tmp_path / "data", recipe, workers=1)
    found = internvid.open(tmp_path / "data").sql("select title, query from videos").fetchall()
    assert found == [("A dog", "dog")]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "private"), (403, "private"), (404, "removed"), (410, "removed"), (451, "geo_blocked")],
)
def test_a_status_is_a_reason_and_is_requested_once(
    site: Site, fetch: Fetch, status: int, reason: str
) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(status)
    assert fetch("/a").reasons == {reason: 1}
    assert fetch("/a").reasons == {reason: 1}
    assert site.counts() == {"/a": 1}
    fetch("/a", retry=True)
    assert site.counts() == {"/a": 2}


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_by_the_whole_host(
    site: Site, fetch: Fetch, video: bytes, status: int, form: str
) -> None:
    wait = 2.0

    def busy_once(handler: Handler, before: int) -> None:
        # A date has whole seconds: what is kept is the moment, up to one later than that.
        header = "2" if form == "seconds" else http_date(wait + 1)
        handler.send_file(video) if before else handler.answer(status, Retry_After=header)

    site.behaviours["/a"] = busy_once
    for name in "bcdef":
        site.files[f"/{name}"] = video
    paths = ["/a", *(f"/{name}" for name in "bcdef")]
    assert fetch(*paths, settings=replace(QUICK, at_once=1)).fetched == 6
    busy = next(call for call in site.calls if call.path == "/a")
    later = [call.moment - busy.moment for call in site.calls if call.moment > busy.moment]
    assert later
    assert min(later) >= wait * 0.9
    if form == "seconds":
        assert min(later) <= wait * 1.1


def test_a_host_that_wants_a_long_pause_is_left_alone_and_its_items_stay_untried(
    site: Site, fetch: Fetch
) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(429, Retry_After="90000")
    paths = ["/a", *(f"/{number}" for number in range(20))]
    began = time.monotonic()
    summary = fetch(*paths, settings=replace(QUICK, at_once=1))
    assert time.monotonic() - began < 20
    assert (summary.failed, summary.skipped, summary.reasons) == (0, 21, {"rate_limited": 21})
    assert site.counts() == {"/a": 1}
    assert internvid.fetch_status(summary.table.parent)["left"] == 21


def test_a_transfer_that_breaks_off_goes_on_by_range(
    site: Site, fetch: Fetch, video: bytes
) -> None:
    third = len(video) // 3
    site.behaviours["/a"] = lambda handler, before: handler.send_file(
        video, cut=third if before < 2 else None
    )
    assert fetch("/a").fetched == 1
    ranges = [call.headers.get("range") for call in site.calls if call.path == "/a"]
    assert ranges == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_a_file_that_changes_meanwhile_is_begun_anew(
    site: Site, fetch: Fetch, video: bytes, tmp_path: Path
) -> None:
    site.behaviours["/a"] = lambda handler, before: (
        handler.send_file(video, tag='"new"')
        if before
        else handler.send_file(b"x" * 9000 + video, cut=5000, tag='"old"')
    )
    assert fetch("/a").fetched == 1
    assert (tmp_path / "fetched" / rows_of(tmp_path / "fetched")[0]["path"]).read_bytes() == video


def test_without_a_validator_nothing_is_put_together(
    site: Site, fetch: Fetch, video: bytes
) -> None:
    site.etags = False
    site.behaviours["/a"] = lambda handler, before: handler.send_file(
        video, cut=None if before else 5000
    )
    assert fetch("/a").fetched == 1
    assert not any("range" in call.headers for call in site.calls)


def test_what_always_breaks_off_is_truncated_and_leaves_its_bytes_for_the_next_run(
    site: Site, fetch: Fetch, video: bytes
) -> None:
    is_well = False
    site.behaviours["/a"] = lambda handler, _: handler.send_file(
        video, cut=None if is_well else 1000
    )
    assert fetch("/a", settings=replace(QUICK, tries=2)).reasons == {"truncated": 1}
    is_well = True
    assert fetch("/a").fetched == 1
    assert site.calls[-1].headers["range"] == "bytes=2000-"


def test_a_file_that_is_cut_on_the_server_is_requested_once_a_run(
    site: Site, fetch: Fetch, media: Path
) -> None:
    whole = next(media.glob("videos/*bbb*.mp4"), None) or next(media.glob("videos/*.webm"))
    site.files["/a"] = whole.read_bytes()[: whole.stat().st_size // 2]
    summary = fetch("/a")
    assert summary.fetched == 0
    assert set(summary.reasons) <= {"truncated", "not_video"}
    assert site.counts() == {"/a": 1}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>no</html>", "text/html; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "video/mp4"),
        (b"<html>no</html>", "video/mp4"),
        (b"", "video/mp4"),
    ],
)
def test_what_is_no_video_leaves_no_file(
    site: Site, fetch: Fetch, body: bytes, kind: str, tmp_path: Path
) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(200, body, Content_Type=kind)
    assert fetch("/a").reasons == {"not_video": 1}
    assert [each for each in (tmp_path / "fetched" / "media").rglob("*") if each.is_file()] == []


def test_a_video_that_is_sent_as_plain_text_is_one(site: Site, fetch: Fetch, video: bytes) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(200, video, Content_Type="text/plain")
    assert fetch("/a").fetched == 1


@pytest.mark.slow
def test_a_host_that_does_not_answer_holds_up_no_other(
    site: Site, tmp_path: Path, video: bytes
) -> None:
    def slow(handler: Handler, _: int) -> None:
        time.sleep(1.5)
        handler.answer(404)

    rows = []
    for number in range(8):
        site.files[f"/{number}"] = video
        site.behaviours[f"/slow{number}"] = slow
        rows.append({"source_id": f"s{number}", "url": f"{site.address}/slow{number}"})
    other = site.address.replace("127.0.0.1", "localhost")
    rows += [{"source_id": str(number), "url": f"{other}/{number}"} for number in range(8)]
    table = write_table(tmp_path / "table.csv", rows)
    summary = internvid.fetch(table, tmp_path / "fetched", settings=replace(QUICK, at_once=1))
    assert (summary.fetched, summary.reasons["removed"]) == (8, 8)
    last = max(call.moment for call in site.calls if call.path.lstrip("/").isdigit())
    first = min(call.moment for call in site.calls)
    assert last - first < 8 * 1.5


def test_a_bomb_is_not_unpacked(site: Site, fetch: Fetch) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    site.behaviours["/a"] = lambda handler, _: handler.answer(
        200, bomb, Content_Type="video/mp4", Content_Encoding="gzip"
    )
    site.behaviours["/robots.txt"] = site.behaviours["/a"]
    assert fetch("/a").reasons == {"not_video": 1}


def test_a_body_without_end_is_cut_off(site: Site, fetch: Fetch) -> None:
    def endless(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65536))

    site.behaviours["/a"] = endless
    assert fetch("/a", settings=replace(QUICK, most_bytes=1 << 20)).reasons == {"too_long": 1}


def test_a_body_that_trickles_is_given_up(site: Site, fetch: Fetch, video: bytes) -> None:
    def trickle(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(video)))
        handler.end_headers()
        for at in range(200):
            handler.wfile.write(video[at : at + 1])
            time.sleep(0.05)

    site.behaviours["/a"] = trickle
    began = time.monotonic()
    summary = fetch("/a", settings=replace(QUICK, tries=1, slow_seconds=1.0))
    assert set(summary.reasons) <= {"network", "truncated"}
    assert time.monotonic() - began < 8


def test_redirects_are_followed_and_loops_are_not(site: Site, fetch: Fetch) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(302, Location="/b")
    site.behaviours["/b"] = lambda handler, _: handler.answer(308, Location="video.mp4")
    site.behaviours["/c"] = lambda handler, _: handler.answer(301, Location="/c")
    summary = fetch("/a", "/c", settings=replace(QUICK, tries=1))
    assert (summary.fetched, summary.reasons) == (1, {"network": 1})
    assert site.counts()["/c"] == 1


def test_addresses_with_odd_characters_are_requested_as_browsers_do(
    site: Site, fetch: Fetch, video: bytes
) -> None:
    for path in ("/%C3%BC%20x.mp4?a=b%26c", "/a;b=(1)!.mp4", "/%2e%2e/x.mp4"):
        site.files[path] = video
    assert fetch("/\u00fc%20x.mp4?a=b%26c#part", "/a;b=(1)!.mp4", "/%2e%2e/x.mp4").fetched == 3


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:video/mp4,x"],
)
def test_redirects_to_other_schemes_are_refused(site: Site, fetch: Fetch, target: str) -> None:
    site.behaviours["/a"] = lambda handler, _: handler.answer(302, Location=target)
    assert fetch("/a").reasons == {"refused_host": 1}


@pytest.mark.parametrize(("longest", "shortest", "reason"),
                         [(2.0, 1.0, "too_long"), (60.0, 30.0, "too_short")])  # fmt: skip
def test_the_rule_of_durations_holds_for_files(
    fetch: Fetch, tmp_path: Path, longest: float, shortest: float, reason: str
) -> None:
    rule = replace(QUICK, longest_seconds=longest, shortest_seconds=shortest)
    assert fetch("/video.mp4", settings=rule).reasons == {reason: 1}
    assert not [each for each in (tmp_path / "fetched" / "media").rglob("*") if each.is_file()]


def test_robots_and_noai_are_heeded_unless_they_are_not_to_be(
    site: Site, fetch: Fetch, video: bytes
) -> None:
    rules = b"User-agent: internvid\nDisallow: /closed\n\nUser-agent: *\nAllow: /\n"
    site.files["/robots.txt"] = rules
    site.files["/closed/a"] = video
    site.behaviours["/noai"] = lambda handler, _: handler.answer(
        200, video, X_Robots_Tag="noindex, noai"
    )
    site.behaviours["/other"] = lambda handler, _: handler.answer(
        200, video, X_Robots_Tag="otherbot: noai"
    )
    paths = ("/closed/a", "/noai", "/other", "/video.mp4")
    assert fetch(*paths).reasons == {"robots": 2}
    assert "/closed/a" not in site.counts()
    assert sum(call.path == "/robots.txt" for call in site.calls) == 1
    free = replace(QUICK, obey_robots=False)
    assert fetch(*paths, settings=free, retry=True).fetched == 4


def test_rules_that_cannot_be_read_forbid_for_now(site: Site, fetch: Fetch) -> None:
    site.behaviours["/robots.txt"] = lambda handler, _: handler.answer(500)
    assert fetch("/video.mp4", settings=replace(QUICK, tries=2)).reasons == {"network": 1}
    assert site.counts() == {}
    del site.behaviours["/robots.txt"]
    assert fetch("/video.mp4").fetched == 1


def test_lists_and_licences_leave_videos_out_without_a_request(site: Site, tmp_path: Path) -> None:
    licences = ["CC BY 4.0", "all rights reserved", ""]
    rows = [
        {"id": f"v{number}", "url": f"{site.address}/video.mp4?{number}", "licence": licence}
        for number, licence in enumerate([*licences, "cc by-sa"])
    ]
    for number in range(4):
        site.files[f"/video.mp4?{number}"] = site.files["/video.mp4"]
    (tmp_path / "excluded.txt").write_text("v3\n")
    summary = internvid.fetch(
        write_table(tmp_path / "table.csv", rows),
        tmp_path / "fetched",
        settings=replace(QUICK, licences=("cc by*",)),
        exclude=tmp_path / "excluded.txt",
    )
    assert (summary.fetched, summary.reasons) == (1, {"licence": 2, "excluded": 1})
    assert site.counts() == {"/video.mp4?0": 1}


def test_a_folder_is_of_its_table_until_another_is_added(
    site: Site, fetch: Fetch, tmp_path: Path, video: bytes
) -> None:
    fetch("/video.mp4")
    site.files["/b"] = video
    rows = [{"source_id": "000", "url": f"{site.address}/video.mp4"},
            {"source_id": "b", "url": f"{site.address}/b"}]  # fmt: skip
    other = write_table(tmp_path / "other.csv", rows)
    folder = tmp_path / "fetched"
    with pytest.raises(MisuseError, match="--add"):
        internvid.fetch(other, folder, settings=QUICK)
    added = internvid.fetch(other, folder, settings=QUICK, add=True)
    assert (added.fetched, added.now) == (2, 1)
    assert internvid.fetch(other, folder, settings=QUICK).now == 0
    assert [row["source_id"] for row in rows_of(folder)] == ["000", "000", "b"]
    assert site.counts() == {"/video.mp4": 1, "/b": 1}


def test_a_file_that_is_lost_is_not_listed(fetch: Fetch, tmp_path: Path) -> None:
    fetch("/video.mp4")
    (row,) = rows_of(tmp_path / "fetched")
    lost = tmp_path / "fetched" / row["path"]
    lost.unlink()
    summary = fetch("/video.mp4")
    assert (summary.fetched, summary.skipped, summary.reasons) == (0, 1, {"not_tried": 1})
    (row,) = rows_of(tmp_path / "fetched")
    assert (row["status"], row["path"]) == ("skipped", None)
    fetch("/video.mp4", retry=True)
    (row,) = rows_of(tmp_path / "fetched")
    assert (row["status"], lost.exists()) == ("fetched", True)


def test_other_folders_and_settings_are_refused(tmp_path: Path, fetch: Fetch, site: Site) -> None:
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "mine.txt").write_text("x")
    with pytest.raises(OutputExistsError, match=r"mine\.txt"):
        fetch("/video.mp4")
    (tmp_path / "fetched" / "mine.txt").unlink()
    with pytest.raises(ConfigInvalidError, match="engine"):
        fetch("/video.mp4", settings=replace(QUICK, engine="wget"))
    with pytest.raises(ConfigInvalidError, match="per_second"):
        fetch("/video.mp4", settings=replace(QUICK, per_second=0.0))
    assert site.calls == []
    with pytest.raises(MisuseError, match="does not exist"):
        internvid.fetch(tmp_path / "no.csv", tmp_path / "new", settings=QUICK)
    assert not (tmp_path / "new").exists()


def test_two_fetches_do_not_share_a_folder(fetch: Fetch, tmp_path: Path) -> None:
    from internvid.collect.fetching.fetch_folder import FetchFolder

    fetch("/video.mp4")
    with FetchFolder(tmp_path / "fetched").claimed(), pytest.raises(DatasetBusyError):
        fetch("/video.mp4")


def test_the_program_prints_what_programs_read(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from internvid.cli.app import main

    rows = [{"source_id": "a", "url": f"{site.address}/video.mp4"},
            {"source_id": "b", "url": f"{site.address}/gone"}]  # fmt: skip
    table = write_table(tmp_path / "table.csv", rows)
    folder = str(tmp_path / "fetched")
    options = ["--allow-private", "--shortest", "1", "--engine", "http", "--set", "per_second=100"]
    assert main(["fetch", str(table), folder, *options, "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["videos"], plan["hosts"][0]["videos_an_hour"]) == (2, 360000.0)
    assert site.calls == []
    assert main(["fetch", str(table), folder, *options, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.items() >= {"fetched": 1, "failed": 1, "skipped": 0, "reasons": {"removed": 1},
                             "table": f"{folder}/table.parquet"}.items()  # fmt: skip
    assert main(["status", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fetched"] == 1
    assert main(["status", folder]) == 0
    assert "removed 1" in capsys.readouterr().out
