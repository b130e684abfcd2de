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

import pytest

import internvid
from internvid.dataset.answers.verdict_log import VerdictLog
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
    clip = page.evaluate(
        "document.querySelector('video').src.split('#t=')[1].split(',').map(Number)"
    )
    # Longer than the clip: it has begun again meanwhile.
    seen = page.evaluate(
        """async ([start, end]) => {
            const video = document.querySelector('video'), seen = [];
            const until = performance.now() + 1000 * (end - start) + 1500;
            while (performance.now() < until) {
                await new Promise(requestAnimationFrame);
                if (!video.seeking) seen.push(video.currentTime);
            }
            return seen;
        }""",
        clip,
    )
    assert min(seen) >= clip[0] - 0.05
    assert max(seen) <= clip[1] + 0.1
    assert any(later < earlier for earlier, later in pairwise(seen))
    assert all(each.startswith(page.url.partition("?")[0]) for each in requests)
    assert complaints == []


def test_verdicts_by_key_survive_a_kill_and_are_undone(
    browser: Any,
    copy: Path,
    server: Server,
) -> None:
    page, complaints = opened(browser, server)
    cells = page.locator(".cell")
    cells.first.focus()
    for at, key in enumerate("aruaruaru"):
        page.keyboard.press(key)
        word = {"a": "keep", "r": "reject", "u": "unsure"}[key]
        page.wait_for_selector(f".cell:nth-child({at + 1}) .badge.{word}")
        page.keyboard.press("ArrowRight")
    server.kill()
    log = VerdictLog(internvid.open(copy).layout)
    reviewed = [each.verdict for each in log.read().values()]
    assert sorted(reviewed) == ["keep"] * 3 + ["reject"] * 3 + ["unsure"] * 3
    again = Server(copy)
    try:
        page, complaints = opened(browser, again)
        assert page.locator(".badge.keep").count() == 3
        page.locator(".cell").first.focus()
        page.keyboard.press("5")
        page.wait_for_selector(".cell:nth-child(1) .badge:text-is('5')")
        page.keyboard.press("z")
        page.wait_for_selector(".cell:nth-child(1) .badge:text-is('5')", state="detached")
        assert page.locator(".cell").first.locator(".badge.keep").count() == 1
    finally:
        again.kill()
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
