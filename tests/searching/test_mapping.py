"""A map of clips: places by principal axes or UMAP, as two columns that are there whole or not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import internvid
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError, DependencyMissingError, MisuseError
from internvid.dataset.store import Dataset
from internvid.searching.mapping import projections
from internvid.searching.mapping.projections import NeighbourPlane, PrincipalPlane
from internvid.searching.vectors import Matrix, unit_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from internvid.models.viclip import ViCLIP

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "viclip"
    ViCLIP("tiny").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def made(dataset: Dataset, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("embedded") / "data"
    shutil.copytree(dataset.root, root)
    internvid.embed(root, str(model))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "data")
    return tmp_path / "data"


def some_vectors(count: int = 200, width: int = 24) -> Matrix:
    numbers = np.random.default_rng(3)
    spread = numbers.normal(size=(count, width)) * np.linspace(3, 0.1, width)
    return unit_rows(spread.astype(np.float32) + 1, width)


def batches(vectors: Matrix, size: int) -> Iterator[Matrix]:
    for start in range(0, len(vectors), size):
        yield vectors[start : start + size]


def test_principal_axes_are_those_of_the_whole_matrix() -> None:
    vectors = some_vectors()
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    for size in (7, 200):
        plane = PrincipalPlane(batches(vectors, size))
        found = plane.place(vectors)
        signs = np.sign((found * expected).sum(axis=0))
        np.testing.assert_allclose(found, expected * signs, atol=1e-6)
        share = (sizes[:2] ** 2).sum() / (sizes**2).sum()
        assert plane.describe()["variance"] == pytest.approx(share, abs=1e-3)
    np.testing.assert_allclose(PrincipalPlane(batches(vectors, 9)).place(vectors), found, atol=1e-9)


@pytest.mark.parametrize(("count", "width"), [(1, 8), (2, 1), (5, 2)])
def test_few_or_narrow_vectors_have_places_too(count: int, width: int) -> None:
    vectors = some_vectors(count, width)
    found = PrincipalPlane([vectors]).place(vectors)
    assert found.shape == (count, 2)
    assert np.isfinite(found).all()


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_places_those_it_was_not_fitted_on() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    numbers = np.random.default_rng(0)
    centres = numbers.normal(size=(2, 16)) * 4
    which = np.arange(120) % 2
    vectors = unit_rows(
        (centres[which] + numbers.normal(size=(120, 16)) * 0.3).astype(np.float32), 16
    )
    plane = NeighbourPlane(vectors[:80], neighbours=10, seed=1)
    found = plane.place(vectors)
    middles = [found[which == each].mean(axis=0) for each in (0, 1)]
    nearest = np.argmin([np.linalg.norm(found - each, axis=1) for each in middles], axis=0)
    assert (nearest == which).mean() > 0.95
    assert plane.describe() == {"fitted": 80}
    again = NeighbourPlane(vectors[:80], neighbours=10, seed=1).place(vectors)
    np.testing.assert_allclose(again, found, atol=1e-4)
    with pytest.raises(MisuseError, match="at least 16"):
        NeighbourPlane(vectors[:9], neighbours=10, seed=1)


def test_umap_that_is_not_installed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(DependencyMissingError) as raised:
        internvid.map_clips(root, method="umap", sample=16)
    assert "internvid[map]" in (raised.value.hint or "")
    assert "map_x" not in internvid.open(root).clips().column_names
    assert projections.LEAST_FOR_UMAP == 16


def test_a_map_is_two_columns_and_made_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = internvid.open(root)
    done = internvid.map_clips(opened)
    assert done.columns == ("map_x", "map_y")
    assert (done.clips, done.without, done.known) == (len(opened), 0, False)
    rows = opened.sql(
        "select value, map_x, map_y from column_embedding join clips using (clip_id) "
        "order by clip_id"
    ).fetchall()
    vectors = unit_rows(np.array([row[0] for row in rows], np.float32), len(rows[0][0]))
    expected = PrincipalPlane([vectors]).place(vectors)
    np.testing.assert_allclose([row[1:] for row in rows], expected, atol=2e-6)
    assert main(["map", str(root), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["known"]
    assert again["keys"] == list(done.keys)
    chosen = internvid.select(opened, "where", "left", "map_x < 0")
    assert 0 < chosen.clips < len(opened)
    audited = internvid.audit(opened, ["map_x", "map_y"])
    assert [(each.sealed, each.broken) for each in audited] == [(done.clips, [])] * 2


def test_clips_that_are_embedded_later_make_a_new_version(root: Path, model: Path) -> None:
    internvid.drop_column(root, "embedding")
    two = internvid.open(root).clips()["clip_id"].to_pylist()[:2]
    internvid.select(root, "where", "two", f"clip_id in ('{two[0]}', '{two[1]}')")
    internvid.embed(root, str(model), subset="two")
    few = internvid.map_clips(root)
    total = len(internvid.open(root))
    assert (few.clips, few.without) == (2, total - 2)
    reasons = internvid.open(root).sql(
        "select status, reason, count(*) from column_map_x group by all order by all"
    )
    assert reasons.fetchall() == [("ok", "", 2), ("skipped", "no_vector", total - 2)]
    internvid.embed(root, str(model))
    every = internvid.map_clips(root)
    assert (every.clips, every.without) == (total, 0)
    assert set(every.keys).isdisjoint(few.keys)


def test_a_run_that_is_killed_leaves_the_dataset_as_it_was(root: Path) -> None:
    script = (
        "import os, signal, sys\nimport internvid\n"
        "from internvid.searching.mapping import map_columns\n"
        "whole = map_columns.commit_table\n"
        "def commit(path, table):\n    whole(path, table)\n    os.kill(os.getpid(), 9)\n"
        "map_columns.commit_table = commit\ninternvid.map_clips(sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "map_x" not in internvid.open(root).clips().column_names
    done = internvid.map_clips(root)
    assert not done.known
    places = internvid.open(root).sql("select count(map_x), count(map_y) from clips").fetchall()
    assert places == [(done.clips, done.clips)]


def test_misuse_is_refused_before_anything_is_written(root: Path, dataset: Dataset) -> None:
    internvid.caption(root, "measured", name="spot_x")
    with pytest.raises(MisuseError, match="spot_x"):
        internvid.map_clips(root, name="spot")
    with pytest.raises(MisuseError, match="cannot name"):
        internvid.map_clips(root, name="../up")
    with pytest.raises(MisuseError, match="no vectors") as raised:
        internvid.map_clips(dataset.root)
    assert "internvid embed" in (raised.value.hint or "")
    with pytest.raises(MisuseError, match="'other'"):
        internvid.map_clips(root, vectors="other")
    with pytest.raises(ConfigInvalidError, match="pca, umap"):
        internvid.map_clips(root, method="tsne")  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalidError, match="neighbours"):
        internvid.map_clips(root, method="umap", neighbours=1)
