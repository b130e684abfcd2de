"""Files whose bytes change, under the same name, between builds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import internvid
from internvid.browse.report import write_report
from internvid.curate.select import select
from internvid.curate.selectors import Where
from internvid.curate.statistics import describe
from internvid.pipeline import source_parts as planning
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from tests.media import write_video
from tests.trees import digest_tree


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


@pytest.mark.slow
def test_clips_of_replaced_bytes_no_longer_count_and_their_files_stay(
    two: tuple[Path, Path], recipe: Recipe, tmp_path: Path
) -> None:
    target, copy, data = tmp_path / "video.bin", tmp_path / "copy.bin", tmp_path / "data"
    shutil.copy(two[0], target)
    build([str(target)], data, recipe)
    old = internvid.open(data)
    gone = old.clips(rejected=True)["clip_id"].to_pylist()
    annotate(data, "echo", "who")
    select(old, Where("true"), "then")
    parts = {name: it for name, it in digest_tree(data).items() if name != "dataset.json"}

    shutil.copy(two[1], target)
    summary = build([str(target)], data, recipe)
    new = internvid.open(data)
    left = new.clips(rejected=True)
    assert gone
    assert not set(gone) & set(left["clip_id"].to_pylist())
    assert summary.clips + summary.rejected == left.num_rows
    status = read_status(data)
    assert (status["clips"], status["rejected"]) == (summary.clips, summary.rejected)
    described = describe(new)
    assert (described["videos"], described["clips"]) == (1, summary.clips)
    assert sum(row["clips"] for row in described["funnel"]) == left.num_rows
    assert select(new, Where("true"), "now").of == summary.clips
    assert new.clips("then").num_rows == 0
    report = write_report(new, tmp_path / "report.html").read_text("utf-8")
    assert not any(clip_id[:12] in report for clip_id in gone)

    progress = {row["column"]: row for row in status["columns"]}
    assert (progress["who"]["ok"], progress["who"]["pending"]) == (0, summary.clips)
    assert annotate(data, "echo", "who").asked == summary.clips
    after = digest_tree(data)
    assert {name: after[name] for name in parts} == parts

    # The old bytes under another name: the same clips count again, with their answers.
    shutil.copy(two[0], copy)
    build([str(copy)], data, recipe)
    assert set(gone) <= set(internvid.open(data).clips(rejected=True)["clip_id"].to_pylist())
    assert annotate(data, "echo", "who").asked == 0
