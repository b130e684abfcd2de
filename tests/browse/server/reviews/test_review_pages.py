"""Audits, comparisons and limits in a real browser: by key, by two at once, also after a kill."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.cli.app import main
from internvid.dataset.answers.review_log import ReviewLog, review_log_path
from tests.browse.server.test_pages import Server, opened

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def root(filtered: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "data"
    shutil.copytree(filtered, copied)
    return copied


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    running = Server(root)
    yield running
    running.kill()


def home(server: Server) -> str:
    return server.address.partition("/?")[0]


def answered(page: Any, count: int) -> None:
    page.wait_for_selector(f"#totals strong:text-is('{count}')")


def test_an_audit_is_answered_by_key_and_goes_on_after_a_kill(
    browser: Any, root: Path, server: Server
) -> None:
    page, complaints = opened(browser, server)
    page.get_by_role("link", name="Audit").click()
    for group in ("kept", "rejected: too_short", "rejected: pale"):
        page.get_by_role("checkbox", name=group).check()
    page.get_by_role("spinbutton", name="Clips of each").fill("5")
    page.keyboard.press("Tab")
    assert "count=5" in page.url
    assert page.url.count("group=") == 3
    page.reload()
    page.wait_for_selector("fieldset")
    assert page.locator("input:checked").count() == 3
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("video")
    text = page.locator("body").inner_text()
    assert not any(word in text for word in ("too_short", "pale", "rejected"))
    address = page.url.partition("?")[0]
    for at, key in enumerate("arua"):
        page.keyboard.press(key)
        answered(page, at + 1)
    page.keyboard.press("s")
    page.wait_for_url("**at=5**")
    server.kill()
    (review,) = ReviewLog(internvid.open(root).layout).read().values()
    order = list(review.drawn)
    assert [review.answers[clip_id].answer for clip_id in order[:4]] == [
        "keep", "reject", "unsure", "keep",
    ]  # fmt: skip
    assert len(review.answers) == 4
    again = Server(root)
    try:
        page, more = opened(browser, again)
        page.goto(home(again) + address.partition("//")[2][address.partition("//")[2].index("/") :])
        page.wait_for_selector("text=clip 5 of 11")
        page.keyboard.press("a")
        answered(page, 5)
        page.keyboard.press("z")
        answered(page, 4)
        page.wait_for_selector("text=clip 5 of 11")
        for at in range(7):
            page.keyboard.press("ra"[at % 2])
            if at < 6:
                answered(page, 5 + at)
        page.wait_for_selector(".figures-table")
        (found,) = internvid.reviews(root).audits
        assert found.open == 0
        whole = page.locator("tr.whole td").first.inner_text()
        assert whole == f"{100 * (found.precision or 0):.1f} %"
        shown = [row.inner_text().split("\t")[0] for row in page.locator("tbody tr").all()]
        assert shown == ["kept", "rejected: too_short", "rejected: pale", "all, weighted by clips"]
    finally:
        again.kill()
    # The grid asked for a picture when the server was gone; nothing else complained.
    assert [each for each in complaints + more if "ERR_CONNECTION" not in each] == []


def test_what_the_grid_shows_can_be_audited(browser: Any, server: Server, root: Path) -> None:
    page, complaints = opened(browser, server)
    page.goto(home(server) + "/?kept=all&brightness=..0.7")
    page.wait_for_selector(".cell")
    page.get_by_role("button", name="Audit").click()
    page.wait_for_selector(".chips button:has-text('brightness')")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("video")
    (review,) = ReviewLog(internvid.open(root).layout).read().values()
    expected = internvid.open(root).sql("select clip_id from all_clips where brightness <= 0.7")
    assert set(review.drawn) == {clip_id for (clip_id,) in expected.fetchall()}
    assert complaints == []


def test_two_windows_compare_captions_at_once(browser: Any, root: Path, server: Server) -> None:
    one, complaints = opened(browser, server)
    one.goto(home(server) + "/captioners?first=measured&second=echo&count=7&seed=3")
    one.get_by_role("button", name="Begin").click()
    one.wait_for_selector(".sides")
    two, more = opened(browser, server)
    two.goto(one.url)
    two.wait_for_selector(".sides")
    text = one.locator("body").inner_text()
    assert "measured" not in text
    assert "echo" not in text
    # Both stand at the same clips: the last answer counts, and none is lost.
    for window, key, count in (
        (one, "1", 1), (two, "2", 1), (two, "0", 2), (one, "b", 2), (one, "ArrowLeft", 3),
    ):  # fmt: skip
        window.keyboard.press(key)
        answered(window, count)
    one.reload()
    one.wait_for_selector("text=clip 4 of 7")
    for window, key, count in ((two, "=", 3), (two, "2", 4), (one, "2", 4), (one, "1", 5)):
        window.keyboard.press(key)
        answered(window, count)
    two.goto(two.url.partition("?")[0])
    two.wait_for_selector("text=clip 6 of 7")
    two.keyboard.press("2")
    answered(two, 6)
    two.keyboard.press("1")
    two.wait_for_selector("text=Sign test")
    lines = review_log_path(internvid.open(root).layout).read_text("utf-8").splitlines()
    assert sum('"kind": "answer"' in line for line in lines) == 11
    (found,) = internvid.reviews(root).comparisons
    assert found.open == 0
    assert found.first + found.second + found.tie + found.bad == 7
    table = two.locator(".figures-table").inner_text()
    assert f"measured is better\t{found.first}" in table
    assert f"equally good\t{found.tie}" in table
    assert complaints + more == []


def test_a_limit_is_moved_and_its_command_makes_the_number_that_is_shown(
    browser: Any, root: Path, server: Server
) -> None:
    page, complaints = opened(browser, server)
    page.goto(home(server) + "/limits")
    page.wait_for_selector("#left[data-clips='7']")
    assert page.get_by_role("img", name="Length").count() == 1
    page.locator("#name").click()
    while float(page.locator("#minimum").input_value()) > 1.85:
        page.keyboard.press("ArrowLeft")
    assert "minimum=1.8" in page.url
    page.wait_for_selector("#left[data-clips='9'][data-exact='true']")
    page.wait_for_selector("#commands pre:has-text('cut.filters.too_short.minimum=1.8')")
    page.wait_for_selector("#near ol .cell .badge.why:has-text('too_short')")
    page.reload()
    page.wait_for_selector("#left[data-clips='9'][data-exact='true']")
    page.wait_for_selector("#commands pre")
    command = page.locator("#commands pre").first.inner_text()
    page.keyboard.press("0")
    page.wait_for_selector("#left[data-clips='7']")
    page.keyboard.press("]")
    page.wait_for_selector("h2:has-text('black')")
    page.keyboard.press("?")
    assert page.locator("#keys dt").count() >= 6
    assert complaints == []
    server.kill()
    assert main([*shlex.split(command)[1:], "--no-report"]) == 0
    assert len(internvid.open(root)) == 9


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_and_speak(browser: Any, server: Server, width: int) -> None:
    page, complaints = opened(browser, server, viewport={"width": width, "height": 844})
    for path, ready in (
        ("/audit?group=kept&group=value:camera_move:pan", "fieldset"),
        ("/captioners", ".plan"),
        ("/limits?column=brightness&minimum=0.4", "#commands pre"),
        ("/audit?group=kept", "fieldset"),
    ):
        page.goto(home(server) + path)
        page.wait_for_selector(ready)
        _fits(page)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector(".answers")
    _fits(page)
    page.keyboard.press("?")
    assert page.locator("#keys dt").count() >= 6
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.wait_for_selector(".figures-table")
    _fits(page)
    assert complaints == []


def _fits(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input, [role=button], [role=img], pre')]"
        ".filter(one => !(one.innerText || one.getAttribute('aria-label') "
        "|| one.closest('label'))).map(one => one.outerHTML.slice(0, 80))"
    )
    assert unnamed == []


def test_read_only_shows_audits_and_takes_no_answer(browser: Any, root: Path) -> None:
    data = internvid.open(root)
    clips = [(row["clip_id"], {"groups": [0], "kept": True}) for row in data.clips().to_pylist()]
    plan = {"groups": [{"group": "kept", "size": 7}], "are_disjoint": True, "seed": 1, "count": 7}
    path = "/audit/" + ReviewLog(data.layout).begin("audit", plan, clips, "ann")
    size = review_log_path(internvid.open(root).layout).stat().st_size
    running = Server(root, "--read-only")
    try:
        page, complaints = opened(browser, running)
        page.goto(home(running) + path)
        page.wait_for_selector("text=--read-only")
        page.keyboard.press("a")
        assert page.locator(".answers button:disabled").count() == 3
        page.goto(home(running) + "/audit?group=kept")
        page.wait_for_selector("fieldset")
        assert page.get_by_role("button", name="Begin").is_disabled()
        assert complaints == []
    finally:
        running.kill()
    assert review_log_path(internvid.open(root).layout).stat().st_size == size
