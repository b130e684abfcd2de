"""A build makes a dataset; a second one makes only what is new; nothing depends on chance."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import (
    DatasetBusyError,
    InternvidError,
    OutputExistsError,
    SourceMissingError,
)
from internvid.dataset.layout import Layout
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from internvid.shots.content import ContentDetector
from internvid.synthetic.truth import World
from tests.trees import digest_tree


@pytest.fixture
def small(world_videos: list[Path]) -> list[str]:
    """Two short sources: enough for questions about bookkeeping."""
    return [str(path) for path in world_videos if path.name.startswith("copy")]


def test_every_clip_lies_inside_one_true_shot(world: World, recipe: Recipe, tmp_path: Path) -> None:
    build([str(world.folder)], tmp_path / "data", recipe, workers=2)
    dataset = internvid.open(tmp_path / "data")
    rows = dataset.clips(rejected=True).to_pylist()
    assert rows
    by_name = {Path(row["uri"]).name: row for row in dataset.videos().to_pylist()}
    for video in world.videos:
        found = by_name[video.name]
        assert found["status"] == "ok"
        assert found["frames"] == video.frames
        ends = [row["end_frame"] for row in rows if row["video_id"] == found["video_id"]]
        cuts = {shot.start_frame for shot in video.shots if shot.transition.kind == "cut"}
        # Most true cuts end a clip exactly; the content detector misses the hard ones.
        assert len(cuts & set(ends)) >= 0.5 * len(cuts)


def test_equal_bytes_whatever_the_number_of_workers(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    build(small, tmp_path / "one", recipe, workers=1)
    build(small[::-1], tmp_path / "two", recipe, workers=2)
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_a_second_build_scans_nothing(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    build(small, tmp_path / "data", recipe)
    before = digest_tree(tmp_path / "data")
    again = build(small, tmp_path / "data", recipe)
    assert again.scanned == 0
    assert digest_tree(tmp_path / "data") == before


def test_added_videos_alone_are_scanned(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    build(small[:1], tmp_path / "data", recipe)
    before = digest_tree(tmp_path / "data")
    added = build(small, tmp_path / "data", recipe)
    after = digest_tree(tmp_path / "data")
    assert added.scanned == len(small) - 1
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"dataset.json"}, "sealed parts are never rewritten"


def test_another_threshold_decodes_nothing_and_keeps_the_old_cut(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    build(small, tmp_path / "data", recipe)
    first = Layout(tmp_path / "data").read_record().cut
    # Without the sources nothing can be decoded, so the cut comes from the timelines alone.
    cut = dataclasses.replace(recipe.cut, detector=ContentDetector(threshold=60.0))
    again = build(small, tmp_path / "data", dataclasses.replace(recipe, cut=cut))
    status = read_status(tmp_path / "data")
    assert again.scanned == 0
    assert status["cut"] != first
    assert status["other_cuts"] == [first]


def test_moved_files_are_recognised_and_not_decoded_again(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    build(small[:1], tmp_path / "data", recipe)
    moved = tmp_path / "moved" / "other name.mkv"
    moved.parent.mkdir()
    shutil.copy(small[0], moved)
    summary = build([str(moved)], tmp_path / "data", recipe)
    assert (summary.videos, summary.duplicates) == (1, 1)
    clips = internvid.open(tmp_path / "data").clips(rejected=True)
    assert len(set(clips["clip_id"].to_pylist())) == clips.num_rows


def test_a_replaced_file_is_noticed(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    target = tmp_path / "video.bin"
    shutil.copy(small[0], target)
    build([str(target)], tmp_path / "data", recipe)
    first = internvid.open(tmp_path / "data").videos()["video_id"].to_pylist()
    shutil.copy(small[1], target)
    assert build([str(target)], tmp_path / "data", recipe).scanned == 1
    second = internvid.open(tmp_path / "data").videos()["video_id"].to_pylist()
    assert len(second) == 1
    assert first != second


def test_bad_sources_become_rows_with_reasons(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    bad = {
        "empty.mp4": (b"", "empty"),
        "words.mp4": (b"this is no video at all\n" * 40, "not_media"),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/secret.ts\n", "foreign_reference"),
        "script.mp4": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "foreign_reference"),
    }
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    inputs = [*small[:1], *(str(tmp_path / name) for name in bad)]
    summary = build(inputs, tmp_path / "data", recipe)
    rows = {
        Path(row["uri"]).name: row for row in internvid.open(tmp_path / "data").videos().to_pylist()
    }
    assert summary.videos == 1
    assert summary.failures == len(bad)
    for name, (_, reason) in bad.items():
        assert (rows[name]["status"], rows[name]["reason"]) == ("failed", reason)
        assert rows[name]["error"]


def test_metadata_columns_come_along(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    lines = ["uri,title,YoutubeID,status", f"{small[0]},<b>A & B</b>,abc123def45,mine"]
    table.write_text("\n".join([*lines, "gone.mp4,Nobody,,"]) + "\n", "utf-8")
    summary = build([str(table)], tmp_path / "data", recipe)
    rows = (
        internvid.open(tmp_path / "data")
        .sql("select * from videos order by title")
        .to_arrow_table()
    )
    first, second = rows.to_pylist()
    assert (summary.videos, summary.failures) == (1, 1)
    assert first["title"] == "<b>A & B</b>"
    assert first["source_id"] == "youtube:abc123def45"
    assert (first["status"], first["meta_status"]) == ("ok", "mine")
    assert second["reason"] == "missing"


def test_a_file_that_comes_back_is_read_unasked(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    late = tmp_path / "late.mp4"
    table = tmp_path / "list.jsonl"
    table.write_text(json.dumps({"uri": str(late)}) + "\n", "utf-8")
    assert build([str(table)], tmp_path / "data", recipe).failures == 1
    assert build([str(table)], tmp_path / "data", recipe).scanned == 0  # still not there
    shutil.copy(small[0], late)
    summary = build([str(table)], tmp_path / "data", recipe)
    assert (summary.videos, summary.failures, summary.scanned) == (1, 0, 1)
    assert build([str(table)], tmp_path / "data", recipe).scanned == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the administrator")
def test_a_file_that_may_be_read_again_is(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    locked = tmp_path / "locked.mp4"
    shutil.copy(small[0], locked)
    locked.chmod(0)
    assert build([str(locked)], tmp_path / "data", recipe).failures == 1
    locked.chmod(0o600)
    assert build([str(locked)], tmp_path / "data", recipe).failures == 0


def test_retry_tries_failed_sources_again(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    crashed = tmp_path / "broken.mp4"
    crashed.write_bytes(b"no video at all" * 100)
    assert build([str(crashed)], tmp_path / "data", recipe).failures == 1
    assert build([str(crashed)], tmp_path / "data", recipe).scanned == 0
    assert build([str(crashed)], tmp_path / "data", recipe, retry=True).scanned == 1


def test_any_engine_reads_the_files(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    summary = build(small, tmp_path / "data", recipe)
    clips = duckdb.sql(f"select * from read_parquet('{summary.clips_files}')").to_arrow_table()
    videos = duckdb.sql(f"select * from read_parquet('{summary.videos_files}')").to_arrow_table()
    assert {"clip_id", "video_id", "start_seconds", "end_seconds"} <= set(clips.column_names)
    assert {"video_id", "source_id", "uri", "status", "error"} <= set(videos.column_names)
    assert clips.num_rows == summary.clips + summary.rejected


def test_a_folder_that_is_no_dataset_is_refused_untouched(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"precious\.txt"):
        build(small, tmp_path, recipe)
    with pytest.raises(OutputExistsError, match="is a file"):
        build(small, tmp_path / "precious.txt", recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_second_writer_is_told(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    with layout.locked(), pytest.raises(DatasetBusyError, match="another process"):
        build(small, tmp_path / "data", recipe)


def test_a_source_that_does_not_exist_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"nothing\.mp4"):
        build([str(tmp_path / "nothing.mp4")], tmp_path / "data", recipe)
    assert not (tmp_path / "data").exists()


def test_a_component_that_answers_for_a_foreign_clip_stops_the_run(
    small: list[str], recipe: Recipe, tmp_path: Path
) -> None:
    from tests.pipeline.strangers import ForeignCaptioner

    wrong = dataclasses.replace(recipe, captioners={"foreign": ForeignCaptioner()})
    with pytest.raises(InternvidError, match="not asked"):
        build(small[:1], tmp_path / "data", wrong)


def test_timelines_are_small(small: list[str], recipe: Recipe, tmp_path: Path) -> None:
    build(small, tmp_path / "data", recipe)
    (part,) = (tmp_path / "data" / "scans").glob("*/timelines/*.parquet")
    file = pq.ParquetFile(part)
    columns = [field for field in file.schema_arrow if field.name not in ("video_id", "ticks")]
    raw = sum(pa.types.is_integer(field.type) and field.type.bit_width // 8 for field in columns)
    assert raw <= 24
