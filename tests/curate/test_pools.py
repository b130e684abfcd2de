"""The best share is noted in one pass: it chooses what two passes over the table choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from internvid.curate.select_table import select_table
from internvid.curate.selectors import Filtered
from internvid.curate.selectors.best import pools
from tests.curate.tables_of_clips import rows_of, write_table

SOURCES = [1] * 60 + [7] * 30 + [90] * 4


def rows_with_scores(kind: str) -> list[dict[str, Any]]:
    """Rows whose scores make the first guess of where the best end good or bad."""
    rows = rows_of(SOURCES)
    for number, row in enumerate(rows):
        is_bad = number % 3 == 0
        if kind == "rejected rows have the best scores" and is_bad:
            row["End_timestamp"], row["UMT_Score"] = row["Start_timestamp"], 0.9
        if kind == "most rows are rejected" and number % 10:
            row["End_timestamp"] = "nothing"
        if kind == "one score":
            row["UMT_Score"] = 0.25
        if kind == "few rows have scores" and number % 20:
            row["UMT_Score"] = None
        if kind == "scores of two digits":
            row["UMT_Score"] = round(row["UMT_Score"], 2)
    return rows


@pytest.mark.parametrize("share", [0.001, 0.3, 1.0])
@pytest.mark.parametrize(
    "kind",
    [
        "any",
        "rejected rows have the best scores",
        "most rows are rejected",
        "one score",
        "few rows have scores",
        "scores of two digits",
    ],
)
def test_rows_noted_on_the_way_are_those_of_two_passes(
    kind: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_table(rows_with_scores(kind), tmp_path / "t.parquet", group=100)
    selector = Filtered(share=share, count=40)
    noted = select_table(table, selector, tmp_path / "a.parquet", with_rejected=True)
    monkeypatch.setattr(pools, "MOST_NOTED", 0)
    passed = select_table(table, selector, tmp_path / "b.parquet", with_rejected=True)
    assert (noted.clips, noted.hours, noted.reasons) == (passed.clips, passed.hours, passed.reasons)
    for ending in (".parquet", ".rejected.parquet"):
        a, b = (tmp_path / f"{name}{ending}" for name in "ab")
        assert a.read_bytes() == b.read_bytes()


def test_a_second_pass_notes_enough_where_rejected_rows_have_the_best_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_with_scores("rejected rows have the best scores")
    table = write_table(rows, tmp_path / "t.parquet")
    passes: list[float] = []
    note = pools._Plan.note

    def counted(plan: pools._Plan, least: float) -> str:
        passes.append(least)
        return note(plan, least)

    monkeypatch.setattr(pools._Plan, "note", counted)
    select_table(table, Filtered(), tmp_path / "a.parquet")
    assert len(passes) == 2
    assert passes[1] < passes[0]


def test_sources_that_have_one_number_are_drawn_as_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_table(rows_of(SOURCES), tmp_path / "t.parquet")
    selector = Filtered(count=40)
    select_table(table, selector, tmp_path / "a.parquet")
    monkeypatch.setattr(pools, "_NUMBER", "(hash(source_id) % 7)")
    select_table(table, selector, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
