"""Numbers, times and texts as people read them."""

from __future__ import annotations

import pytest

from internvid.browse.wording import clock, footage, label, number, plural, share, shorten, unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.8675, "0.868"), (12.34, "12.3"), (4120.4, "4,120"), (1_234_567, "1.2M"),
        (-21.3, "−21.3"), (0.0001, "1e−4"), (100.0, "100"), (None, "–"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_numbers_keep_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.00"), (15.949, "0:15.95"), (59.999, "1:00.00"), (3723.4, "1:02:03.40")],
)
def test_places_in_a_video(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_lengths_take_the_unit_that_fits() -> None:
    assert [footage(value) for value in (8.1, 744, 9_000, 2_737_080)] == [
        "8.1 s", "12.4 min", "2.5 h", "760 h",
    ]  # fmt: skip


def test_a_share_is_whole_only_when_it_is() -> None:
    assert [share(*pair) for pair in ((0, 9), (1, 999), (998, 999), (9, 9), (1, 0))] == [
        "0 %", "<1 %", ">99 %", "100 %", "–",
    ]  # fmt: skip


def test_shortened_names_keep_both_ends_and_show_what_hides() -> None:
    assert shorten("a" * 50 + "tail.mp4", 20).endswith("il.mp4")
    assert len(shorten("b" * 10_000, 20)) == 20
    assert (
        shorten("x\u202egpj.exe\x07")
        == "x\N{REPLACEMENT CHARACTER}gpj.exe\N{REPLACEMENT CHARACTER}"
    )
    assert shorten("two\n lines") == "two lines"


def test_columns_are_named_for_people() -> None:
    assert (label("object_motion_mean"), label("gap_seconds")) == ("Object motion mean", "Gap")
    assert (unit("gap_seconds"), unit("motion_mean")) == ("s", "")
    assert (plural(1, "clip"), plural(1200, "clip")) == ("1 clip", "1,200 clips")
