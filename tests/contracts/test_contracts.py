"""One suite per kind, over every registered component: a new file is tested by existing."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core import registry
from internvid.core.annotators import set_up, traits_of
from internvid.core.contracts import ClipView
from internvid.dataset.parts import rows_to_table
from internvid.dataset.picks import StoredPicks
from internvid.dataset.store import Dataset
from internvid.dataset.tables import column_schema
from internvid.pipeline.annotate.rows import bind, make_view
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.publish import MANIFEST, export_items, publish
from internvid.recipes import default
from internvid.shots.content import ContentDetector
from internvid.synthetic.fakes import FirstSelector, ListExporter
from tests.models.components import tiny_settings
from tests.models.tiny import TinyModels
from tests.scores.conftest import tiny_scorer_settings
from tests.trees import digest_tree

CAPTIONERS = sorted(registry.COMPONENTS["captioner"])
SCORERS = sorted(registry.COMPONENTS["scorer"])
SELECTORS = sorted(registry.COMPONENTS["selector"])
EXPORTERS = sorted(registry.COMPONENTS["exporter"])
SIGNALS = sorted(registry.COMPONENTS["signal"])


@pytest.fixture(scope="module")
def built(world_videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of one rendered video with every signal."""
    whole = default()
    recipe = Recipe(
        "contracts", CutRecipe(ContentDetector(), filters=()), whole.scan, whole.captioners
    )
    root = tmp_path_factory.mktemp("contracts") / "data"
    build([str(world_videos[0])], root, recipe, workers=1)
    return internvid.open(root)


@pytest.fixture(scope="module")
def views(built: Dataset) -> list[ClipView]:
    """Every clip as annotators see it."""
    layout, record = built.layout, built.record
    assert record.scan is not None
    assert record.cut is not None
    picks = StoredPicks(layout.scanned(record.scan, "picks", "part-00000"))
    rows = pq.read_table(layout.clips(record.cut, "part-00000")).to_pylist()
    return [
        make_view(row, picks.of(row["video_id"], row["start_frame"], row["end_frame"]))
        for row in rows
    ]


@pytest.mark.parametrize("name", CAPTIONERS)
def test_captioners_answer_each_clip_once_whatever_the_order(
    name: str, views: list[ClipView], tiny_models: TinyModels
) -> None:
    captioner = registry.create("captioner", name, tiny_settings(name, tiny_models))
    first = bind(views, captioner.caption(views), captioner)
    assert all(row["status"] in ("ok", "skipped") for row in first)
    assert all(bool(row["value"]) == (row["status"] == "ok") for row in first)
    shuffled = views[:]
    random.Random(0).shuffle(shuffled)
    again = {row["clip_id"]: row for row in bind(shuffled, captioner.caption(shuffled), captioner)}
    assert again == {row["clip_id"]: row for row in first}


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_answer_each_clip_once_with_a_value_that_can_be_stored(
    name: str, views: list[ClipView], tiny_models: TinyModels, tmp_path: Path
) -> None:
    scorer = registry.create("scorer", name, tiny_scorer_settings(name, tiny_models, tmp_path))
    traits = traits_of(scorer)
    if "text" in traits.reads:
        views = [replace(view, text=f"a dog runs {number}") for number, view in enumerate(views)]
    set_up(scorer)
    rows = bind(views, scorer.score(iter(views)), scorer)
    assert all(row["status"] in ("ok", "skipped") or row["reason"] for row in rows)
    assert any(row["status"] == "ok" for row in rows) or name == "transcript"
    schema = column_schema(traits.value_type, traits.extras)
    assert rows_to_table(rows, schema).num_rows == len(views)
    shuffled = views[:]
    random.Random(0).shuffle(shuffled)
    again = {row["clip_id"]: row for row in bind(shuffled, scorer.score(iter(shuffled)), scorer)}
    for row in rows:
        other = again[row["clip_id"]]
        assert other["frames"] == row["frames"]
        if isinstance(row["value"], (float, np.ndarray)):
            # Batches of another make round differently.
            assert np.allclose(other["value"], row["value"], atol=1e-4)
        else:
            assert other["value"] == row["value"]


@pytest.mark.parametrize("name", [*SELECTORS, "first"])
def test_selectors_choose_ids_of_the_table_once_and_the_same_each_time(
    name: str, built: Dataset
) -> None:
    selector = FirstSelector(3) if name == "first" else registry.create("selector", name)
    table = built.clips_relation()
    rows = selector.select(table).fetchall()
    ids = [row[0] for row in rows]
    assert len(set(ids)) == len(ids) > 0
    assert set(ids) <= {row[0] for row in table.project("clip_id").fetchall()}
    assert all(row[1] for row in rows), "every choice has a reason"
    assert selector.select(table).fetchall() == rows


@pytest.mark.parametrize("name", [*EXPORTERS, "list"])
def test_exporters_write_every_clip_and_the_same_bytes(
    name: str, built: Dataset, tmp_path: Path
) -> None:
    exporter = ListExporter() if name == "list" else registry.create("exporter", name)
    first = publish(built, tmp_path / "a", exporter)
    publish(built, tmp_path / "b", exporter)
    assert first["clips"] == len(list(export_items(built, None)))
    assert first["files"]
    assert (tmp_path / "a" / MANIFEST).exists()
    assert digest_tree(tmp_path / "a") == digest_tree(tmp_path / "b")


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_fill_the_columns_they_declare(name: str, built: Dataset) -> None:
    declared = registry.find("signal", name).columns
    clips = built.clips(rejected=True)
    assert set(declared) <= set(clips.column_names)
    for column in declared:
        values = [value for value in clips[column].to_pylist() if isinstance(value, float)]
        assert all(value == value for value in values), f"{column} holds NaN"
