"""A dataset embedded by a tiny random ViCLIP is searched by text, video, image and subset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import internvid
from internvid.cli.app import main
from internvid.core.errors import MisuseError, StorageError
from internvid.dataset.store import Dataset
from internvid.searching.query import open_search, vector_columns
from internvid.searching.vectors import VectorStore


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from internvid.models.viclip import ViCLIP

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "viclip"
    ViCLIP("tiny").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def embedded(dataset: Dataset, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("embedded") / "data"
    shutil.copytree(dataset.root, root)
    assert main(["embed", str(root), "--model", str(model)]) == 0
    return internvid.open(root)


def test_a_clip_is_found_by_its_own_vector_before_all_others(embedded: Dataset) -> None:
    assert list(vector_columns(embedded)) == ["embedding"]
    search = open_search(embedded)
    rows = embedded.sql("select clip_id, value from column_embedding").to_arrow_table().to_pylist()
    assert len(rows) == len(embedded.clips())
    for row in rows[:5]:
        best = search.by_vector(np.array(row["value"]), 3)[0]
        assert best.score == pytest.approx(1, abs=1e-5)
        assert best.clip_id == row["clip_id"]


def test_an_index_gives_the_same_on_a_small_dataset(embedded: Dataset) -> None:
    search = open_search(embedded)
    vector = np.asarray(search.store.matrix[0])
    exact = search.by_vector(vector, 5, exact=True)
    assert search.by_vector(vector, 5, exact=False) == exact


def test_text_and_file_queries_use_the_model_that_made_the_column(
    embedded: Dataset, model: Path, world_videos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["search", str(embedded.root), "--model", str(model), "--json", "-n", "4"]
    for query in ("a red ball moves left", str(world_videos[0])):
        assert main([*arguments, query]) == 0
        found = json.loads(capsys.readouterr().out)
        scores = [hit["score"] for hit in found["hits"]]
        assert len(scores) == 4
        assert scores == sorted(scores, reverse=True)
        assert {"clip_id", "uri", "start_seconds", "measured"} <= set(found["hits"][0])
    with pytest.raises(MisuseError, match="not recorded"):
        open_search(embedded).by_text("a ball")


def test_an_image_query_is_a_video_of_one_frame(
    embedded: Dataset, model: Path, tmp_path: Path
) -> None:
    clip = embedded.clips()["clip_id"][0].as_py()
    path = tmp_path / "frame.png"
    embedded.pictures(clip)[0][1].save(path)
    assert open_search(embedded, model=str(model)).by_file(path, 2)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(MisuseError, match="cannot be read"):
        open_search(embedded, model=str(model)).by_file(tmp_path / "broken.png")


def test_a_subset_limits_what_is_found(embedded: Dataset) -> None:
    ids = embedded.clips()["clip_id"].to_pylist()
    chosen = f"clip_id in ('{ids[0]}', '{ids[1]}')"
    assert main(["select", str(embedded.root), "where", chosen, "--as", "two"]) == 0
    search = open_search(embedded)
    hits = search.by_vector(np.asarray(search.store.matrix[5]), 10, subset="two")
    assert {hit.clip_id for hit in hits} == set(ids[:2])


def test_other_weights_are_refused(embedded: Dataset, tmp_path: Path) -> None:
    from internvid.models.viclip import ViCLIP

    torch.manual_seed(1)
    ViCLIP("tiny").save_pretrained(tmp_path / "other")
    with pytest.raises(MisuseError, match="other weights"):
        open_search(embedded, model=str(tmp_path / "other")).by_text("a ball")


def test_a_dataset_without_vectors_says_how_to_make_them(dataset: Dataset) -> None:
    with pytest.raises(MisuseError, match="internvid embed"):
        open_search(dataset)


def test_a_full_disk_does_not_keep_a_dataset_from_being_searched(
    embedded: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(embedded.root, tmp_path / "data", ignore=shutil.ignore_patterns("search"))
    whole_write = VectorStore.write
    refused: list[Path] = []

    def write_until_full(store: VectorStore, batches: Any, *rest: Any) -> int:
        if not refused:
            next(iter(batches))  # some vectors were read already when the disk was full
            refused.append(store.folder)
            raise StorageError("cannot write: no space left on device")
        return whole_write(store, batches, *rest)

    monkeypatch.setattr(VectorStore, "write", write_until_full)
    search = open_search(internvid.open(tmp_path / "data"))
    vector = np.asarray(open_search(embedded).store.matrix[0])
    refused.clear()
    assert search.by_vector(vector, 3) == open_search(embedded).by_vector(vector, 3)
    assert refused == [tmp_path / "data" / "search" / search.key]
    assert not search.store.folder.is_relative_to(tmp_path)
