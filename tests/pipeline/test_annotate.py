"""The annotate pass: every text on its clip, the same bytes whatever happened on the way."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.binding import origin_of, seal
from internvid.core.errors import MisuseError
from internvid.curate.select import select
from internvid.curate.selectors import Random
from internvid.pipeline.annotate import column_run as annotating_run
from internvid.pipeline.annotate.annotate import ColumnRequest, annotate, annotate_columns
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from internvid.shots.stitch import Stitch
from tests.pipeline.annotators import (
    Crowd,
    Embedder,
    Narrator,
    OddScorer,
    SilentCaptioner,
    SourceSize,
    TextLength,
    Wrong,
)
from tests.pipeline.answers import (
    asked,
    columns_of,
    dataset_picks,
    files,
    kept,
    rows,
    small_recipe,
    sources,
)
from tests.trees import digest_tree


def test_every_answer_lies_on_its_clip_with_what_it_was_made_from(data: Path) -> None:
    summary = annotate(data, Narrator(order=3), "told")
    ids = kept(data)
    assert len(ids) > 25
    found = rows(data, "told")
    assert set(found) == set(ids)
    assert summary.answered == summary.asked == len(ids)
    assert summary.counts["tokens"] == 7 * len(ids)
    assert summary.stages["model"] >= 0
    dataset = internvid.open(data)
    for clip_id, row in found.items():
        frames = dataset_picks(dataset, clip_id)
        assert row["value"] == f"narrated {clip_id} of {len(frames)}"
        assert row["frames"] == [pick.frame for pick in frames]
        assert (row["prompt"], row["pick_set"]) == ("describe, narrated", "scan")
        origin = origin_of(clip_id, frames, row["prompt"])
        extras = {"words": row["words"], "lines": row["lines"]}
        assert row["seal"] == seal(origin.digest, "ok", row["value"], extras)
    clips = dataset.clips()
    assert {"told", "told_words", "told_lines"} <= set(clips.column_names)
    assert files(data, "told") == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


@pytest.mark.parametrize(
    "narrator",
    [Narrator(order=9, window=3), Narrator(window=1000), Narrator(order=5, window=1)],
)
def test_the_order_of_answers_never_shows(
    narrator: Narrator, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "other")
    annotate(data, Narrator(), "told")
    monkeypatch.setattr(annotating_run, "STAGE_ANSWERS", 3)
    annotate(tmp_path / "other", narrator, "told")
    assert digest_tree(tmp_path / "other") == digest_tree(data)


def test_threads_may_pull_from_the_stream(data: Path) -> None:
    annotate(data, Crowd(), "crowd")
    assert all(row["value"].startswith(clip_id) for clip_id, row in rows(data, "crowd").items())


def test_a_rerun_asks_nothing_and_loads_nothing(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    annotate(data, Narrator(log=str(log)), "told")
    before = digest_tree(data)
    assert "setup" in log.read_text()
    log.unlink()
    summary = annotate(data, Narrator(log=str(log)), "told")
    assert summary.asked == 0
    assert not log.exists()
    assert digest_tree(data) == before


def test_failed_clips_alone_are_asked_again_and_become_a_generation(
    data: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    first = annotate(data, Narrator(fails=0.3), "told")
    tired = {clip_id for clip_id, row in rows(data, "told").items() if row["status"] == "failed"}
    assert 0 < first.failed == len(tired) < len(kept(data))
    before = columns_of(data)
    again = annotate(data, Narrator(fails=0.3), "told")
    assert again.asked == again.failed == len(tired)
    assert columns_of(data) == before, "the same failure is not written twice"
    annotate(data, Narrator(log=str(log)), "told")
    assert sorted(asked(log)) == sorted(tired)
    assert {row["status"] for row in rows(data, "told").values()} == {"ok"}
    assert "part-00000.g001.parquet" in files(data, "told")
    assert {name: columns_of(data)[name] for name in before} == before
    clips = internvid.open(data).clips()
    assert clips["told"].null_count == 0
    assert clips.num_rows == len(kept(data))
    (column,) = read_status(data)["columns"]
    assert (column["ok"], column["failed"], column["pending"]) == (clips.num_rows, 0, 0)


def test_a_subset_first_then_all(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    select(internvid.open(data), Random(count=7), "few")
    annotate(data, Narrator(), "told", subset="few")
    assert len(rows(data, "told")) == 7
    (column,) = read_status(data)["columns"]
    assert (column["ok"], column["pending"]) == (7, len(kept(data)) - 7)
    annotate(data, Narrator(log=str(log)), "told")
    assert len(asked(log)) == len(kept(data)) - 7
    assert set(rows(data, "told")) == set(kept(data))
    with pytest.raises(MisuseError, match="no subset 'nope'"):
        annotate(data, Narrator(), "told", subset="nope")


def test_equal_spans_of_another_cut_keep_their_texts(
    data: Path, tmp_path: Path, recipe: Recipe
) -> None:
    annotate(data, Narrator(fails=0.2), "told")
    old = rows(data, "told")
    small = small_recipe(recipe, "other")
    cut = dataclasses.replace(small.cut, stitch=Stitch(maximum_seconds=1.05))
    build(
        sources(data),
        data,
        dataclasses.replace(small, cut=cut),
    )
    log = tmp_path / "log"
    same = set(kept(data)) & set(old)
    assert same < set(kept(data))
    summary = annotate(data, Narrator(log=str(log)), "told")
    carried = {clip_id for clip_id in same if old[clip_id]["status"] == "ok"}
    assert summary.carried == len(carried) > 0
    assert not carried & set(asked(log))
    new = rows(data, "told")
    assert set(new) == set(kept(data))
    assert all(new[clip_id] == old[clip_id] for clip_id in carried)


def test_another_configuration_is_another_column_beside_the_old(data: Path) -> None:
    one = annotate(data, Narrator(), "told")
    two = annotate(data, Narrator(word="sung"), "told")
    assert one.key != two.key
    assert rows(data, "told")[kept(data)[0]]["value"].startswith("sung")
    back = annotate(data, Narrator(), "told")
    assert (back.key, back.asked) == (one.key, 0)
    assert rows(data, "told")[kept(data)[0]]["value"].startswith("narrated")


def test_silence_is_a_failure_with_a_reason(data: Path) -> None:
    annotate(data, SilentCaptioner(), "silent", workers=2)
    found = rows(data, "silent").values()
    assert {(row["status"], row["reason"]) for row in found} == {
        ("ok", ""),
        ("failed", "no_answer"),
    }
    assert len(found) == len(kept(data))
    annotate(data, Wrong("stop", after=5), "stopped")
    stopped = rows(data, "stopped").values()
    assert sum(row["status"] == "ok" for row in stopped) == 5
    assert len(stopped) == len(kept(data))


def test_values_that_cannot_be_stored_fail_with_a_reason(data: Path) -> None:
    annotate(data, OddScorer(), "odd", workers=1)
    found = rows(data, "odd").values()
    reasons = {row["reason"] for row in found if row["status"] == "failed"}
    assert reasons == {"not_a_number", "no_value", "wrong_type"}
    assert {row["value"] for row in found if row["status"] == "ok"} == {0.5, 2.0}
    listed = {row["reason"]: row["clips"] for row in _reasons(data, "odd")}
    assert set(listed) == reasons


def _reasons(data: Path, name: str) -> list[dict[str, Any]]:
    from internvid.dataset.answers.columns import reasons_of

    dataset = internvid.open(data)
    cut = dataset.record.cut or ""
    return reasons_of(dataset.layout, dataset.record, cut, dataset.record.columns[cut][name])


def test_vectors_have_a_view_of_their_own(data: Path) -> None:
    annotate(data, Embedder(), "place", workers=2)
    dataset = internvid.open(data)
    assert "place" not in dataset.clips().column_names
    table = dataset.sql("select * from column_place").to_arrow_table()
    assert {len(vector) for vector in table["value"].to_pylist()} == {6}
    for row in table.to_pylist():
        digest = origin_of(row["clip_id"]).digest
        assert row["seal"] == seal(digest, "ok", row["value"], {})


def test_scores_of_texts_follow_their_text_column(data: Path) -> None:
    annotate(data, Narrator(fails=0.3), "told")
    first = annotate(data, TextLength(), "length", workers=2)
    told = rows(data, "told")
    missing = sum(row["status"] == "failed" for row in told.values())
    assert first.waiting == missing > 0
    assert all(
        row["value"] == len(told[clip_id]["value"]) for clip_id, row in rows(data, "length").items()
    )
    annotate(data, Narrator(), "told")
    assert annotate(data, TextLength(), "length").asked == missing
    assert len(rows(data, "length")) == len(kept(data))
    annotate(data, Narrator(word="sung"), "song")
    with pytest.raises(MisuseError, match="several text columns"):
        annotate(data, TextLength(), "length")
    of_song = annotate(data, TextLength(), "length", text="song")
    assert of_song.key != first.key
    with pytest.raises(MisuseError, match="no text column 'nope'"):
        annotate(data, TextLength(), "length", text="nope")
    with pytest.raises(MisuseError, match="reads no text"):
        annotate(data, OddScorer(), "odd", text="told")


@pytest.mark.parametrize("name", ["", "a/b", "..", "clip_id", "duration_seconds", "loudness_mean"])
def test_names_that_cannot_be_columns_are_refused(name: str, data: Path) -> None:
    with pytest.raises(MisuseError):
        annotate(data, Narrator(), name)


def test_sources_are_given_to_those_who_read_them(data: Path) -> None:
    moved = Path(sources(data)[0])
    away = moved.with_suffix(".away")
    moved.rename(away)
    try:
        annotate(data, SourceSize(), "bytes", workers=1)
        failed = [row for row in rows(data, "bytes").values() if row["status"] == "failed"]
        assert failed
        assert {row["reason"] for row in failed} == {"source_gone"}
    finally:
        away.rename(moved)
    summary = annotate(data, SourceSize(), "bytes", workers=1)
    assert {row["status"] for row in rows(data, "bytes").values()} == {"ok"}
    # It has no models to hold and runs in other processes; what it counts there comes home.
    assert summary.counts == {"asked": summary.asked}


def test_several_columns_in_one_run(data: Path) -> None:
    requests = [ColumnRequest("one", Narrator()), ColumnRequest("two", Narrator(word="sung"))]
    summaries = annotate_columns(data, requests)
    assert [summary.column for summary in summaries] == ["one", "two"]
    ledgers = list((data / "runs").glob("*/run.json"))
    assert len(ledgers) == 3, "one of the build, one of each column"
