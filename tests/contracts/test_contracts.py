"""One suite per kind, over every registered component: a new file is tested by existing."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core import registry
from internvid.core.annotators import set_up, traits_of
from internvid.core.assignments import settings_of, with_values
from internvid.core.contracts import ClipView
from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors.verdict import bound as of_dataset
from internvid.dataset.parts import rows_to_table
from internvid.dataset.picks import StoredPicks
from internvid.dataset.store import Dataset
from internvid.dataset.tables import column_schema
from internvid.pipeline.annotate.rows import bind, make_view
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.clip_items import export_items
from internvid.publishing.publish import MANIFEST, publish
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
# Files of Lance have random names, and a process that has loaded it cannot be forked any more.
EXPORTERS = sorted({*registry.COMPONENTS["exporter"]} - {"lance"})
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
def test_selectors_say_of_every_row_whether_it_is_chosen_and_the_same_each_time(
    name: str, built: Dataset, tmp_path: Path
) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("video9770\n")
    settings = [f"ids={listed}"] if name == "exclude" else []
    selector = FirstSelector(3) if name == "first" else registry.create("selector", name, settings)
    if name == "outside":
        internvid.select(built, "random", "two", 2)
        selector = of_dataset(replace(selector, subset="two"), built)
    table = built.sql(
        "select *, md5_number_lower(clip_id) as row_key, 0.3::double as similarity, "
        "4.5::double as aesthetic from clips"
    )
    judged = selector.select(table)
    assert judged.columns == [*table.columns, "rejection"]
    rows = judged.project("clip_id, rejection").order("clip_id").fetchall()
    assert [row[0] for row in rows] == sorted(row[0] for row in table.project("clip_id").fetchall())
    assert any(reason is None for _, reason in rows), "something is chosen"
    assert all(reason is None or reason for _, reason in rows)
    again = selector.select(table.order("duration_seconds desc"))
    assert again.project("clip_id, rejection").order("clip_id").fetchall() == rows


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


def test_a_device_is_written_alike_for_captioners_and_scorers() -> None:
    """`device=` and `local.device=` say the same, of every component that loads a model."""
    seen = set()
    for kind, names in (("captioner", CAPTIONERS), ("scorer", SCORERS)):
        for name in names:
            plain = registry.create(kind, name)
            places = [path for path in settings_of(plain) if path.split(".")[-1] == "device"]
            if not places:
                continue
            seen.add(name)
            short = with_values(plain, ["device=cuda:1", "dtype=float32"])
            assert {settings_of(short)[path] for path in places} == {"cuda:1"}
            if len(places) == 1:
                assert with_values(plain, ["local.device=cuda:1", "local.dtype=float32"]) == short
            in_full = [path.replace("device", "dtype") + "=float32" for path in places]
            written = with_values(plain, in_full)
            assert identity_fields(short) == identity_fields(written), "a device is no result's"
    assert seen == {
        *("chat", "frame", "multiscale", "summarise", "tags", "vlm"),
        *("aesthetic", "clipscore", "embedding", "safety", "similarity", "transcript"),
    }


def identity_fields(component: Any) -> dict[str, Any]:
    """All that a component records, but where it runs."""
    return {path: value for path, value in settings_of(component).items() if "device" not in path}


def test_what_is_said_of_one_model_is_an_exception_to_what_is_said_of_all() -> None:
    for order in (1, -1):
        given = ["fuser.local.device=cuda:1", "device=cpu"][::order]
        made = with_values(registry.create("captioner", "multiscale"), given)
        devices = (made.coarse.local.device, made.fine.local.device, made.fuser.local.device)
        assert devices == ("cpu", "cpu", "cuda:1")
    one = registry.create("captioner", "frame")
    assert with_values(one, ["device=cpu", "local.device=cuda"]).local.device == "cuda"
    assert with_values(one, ["local.device=cuda", "device=cpu"]).local.device == "cpu"
    with pytest.raises(ConfigInvalidError, match="batch must be at least 1, got 0"):
        with_values(one, ["batch=0"])
    with pytest.raises(ConfigInvalidError, match=r"local.beams=2.*no field 'local'"):
        with_values(registry.create("scorer", "similarity"), ["local.beams=2"])
    with pytest.raises(ConfigInvalidError, match=r"local.batch=2.*no field 'batch'"):
        with_values(registry.create("scorer", "transcript"), ["local.batch=2"])
