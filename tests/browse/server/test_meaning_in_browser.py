"""Search by meaning and the map in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.dataset.store import Dataset
from tests.browse.server.embedded import embedded_copy
from tests.browse.server.test_pages import Server, opened

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def root(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded_copy(dataset, tmp_path_factory.mktemp("embedded"))[0]


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    running = Server(root, "--model", str(root.parent / "viclip"))
    yield running
    running.kill()


def scores(page: Any) -> list[float]:
    return [float(text) for text in page.locator(".cell .score").all_inner_texts()]


def test_a_text_a_picture_and_a_clip_are_searched_by(
    browser: Any, server: Server, root: Path, tmp_path: Path
) -> None:
    page, complaints = opened(browser, server)
    data = internvid.open(root)
    count = len(data)
    page.locator("#by").select_option("like")
    page.locator("#q").fill("a red ball")
    page.keyboard.press("Enter")
    page.wait_for_url("**like=a+red+ball**")
    page.wait_for_selector(".cell .score", timeout=60_000)
    assert len(scores(page)) == count
    assert scores(page) == sorted(scores(page), reverse=True)
    clip = data.clips()["clip_id"][0].as_py()
    (tmp_path / "one.jpg").write_bytes(next(data.jpegs(clip))[1])
    page.locator("#file").set_input_files(tmp_path / "one.jpg")
    page.wait_for_url("**picture=**")
    page.wait_for_selector("#chips img.tiny")
    page.wait_for_function(
        "document.querySelector('#chips img.tiny').naturalWidth > 0"
        " && document.querySelectorAll('.cell .score').length > 0"
    )
    assert "like=" not in page.url
    (tmp_path / "none.png").write_bytes(b"PK\x03\x04 no picture")
    page.locator("#file").set_input_files(tmp_path / "none.png")
    page.wait_for_selector("#message:has-text('no picture')")
    assert [text for text in complaints if "400" not in text] == []
    page.locator(".cell").nth(2).click()
    page.get_by_role("link", name="Clips like this").click()
    page.wait_for_url("**near=**")
    page.wait_for_selector(".cell .score")
    assert scores(page)[0] == 1.0
    page.locator("#chips button", has_text="like this clip").click()
    page.wait_for_selector(".cell .score", state="detached")
    page.locator(".cell").first.focus()
    page.keyboard.press("p")
    page.wait_for_selector("#same p:has-text('by the stored pictures')")
    page.get_by_role("link", name="Clips like this").click()
    page.wait_for_selector(".cell .score")
    assert [text for text in complaints if "400" not in text] == []


def test_a_box_on_the_map_becomes_a_subset(browser: Any, server: Server, root: Path) -> None:
    page, complaints = opened(browser, server, viewport={"width": 1200, "height": 800})
    page.get_by_role("link", name="Map", exact=True).click()
    page.wait_for_selector("#canvas[data-kind=points]")
    data = internvid.open(root)
    ((count, middle),) = data.sql(
        "select count(map_x), (min(map_x) + max(map_x)) / 2 from clips"
    ).fetchall()
    assert page.locator("#canvas").get_attribute("data-clips") == str(count)
    page.locator("#colour").select_option("duration_seconds")
    page.wait_for_url("**colour=duration_seconds")
    page.wait_for_selector("#legend canvas")
    page.locator("#mark").click()
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 14)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 14, steps=4)
    page.mouse.up()
    page.wait_for_url("**map_x=**")
    ((left,),) = data.sql(f"select count(*) from clips where map_x <= {middle}").fetchall()
    # The clips before the box was drawn stand there until those in it are counted.
    page.wait_for_selector(f"#chosen h2:has-text('{left} clip')")
    page.get_by_role("textbox", name="Name of the subset").fill("left")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(f"text={left} clips are the subset left")
    chosen = internvid.open(root).clips("left").to_pylist()
    assert len(chosen) == left
    assert max(row["map_x"] for row in chosen) <= middle
    again = internvid.select(root, "where", "two-of-them", "true", subset="left", count=None)
    assert again.clips == left
    page.locator("#open").click()
    page.wait_for_selector(f".cell:nth-child({left}):last-child")
    assert "colour" not in page.url
    assert complaints == []


def test_the_map_is_used_by_keys_and_shows_a_clip(browser: Any, server: Server) -> None:
    page, complaints = opened(browser, server)
    page.goto(server.address.partition("?")[0] + "map")
    page.wait_for_selector("#canvas[data-kind=points]")
    page.locator("#canvas").focus()
    page.keyboard.press("s")
    for key in ("Shift+ArrowRight", "Shift+ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**map_y=**")
    page.wait_for_selector("#chosen h2")
    page.locator("#canvas").focus()
    for key in ("+", "ArrowRight", "-", "-", "0", "Escape"):
        page.keyboard.press(key)
    # A point is found by its place on the screen, and its clip is shown.
    place = page.evaluate(
        """async () => {
            const data = await (await fetch('/api/map/part?box=-2,2,-2,2')).arrayBuffer();
            const { left, right, low, high } = (await (await fetch('/api/map')).json()).bounds;
            const { clientWidth: wide, clientHeight: tall } = document.getElementById('canvas');
            const box = document.getElementById('canvas').getBoundingClientRect();
            const scale = 0.92 * Math.min(wide / (right - left), tall / (high - low));
            const [x] = new Float32Array(data, 0, 1), [y] = new Float32Array(
                data, 4 * data.byteLength / 9, 1);
            return [box.left + box.width / 2 + (x - (left + right) / 2) * scale,
                box.top + box.height / 2 - (y - (low + high) / 2) * scale];
        }"""
    )
    page.mouse.move(*place)
    page.wait_for_selector("#card img")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/clip/**")
    assert complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (3840, "dark")])
def test_the_map_fits_and_speaks(browser: Any, server: Server, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    page, _ = opened(browser, server, viewport=size, color_scheme=scheme)
    for path in ("map?colour=camera_move", "?like=a+dog"):
        page.goto(server.address.partition("?")[0] + path)
        page.wait_for_selector("#canvas[data-kind], .cell .score", timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, select, input, canvas[tabindex]')].filter("
            "one => !(one.innerText || one.getAttribute('aria-label') || one.closest('label')))"
            ".length"
        )
        assert unnamed == 0
