"""The report says what the dataset holds, always in the same bytes, whatever it is called."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from internvid.browse.filmstrips import PictureBudget, make_strips, sample_clips
from internvid.browse.page import MOST_KEPT, MOST_REJECTED
from internvid.browse.report import write_report
from internvid.core.errors import DatasetFormatError, OutputExistsError
from internvid.curate.select import select
from internvid.curate.selectors import Random
from internvid.dataset.layout import Layout
from internvid.dataset.store import open_dataset
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from tests.browse.handmade import Plan, make
from tests.browse.reading import PageReader

HOSTILE = "<script>document.title='owned'</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)></script></style>{{ 7 * 7 }}"


def report(folder: Path, plan: Plan | None = None) -> PageReader:
    return PageReader(write_report(make(folder / "data", plan), folder / "page.html"))


def test_shows_counts_clips_captions_and_what_made_them(tmp_path: Path) -> None:
    page = report(tmp_path, Plan(failures=[("/videos/bad.mp4", "no_frames", "yields no frame")]))
    for said in (
        "6 clips kept, 12.0 s of 16.0 s in 2 usable videos",
        "a red ball rolls",
        "words · model tiny/vlm",
        "too_still motion_mean < 0.5 2 clips, 4.0 s",
        "no_frames yields no frame bad.mp4",
        "SomeDetector · version 3",
        "threshold 27",
        "handmade@0123456789ab",
    ):
        assert said in page.text
    assert len(page.all("article", class_="clip")) == 8
    assert len(page.all("img")) == 6 * 3 + 2 * 2


def test_every_column_is_drawn_without_being_named(tmp_path: Path) -> None:
    page = report(tmp_path, Plan(metadata={"Language": ["sr", "sr"]}))
    for label in ("Motion mean", "Camera move", "Colours", "Sharpness", "Is still", "Language"):
        assert label in page.texts
    drawings = [svg["aria-label"] or "" for svg in page.all("svg", role="img")]
    assert any(one.startswith("Histogram of Motion mean: median 3") for one in drawings)


def test_shares_stand_beside_those_of_the_paper(tmp_path: Path) -> None:
    text = report(tmp_path).text
    assert "2–4 s 100 % 26 %" in text
    assert "0–10 words 100 % 34 %" in text
    assert "720p 100 % 85 %" in text


def test_a_rejected_clip_names_the_value_that_decided(tmp_path: Path) -> None:
    page = report(tmp_path, Plan(names=["/one.mp4"], clips=3))
    assert "too_still motion_mean 0.25" in page.text
    assert len(page.all("article", class_="is-rejected")) == 1


def test_nothing_outside_the_file_is_named(tmp_path: Path) -> None:
    page = report(tmp_path)
    for tag, attributes in page.tags:
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:image/jpeg;base64,", "#")), (tag, value)
    raw = (tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r"@import|url\(|https?://|//cdn", raw)
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    plan = Plan(
        names=[f"/videos/{HOSTILE}.mp4", f"/videos/{BREAKOUT}.mp4"],
        metadata={"title": [HOSTILE, BREAKOUT], "category": [BREAKOUT, BREAKOUT]},
        captions=[HOSTILE, BREAKOUT, "\u202eevil\x00\x1b[31m"],
        failures=[(f"/videos/{BREAKOUT}", BREAKOUT, HOSTILE)],
    )
    page = report(tmp_path, plan)
    assert len(page.all("script")) == 1
    assert not page.all("img", src="x")
    assert HOSTILE in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in page.text
    assert "\x00" not in page.text


def test_long_texts_do_not_grow_the_page(tmp_path: Path) -> None:
    long = "word " * 100_000
    plan = Plan(
        names=["/videos/" + "n" * 50_000 + ".mp4"] * 2,
        metadata={"title": [long, long]},
        captions=[long, "x" * 500_000],
        failures=[("/bad.mp4", "r" * 9_000, long)],
    )
    report(tmp_path, plan)
    assert (tmp_path / "page.html").stat().st_size < 400_000


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(names=["/one.mp4"], clips=1), "1 clip kept"),
        (Plan(rejected="all"), "No clip was kept."),
        (Plan(names=[], failures=[("/bad.mp4", "not_media", "is no video")]), "0 usable videos"),
        (Plan(names=["/one.mp4"], clips=1, picks=0), "no stored pictures"),
        (Plan(captions=[None]), "0 texts"),
        (Plan(captions=["   ", "!!", "?", ".", ":", "-"]), "No words."),
    ],
    ids=["one-clip", "none-kept", "none-usable", "no-pictures", "no-captions", "no-words"],
)
def test_small_and_empty_datasets_have_a_page(tmp_path: Path, plan: Plan, said: str) -> None:
    assert said in report(tmp_path, plan).text


def test_equal_datasets_have_equal_pages_whatever_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    for name, threads in (("first", 1), ("second", 4)):
        dataset = make(tmp_path / name, Plan(clips=30))
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        assert dataset.sql("select current_setting('threads')").fetchall() == [(threads,)]
        pages.append(write_report(dataset, dataset.root / "report.html").read_bytes())
    assert pages[0] == pages[1]
    assert str(tmp_path).encode() not in pages[0]


def test_a_page_outside_the_dataset_names_it(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert "data" in page.texts
    assert page.all("h1")[0].get("data-from-address", "absent") == "absent"


def test_a_shared_folder_is_left_out_of_names(tmp_path: Path) -> None:
    page = report(tmp_path, Plan(names=["/home/someone/a/x.mp4", "/home/someone/b/y.mp4"]))
    assert "a/x.mp4" in page.text
    assert "someone" not in (tmp_path / "page.html").read_text("utf-8")


def test_a_large_dataset_is_sampled(tmp_path: Path) -> None:
    plan = Plan(names=[f"/videos/{at:03}.mp4" for at in range(60)], clips=30)
    page = report(tmp_path, plan)
    assert len(page.all("article")) == MOST_KEPT + MOST_REJECTED
    assert f"{MOST_KEPT} of 1,200 kept ones" in page.text
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


def test_the_sample_hardly_changes_when_sources_are_added(tmp_path: Path) -> None:
    names = [f"/videos/{at:03}.mp4" for at in range(22)]
    samples = []
    for count in (20, 22):
        dataset = make(tmp_path / str(count), Plan(names=names[:count], clips=30))
        samples.append({row["clip_id"] for row in sample_clips(dataset, "kept", 40)})
    assert len(samples[0] & samples[1]) >= 30


def test_pictures_stop_when_their_budget_is_used(tmp_path: Path) -> None:
    dataset = make(tmp_path / "data")
    rows = sample_clips(dataset, "true", 8)
    full = make_strips(dataset, rows, PictureBudget())
    size = PictureBudget(0)
    assert all(len(strip.frames) == 3 for strip in full)
    assert all(strip.frames == () for strip in make_strips(dataset, rows, size))


def test_subsets_are_listed(tmp_path: Path) -> None:
    dataset = make(tmp_path / "data")
    select(dataset, Random(count=2), "pair")
    page = PageReader(write_report(dataset, tmp_path / "page.html"))
    assert "pair 2 33 % 4.0 s Random" in page.text


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    dataset = make(tmp_path / "data")
    notes = tmp_path / "notes.html"
    notes.write_text("<p>mine</p>", "utf-8")
    with pytest.raises(OutputExistsError, match="not a report"):
        write_report(dataset, notes)
    with pytest.raises(OutputExistsError, match="folder"):
        write_report(dataset, tmp_path)
    assert notes.read_text("utf-8") == "<p>mine</p>"


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    dataset = make(tmp_path / "data")
    page = tmp_path / "page.html"
    first = write_report(dataset, page).read_bytes()
    assert write_report(dataset, page).read_bytes() == first


def test_a_dataset_without_a_finished_build_is_refused(tmp_path: Path) -> None:
    Layout(tmp_path / "data").create()
    with pytest.raises(DatasetFormatError, match="no finished build"):
        write_report(open_dataset(tmp_path / "data"), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_built_world_has_a_page(tmp_path: Path, world_videos: list[Path], recipe: Recipe) -> None:
    build([str(path) for path in world_videos], tmp_path / "data", recipe, workers=1)
    dataset = open_dataset(tmp_path / "data")
    page = PageReader(write_report(dataset, tmp_path / "page.html"))
    assert "ContentDetector" in page.text
    assert "echo · stand-in" in page.text
    assert page.all("path", class_="activity")
