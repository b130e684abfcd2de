"""Metrics agree with brute force and with other people's implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.metrics import (
    DualSoftmaxSimilarity,
    MatrixSimilarity,
    VectorSimilarity,
    measure_recognition,
    measure_retrieval,
    rank_labels,
    rank_pairs,
    summarise_ranks,
)


def brute_force(scores: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """(text to video, video to text) by the definition, one query at a time."""
    to_video, to_text = [], []
    for text in range(scores.shape[1]):
        right = {v for v, t in pairs if t == text}
        if right:
            best = max(scores[v, text] for v in right)
            wrong = [v for v in range(len(scores)) if v not in right and scores[v, text] >= best]
            to_video.append(1 + len(wrong))
    for video in range(scores.shape[0]):
        right = {t for v, t in pairs if v == video}
        if right:
            best = max(scores[video, t] for t in right)
            wrong = [t for t in range(scores.shape[1]) if t not in right]
            to_text.append(1 + sum(scores[video, t] >= best for t in wrong))
    return to_video, to_text


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[int, int]], int]:
    videos, texts = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    # Few levels make ties common.
    levels = draw(st.lists(st.integers(-2, 2), min_size=videos * texts, max_size=videos * texts))
    everything = [(v, t) for v in range(videos) for t in range(texts)]
    pairs = draw(st.lists(st.sampled_from(everything), min_size=1, max_size=12))
    return np.array(levels, float).reshape(videos, texts), pairs, draw(st.integers(1, 8))


def public_ranks(scores: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """(text to video, video to text) as the reference ranks: places in a reversed argsort."""
    found: tuple[list[int], list[int]] = [], []
    for side, matrix in enumerate((scores.T, scores)):
        for query, row in enumerate(matrix):
            right = {pair[side] for pair in pairs if pair[1 - side] == query}
            order = list(np.argsort(row, kind="stable")[::-1])
            if right:
                found[side].append(1 + min(order.index(answer) for answer in right))
    return found


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_public_tie_rule_is_a_reversed_argsort(
    case: tuple[np.ndarray, list[tuple[int, int]], int],
) -> None:
    scores, pairs, rows = case
    found = rank_pairs(MatrixSimilarity(scores, rows), pairs, "public")
    assert [list(ranks) for ranks in found] == [list(x) for x in public_ranks(scores, pairs)]


def test_tie_rules_have_names() -> None:
    # Three clips with one caption: one of them comes first in the public order, none otherwise.
    scores = np.ones((3, 3))
    pairs = [(at, at) for at in range(3)]
    public = measure_retrieval(MatrixSimilarity(scores), pairs, tie_rule="public")
    strict = measure_retrieval(MatrixSimilarity(scores), pairs)
    assert public["video_to_text_r1"] == pytest.approx(100 / 3)
    assert strict["video_to_text_r1"] == 0.0
    with pytest.raises(ConfigInvalidError, match="pessimistic or public, not 'lucky'"):
        rank_pairs(MatrixSimilarity(scores), pairs, "lucky")  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(cases())
def test_ranks_agree_with_the_definition(
    case: tuple[np.ndarray, list[tuple[int, int]], int],
) -> None:
    scores, pairs, rows = case
    found = rank_pairs(MatrixSimilarity(scores, rows), pairs)
    assert [list(ranks) for ranks in found] == [list(x) for x in brute_force(scores, pairs)]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_blocks_of_vectors_change_nothing(rows: int) -> None:
    rng = np.random.default_rng(0)
    videos = rng.normal(size=(50, 16)).astype(np.float32)
    texts = rng.normal(size=(90, 16)).astype(np.float32)
    pairs = [(int(rng.integers(50)), t) for t in range(90)]
    whole = measure_retrieval(MatrixSimilarity(videos @ texts.T), pairs)
    assert measure_retrieval(VectorSimilarity(videos, texts, rows), pairs) == whole


def test_recall_agrees_with_torchmetrics() -> None:
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    rng = np.random.default_rng(1)
    # Theirs takes only positive scores for answers.
    scores = 10 + rng.normal(size=(40, 40)) + 1.5 * np.eye(40)
    numbers = measure_retrieval(MatrixSimilarity(scores), [(i, i) for i in range(40)])
    queries = torch.arange(40).repeat_interleave(40)
    target = torch.eye(40, dtype=torch.bool).flatten()
    for name, matrix in (("text_to_video", scores.T), ("video_to_text", scores)):
        flat = torch.from_numpy(np.ascontiguousarray(matrix)).flatten()
        for k in (1, 5, 10):
            theirs = retrieval.RetrievalRecall(top_k=k)(flat, target, indexes=queries)
            assert numbers[f"{name}_r{k}"] == pytest.approx(100 * float(theirs))
        reciprocal = retrieval.RetrievalMRR()(flat, target, indexes=queries)
        ranks = rank_pairs(MatrixSimilarity(scores), [(i, i) for i in range(40)])
        mine = ranks[0] if name == "text_to_video" else ranks[1]
        assert float(np.mean(1 / mine)) == pytest.approx(float(reciprocal))


@pytest.mark.parametrize("seed", range(5))
def test_ties_agree_with_scikit_learn_and_scipy(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    # Five levels for thirty answers: every rank is a tie.
    scores = rng.integers(0, 5, (30, 30)).astype(float) + np.eye(30)
    numbers = measure_retrieval(MatrixSimilarity(scores), [(i, i) for i in range(30)])
    for name, matrix in (("text_to_video", scores.T), ("video_to_text", scores)):
        # How far one goes down a list to meet the right answer, ties against it.
        theirs = metrics.coverage_error(np.eye(30), matrix)
        assert numbers[f"{name}_mean_rank"] == pytest.approx(theirs)
        ranks = np.diag(stats.rankdata(-matrix, method="max", axis=1))
        assert numbers[f"{name}_median_rank"] == np.median(ranks)
        for k in (1, 5, 10):
            assert numbers[f"{name}_r{k}"] == pytest.approx(100 * (ranks <= k).mean())
    labels = rng.integers(0, 30, 30)
    assert rank_labels(scores, labels).mean() == pytest.approx(
        metrics.coverage_error(np.eye(30)[labels], scores)
    )


def test_several_captions_take_the_best_of_a_video_and_each_ask_alone() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.8, 0.2, 0.6]])
    to_video, to_text = rank_pairs(MatrixSimilarity(scores), [(0, 0), (0, 1), (1, 2)])
    assert list(to_video) == [2, 1, 1]
    assert list(to_text) == [1, 2]


def test_several_videos_of_a_text_do_not_push_one_another_down() -> None:
    scores = np.array([[0.9], [0.8], [0.85]])
    to_video, _ = rank_pairs(MatrixSimilarity(scores), [(0, 0), (1, 0)])
    assert list(to_video) == [1]


def test_a_model_that_says_the_same_of_everything_scores_last() -> None:
    constant = VectorSimilarity(np.ones((30, 4), np.float32), np.ones((30, 4), np.float32))
    numbers = measure_retrieval(constant, [(i, i) for i in range(30)])
    assert numbers["text_to_video_r1"] == numbers["video_to_text_r10"] == 0.0
    assert numbers["text_to_video_median_rank"] == 30
    assert list(rank_labels(np.zeros((2, 5)), [0, 4])) == [5, 5]


def test_products_that_differ_by_rounding_alone_are_ties() -> None:
    rng = np.random.default_rng(6)
    texts = rng.normal(size=(8, 64)).astype(np.float32)
    # The right clip of a text is a hair nearer than its copy: less than rounding may make of it.
    videos = np.concatenate([texts * np.float32(1 + 2e-7), texts])
    to_video, _ = rank_pairs(VectorSimilarity(videos, texts), [(at, at) for at in range(8)])
    assert set(to_video) == {2}
    # Much farther apart, they are told apart.
    videos = np.concatenate([texts * np.float32(1 + 1e-4), texts])
    to_video, _ = rank_pairs(VectorSimilarity(videos, texts), [(at, at) for at in range(8)])
    assert set(to_video) == {1}


def test_dual_softmax_is_the_formula_and_has_its_own_names() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(12, 20))
    pairs = [(i % 12, i) for i in range(20)]
    tensor = torch.from_numpy(scores)
    to_video = DualSoftmaxSimilarity(MatrixSimilarity(scores, 5), "texts")
    to_text = DualSoftmaxSimilarity(MatrixSimilarity(scores, 5), "videos")
    for made, axis in ((to_video, 1), (to_text, 0)):
        blocks = np.concatenate([block for _, block in made.blocks()])
        assert np.allclose(blocks, (tensor * tensor.softmax(axis)).numpy())
    numbers = measure_retrieval(MatrixSimilarity(scores), pairs, dual_softmax=True)
    assert all(name.startswith("dual_softmax_") for name in numbers)
    assert numbers["dual_softmax_text_to_video_mean_rank"] == rank_pairs(to_video, pairs)[0].mean()
    assert not any(n.startswith("dual") for n in measure_retrieval(MatrixSimilarity(scores), pairs))


def test_accuracy_agrees_with_torchmetrics_and_scikit_learn() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    theirs = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 9, 200)
    scores = rng.normal(size=(200, 10)) + 2 * np.eye(10)[labels]
    numbers = measure_recognition(scores, labels)
    for k in (1, 5):
        accuracy = functional.multiclass_accuracy(
            torch.from_numpy(scores), torch.from_numpy(labels), 10, average="micro", top_k=k
        )
        assert numbers[f"top{k}"] == pytest.approx(100 * float(accuracy), abs=1e-4)
    assert numbers["top1"] == pytest.approx(100 * theirs.accuracy_score(labels, scores.argmax(1)))
    balanced = theirs.recall_score(
        labels, scores.argmax(1), average="macro", labels=np.unique(labels)
    )
    assert numbers["mean_class_top1"] == pytest.approx(100 * balanced)
    assert numbers["mean_top1_top5"] == (numbers["top1"] + numbers["top5"]) / 2


def test_ranks_are_summed_up() -> None:
    numbers = summarise_ranks([1, 2, 5, 11], "x_")
    assert numbers == {
        "x_r1": 25.0, "x_r5": 75.0, "x_r10": 75.0, "x_median_rank": 3.5, "x_mean_rank": 4.75,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "pairs"),
    [
        (np.zeros((2, 2)), []),
        (np.zeros((2, 2)), [(0, 2)]),
        (np.zeros((2, 2)), [(-1, 0)]),
        (np.array([[0.0, np.nan]]), [(0, 0)]),
    ],
)
def test_nonsense_is_refused(scores: np.ndarray, pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(ConfigInvalidError):
        rank_pairs(MatrixSimilarity(scores), pairs)


def test_labels_that_fit_nothing_are_refused() -> None:
    with pytest.raises(ConfigInvalidError):
        rank_labels(np.zeros((2, 3)), [0, 3])
    with pytest.raises(ConfigInvalidError):
        rank_labels(np.zeros((2, 3)), [0])
    with pytest.raises(ConfigInvalidError):
        rank_labels(np.full((1, 3), np.inf), [0])
