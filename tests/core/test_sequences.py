"""Places in a sequence: the middles of equal parts, and runs of true values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from internvid.core.sequences import list_runs, middles, spread


def test_middles_are_those_of_equal_parts() -> None:
    assert middles(10, 2) == [2, 7]
    assert middles(3, 3) == [0, 1, 2]
    assert middles(1, 1) == [0]
    assert middles(2, 4) == [0, 0, 1, 1], "some come twice where there are fewer"
    assert middles(5, 0) == []


def test_spread_takes_all_where_there_are_no_more() -> None:
    assert spread("abcdefghi", 4) == ["b", "d", "f", "h"]
    assert spread("abc", 4) == ["a", "b", "c"]
    assert spread("abc", 3) == ["a", "b", "c"]
    assert spread("", 3) == []


def test_recorded_answers_stay_those_of_the_same_pictures() -> None:
    """Captioners once wrote the rule in floats, filmstrips and plans each in its own way."""
    for total, wanted in itertools.product([*range(130), 997, 4096, 100_003], range(1, 34)):
        chosen = spread(range(total), wanted)
        if wanted < total:
            assert chosen == [int((at + 0.5) * total / wanted) for at in range(wanted)]
        if wanted <= total:
            whole = {(2 * at + 1) * total // (2 * wanted) for at in range(wanted)}
            assert chosen == middles(total, wanted) == sorted(whole)
        frames = tuple(7 + (2 * at + 1) * total // (2 * wanted) for at in range(wanted))
        assert frames == tuple(7 + at for at in middles(total, wanted))


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ("", []),
        ("...", []),
        ("###", [(0, 3)]),
        ("#.##..#", [(0, 1), (2, 4), (6, 7)]),
        (".##.", [(1, 3)]),
    ],
)
def test_runs_are_half_open_and_as_long_as_can_be(flags: str, runs: list[tuple[int, int]]) -> None:
    assert list_runs(np.array([flag == "#" for flag in flags], dtype=bool)) == runs


def test_runs_cover_what_is_true() -> None:
    draw = np.random.default_rng(0)
    for length in range(60):
        flags = draw.random(length) < 0.6
        covered = np.zeros(length, bool)
        for first, stop in list_runs(flags):
            assert stop > first
            assert first == 0 or not flags[first - 1]
            assert stop == length or not flags[stop]
            covered[first:stop] = True
        assert (covered == flags).all()
