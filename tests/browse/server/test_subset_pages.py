"""Marking, comparing, exporting and the page of a clip, in a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.dataset.store import Dataset
from tests.browse.server.test_clip_facts import spoken
from tests.browse.server.test_pages import Server, opened

__all__ = ["spoken"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    root = folder / "data"
    shutil.copytree(dataset.root, root)
    internvid.select(root, "where", "long", "duration_seconds > 2")
    running = Server(root, "--exports", str(folder / "exports"))
    yield running, root, folder / "exports"
    running.kill()


@pytest.fixture(scope="module")
def server_of_spoken(spoken: Dataset) -> Iterator[Server]:
    running = Server(spoken.root)
    yield running
    running.kill()


def home(page: Any) -> str:
    return "/".join(page.url.split("/")[:3])


def until(page: Any, expression: str) -> None:
    """Wait for what a page of ours may not evaluate itself."""
    while not page.evaluate(expression):
        page.wait_for_timeout(50)


def visit(page: Any, path: str) -> None:
    page.goto(home(page) + path)


def test_marked_clips_become_a_subset_that_select_reads(browser: Any, served: Any) -> None:
    server, root, _ = served
    page, complaints = opened(browser, server)
    cells = page.locator(".cell")
    cells.nth(0).focus()
    page.keyboard.press("x")
    page.wait_for_selector(".cell.marked")
    cells.nth(3).click(modifiers=["Shift"])
    page.wait_for_selector(".cell:nth-child(4).marked")
    assert page.locator(".cell.marked").count() == 4
    # A range does not open the player.
    assert not page.locator("#player").is_visible()
    cells.nth(1).focus()
    page.keyboard.press("x")
    page.wait_for_selector("#marked strong:text-is('3')")
    assert "marked" in cells.nth(2).get_attribute("aria-label")
    # Marks hold over pages of the grid and a reload.
    page.reload()
    page.wait_for_selector(".cell.marked")
    page.locator("#kept").select_option("all")
    page.wait_for_url("**kept=all**")
    page.wait_for_selector("#marked strong:text-is('3')")
    page.get_by_role("textbox", name="Name of the subset of marked clips").fill("by-hand")
    page.get_by_role("button", name="Save marked").click()
    page.wait_for_selector("#marked a:text-is('by-hand')")
    assert page.locator(".cell.marked").count() == 0
    data = internvid.open(root)
    page.locator("#marked a:text-is('by-hand')").click()
    page.wait_for_selector("#totals strong:text-is('3')")
    shown = page.evaluate(
        "fetch('/api/clips?subset=by-hand').then((a) => a.json())"
        ".then((a) => a.clips.map((c) => c.clip_id))"
    )
    assert set(shown) == set(data.clips("by-hand")["clip_id"].to_pylist())
    again = internvid.select(data, "where", "from-marks", "true", subset="by-hand")
    assert again.clips == 3
    assert complaints == []


def test_a_comparison_by_key_is_an_address(browser: Any, served: Any) -> None:
    server, root, _ = served
    page, complaints = opened(browser, server)
    page.get_by_role("link", name="Subsets").click()
    page.wait_for_selector(".subset")
    page.locator(".subset[data-name=long]").focus()
    page.keyboard.press("a")
    page.wait_for_url("**/subsets?a=long&b=")
    page.wait_for_selector(".chart-of path.line-of")
    data = internvid.open(root)
    long, every = data.clips("long").num_rows, len(data)
    figures = [text.split()[0] for text in page.locator("#comparison .tiles dd").all_inner_texts()]
    assert figures == ["0", str(long), str(every - long)]
    page.wait_for_selector("text=not chosen")
    assert page.locator(".samples .cell").count() == min(12, every - long)
    address = page.url
    page.keyboard.press("b")
    until(page, "!location.search.includes('a=long')")
    page.goto(address)
    page.wait_for_selector(".samples .cell")
    page.locator(".samples .cell").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/clip/*")
    page.go_back()
    page.get_by_role("link", name="All of them").click()
    page.wait_for_url("**/?outside=long")
    page.wait_for_selector(f"#totals strong:text-is('{every - long}')")
    assert page.get_by_role("combobox", name="Not in subset").input_value() == "long"
    page.get_by_role("button", name="not in long").click()
    page.wait_for_selector(f"#totals strong:text-is('{every}')")
    assert complaints == []


def test_an_export_is_started_cancelled_gone_on_with_and_survives_a_reload(
    browser: Any, served: Any
) -> None:
    server, root, exports = served
    page, complaints = opened(browser, server)
    visit(page, "/subsets?exporter=folder&cut.size=&cut.sound=none")
    page.wait_for_selector("pre.command:has-text('--set cut.sound=none')")
    page.get_by_role("button", name="What falls out").click()
    page.wait_for_selector("#plan :text('would be written')")
    page.get_by_role("textbox", name="Name of the new folder").fill("first")
    page.wait_for_selector(f"pre.command:has-text('{exports / 'first'}')")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector(".job.running")
    page.reload()
    page.wait_for_selector(".job.running")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".job.cancelled")
    assert not (exports / "first" / "manifest.json").exists()
    page.get_by_role("textbox", name="Name of the new folder").fill("first")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector(".job.done", timeout=120_000)
    manifest = internvid.verify(exports / "first", dataset=internvid.open(root))
    assert manifest.ok
    assert len(list((exports / "first").glob("*.mp4"))) == len(internvid.open(root))
    page.get_by_role("textbox", name="Name of the new folder").fill("first")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("#export-note:has-text('exists')")
    # The browser itself says what the server answered.
    assert all("400" in each for each in complaints)


def processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in words and b"watched_command" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_an_export_ends_with_a_server_that_is_killed(
    browser: Any, dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(dataset.root, root)
    server = Server(root, "--exports", str(tmp_path / "exports"))
    try:
        page, _ = opened(browser, server)
        visit(page, "/subsets?exporter=folder&cut.size=")
        page.get_by_role("textbox", name="Name of the new folder").fill("lost")
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector(".job.running")
        (process,) = processes_with(str(tmp_path / "exports" / "lost"))
        # It would go on for as long as it is stopped.
        os.kill(process, signal.SIGSTOP)
    finally:
        server.kill()
    os.kill(process, signal.SIGCONT)
    while processes_with(str(tmp_path / "exports" / "lost")):
        time.sleep(0.05)
    assert not (tmp_path / "exports" / "lost" / "manifest.json").exists()


def test_a_clip_page_follows_the_player_and_is_sent_by_a_click(
    browser: Any,
    server_of_spoken: Server,
    spoken: Dataset,
) -> None:
    page, complaints = opened(browser, server_of_spoken)
    row = next(row for row in spoken.clips().to_pylist() if row["transcript"])
    visit(page, f"/clip/{row['clip_id']}?t={row['start_seconds'] + 0.5:.2f}")
    page.wait_for_selector(".captions .caption")
    assert page.locator(".caption").count() == 2
    until(page, "document.querySelector('video')?.readyState >= 2")
    page.wait_for_selector(".transcript li")
    lines = page.locator(".transcript li").all_inner_texts()
    assert len(lines) == len(row["transcript_starts"])
    last = page.locator(".transcript button").last
    last.click()
    page.wait_for_selector(".transcript li:last-child[aria-current]")
    page.keyboard.press("Escape")
    # A click into a curve goes to that place.
    page.locator(".now").click()
    video = "document.querySelector('video')"
    zero = f"({video}.src.includes('/cut/') ? {row['start_seconds']!r} : 0)"
    page.evaluate(
        f"{video}.addEventListener('seeking', () => {{ window.sought = {video}.currentTime; }})"
    )
    plot = page.locator(".curve .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    length = page.evaluate(
        f"fetch('/api/clip/{row['clip_id']}').then((a) => a.json())"
        ".then((a) => a.source.duration_seconds)"
    )
    wanted = (row["start_seconds"] + row["end_seconds"]) / 2
    page.mouse.click(box["x"] + box["width"] * wanted / length, box["y"] + 10)
    until(page, f"Math.abs((window.sought ?? -9) + {zero} - {wanted}) < 0.15")
    # It plays on, and the cursor with it.
    until(
        page,
        f"Math.abs(parseFloat(document.querySelector('.curve .cursor').style.left) - "
        f"100 * ({video}.currentTime + {zero}) / {length}) < 2",
    )
    shots = spoken.sql(
        f"select count(*), count(*) filter (where not kept) from all_clips "
        f"where video_id = '{row['video_id']}'"
    ).fetchall()[0]
    assert page.locator(".shots a").count() == shots[0]
    assert page.locator(".shots a.rejected").count() == shots[1] > 0
    # Elsewhere in the source it is another clip, at that place.
    page.keyboard.press("v")
    page.wait_for_url("**range=near**")
    assert complaints == []


def test_a_correction_shows_who_and_the_seal(
    browser: Any,
    spoken: Dataset,
    tmp_path: Path,
) -> None:
    root = tmp_path / "data"
    shutil.copytree(spoken.root, root)
    server = Server(root, "--author", "ann")
    try:
        page, complaints = opened(browser, server)
        page.locator(".cell").first.focus()
        page.keyboard.press("p")
        page.wait_for_selector(".caption")
        card = page.locator("[aria-label='caption measured']")
        card.get_by_role("button", name="Correct").click()
        page.get_by_role("textbox", name="correct measured").fill("<i>mine</i>")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=corrected by ann")
        assert card.locator("text=<i>mine</i>").count() == 1
        assert page.locator("#recorded li").count() == 1
        card.locator("summary").click()
        assert "the seal holds" in card.inner_text()
        assert complaints == []
    finally:
        server.kill()


def test_failed_sources_are_a_view_of_the_grid(browser: Any, server_of_spoken: Server) -> None:
    page, complaints = opened(browser, server_of_spoken)
    page.locator("#kept").select_option("failed")
    page.wait_for_url("**kept=failed**")
    # What is about clips alone is not offered.
    for name in ("by", "picture", "audit", "save"):
        page.wait_for_selector(f"#{name}", state="hidden")
    page.wait_for_selector(".source")
    assert page.locator(".source").count() == 2
    page.get_by_role("checkbox", name="empty").check()
    page.wait_for_selector("#totals strong:text-is('1')")
    assert "reason=empty" in page.url
    assert "nothing.mp4" in page.locator(".source").inner_text()
    page.reload()
    page.wait_for_selector(".source")
    assert page.get_by_role("checkbox", name="empty").is_checked()
    page.locator("#kept").select_option("kept")
    page.wait_for_selector(".cell")
    assert "reason" not in page.url
    assert complaints == []


@pytest.mark.parametrize("width", [390, 3840])
def test_new_pages_fit_and_speak(browser: Any, served: Any, width: int) -> None:
    page, _ = opened(browser, served[0], viewport={"width": width, "height": 844})
    clip = page.evaluate(
        "fetch('/api/clips').then((a) => a.json()).then((a) => a.clips[0].clip_id)"
    )
    for path in ("/subsets?a=long&b=&preset=wan", f"/clip/{clip}", "/?kept=failed"):
        visit(page, path)
        page.wait_for_selector("#export-name, .caption, .failed-list")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, select, input, svg[role=img], dialog')].filter("
            "one => !(one.innerText || one.getAttribute('aria-label') || one.closest('label') "
            "|| one.getAttribute('aria-labelledby'))).length"
        )
        assert unnamed == 0
