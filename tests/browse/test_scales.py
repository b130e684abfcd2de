"""Axes cover their data, have few round ticks, and count every value in the right bin."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from internvid.browse.scales import MOST_BINS, Scale, linear_ticks, make_scale, round_step

NUMBERS = some.floats(-1e9, 1e9).map(lambda value: 0.0 if abs(value) < 1e-6 else value)


def quantiles(values: list[float]) -> tuple[float, ...]:
    return tuple(map(float, np.quantile(values, [0, 0.01, 0.05, 0.5, 0.99, 1])))


@given(some.lists(NUMBERS, min_size=1, max_size=60), some.booleans())
@settings(deadline=None)
def test_any_numbers_have_an_axis(values: list[float], is_whole: bool) -> None:
    rounded = [float(round(value)) for value in values] if is_whole else values
    scale = make_scale(quantiles(rounded), is_whole=is_whole)
    assert 1 <= scale.bins <= MOST_BINS + 2
    assert math.isfinite(scale.first)
    assert scale.step > 0
    assert 2 <= len(scale.ticks()) <= 7
    assert all(0 <= scale.fraction(value) <= 1 for value in rounded)
    if is_whole:
        assert scale.step >= 1


@given(some.lists(some.floats(1e-6, 1e6), min_size=2, max_size=40))
@settings(deadline=None, max_examples=40)
def test_the_database_counts_values_where_the_axis_puts_them(values: list[float]) -> None:
    scale = make_scale(quantiles(values), is_whole=False)
    with duckdb.connect(":memory:") as connection:
        query = f"select {scale.sql_bin('?::double')}"
        for value in values:
            at = connection.execute(query, [value]).fetchall()[0][0]
            assert 0 <= at < scale.bins
            slack = 1e-6 * max(abs(scale.edge(at)), scale.step)
            assert at == 0 or value >= scale.edge(at) - slack
            assert at == scale.bins - 1 or value <= scale.edge(at + 1) + slack


def test_quantiles_of_equal_values_may_be_off_by_a_rounding() -> None:
    low, high = 0.8999999761581422, 0.8999999761581421
    scale = make_scale((0.9, low, low, low, high, 0.9), is_whole=False)
    assert 0 < scale.fraction(0.9) < 1


def test_a_long_tail_gets_a_logarithmic_axis_even_with_zeros() -> None:
    tail = list(10.0 ** np.linspace(0, 5, 200))
    assert make_scale(quantiles(tail), is_whole=False).is_log
    assert make_scale(quantiles([0.0] * 3 + tail), is_whole=False).is_log
    assert not make_scale(quantiles(list(np.linspace(0, 1, 50))), is_whole=False).is_log


def test_an_edge_belongs_to_the_bin_it_starts() -> None:
    scale = Scale(0.0, 0.1, 10)
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            f"select {scale.sql_bin('v')} from (values (0.3::double), (0.7::double)) as t(v)"
        ).fetchall()
    assert [row[0] for row in rows] == [3, 7]


@pytest.mark.parametrize(
    ("first", "last", "ticks"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 0.34, [0, 0.1, 0.2, 0.3]), (-70, -8, [-60, -40, -20])],
)
def test_ticks_are_round(first: float, last: float, ticks: list[float]) -> None:
    assert linear_ticks(first, last) == ticks


def test_steps_are_round() -> None:
    assert [round_step(value) for value in (0.9, 1.0, 2.2, 3.0, 7.0)] == [1, 1, 2.5, 5, 10]
