"""The page beside the paper: its numbers, ours, and never two protocols in silence."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from internvid.core.errors import ConfigInvalidError, DatasetFormatError
from internvid.evaluation.results.protocol import MissingClip, Protocol, Result
from internvid.evaluation.results.published import (
    CAPTION_ABLATION,
    FINE_TUNED_RECOGNITION,
    FINE_TUNED_RETRIEVAL,
    TABLES,
    ZERO_SHOT_RECOGNITION,
    ZERO_SHOT_RETRIEVAL,
)
from internvid.evaluation.results.results_page import (
    name_results,
    show_groups,
    show_table,
    write_page,
)

WAYS = ("text_to_video", "video_to_text")
HOSTILE = "<script>document.title='owned'</script>"


def recognised(top1: float, name: str = "mine", **fields: Any) -> Result:
    protocol = Protocol(
        benchmark="k400", version=1, annotations="a", listed=10, found=8, clips="c", frames=8,
        frame_rule="middle", templates="reference", aggregation="mean_similarity",
    )  # fmt: skip
    return Result(
        metrics={"top1": top1, "top5": 90.0, "mean_top1_top5": (top1 + 90) / 2},
        protocol=replace(protocol, **fields),
        model={"name": name, "weights": "w"},
        missing=(MissingClip(HOSTILE, "not_found"),) * 60,
        classes={"yoga": 10.0, HOSTILE: 0.0},
    )


def retrieved(prefix: str = "") -> Result:
    protocol = Protocol(
        benchmark="msrvtt", version=1, annotations="b", listed=2, found=2, clips="d", frames=8,
        frame_rule="middle", text_mode="sentence", dual_softmax=bool(prefix),
    )  # fmt: skip
    names = [f"{prefix}{way}_r{k}" for way in ("text_to_video", "video_to_text") for k in (1, 5)]
    return Result(dict.fromkeys(names, 41.5), protocol, {"name": "mine", "weights": "w"})


def test_published_values_are_whole() -> None:
    for table in TABLES:
        assert table.source
        for row in table.rows:
            # Frechet distances of videos are in the hundreds; all else is a share or a score.
            most = 1000 if table.key == "text-to-video" else 100
            assert all(value is None or 0 < value < most for value in row.values)
    best = ZERO_SHOT_RECOGNITION.rows[9]
    assert (best.data, best.values[0], best.values[1]) == ("InternVid-10M-FLT", 64.80, 75.70)
    assert ZERO_SHOT_RETRIEVAL.rows[-1].values == (
        42.4, 41.3, 20.1, 16.9, 18.4, 27.9, 49.1, 75.1, 15.1, 24.0,
    )  # fmt: skip
    # The mean of both lies between top-1 and the top-5 that follows from it.
    for row in ZERO_SHOT_RECOGNITION.rows:
        for top1, mean in zip(row.values[::2], row.values[1::2], strict=True):
            assert mean is not None
            assert top1 is None or (top1 < mean < 100 and 2 * mean - top1 < 100)


def test_equal_protocols_share_a_mark_and_a_column() -> None:
    named = name_results([("a", recognised(60.0)), ("b", recognised(64.0, "other"))])
    assert [one.mark for one in named] == ["P1", "P1"]
    shown = show_table(ZERO_SHOT_RECOGNITION, named)
    assert shown.warnings == ()
    assert [cells[0].text for _, cells in shown.ours] == ["60.00", "64.00"]
    assert [cells[0].is_best for _, cells in shown.ours] == [False, True]
    assert {cell.text for _, cells in shown.ours for cell in cells[2:]} == {"–"}


def test_a_column_of_several_protocols_says_so() -> None:
    named = name_results(
        [("a", recognised(60.0)), ("b", recognised(64.0, "other", found=9, templates="clip"))]
    )
    shown = show_table(ZERO_SHOT_RECOGNITION, named)
    assert shown.heads[0].marks == ("P1", "P2")
    (warning,) = shown.warnings
    assert "K400: P1, P2 are different protocols" in warning
    assert "P2 in found, templates" in warning
    assert not any(cell.is_best for _, cells in shown.ours for cell in cells)


def test_dual_softmax_stands_in_no_column_of_the_paper() -> None:
    named = name_results([("a", retrieved()), ("b", retrieved("dual_softmax_"))])
    shown = show_table(ZERO_SHOT_RETRIEVAL, named)
    assert len(shown.ours) == 1
    assert shown.heads[0].marks == ("P1",)
    groups = show_groups(named)
    assert [group.mark for group in groups] == ["P1", "P2"]
    assert groups[0].columns == ("R@1", "R@5")
    assert [line.what for line in groups[1].lines] == [
        "dual softmax text to video", "dual softmax video to text",
    ]  # fmt: skip


def test_fine_tuned_numbers_stand_in_the_columns_of_their_sets() -> None:
    tuned = recognised(70.0, benchmark="fine-tuned", details={"of": "ssv2"})
    foreign = recognised(99.0, benchmark="fine-tuned", details={"of": "actions"})
    names = [f"{prefix}{way}_r1" for prefix in ("", "reranked_") for way in WAYS]
    reranked = replace(
        retrieved(),
        metrics=dict(zip(names, (1.0, 2.0, 3.0, 4.0), strict=True)),
        protocol=replace(
            retrieved().protocol, benchmark="retrieval-reranked", details={"of": "lsmdc"}
        ),
    )
    named = name_results([("a", tuned), ("b", foreign), ("c", reranked), ("d", retrieved())])
    (line,) = show_table(FINE_TUNED_RECOGNITION, named).ours
    assert [cell.text for cell in line[1]] == ["–", "–", "70.00", "90.00"]
    (line,) = show_table(FINE_TUNED_RETRIEVAL, named).ours
    assert [cell.text for cell in line[1]][:4] == ["–", "–", "3.00", "4.00"]
    assert show_table(ZERO_SHOT_RECOGNITION, named).ours == ()
    assert show_table(CAPTION_ABLATION, named).ours == ()


def test_fine_tuned_models_stand_in_no_zero_shot_table() -> None:
    plain = recognised(60.0)
    tuned = replace(
        recognised(90.0, "tuned"), model={"name": "tuned", "weights": "x", "head": "action"}
    )
    named = name_results([("a", plain), ("b", tuned)])
    shown = show_table(ZERO_SHOT_RECOGNITION, named)
    assert [name for name, _ in shown.ours] == ["mine"]
    (warning,) = shown.warnings
    assert "tuned on k400 is left out" in warning
    (group,) = show_groups(named)
    assert len(group.lines) == 2


def test_numbers_of_other_peoples_benchmarks_are_shown() -> None:
    odd = replace(recognised(60.0), metrics={"my_score": 3.0})
    (group,) = show_groups(name_results([("a", odd)]))
    assert group.columns == ("my score",)
    assert group.lines[0].values == ("3.00",)


def test_numbers_of_columns_of_captions_stand_in_lines_of_their_own() -> None:
    names = ("mean_recall", "vlm/mean_recall", "text_to_video_r1", "vlm/text_to_video_r1")
    held = replace(recognised(60.0), metrics=dict(zip(names, (1.0, 2.0, 3.0, 4.0), strict=True)))
    (group,) = show_groups(name_results([("a", held)]))
    assert group.columns == ("R@1", "mean recall")
    assert {line.what: line.values for line in group.lines} == {
        "": ("", "1.00"), "vlm": ("", "2.00"),
        "text to video": ("3.00", ""), "vlm, text to video": ("4.00", ""),
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    results = [recognised(60.0), recognised(61.0, HOSTILE, found=9), retrieved(),
               replace(retrieved(), runs={"1": {"text_to_video_r1": 40.0}}, model={})]  # fmt: skip
    files = [folder / f"r{at}.json" for at in range(len(results))]
    for file, result in zip(files, results, strict=True):
        result.write(file)
    return write_page(files, folder / "page.html")


def test_the_page_holds_everything_and_needs_nothing(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "64.80" in text
    assert "42.4" in text
    assert html.escape(HOSTILE, quote=True).replace("&#x27;", "&#39;") in text
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert "60 clips missing, not replaced" in text
    assert "and 10 more" in text
    marks = set(re.findall(r'href="#(P\d+)"', text))
    assert marks == set(re.findall(r'id="(P\d+)"', text)) == {"P1", "P2", "P3"}


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError):
        write_page([], tmp_path / "page.html")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DatasetFormatError):
        write_page([tmp_path / "x.json"], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_the_screen_and_asks_for_nothing(browser: Any, page: Path, width: int) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(page.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.title() == "Evaluation results"
    assert complaints == []
    assert requests == [page.as_uri()]
    context.close()
