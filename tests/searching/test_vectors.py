"""Exact search finds what comparing everything finds; an index finds nearly the same, faster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError, DatasetFormatError
from internvid.searching.index import IndexOptions, VectorIndex
from internvid.searching.vectors import VectorStore, best_rows, search_exact


def make_store(folder: Path, vectors: np.ndarray, batch: int = 7) -> VectorStore:
    store = VectorStore(folder)
    names = [f"{row:032x}" for row in range(len(vectors))]
    batches = (
        (names[start : start + batch], vectors[start : start + batch])
        for start in range(0, len(vectors), batch)
    )
    store.write(batches, vectors.shape[1])
    return store


def clustered(centres: int, each: int, dimension: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    middle = random.standard_normal((centres, dimension))
    noise = random.standard_normal((centres * each, dimension)) * 0.2
    return (np.repeat(middle, each, axis=0) + noise).astype(np.float32)


def test_exact_search_agrees_with_sorting_every_cosine(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((500, 24)).astype(np.float32)
    store = make_store(tmp_path, vectors)
    queries = random.standard_normal((4, 24)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query, hits in zip(queries, search_exact(store, queries, 10), strict=True):
        cosines = unit @ (query / np.linalg.norm(query))
        expected = np.argsort(-cosines, kind="stable")[:10]
        assert [int(hit.clip_id, 16) for hit in hits] == expected.tolist()
        assert [hit.score for hit in hits] == pytest.approx(cosines[expected].tolist(), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(0, 40))
def test_ties_fall_to_the_earlier_row(values: list[int], count: int) -> None:
    scores = np.array(values, np.float32)
    expected = sorted(range(len(values)), key=lambda row: (-values[row], row))[:count]
    assert best_rows(scores, count).tolist() == expected


def test_batches_of_any_size_make_the_same_file(tmp_path: Path) -> None:
    vectors = clustered(5, 6, 16)
    make_store(tmp_path / "a", vectors, batch=1)
    make_store(tmp_path / "b", vectors, batch=30)
    for name in ("vectors.npy", "ids.parquet", "vectors.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert np.linalg.norm(VectorStore(tmp_path / "a").matrix, axis=1) == pytest.approx(1, abs=1e-6)


def test_an_index_finds_the_members_of_a_group(tmp_path: Path) -> None:
    vectors = clustered(60, 20, 32)
    store = make_store(tmp_path, vectors, batch=100)
    index = VectorIndex.build(store, IndexOptions(groups=40, probes=8))
    queries = vectors[::97] + 0.01
    exact, found = search_exact(store, queries, 10), index.search(queries, 10)
    shared = [
        len({hit.clip_id for hit in a} & {hit.clip_id for hit in b}) / 10
        for a, b in zip(exact, found, strict=True)
    ]
    assert np.mean(shared) >= 0.95
    assert found[0][0].score == pytest.approx(exact[0][0].score, abs=1e-6), "ranked again exactly"
    opened = VectorIndex.open(VectorStore(tmp_path))
    assert opened is not None
    assert opened.search(queries, 10) == found


def test_an_index_of_other_vectors_is_not_used(tmp_path: Path) -> None:
    store = make_store(tmp_path, clustered(10, 20, 16))
    VectorIndex.build(store)
    assert VectorIndex.open(VectorStore(tmp_path)) is not None
    assert VectorIndex.open(make_store(tmp_path, clustered(10, 20, 16, seed=1))) is None


def test_small_and_empty_stores_are_searched_all_the_same(tmp_path: Path) -> None:
    one = make_store(tmp_path / "one", np.ones((1, 8), np.float32))
    assert [len(hits) for hits in search_exact(one, np.ones((2, 8), np.float32), 10)] == [1, 1]
    assert len(VectorIndex.build(one).search(np.ones((1, 8), np.float32), 10)[0]) == 1
    none = make_store(tmp_path / "none", np.ones((0, 8), np.float32))
    assert search_exact(none, np.ones((1, 8), np.float32), 10) == [[]]


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.full((2, 8), np.nan, np.float32), "NaN"),
        (np.ones((2, 9), np.float32), "must be \\[n, 8\\]"),
        (np.ones((3, 8), np.float32), "2 ids came with 3"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    vectors: np.ndarray, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalidError, match=words):
        VectorStore(tmp_path).write([(["a", "b"], vectors)], 8)
    assert not VectorStore(tmp_path).exists()


def test_a_query_of_another_model_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path, clustered(2, 4, 16))
    index = VectorIndex.build(store)
    for search in (lambda q: search_exact(store, q, 3), lambda q: index.search(q, 3)):
        with pytest.raises(ConfigInvalidError, match="different models"):
            search(np.ones((1, 8), np.float32))
        assert len(search(np.zeros((1, 16), np.float32))[0]) == 3, "nothing is nearest to nothing"


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    make_store(tmp_path, clustered(2, 4, 16))
    (tmp_path / "vectors.npy").write_bytes(b"not numbers")
    with pytest.raises(DatasetFormatError, match="remove that folder"):
        _ = VectorStore(tmp_path).matrix
