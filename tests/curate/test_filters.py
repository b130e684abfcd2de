"""Filters name the first rule that fails, and keep what nothing is known of."""

from __future__ import annotations

from typing import Any

import pytest

from internvid.curate.filters import DEFAULT_FILTERS, PAPER_FILTERS, apply_filters

GOOD: dict[str, Any] = {
    "duration_seconds": 4.0,
    "is_still": False,
    "is_slideshow": False,
    "is_flickering": False,
    "motion_extreme_share": 0.1,
    "black_frames_share": 0.0,
}


@pytest.mark.parametrize("rules", [DEFAULT_FILTERS, PAPER_FILTERS])
def test_a_good_clip_is_kept(rules: Any) -> None:
    assert apply_filters(GOOD, rules) == (True, "", None)
    assert apply_filters({}, rules) == (True, "", None)
    assert apply_filters(dict.fromkeys(GOOD), rules) == (True, "", None)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("duration_seconds", 0.5, "too_short"),
        ("is_still", True, "still"),
        ("is_slideshow", True, "slideshow"),
        ("is_flickering", True, "flicker"),
        ("motion_extreme_share", 0.9, "extreme"),
        ("black_frames_share", 0.8, "black"),
    ],
)
def test_each_rule_rejects_with_its_word_and_value(column: str, value: Any, reason: str) -> None:
    assert apply_filters({**GOOD, column: value}, DEFAULT_FILTERS) == (False, reason, float(value))


def test_the_first_rule_wins() -> None:
    row = {**GOOD, "is_still": True, "duration_seconds": 0.1}
    assert apply_filters(row, DEFAULT_FILTERS)[1] == "too_short"
    assert apply_filters(row, PAPER_FILTERS)[1] == "still"
