"""Files whose bytes change, under the same name, between builds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import internvid
from internvid.pipeline import planning
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from tests.media import write_video


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two short videos of different length."""
    return (
        write_video(tmp_path / "a.mp4", frames=60),
        write_video(tmp_path / "b.mp4", frames=90),
    )


def test_a_file_with_its_first_bytes_again_is_no_duplicate_of_itself(
    two: tuple[Path, Path], recipe: Recipe, tmp_path: Path
) -> None:
    target, data = tmp_path / "video.bin", tmp_path / "data"
    rows = []
    for source in (*two, two[0]):
        shutil.copy(source, target)
        summary = build([str(target)], data, recipe)
        assert (summary.videos, summary.duplicates) == (1, 0)
        rows.append(internvid.open(data).videos().to_pylist()[0])
    assert rows[0] == rows[2]
    assert [row["frames"] for row in rows] == [60, 90, 60]
    ids = internvid.open(data).clips(rejected=True)["clip_id"].to_pylist()
    assert len(ids) == len(set(ids))


def test_files_that_were_scanned_are_not_hashed_again(
    two: tuple[Path, Path], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    real = planning.hash_file

    def counted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(planning, "hash_file", counted)
    inputs = [str(path) for path in two]
    build(inputs, tmp_path / "data", recipe)
    assert build(inputs, tmp_path / "data", recipe).scanned == 0
    assert hashed == []
    status = two[0].stat()
    os.utime(two[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert build(inputs, tmp_path / "data", recipe).scanned == 0
    assert build(inputs, tmp_path / "data", recipe).scanned == 0
    assert hashed == [two[0]]  # once: what was learned is kept
