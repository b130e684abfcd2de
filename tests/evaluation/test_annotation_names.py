"""Errors about the records of a file as a whole name the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.core.errors import AnnotationInvalidError
from internvid.evaluation.annotations.captioned import read_captions
from internvid.evaluation.annotations.labelled import read_kinetics


def test_a_clip_listed_twice(tmp_path: Path) -> None:
    path = tmp_path / "val.csv"
    path.write_text("a.mp4,dancing\nb.mp4,running\na.mp4,running\n")
    with pytest.raises(AnnotationInvalidError, match=r"^val\.csv: clip 'a\.mp4' is listed 2 times"):
        read_kinetics(path)


def test_an_empty_caption(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text('[{"video": "a.mp4", "caption": " "}]')
    with pytest.raises(AnnotationInvalidError, match=r"captions\.json") as caught:
        read_captions(path)
    assert str(caught.value).count("captions.json") == 1
