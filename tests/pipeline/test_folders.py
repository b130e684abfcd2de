"""Folders of videos: links in them are followed, and none is followed for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from internvid.core.errors import SourceMissingError
from internvid.pipeline.sources import find_sources


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder: Path) -> list[str]:
    uris: list[str] = find_sources([str(folder)]).table["uri"].to_pylist()
    return [os.path.relpath(uri, folder) for uri in uris]


def test_folders_behind_links_are_looked_into(tmp_path: Path) -> None:
    touch(tmp_path / "disk" / "a.mp4", tmp_path / "disk" / "deep" / "b.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "link").symlink_to(tmp_path / "disk")
    assert found(tmp_path / "videos") == ["link/a.mp4", "link/deep/b.mp4"]
    # A folder that is itself a link, and a link below a linked folder.
    (tmp_path / "disk" / "more").symlink_to(tmp_path / "other")
    touch(tmp_path / "other" / "c.mkv")
    assert found(tmp_path / "videos" / "link") == ["a.mp4", "deep/b.mp4", "more/c.mkv"]


def test_links_that_lead_round_end(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    touch(folder / "a.mp4", folder / "deep" / "b.mp4", tmp_path / "outside.mp4")
    (folder / "self").symlink_to(folder)
    (folder / "deep" / "up").symlink_to("..")
    (folder / "deep" / "root").symlink_to("/")
    (folder / "above").symlink_to(tmp_path)
    (folder / "nowhere").symlink_to(tmp_path / "nothing")
    (folder / "ring").symlink_to(folder / "ring")
    touch(tmp_path / "x" / "c.mp4", tmp_path / "y" / "d.mp4")
    (tmp_path / "x" / "y").symlink_to(tmp_path / "y")
    (tmp_path / "y" / "x").symlink_to(tmp_path / "x")
    (folder / "x").symlink_to(tmp_path / "x")
    assert found(folder) == ["a.mp4", "deep/b.mp4", "x/c.mp4", "x/y/d.mp4"]


def test_a_folder_with_several_names_is_found_once_by_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    touch(folder / "real" / "a.mp4", tmp_path / "disk" / "b.mp4")
    for name in ("a-link", "z-link"):
        (folder / name).symlink_to(folder / "real")
    for name in ("one", "two"):
        (folder / name).symlink_to(tmp_path / "disk")
    assert found(folder) == ["one/b.mp4", "real/a.mp4"]


def test_hidden_folders_and_datasets_stay_out_behind_links_too(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "dataset.json", tmp_path / "data" / "a.mp4")
    touch(tmp_path / "disk" / "b.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "set").symlink_to(tmp_path / "data")
    (tmp_path / "videos" / ".hidden").symlink_to(tmp_path / "disk")
    with pytest.raises(SourceMissingError, match="no media files"):
        find_sources([str(tmp_path / "videos")])
