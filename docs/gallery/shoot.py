"""Takes the gallery's pictures: renders the demo, opens its report in Chromium, keeps WebP files.

    python docs/gallery/shoot.py            # makes the demo, half a minute
    python docs/gallery/shoot.py REPORT     # of a report that is there

Needs Chromium on the machine and the developers' tools (playwright, which drives it).
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from internvid.cli.app import main

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT, MOST_BYTES = 1200, 760, 150_000
# Picture -> the first and the last element that it shows, and at most so many pixels of height.
SHOTS = {
    "overview": ("header.top", "#funnel", 900),
    "distributions": ("#spread", "#spread", 1250),
    "clips": ("#clips", "#clips", 900),
    "rejected": ("#rejected", "#rejected", 760),
    "cuts": ("#cuts", "#cuts", 700),
}


def shoot(page: Page, first: str, last: str, most_pixels: int) -> bytes:
    """A PNG from the top of one element to the end of another, or as far as it may reach."""
    boxes = [page.locator(selector).bounding_box() for selector in (first, last)]
    if boxes[0] is None or boxes[1] is None:
        raise SystemExit(f"the report shows no {first} or no {last}")
    top = boxes[0]["y"] + 6  # above lies the edge of what comes before
    height = min(boxes[1]["y"] + boxes[1]["height"] - top, most_pixels)
    clip = {"x": 0.0, "y": top, "width": float(WIDTH), "height": height}
    return page.screenshot(full_page=True, clip=clip)


def save(png: bytes, path: Path) -> None:
    """As WebP, at the best quality that keeps it small."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in (90, 80, 70, 60, 50):
        packed = io.BytesIO()
        image.save(packed, "WEBP", quality=quality, method=6)
        if packed.tell() <= MOST_BYTES:
            break
    path.write_bytes(packed.getvalue())
    print(f"{path.name}: {image.width} x {image.height}, {packed.tell() // 1000} kB")


def take(report: Path) -> None:
    """Every picture of one report."""
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        view = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(viewport=view, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_load_state("networkidle")
        for name, (first, last, most_pixels) in SHOTS.items():
            save(shoot(page, first, last, most_pixels), HERE / f"{name}.webp")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            demo = Path(folder) / "demo"
            main(["demo", str(demo)])
            take(demo / "dataset" / "report.html")
