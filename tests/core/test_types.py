"""Times as people and programs are told them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from internvid.cli.output import instant_text, table
from internvid.core.types import instant


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(24), Fraction(30), Fraction(25)])
def test_a_rounded_time_lies_in_the_frame_that_it_names(fps: Fraction) -> None:
    for frame in range(2000):
        exact = float(frame / fps)
        for decimals in (3, 6):
            rounded = instant(exact, decimals)
            assert rounded <= exact + 1e-9
            assert exact - rounded < 10**-decimals


def test_times_that_are_short_already_stay() -> None:
    assert [instant(at / 25) for at in range(500)] == [round(at / 25, 3) for at in range(500)]


def test_times_are_shown_so() -> None:
    seconds = 100.1 / 24
    assert instant_text(seconds) == "4.170"
    shown = table([{"start_seconds": seconds, "duration_seconds": seconds}])
    assert shown.splitlines()[1].split() == ["4.17", "4.171"]
