"""The probe reaches scikit-learn's minimum; neighbours vote as scikit-learn's do."""

from __future__ import annotations

import numpy as np
import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.probes import choose_strength, fit_probe, vote
from internvid.evaluation.embedding.embedders import unit


def clouds(
    seed: int, count: int = 150, classes: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 12))
    labels = rng.integers(0, classes, 2 * count)
    vectors = unit(centres[labels] + 0.8 * rng.normal(size=(2 * count, 12)))
    return vectors[:count], labels[:count], vectors[count:], labels[count:]


@pytest.mark.parametrize("strength", [0.1, 10.0])
def test_probe_agrees_with_scikit_learn(strength: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    train, labels, test, _ = clouds(0)
    mine = fit_probe(train, labels, 5, strength)
    theirs = linear.LogisticRegression(C=strength, tol=1e-10, max_iter=5000)
    theirs.fit(train.astype(np.float64), labels)
    assert np.allclose(mine.weights, theirs.coef_, atol=2e-4 * max(1, strength))
    scores = theirs.decision_function(test.astype(np.float64))
    centred = mine.scores(test) - mine.scores(test).mean(1, keepdims=True)
    assert np.allclose(centred, scores - scores.mean(1, keepdims=True), atol=3e-3)
    assert (mine.scores(test).argmax(1) == theirs.predict(test)).mean() > 0.99


def test_probe_is_the_same_each_time() -> None:
    train, labels, _, _ = clouds(1)
    first, second = (fit_probe(train, labels, 5, 1.0) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)


def test_strength_is_chosen_on_training_clips() -> None:
    train, labels, test, right = clouds(2)
    chosen = choose_strength(train, labels, 5, (1e-4, 1.0, 10.0))
    assert chosen > 1e-4
    accuracy = (fit_probe(train, labels, 5, chosen).scores(test).argmax(1) == right).mean()
    assert accuracy > 0.5
    assert choose_strength(train, labels, 5, (3.0,)) == 3.0


def test_the_order_of_a_list_decides_no_strength() -> None:
    train, labels, _, _ = clouds(2)
    # One class after the other, over and over, as lists sometimes are: each fifth of such a list
    # is one class, which the other four fifths never show.
    turns = np.concatenate([np.flatnonzero(labels == which)[:8] for which in range(5)])
    turns = turns.reshape(5, 8).T.ravel()
    assert (labels[turns][::5] == 0).all()
    assert choose_strength(train[turns], labels[turns], 5, (1e-6, 10.0)) == 10.0
    with pytest.raises(ConfigInvalidError, match="4 training clips are too few"):
        choose_strength(train[:4], labels[:4], 5, (1.0, 10.0))


@pytest.mark.parametrize("neighbours", [1, 5, 500])
def test_equal_votes_agree_with_scikit_learn(neighbours: int) -> None:
    neighbours_of = pytest.importorskip("sklearn.neighbors")
    train, labels, test, _ = clouds(3)
    votes = vote(train, labels, test, 5, neighbours=neighbours, temperature=None)
    count = min(neighbours, len(train))
    theirs = neighbours_of.KNeighborsClassifier(count, metric="cosine", algorithm="brute")
    theirs.fit(train, labels)
    assert np.allclose(votes / count, theirs.predict_proba(test), atol=1e-6)


def test_weighted_votes_agree_with_scikit_learn() -> None:
    neighbours_of = pytest.importorskip("sklearn.neighbors")
    train, labels, test, _ = clouds(4)
    votes = vote(train, labels, test, 5, neighbours=10, temperature=0.07)
    theirs = neighbours_of.KNeighborsClassifier(
        10, metric="cosine", algorithm="brute", weights=lambda far: np.exp((1 - far) / 0.07)
    )
    theirs.fit(train.astype(np.float64), labels)
    shares = votes / votes.sum(1, keepdims=True)
    assert np.allclose(shares, theirs.predict_proba(test.astype(np.float64)), atol=1e-4)


def test_equally_near_clips_vote_in_their_order() -> None:
    same = np.ones((4, 3), np.float32)
    votes = vote(same, np.array([2, 1, 0, 0]), same[:1], 3, neighbours=2, temperature=None)
    assert votes.tolist() == [[0, 1, 1]]


def test_nonsense_is_refused() -> None:
    train, labels, test, _ = clouds(5)
    with pytest.raises(ConfigInvalidError):
        fit_probe(train, labels, 5, 0.0)
    with pytest.raises(ConfigInvalidError):
        fit_probe(train, labels[:-1], 5, 1.0)
    with pytest.raises(ConfigInvalidError):
        vote(train, labels, test, 5, neighbours=0, temperature=None)
    with pytest.raises(ConfigInvalidError):
        vote(train, labels, test, 5, neighbours=1, temperature=0.0)
