"""The page in a real browser: from a file, without a network, with and without its script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pytest

from internvid.browse.report import write_report
from tests.browse.handmade import Plan, make

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(
        names=[f"/videos/{HOSTILE}.mp4", '/videos/"><img src=x onerror=alert(1)>.mp4'],
        metadata={"title": [HOSTILE, "plain"], "category": ["Sports", "Sports"]},
        captions=["a red ball rolls", HOSTILE, "two dogs run"],
        failures=[("/videos/bad.mp4", HOSTILE, HOSTILE)],
    )
    dataset = make(tmp_path_factory.mktemp("page") / "my set", plan)
    return write_report(dataset, dataset.root / "report.html")


class Visit:
    """A page that is open, and everything it complained about or asked for."""

    def __init__(self, browser: Any, report: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.context.close()

    def shown(self) -> int:
        return self.page.locator("#cards article:visible").count()


def test_opens_from_a_file_without_asking_for_anything(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        outside = [url for url in visit.requests if not url.startswith("data:image/jpeg")]
        assert outside == [report.as_uri()]
        assert visit.complaints == []
        widths = visit.page.eval_on_selector_all(
            "img", "all => Promise.all(all.map(i => i.decode().then(() => i.naturalWidth)))"
        )
        assert len(widths) == 6 * 3 + 2 * 2
        assert min(widths) > 0


def test_hostile_texts_run_nowhere(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        assert visit.page.title() == "my set – report"
        assert visit.page.locator("script").count() == 1
        assert visit.page.locator("img[onerror]").count() == 0
        assert HOSTILE in visit.page.locator("#cards").inner_text()
        assert visit.complaints == []


def test_warnings_and_bars_of_the_paper_are_seen(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        section = visit.page.locator("#statistics")
        assert "category: Sports has 100 % of the hours" in section.inner_text()
        box = section.locator("figure", has_text="Clip length").locator("rect.paper").first
        here = section.locator("figure", has_text="Clip length").locator("rect.kept").nth(1)
        # 36 % of InternVid's clips are in the first bucket; all of these are in the second.
        assert box.bounding_box()["width"] == pytest.approx(
            0.36 * here.bounding_box()["width"], rel=0.02
        )


def test_filters_and_sorts_from_the_keyboard(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        page = visit.page
        assert visit.shown() == 6
        page.locator("#filter").focus()
        page.keyboard.type("BALL red")
        assert visit.shown() == 2
        assert page.locator("#found").inner_text() == "2 of 6 shown"
        page.locator("#filter").fill("no such words")
        assert page.locator("#nothing").is_visible()
        page.locator("#filter").fill("")
        page.locator("#sort").select_option("motion_mean")
        keys = page.eval_on_selector_all(
            "#cards article", "all => all.map(one => JSON.parse(one.dataset.sort).motion_mean)"
        )
        assert keys == sorted(keys, reverse=True)
        assert visit.complaints == []


def test_an_id_can_be_copied_whole(browser: Any, report: Path) -> None:
    with Visit(browser, report) as visit:
        visit.page.locator("#cards .copy").first.click()
        selected = visit.page.evaluate("getSelection().toString()")
        assert selected == visit.page.locator("#cards code.id").first.text_content()
        assert len(selected) == 32


def test_everything_is_readable_without_script(browser: Any, report: Path) -> None:
    with Visit(browser, report, java_script_enabled=False) as visit:
        assert visit.shown() == 6
        assert not visit.page.locator("#tools").is_visible()
        assert visit.page.locator("#funnel table").first.is_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_the_screen_and_is_legible(
    browser: Any, report: Path, width: int, scheme: Any
) -> None:
    size = {"width": width, "height": 800}
    with Visit(browser, report, viewport=size, color_scheme=scheme) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.page.evaluate(_WORST_CONTRAST) >= 4.5


# The smallest contrast (WCAG 2, relative luminance) between a text and what it stands on.
_WORST_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => {
    const v = c[at] / 255;
    return sum + weight * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, title")) continue;
    const style = getComputedStyle(element);
    const ink = light(rgba(element.closest("svg") ? style.fill : style.color));
    const back = light(ground(element));
    worst = Math.min(worst, (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05));
  }
  return worst;
}"""
