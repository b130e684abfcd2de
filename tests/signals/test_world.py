"""Signals are right about rendered worlds, through encoder and decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.signals import CLAIMS, Score, score_world
from internvid.synthetic.world import render_world


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Score:
    """All claims about one world."""
    counted = Score()
    folder = tmp_path_factory.mktemp("signals")
    score_world(render_world(folder, 41, seconds=25, copies=False), counted)
    return counted


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_are_true_and_complete(score: Score, claim: str) -> None:
    tally = score.tallies[claim]
    # One mistake is allowed: the world is small, and some scenes defeat every eye.
    assert tally.wrong <= 1, score.mistakes
    assert tally.missed <= 1, score.mistakes
    assert tally.right >= 1


def test_directions_are_right(score: Score) -> None:
    assert score.directions_wrong == 0
    assert score.directions_right >= 5


@pytest.mark.slow
@pytest.mark.media
def test_real_frames_that_move_are_told(media: Path, tmp_path: Path) -> None:
    from benchmarks.signals import media_half, score_media

    counted = Score()
    score_media(media_half(media / "videos", "all"), 60, tmp_path, counted, seed=5)
    for tally in counted.tallies.values():
        assert tally.precision >= 0.85, counted.mistakes
        assert tally.recall >= 0.6, counted.mistakes
