"""Signals are right about rendered worlds, through encoder and decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.signals import CLAIMS, Score, score_world
from benchmarks.slideshows import new_tallies, score_world_clips
from internvid import recipes
from internvid.synthetic.truth import World
from internvid.synthetic.world import render_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Five videos that no threshold was chosen on."""
    return render_world(tmp_path_factory.mktemp("signals"), 41, seconds=25, copies=False)


@pytest.fixture(scope="module")
def score(world: World) -> Score:
    """All claims about one world."""
    counted = Score()
    score_world(world, counted)
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


def test_a_build_tells_the_clips_of_slideshows(world: World) -> None:
    tallies = new_tallies()
    mistakes = score_world_clips(world, recipes.default(), tallies)
    right, wrong, missed = (
        sum(getattr(tally, part) for tally in tallies.values())
        for part in ("right", "wrong", "missed")
    )
    assert right >= 6, mistakes
    # One slide that the detector did not part from a live shot can lose a whole glide of three.
    assert missed <= 3, mistakes
    assert wrong <= 1, mistakes


@pytest.mark.slow
@pytest.mark.media
def test_real_frames_that_move_are_told(media: Path, tmp_path: Path) -> None:
    from benchmarks.signals import media_half, score_media

    counted = Score()
    score_media(media_half(media / "videos", "all"), 60, tmp_path, counted, seed=5)
    for tally in counted.tallies.values():
        assert tally.precision >= 0.85, counted.mistakes
        assert tally.recall >= 0.6, counted.mistakes
