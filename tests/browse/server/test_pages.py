"""The pages in a real browser: search, play, review by key, correct, save; also after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

import internvid
from internvid.dataset.answers.verdict_log import VerdictLog, log_path, read_entries
from internvid.dataset.store import Dataset

pytestmark = pytest.mark.browser


class Server:
    """`internvid browse`, a process of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        command = [sys.executable, "-m", "internvid", "browse", str(root), "--no-open"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(dataset.root, root)
    return root


@pytest.fixture
def server(copy: Path) -> Iterator[Server]:
    running = Server(copy)
    yield running
    running.kill()


def opened(browser: Any, server: Server, **options: Any) -> tuple[Any, list[str]]:
    page = browser.new_context(**options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.address)
    page.wait_for_selector(".cell")
    return page, complaints


def played_exactly(page: Any, data: Dataset) -> bool:
    """Whether the clip that is open loops from its first to its last frame, give or take one."""
    name = page.evaluate("document.querySelector('video').src").rpartition("/")[2]
    clip = data.clip(name)
    start, end = clip["start_seconds"], clip["end_seconds"]
    frame = (end - start) / (clip["end_frame"] - clip["start_frame"])
    # Longer than the clip: it has begun again meanwhile.
    times = page.evaluate(
        """async (milliseconds) => {
            const video = document.querySelector('video'), times = [];
            while (!video.dataset.ready) await new Promise(requestAnimationFrame);
            const note = (_, { mediaTime }) => {
                times.push(mediaTime);
                video.requestVideoFrameCallback(note);
            };
            video.requestVideoFrameCallback(note);
            await new Promise((ready) => setTimeout(ready, milliseconds));
            return times.map((time) => time - Number(video.dataset.zero));
        }""",
        1000 * (end - start) + 2000,
    )
    slack = 0.002
    assert min(times) >= start - frame - slack
    assert max(times) < end + slack
    rounds = [(later, earlier) for earlier, later in pairwise(times) if later < earlier - frame]
    assert rounds
    assert all(first < start + frame + slack for first, _ in rounds)
    assert all(last >= end - 2 * frame - slack for _, last in rounds)
    return True


def test_a_search_a_clip_that_loops_and_nothing_from_elsewhere(
    browser: Any,
    server: Server,
    copy: Path,
) -> None:
    page, complaints = opened(browser, server)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    assert "token" not in page.url
    page.keyboard.press("/")
    page.keyboard.type("static")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=static**")
    page.wait_for_selector("#where:has-text('of')")
    page.wait_for_selector("#totals:has-text('clips')")
    data = internvid.open(copy)
    ((count,),) = data.sql(
        "select count(*) from clips where contains(lower(measured), 'static')"
    ).fetchall()
    expected = f".cell:nth-child({count}):last-child"
    page.wait_for_selector(expected)
    assert page.locator(".cell").count() == count > 0
    page.locator(".cell").first.click()
    page.wait_for_selector("video")
    page.evaluate(
        "() => new Promise((ready) => { const video = document.querySelector('video');"
        "video.readyState >= 2 ? ready() : video.addEventListener('canplay', ready); })"
    )
    assert played_exactly(page, data)
    assert all(each.startswith(page.url.partition("?")[0]) for each in requests)
    assert complaints == []


def with_later_pictures(video: Path, path: Path, seconds: float) -> Path:
    """A video again, whose pictures begin after its sound."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        streams = {each: target.add_stream_from_template(each) for each in source.streams}
        assert {each.type for each in streams} == {"video", "audio"}
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.stream.type == "video":
                later = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
            packet.stream = streams[packet.stream]
            target.mux(packet)
    return path


def test_a_clip_of_a_film_whose_sound_begins_first_plays_its_own_frames(
    browser: Any, world_videos: list[Path], tmp_path: Path
) -> None:
    film = with_later_pictures(world_videos[0], tmp_path / "film.mp4", 0.4)
    root = tmp_path / "data"
    internvid.build(film, root, workers=1)
    running = Server(root)
    try:
        page, complaints = opened(browser, running)
        page.locator(".cell").first.click()
        page.wait_for_selector("video")
        assert played_exactly(page, internvid.open(root))
        zero = float(page.evaluate("document.querySelector('video').dataset.zero"))
        assert zero == pytest.approx(0.4, abs=0.05)
        assert complaints == []
    finally:
        running.kill()


WORDS = {"a": "keep", "r": "reject", "u": "unsure"}


def press_verdicts(page: Any, places: range, verdicts: dict[int, str]) -> None:
    """Give verdicts by key alone, clip after clip and round after round."""
    count = page.locator(".cell").count()
    page.locator(".cell").nth(places[0] % count).focus()
    for press in places:
        at = press % count
        # Of a round the next one: each press changes what the clip had.
        key = "aru"[(at + press // count) % 3]
        page.keyboard.press(key)
        page.wait_for_selector(f".cell:nth-child({at + 1}) .badge.{WORDS[key]}")
        verdicts[at] = WORDS[key]
        if at + 1 < count:
            page.keyboard.press("ArrowRight")
        else:
            page.locator(".cell").first.focus()


def test_a_hundred_verdicts_by_key_survive_kills_and_are_undone(
    browser: Any,
    copy: Path,
    server: Server,
) -> None:
    page, complaints = opened(browser, server)
    verdicts: dict[int, str] = {}
    press_verdicts(page, range(40), verdicts)
    server.kill()
    assert complaints == []
    layout = internvid.open(copy).layout
    assert len(list(read_entries(log_path(layout)))) == 40
    again = Server(copy)
    try:
        page, complaints = opened(browser, again)
        shown = [page.locator(".cell").nth(at).locator(".badge").first for at in verdicts]
        assert [each.inner_text() for each in shown] == list(verdicts.values())
        press_verdicts(page, range(40, 100), verdicts)
        assert len(list(read_entries(log_path(layout)))) == 100
        page.locator(".cell").first.focus()
        page.keyboard.press("5")
        page.wait_for_selector(".cell:nth-child(1) .badge:text-is('5')")
        page.keyboard.press("z")
        page.wait_for_selector(".cell:nth-child(1) .badge:text-is('5')", state="detached")
        assert page.locator(".cell").first.locator(f".badge.{verdicts[0]}").count() == 1
    finally:
        again.kill()
    assert complaints == []
    reviewed = [each.verdict for each in VerdictLog(layout).read().values()]
    assert sorted(filter(None, reviewed)) == sorted(verdicts.values())
    kept = internvid.select(copy, "where", "good", "verdict = 'keep'")
    assert kept.clips == list(verdicts.values()).count("keep")


def test_the_keyboard_stays_in_the_player(browser: Any, server: Server) -> None:
    page, complaints = opened(browser, server)
    page.locator(".cell").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#player[open] video")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#player video")
        assert page.evaluate("document.activeElement.matches('#player *')")
    keep = page.locator("#player .review button.keep")
    keep.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#player .review button.keep[aria-pressed=true]:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("#player .review button.keep[aria-pressed=false]:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector("#player:not([open])", state="attached")
    assert page.evaluate("document.activeElement.classList.contains('cell')")
    assert complaints == []


def test_a_corrected_caption_a_subset_and_a_clip_page(
    browser: Any,
    copy: Path,
    server: Server,
) -> None:
    page, complaints = opened(browser, server)
    page.locator(".cell").first.click()
    page.get_by_role("button", name="Correct").click()
    page.get_by_role("textbox", name="correct measured").fill("<b>a better</b> text")
    page.get_by_role("button", name="Save beside it").click()
    page.wait_for_selector("text=<b>a better</b> text")
    page.keyboard.press("Escape")
    page.locator("#save").click()
    page.get_by_role("textbox", name="Name of the subset").fill("seen")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=are the subset seen")
    page.keyboard.press("Escape")
    page.locator(".cell").first.focus()
    page.keyboard.press("p")
    page.wait_for_selector(".curve")
    assert page.locator(".line a").count() > 1
    assert page.locator(".line a.this").count() == 1
    data = internvid.open(copy)
    texts = [row["measured_corrected"] for row in data.clips().to_pylist()]
    assert [text for text in texts if text] == ["<b>a better</b> text"]
    assert data.clips("seen").num_rows == len(data)
    assert complaints == []


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_and_speak(browser: Any, server: Server, width: int) -> None:
    page, _ = opened(browser, server, viewport={"width": width, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wide
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input, [role=button]')].filter("
        "one => !(one.innerText || one.getAttribute('aria-label') || one.closest('label'))).length"
    )
    assert unnamed == 0
    page.keyboard.press("?")
    assert page.locator("#keys dt").count() >= 10


def test_read_only_offers_no_verdicts(browser: Any, copy: Path) -> None:
    running = Server(copy, "--read-only")
    try:
        page, _ = opened(browser, running)
        assert not page.locator("#save").is_visible()
        page.locator(".cell").first.focus()
        page.keyboard.press("a")
        page.locator(".cell").first.click()
        assert page.locator(".review .keep").is_disabled()
    finally:
        running.kill()
    assert not (copy / "verdicts").exists()
