"""Listed videos are found in a folder, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.core.errors import SourceMissingError
from internvid.evaluation.annotations.finding import VideoFolder


def test_videos_are_found_whatever_their_extension(tmp_path: Path) -> None:
    for name in (
        "a/video7.webm", "b/78687.xyz", "1001_A_00.00.51.926-00.00.54.129.avi", "c/one.mov.mp4",
        "c/same.mp4", "d/same.mp4", "Aa.mp4", "aA.mp4", "b/video8.txt", "one.jpg", ".hidden.mp4",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = VideoFolder.scan(tmp_path)

    def found(*names: str) -> str:
        path = folder.find(names)
        return path if isinstance(path, str) else path.relative_to(tmp_path).as_posix()

    assert found("video7") == found("elsewhere/video7.mp4") == "a/video7.webm"
    assert found("78687") == "b/78687.xyz"
    assert found("1001_A_00.00.51.926-00.00.54.129").endswith(".avi")
    assert found("one.mov") == found("one") == found("one.avi") == "c/one.mov.mp4"
    assert found("same") == "ambiguous"
    assert found("/data/d/same.mp4") == "d/same.mp4"
    assert found("Aa") == "Aa.mp4"
    assert found("video8") == found("video") == found(".hidden") == "not_found"
    assert found("nothing", "video7") == "a/video7.webm"


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        VideoFolder.scan(tmp_path)
    with pytest.raises(SourceMissingError):
        VideoFolder.scan(tmp_path / "none")
