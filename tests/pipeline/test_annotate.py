"""The annotate pass: every text on its clip, the same bytes whatever happened on the way."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.binding import origin_of, seal
from internvid.core.errors import BudgetSpentError, InternvidError, MisuseError, StorageError
from internvid.curate.select import select
from internvid.curate.subsets import Random
from internvid.dataset import parts as storing
from internvid.dataset.layout import Layout
from internvid.dataset.store import Dataset
from internvid.pipeline import annotating_run
from internvid.pipeline.annotating import ColumnRequest, annotate, annotate_columns
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from internvid.shots.stitch import Stitch
from tests.media import write_video
from tests.pipeline.annotators import (
    Crowd,
    DeadlyCaptioner,
    Embedder,
    Narrator,
    OddScorer,
    SilentCaptioner,
    SourceSize,
    TextLength,
    Wrong,
)
from tests.trees import digest_tree


def small_recipe(recipe: Recipe, name: str = "test") -> Recipe:
    """Clips of a second or so, no captions."""
    stitch = Stitch(maximum_seconds=1.0)
    cut = dataclasses.replace(recipe.cut, stitch=stitch, filters=())
    return dataclasses.replace(recipe, name=name, cut=cut, captioners={})


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five videos in three parts, forty clips or so, without any column."""
    from internvid.pipeline.recipe import CutRecipe
    from internvid.scan.scan import ScanRecipe
    from internvid.shots.content import ContentDetector

    folder = tmp_path_factory.mktemp("stock")
    for number in range(5):
        path = folder / "videos" / f"v{number}.mp4"
        write_video(path, level=40 + 20 * number, frames=60 + 20 * number, seed=number)
    layout = Layout(folder / "data")
    record = layout.create()
    record.sources_per_part = 2
    layout.write_record(record)
    cut = CutRecipe(detector=ContentDetector(), signals=("audio",), filters=())
    recipe = Recipe("test", cut, ScanRecipe(observers=("content", "luma")))
    build([str(folder / "videos")], folder / "data", small_recipe(recipe), workers=2)
    return folder / "data"


@pytest.fixture
def data(stock: Path, tmp_path: Path) -> Path:
    shutil.copytree(stock, tmp_path / "data")
    return tmp_path / "data"


def rows(dataset: Path, name: str) -> dict[str, dict[str, Any]]:
    table = internvid.open(dataset).sql(f'select * from "column_{name}"').to_arrow_table()
    found = {row["clip_id"]: row for row in table.to_pylist()}
    assert len(found) == table.num_rows
    return found


def kept(dataset: Path) -> list[str]:
    return list(internvid.open(dataset).clips()["clip_id"].to_pylist())


def files(dataset: Path, name: str) -> list[str]:
    return sorted(path.name for path in dataset.glob(f"cuts/*/columns/{name}@*/*.parquet"))


def columns_of(dataset: Path) -> dict[str, str]:
    return {name: digest for name, digest in digest_tree(dataset).items() if "columns" in name}


def asked(log: Path) -> list[str]:
    return [line for line in log.read_text().split() if line != "setup"] if log.exists() else []


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


def dataset_picks(dataset: Dataset, clip_id: str) -> Any:
    from internvid.dataset.picks import StoredPicks

    row = dataset.clip(clip_id)
    assert dataset.record.scan is not None
    for part in dataset.parts:
        stored = StoredPicks(dataset.layout.scanned(dataset.record.scan, "picks", part))
        picks = stored.of(row["video_id"], row["start_frame"], row["end_frame"])
        if len(picks):
            return picks[:]
    return []


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
    cut = dataclasses.replace(small.cut, stitch=Stitch(maximum_seconds=1.7))
    build(
        _sources(data),
        data,
        dataclasses.replace(small, cut=cut),
    )
    log = tmp_path / "log"
    same = set(kept(data)) & set(old)
    summary = annotate(data, Narrator(log=str(log)), "told")
    carried = {clip_id for clip_id in same if old[clip_id]["status"] == "ok"}
    assert summary.carried == len(carried) > 0
    assert not carried & set(asked(log))
    new = rows(data, "told")
    assert set(new) == set(kept(data))
    assert all(new[clip_id] == old[clip_id] for clip_id in carried)


def _sources(data: Path) -> list[str]:
    return list(internvid.open(data).videos()["uri"].to_pylist())


def test_another_configuration_is_another_column_beside_the_old(data: Path) -> None:
    one = annotate(data, Narrator(), "told")
    two = annotate(data, Narrator(word="sung"), "told")
    assert one.key != two.key
    assert rows(data, "told")[kept(data)[0]]["value"].startswith("sung")
    back = annotate(data, Narrator(), "told")
    assert (back.key, back.asked) == (one.key, 0)
    assert rows(data, "told")[kept(data)[0]]["value"].startswith("narrated")


def test_a_spent_budget_keeps_what_was_paid_for_and_a_rerun_goes_on(
    data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")
    log = tmp_path / "log"
    for _ in range(2):
        with pytest.raises(BudgetSpentError, match=r"used up; 11 of \d+ clips were answered"):
            annotate(data, Narrator(budget=11, log=str(log)), "told")
    (column,) = read_status(data)["columns"]
    assert column["ok"] + column["staged"] == 22
    annotate(data, Narrator(log=str(log)), "told")
    assert sorted(asked(log)) == sorted(kept(data)), "nothing was paid for twice"
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


_RUN = (
    "import sys; from internvid.pipeline.annotating import annotate; "
    "from tests.pipeline.annotators import Narrator; "
    "from internvid.pipeline import annotating_run as run; "
    "run.STAGE_ANSWERS = int(sys.argv[3]); run.STAGE_SECONDS = 0.1; "
    "annotate(sys.argv[1], Narrator(order=int(sys.argv[2]), seconds=0.01, fails=0.1), 'told')"
)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_ends_in_the_same_bytes(
    seed: int, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(fails=0.1), "told")
    draw = random.Random(seed)
    for _ in range(3):
        command = [sys.executable, "-c", _RUN, str(data), str(draw.randrange(99)), "4"]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + draw.uniform(0.5, 1.6)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
    annotate(data, Narrator(fails=0.1, order=seed), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


def test_killed_between_the_parts_it_seals_it_adds_nothing_twice(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")
    for moment in range(1, 9):
        calls = {"left": moment}

        def dying(path: Path, calls: dict[str, int] = calls) -> None:
            calls["left"] -= 1
            if calls["left"] <= 0:
                raise KeyboardInterrupt
            storing.discard(path)

        with monkeypatch.context() as patch:
            patch.setattr(annotating_run, "discard", dying)
            patch.setattr(annotating_run, "STAGE_ANSWERS", 2)
            try:
                annotate(data, Narrator(), "told")
            except KeyboardInterrupt:
                continue
            break
    annotate(data, Narrator(), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("foreign", "which was not asked"),
        ("twice", "two answers came"),
        ("crash", "fell over"),
        ("row", "not an Annotation"),
        ("status", "has the status 'fine'"),
    ],
)
def test_a_faulty_component_stops_the_run_and_what_it_said_before_is_kept(
    harm: str, words: str, data: Path
) -> None:
    with pytest.raises((InternvidError, RuntimeError), match=words):
        annotate(data, Wrong(harm), "wrong")
    assert len(list(data.glob("staged/columns/*/wrong@*/part-00000/*.parquet"))) == 1


def test_what_is_staged_alone_is_already_told(data: Path) -> None:
    with pytest.raises(BudgetSpentError):
        annotate(data, Narrator(budget=2), "told")
    (column,) = read_status(data)["columns"]
    assert (column["ok"], column["staged"]) == (0, 2)
    assert internvid.open(data).clips().num_rows == column["pending"]


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


def test_a_component_that_kills_its_process_kills_no_other(data: Path) -> None:
    with pytest.raises(InternvidError, match="SIGKILL"):
        annotate(data, DeadlyCaptioner(), "deadly", workers=1)
    annotate(data, SilentCaptioner(), "silent", workers=1)


def test_values_that_cannot_be_stored_fail_with_a_reason(data: Path) -> None:
    annotate(data, OddScorer(), "odd", workers=1)
    found = rows(data, "odd").values()
    reasons = {row["reason"] for row in found if row["status"] == "failed"}
    assert reasons == {"not_a_number", "no_value", "wrong_type"}
    assert {row["value"] for row in found if row["status"] == "ok"} == {0.5, 2.0}
    listed = {row["reason"]: row["clips"] for row in _reasons(data, "odd")}
    assert set(listed) == reasons


def _reasons(data: Path, name: str) -> list[dict[str, Any]]:
    from internvid.dataset.columns import reasons_of

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
    moved = Path(_sources(data)[0])
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


def test_a_full_disk_stops_with_a_hint_and_a_rerun_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data, tmp_path / "whole")
    annotate(tmp_path / "whole", Narrator(), "told")

    def full(path: Path, table: Any) -> None:
        raise StorageError(f"cannot write {path}: no space left", hint="free space")

    with monkeypatch.context() as patch:
        patch.setattr(annotating_run, "commit_table", full)
        with pytest.raises(StorageError, match="no space left"):
            annotate(data, Narrator(), "told")
    annotate(data, Narrator(), "told")
    assert digest_tree(data) == digest_tree(tmp_path / "whole")


def test_a_dead_slow_model_loses_nothing_to_a_kill(data: Path) -> None:
    code = _RUN.replace("seconds=0.01", "seconds=0.4").replace(
        "STAGE_SECONDS = 0.1", "STAGE_SECONDS = 0.2"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(data), "0", "999"])
    deadline = time.monotonic() + 30
    while not list(data.glob("staged/columns/*/*/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(data.glob("staged/columns/*/*/*/*.parquet"))


def test_several_columns_in_one_run(data: Path) -> None:
    requests = [ColumnRequest("one", Narrator()), ColumnRequest("two", Narrator(word="sung"))]
    summaries = annotate_columns(data, requests)
    assert [summary.column for summary in summaries] == ["one", "two"]
    ledgers = list((data / "runs").glob("*/run.json"))
    assert len(ledgers) == 3, "one of the build, one of each column"
