"""The page shows every caption beside the others, who wrote it, and what failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import internvid
from internvid.browse.report import write_report
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from internvid.scores.safety import SafetyScorer
from tests.browse.reading import PageReader
from tests.models.tiny import TinyModels
from tests.pipeline.annotators import Embedder, Narrator


def test_captions_of_all_columns_stand_side_by_side_with_their_authors(
    dataset: Dataset, tmp_path: Path, tiny_models: TinyModels
) -> None:
    shutil.copytree(dataset.root, tmp_path / "data")
    data = tmp_path / "data"
    annotate(data, Narrator(fails=0.4), "told")
    annotate(data, Narrator(word="sung"), "song")
    annotate(data, SafetyScorer(model=tiny_models["classifier"]), "unsafe")
    annotate(data, Embedder(), "place", workers=1)
    page = PageReader(write_report(internvid.open(data), tmp_path / "page.html"))
    assert "measured" in page.text
    assert "told · model Narrator" in page.text
    assert "song · model Narrator" in page.text
    assert "unsafe · model classifier" in page.text, "weights by name, not by digest"
    assert "narrated" in page.text
    assert "sung" in page.text
    assert "tired" in page.text, "failures by reason"
    assert {"id": "answers", "aria-labelledby": "answers-title"} in page.all("section")
    again = write_report(internvid.open(data), tmp_path / "again.html")
    assert again.read_bytes() == (tmp_path / "page.html").read_bytes()
