"""Pages of videos through yt-dlp itself, from a server on loopback; and its errors as reasons."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import internvid
from internvid.collect.fetching.engines.site_engine import is_of_site, javascript_note
from internvid.collect.fetching.engines.site_errors import GUARD, reason_of
from internvid.collect.fetching.engines.site_facts import check_owner, check_rules, facts_of
from internvid.collect.fetching.engines.site_worker import _owners
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.reasons import STATUSES, NotFetchedError
from internvid.pipeline.recipe import Recipe
from tests.collect.conftest import QUICK, Fetch, needs_protego, needs_yt_dlp, rows_of, write_table
from tests.collect.web_servers import Handler, Site
from tests.media import write_video

pytestmark = [needs_protego, needs_yt_dlp]
SITES = replace(QUICK, engine="yt-dlp")
PAGE = """<html><head><title>A page</title></head><body><video src="/video.mp4">
<track kind="captions" src="/en.vtt" srclang="en"></video></body></html>"""
VTT = "WEBVTT\n\n00:00:00.200 --> 00:00:01.000\nhello there\n\n00:00:02.000 --> 00:00:02.900\nbye\n"


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs this may have one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def send_page(text: str) -> Any:
    return lambda handler, _: handler.answer(200, text.encode(), Content_Type="text/html")


def test_a_page_becomes_a_file_with_what_is_known_of_it(
    site: Site, tmp_path: Path, recipe: Recipe
) -> None:
    site.behaviours["/page"] = send_page(PAGE)
    site.files["/en.vtt"] = VTT.encode()
    spans = [("0.0", "1.5"), ("1.5", "3.0")]
    rows = [
        {
            "url": f"{site.address}/page",
            "start_seconds": start,
            "end_seconds": end,
            "caption": start,
        }
        for start, end in spans
    ]
    table = write_table(tmp_path / "table.csv", rows)
    summary = internvid.fetch(table, tmp_path / "fetched", settings=SITES)
    assert summary.fetched == 1
    first, second = rows_of(tmp_path / "fetched")
    known = json.loads(first["metadata"])
    assert known["title"].startswith("A page")
    assert (tmp_path / "fetched" / known["subtitles"]["en"]).read_text() == VTT
    assert known["subtitle_text"] == "hello there"
    assert json.loads(second["metadata"])["subtitle_text"] == "bye"
    assert first["path"].endswith(".mp4")
    assert not list((tmp_path / "fetched" / "media").rglob("*.part"))
    internvid.build(summary.table, tmp_path / "data", recipe, workers=1)
    ((title,),) = internvid.open(tmp_path / "data").sql("select title from videos").fetchall()
    assert title == known["title"]


def test_subtitles_with_broken_times_cost_themselves(
    site: Site, fetch: Fetch, tmp_path: Path
) -> None:
    site.behaviours["/page"] = send_page(PAGE)
    site.files["/en.vtt"] = f"{VTT}\n00:00:09.000 --> 00:00:02.000\nback\n".encode()
    assert fetch("/page", settings=SITES).fetched == 1
    known = json.loads(rows_of(tmp_path / "fetched")[0]["metadata"])
    assert (known["subtitle_text"], known["broken_cues"]) == ("hello there bye", 1)


def test_a_missing_javascript_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    note = javascript_note(["http://h/a", "https://www.youtube.com/watch?v=0TDAwrav8Dc"])
    assert note is not None
    assert "deno" in note
    assert javascript_note(["http://h/a"]) is None


def test_statuses_of_pages_are_reasons(site: Site, fetch: Fetch) -> None:
    codes = {403: "private", 404: "removed", 410: "removed", 451: "geo_blocked", 500: "network"}
    for code in codes:
        site.behaviours[f"/{code}"] = lambda handler, _: handler.answer(int(handler.path[1:]))
    site.behaviours["/nothing"] = send_page("<html><body>no video here</body></html>")
    paths = [*(f"/{code}" for code in codes), "/nothing"]
    summary = fetch(*paths, settings=replace(SITES, tries=1))
    assert summary.reasons == {
        "removed": 2, "private": 1, "geo_blocked": 1, "not_video": 1, "network": 1
    }  # fmt: skip


def test_a_site_that_wants_proof_of_a_person_is_left_alone(site: Site, fetch: Fetch) -> None:
    def check(handler: Handler, _: int) -> None:
        handler.answer(429)

    site.behaviours["/a"] = check
    for name in "bcd":
        site.files[f"/{name}"] = site.files["/video.mp4"]
    summary = fetch("/a", "/b", "/c", "/d", settings=SITES)
    assert (summary.fetched, summary.failed, summary.reasons) == (0, 0, {"rate_limited": 4})
    assert sum(site.counts().values()) == 1


def test_a_private_address_behind_a_page_is_not_called(
    site: Site, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = replace(SITES, allow_private=False, obey_robots=False)
    assert fetch("/video.mp4", settings=closed).reasons == {"refused_host": 1}
    assert site.calls == []


def test_pictures_and_sound_apart_become_one_file(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    pictures = write_video(tmp_path / "pictures.mp4", frames=30, size=(640, 360))
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w", format="ipod") as file:
        stream = file.add_stream("aac", rate=16000)
        stream.layout = "mono"
        for number in range(40):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 16000, number * 1024
            frame.planes[0].update(bytes(4096))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    site.files |= {"/p.mp4": pictures.read_bytes(), "/s.m4a": sound.read_bytes()}
    manifest = f"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="90000" width="640"
 height="360" codecs="mp4v.20.9"><BaseURL>{site.address}/p.mp4</BaseURL></Representation>
</AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="9000" codecs="mp4a.40.2"
 audioSamplingRate="16000"><BaseURL>{site.address}/s.m4a</BaseURL></Representation></AdaptationSet>
</Period></MPD>"""
    site.behaviours["/a.mpd"] = lambda handler, _: handler.answer(
        200, manifest.encode(), Content_Type="application/dash+xml"
    )
    summary = fetch("/a.mpd", settings=SITES)
    assert summary.fetched == 1, internvid.fetch_status(summary.table.parent)["examples"]
    (row,) = rows_of(tmp_path / "fetched")
    with av.open(str(tmp_path / "fetched" / row["path"])) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 30
    assert json.loads(row["metadata"])["has_audio"] is True


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program of FFmpeg")
@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("libvpx", ".webm")])
def test_a_part_of_a_video_says_where_it_begins(
    site: Site, tmp_path: Path, codec: str, suffix: str
) -> None:
    """Pictures hold their own number, in stripes; key frames are 7 s apart."""
    source = tmp_path / f"source{suffix}"
    # The server does not send parts to whoever does not say of which file.
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    with av.open(str(source), "w", options=options) as file:
        stream = file.add_stream(codec, rate=10, options={"g": "70"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(1000):
            picture = np.zeros((360, 640, 3), np.uint8)
            for bit in range(10):
                picture[:, bit * 64 : bit * 64 + 64] = 220 * (number >> bit & 1)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    site.files[f"/a{suffix}"] = source.read_bytes()
    about = {"@context": "https://schema.org", "@type": "VideoObject", "name": "x",
             "duration": "PT100S", "contentUrl": f"{site.address}/a{suffix}"}  # fmt: skip
    script = f'<script type="application/ld+json">{json.dumps(about)}</script>'
    site.behaviours["/page"] = send_page(f"<html><head>{script}</head></html>")
    rows = [{"url": f"{site.address}/page", "start_seconds": "36.3", "end_seconds": "41"}]
    table = write_table(tmp_path / "table.csv", rows)
    internvid.fetch(table, tmp_path / "fetched", settings=SITES)
    (row,) = rows_of(tmp_path / "fetched")
    seen = []
    with av.open(str(tmp_path / "fetched" / row["path"])) as container:
        for frame in container.decode(video=0):
            grey = frame.to_ndarray(format="gray")[180, 32::64] > 120
            number = sum(1 << bit for bit in range(10) if grey[bit])
            seen.append((round(float(frame.time or 0) + row["offset_seconds"], 3), number / 10))
    assert len(seen) > 100
    assert row["offset_seconds"] <= 31.3
    assert all(abs(stated - real) <= 0.1 for stated, real in seen)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[youtube] x: Private video. Sign in if you've been granted access", "private"),
        ("[youtube] x: Join this channel to get access to members-only content", "private"),
        ("[youtube] x: This video requires payment to watch", "private"),
        ("[youtube] x: This video is DRM protected", "private"),
        ("[youtube] x: Video unavailable. This video has been removed by the uploader", "removed"),
        ("[youtube] x: Video unavailable", "removed"),
        ("[youtube] x: This account has been terminated", "removed"),
        (
            "[youtube] x: The uploader has not made this video available in your country",
            "geo_blocked",
        ),
        ("[youtube] x: Sign in to confirm your age. This video may be inappropriate", "age"),
        ("[youtube] x: Sign in to confirm you\u2019re not a bot. Use --cookies", "bot_check"),
        ("[youtube] x: This content isn't available, try again later.", "rate_limited"),
        ("[youtube] x: HTTP Error 429: Too Many Requests", "rate_limited"),
        ("[youtube] x: This live event will begin in 3 days.", "not_video"),
        ("[youtube] x: Requested format is not available. Use --list-formats", "no_format"),
        ("[youtube] x: Unable to download API page: HTTP Error 503", "network"),
        ("[generic] Unsupported URL: http://h/", "not_video"),
        (f"[generic] x: {GUARD} 10.0.0.1, which is not public", "refused_host"),
        ("something that nobody has seen", "network"),
    ],
)
def test_what_yt_dlp_says_is_a_reason(text: str, reason: str) -> None:
    from yt_dlp.utils import DownloadError

    found = reason_of(DownloadError(f"\x1b[0;31mERROR:\x1b[0m {text}"))
    assert found.reason == reason
    assert found.reason in STATUSES
    assert not found.message.startswith(("ERROR", "["))
    assert "--" not in found.message


def test_classes_of_yt_dlp_are_reasons() -> None:
    from yt_dlp.utils import (
        ContentTooShortError,
        DownloadError,
        ExtractorError,
        GeoRestrictedError,
        UnsupportedError,
    )

    def within(error: Exception) -> str:
        return reason_of(DownloadError(str(error), (type(error), error, None))).reason

    assert within(GeoRestrictedError("not here")) == "geo_blocked"
    assert within(UnsupportedError("http://h/")) == "not_video"
    assert within(ContentTooShortError(1, 2)) == "truncated"
    assert within(ExtractorError("odd", cause=NotFetchedError("x", "too_long"))) == "too_long"


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"duration": 5}, "too_short"),
        ({"duration": 7200}, "too_long"),
        ({"duration": 60, "license": "Standard"}, "licence"),
        ({"duration": 60}, "licence"),
        ({"duration": 60, "license": "Creative Commons Attribution", "width": 320, "height": 240},
         "no_format"),
        ({"is_live": True}, "not_video"),
    ],
)  # fmt: skip
def test_videos_that_are_not_wanted_are_left_before_their_bytes(
    info: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotFetchedError) as caught:
        check_rules(info, FetchSettings(licences=("creative commons*",)))
    assert caught.value.reason == reason


def test_sites_are_known_by_their_hosts() -> None:
    assert all(map(is_of_site, ("www.youtube.com", "youtu.be", "player.vimeo.com", "YOUTUBE.com.")))
    assert not any(
        map(is_of_site, ("notyoutube.com", "youtube.com.example.org", "127.0.0.1", "com"))
    )


def test_videos_of_owners_on_a_list_are_left_out(tmp_path: Path) -> None:
    listed = tmp_path / "owners.csv"
    listed.write_text("channel_id,why\nUC1,asked us\n")
    owners = _owners((str(listed),))
    with pytest.raises(NotFetchedError) as caught:
        check_owner({"channel_id": "UC1"}, owners)
    assert caught.value.reason == "excluded"
    check_owner({"channel_id": "UC2", "uploader": None}, owners)
    videos = tmp_path / "videos.csv"
    videos.write_text("video_id,channel_id\n0TDAwrav8Dc,UC1\n")
    assert _owners((str(videos),)) == frozenset()


def test_portrait_videos_count_by_their_shorter_side() -> None:
    check_rules({"duration": 60, "width": 406, "height": 720}, FetchSettings())


def test_what_a_site_says_is_bounded_and_plain() -> None:
    texts = {"title": "t\0\ud800", "description": "d" * 9000, "license": " "}
    facts = facts_of({**texts, "tags": ["x" * 999] * 500, "duration": 3.5, "view_count": None})
    assert facts["title"] == "t?"
    assert len(facts["description"]) == 5000
    assert (len(facts["tags"]), len(facts["tags"][0])) == (100, 200)
    assert "licence" not in facts
    assert len(json.dumps(facts)) < 30_000


def test_a_users_configuration_says_how_sites_are_reached_and_nothing_else(
    site: Site, fetch: Fetch, tmp_path: Path
) -> None:
    folder = tmp_path / "yt-dlp"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / "config").write_text(
        f'-o "{tmp_path}/elsewhere.%(ext)s"\n--exec "touch {mark}"\n--add-headers "X-Mine: yes"\n'
    )
    assert fetch("/video.mp4", settings=SITES).fetched == 1
    assert not mark.exists()
    assert not list(tmp_path.glob("elsewhere*"))
    headers = next(call.headers for call in site.calls if call.path == "/video.mp4")
    assert headers["x-mine"] == "yes"
