"""Selectors over tables: what they draw, with which probabilities, and that it can be redone."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from internvid.core.contracts import Selector
from internvid.core.errors import ConfigInvalidError, MisuseError, OutputExistsError
from internvid.curate.select_table import select_table
from internvid.curate.selectors import (
    Aesthetic,
    Cap,
    Chain,
    Diverse,
    Filtered,
    Quota,
    Random,
    Where,
    drawing,
)
from internvid.curate.selectors import expected as expected_sums
from internvid.curate.tables.opening import open_rows
from tests.curate.tables_of_clips import name_of, rows_of, stamp, write_table

SKEWED = [1] * 40 + [5] * 20 + [60] * 5 + [400]


def chosen(table: Path, selector: Selector, out: Path) -> list[dict[str, Any]]:
    out.unlink(missing_ok=True)
    select_table(table, selector, out)
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


@pytest.mark.parametrize("by_source", [True, False])
def test_inclusion_probabilities_are_those_of_the_reference_draw(
    by_source: bool, tmp_path: Path
) -> None:
    """The reference: numpy's choice without replacement, p = 1 / clips of the source."""
    sources = [1, 1, 2, 4, 8]
    rows = rows_of(sources)
    weights = np.array([1 / clips if by_source else 1.0 for clips in sources for _ in range(clips)])
    count, rounds = 5, 3000
    generator = np.random.default_rng(1)
    reference = np.zeros(len(rows))
    for _ in range(40_000):
        reference[generator.choice(len(rows), count, replace=False, p=weights / weights.sum())] += 1
    reference *= rounds / 40_000
    # Each copy of the small world is a draw of its own: the rows with its lowest keys.
    with open_rows(write_table(rows_of(sources * rounds), tmp_path / "t.parquet")) as table:
        counts = drawing._count_sources(table.relation, measured=False)
        keyed = drawing._keyed(
            table.relation, counts, 7, by_source=by_source, measured=False, is_named=True
        )
        world = f"YoutubeID::int // {len(sources)}"
        place = "row_number() over (partition by YoutubeID order by Start_timestamp)"
        drawn = keyed.project(
            f"YoutubeID::int % {len(sources)} as source, {place} as clip, "
            f"row_number() over (partition by {world} order by internvid_draw_key) <= {count} "
            "as is_drawn"
        )
        found = drawn.aggregate(
            "source, clip, count(*) filter (where is_drawn)", "source, clip"
        ).order("source, clip")
        seen = np.array([row[2] for row in found.fetchall()], float)
    variance = reference * (1 - reference / rounds)
    statistic = float((((seen - reference) ** 2) / np.maximum(variance, 1e-9)).sum())
    # Chi-square of 16 values, one in ten thousand beyond: 43; the sum is fixed, which lowers it.
    assert statistic < 43, statistic


@pytest.mark.parametrize(
    "selector",
    [
        Random(count=100),
        Diverse(count=100),
        Random(hours=0.2),
        Diverse(hours=0.2),
        Filtered(count=60),
        Filtered(count=60, order="draw_first"),
        Aesthetic(count=50),
        Aesthetic(text_column="UMT_Score", count=50),
        Cap(count=2),
        Quota(column="YoutubeID", count=3),
        Chain((Where("UMT_Score > 0.3"), Cap(5), Random(count=40))),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_a_seed_gives_one_set_whatever_the_order_and_the_files(
    selector: Selector, tmp_path: Path
) -> None:
    rows = rows_of(SKEWED)
    one = chosen(write_table(rows, tmp_path / "a.parquet"), selector, tmp_path / "out.parquet")
    shuffled = random.Random(3).sample(rows, len(rows))
    parts = tmp_path / "parts"
    parts.mkdir()
    for part in range(3):
        write_table(shuffled[part::3], parts / f"{part}.parquet", group=97)
    two = chosen(parts, selector, tmp_path / "out.parquet")
    assert 0 < len(one) < len(rows)
    assert sorted(map(name_of, one)) == sorted(map(name_of, two))
    order = {name_of(row): at for at, row in enumerate(rows)}
    assert [order[name_of(row)] for row in one] == sorted(order[name_of(row)] for row in one)


def test_the_bracket_of_a_large_draw_finds_the_set_that_sorting_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_table(rows_of([3] * 2000 + [50] * 60 + [3000]), tmp_path / "t.parquet")
    for selector in (Random(count=700), Diverse(count=700), Diverse(hours=3.0), Random(hours=2.0)):
        sorted_whole = chosen(table, selector, tmp_path / "out.parquet")
        with monkeypatch.context() as patch:
            patch.setattr(expected_sums, "_FEW", 0)
            assert chosen(table, selector, tmp_path / "out.parquet") == sorted_whole


def test_a_larger_draw_contains_a_smaller_one(tmp_path: Path) -> None:
    table = write_table(rows_of(SKEWED), tmp_path / "t.parquet")
    for kind in (Random, Diverse):
        small, large = (
            set(map(name_of, chosen(table, kind(count=count), tmp_path / "out.parquet")))
            for count in (50, 200)
        )
        assert len(small) == 50
        assert len(large) == 200
        assert small < large


def test_hours_are_a_budget_that_is_used_and_never_exceeded(tmp_path: Path) -> None:
    table = write_table(rows_of(SKEWED), tmp_path / "t.parquet")
    summary = select_table(table, Diverse(hours=0.5), tmp_path / "a.parquet")
    assert 0.48 < summary.hours <= 0.5
    both = select_table(table, Diverse(hours=0.5, count=20), tmp_path / "b.parquet")
    assert both.clips == 20
    whole = select_table(table, Random(hours=1000), tmp_path / "c.parquet")
    assert whole.rejected == 0


def test_flt_is_the_best_share_of_the_clips_of_that_length(tmp_path: Path) -> None:
    rows = rows_of(SKEWED)
    table = write_table(rows, tmp_path / "t.parquet")
    summary = select_table(table, Filtered(), tmp_path / "out.parquet")

    def seconds(text: str) -> float:
        hours, minutes, rest = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)

    lengths = [seconds(row["End_timestamp"]) - seconds(row["Start_timestamp"]) for row in rows]
    fitting = [row for row, length in zip(rows, lengths, strict=True) if 1 <= length <= 120]
    scores = sorted((row["UMT_Score"] for row in fitting), reverse=True)
    least = scores[math.floor(0.3 * len(scores)) - 1]
    wanted = [row for row in fitting if row["UMT_Score"] >= least]
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == wanted
    assert summary.reasons == {
        "low_score": len(fitting) - len(wanted),
        "too_short": sum(length < 1 for length in lengths),
        **({"too_long": over} if (over := sum(length > 120 for length in lengths)) else {}),
    }


def test_flt_draws_first_if_asked_to(tmp_path: Path) -> None:
    table = write_table(rows_of(SKEWED), tmp_path / "t.parquet")
    drawn = select_table(table, Filtered(count=60, order="draw_first"), tmp_path / "out.parquet")
    assert 55 <= drawn.clips <= 65
    assert drawn.reasons["not_drawn"] > drawn.reasons["low_score"]


def test_aes_keeps_the_best_by_text_score(tmp_path: Path) -> None:
    # One digit: many clips tie at the last score.
    rows = rows_of(SKEWED, digits=1)
    table = write_table(rows, tmp_path / "t.parquet")
    found = chosen(table, Aesthetic(text_column="UMT_Score", count=100), tmp_path / "out.parquet")
    assert len(found) == 100
    good = sorted((row["UMT_Score"] for row in rows if row["Aesthetic_Score"] >= 4), reverse=True)
    assert sorted((row["UMT_Score"] for row in found), reverse=True) == good[:100]
    every = select_table(table, Aesthetic(), tmp_path / "every.parquet")
    assert every.clips == len(good)
    assert every.reasons == {"low_aesthetic": len(rows) - len(good)}


def test_caps_and_quotas_leave_rare_values_whole(tmp_path: Path) -> None:
    table = write_table(rows_of(SKEWED), tmp_path / "t.parquet")
    capped = Counter(row["YoutubeID"] for row in chosen(table, Cap(4), tmp_path / "o.parquet"))
    assert sorted(capped.values()) == sorted(min(4, clips) for clips in SKEWED)
    with pytest.raises(ConfigInvalidError, match="no column 'language' to balance"):
        select_table(table, Quota("language"), tmp_path / "none.parquet")


def test_clusters_of_vectors_are_balanced(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = rows_of([200, 20, 5])
    centres = np.eye(3, 8)
    for row in rows:
        near = centres[int(row["YoutubeID"])] + generator.normal(0, 0.05, 8)
        row["vector"] = near.tolist()
    table = write_table(rows, tmp_path / "t.parquet")
    found = chosen(table, Quota("vector", 10, clusters=3), tmp_path / "out.parquet")
    assert Counter(int(row["YoutubeID"]) for row in found) == {0: 10, 1: 10, 2: 5}
    with pytest.raises(ConfigInvalidError, match="1000 clusters"):
        select_table(table, Quota("vector", 10, clusters=1000), tmp_path / "none.parquet")


def test_scores_that_are_no_numbers_are_no_scores(tmp_path: Path) -> None:
    rows = rows_of([50])
    for at, value in enumerate((math.nan, math.inf, -math.inf, None)):
        rows[at] = {**rows[at], "UMT_Score": value, "Aesthetic_Score": value}
        rows[at]["End_timestamp"] = stamp(at * 200 + 10)
    table = write_table(rows, tmp_path / "t.parquet")
    assert select_table(table, Filtered(), tmp_path / "a.parquet").reasons["no_score"] == 4
    assert select_table(table, Aesthetic(), tmp_path / "b.parquet").reasons["no_score"] == 4


def test_a_score_in_a_list_of_one_is_a_score(tmp_path: Path) -> None:
    videos = [
        {
            "videoID": f"v{video}",
            "url": "u",
            "timestamp": str([[stamp(at * 9), stamp(at * 9 + 5)] for at in range(10)]),
            "caption": str(["a dog"] * 10),
            "matching_score": str([(10 * video + at) / 50 for at in range(10)]),
        }
        for video in range(5)
    ]
    table = write_table(videos, tmp_path / "panda.parquet")
    best = chosen(table, Filtered(share=0.2), tmp_path / "best.parquet")
    assert {row["matching_score"] for row in best} == {f"[{at / 50}]" for at in range(40, 50)}


def test_a_score_has_to_be_named_where_it_is_not_known(tmp_path: Path) -> None:
    rows = [{**row, "CLIP_Score": 0.2} for row in rows_of([20])]
    table = write_table(rows, tmp_path / "t.parquet")
    with pytest.raises(ConfigInvalidError, match="several is of a known name"):
        select_table(table, Filtered(), tmp_path / "a.parquet")
    assert select_table(table, Filtered("CLIP_Score"), tmp_path / "a.parquet").clips
    with pytest.raises(ConfigInvalidError, match="none is called 'Nope'"):
        select_table(table, Filtered("Nope"), tmp_path / "b.parquet")


@pytest.mark.parametrize(
    "selector",
    [
        Random(count=30),
        Random(),
        Random(count=10**9),
        Diverse(count=30),
        Filtered(),
        Aesthetic(count=20),
        Cap(2),
    ],
)
def test_faulty_rows_are_counted_and_change_nothing_else(
    selector: Selector, tmp_path: Path
) -> None:
    rows = rows_of(SKEWED)
    clean = write_table(rows, tmp_path / "clean.parquet")
    source = {**rows[0], "Aesthetic_Score": 9.0}
    faulty = [
        {**source, "YoutubeID": ""},
        {**source, "Start_timestamp": "00:99:00.000"},
        {**source, "Start_timestamp": "09:00:00.000"},
        {**source, "End_timestamp": None},
    ]
    dirty = write_table([*faulty[:2], *rows, *faulty[2:]], tmp_path / "dirty.parquet")
    first = select_table(clean, selector, tmp_path / "a.parquet")
    second = select_table(dirty, selector, tmp_path / "b.parquet", with_rejected=True)
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))
    faults = {"no_id": 1, "malformed_time": 1, "reversed_time": 1, "no_time": 1}
    assert second.reasons == {**first.reasons, **faults}
    rejected = pq.read_table(tmp_path / "b.rejected.parquet").to_pylist()
    assert Counter(row["rejection"] for row in rejected) == second.reasons


@pytest.mark.parametrize("selector", [Random(count=30), Diverse(count=30), Where("true")])
def test_rows_that_name_one_clip_twice_are_taken_once(selector: Selector, tmp_path: Path) -> None:
    rows = rows_of([1] * 20 + [30])
    again = [{**row, "Caption": "again"} for row in rows]
    table = write_table([*rows, *again], tmp_path / "t.parquet")
    summary = select_table(table, selector, tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert len({name_of(row) for row in found}) == len(found) == summary.clips
    assert all(row["Caption"] != "again" for row in found)
    assert summary.reasons["duplicate"] == len(rows)


def test_nothing_is_overwritten_and_nothing_fits_is_said(tmp_path: Path) -> None:
    table = write_table(rows_of([3]), tmp_path / "t.parquet")
    select_table(table, Random(), tmp_path / "out.parquet")
    with pytest.raises(OutputExistsError):
        select_table(table, Random(), tmp_path / "out.parquet")
    with pytest.raises(MisuseError, match=r"nothing fits: 0 of 3 rows \(3 where\)"):
        select_table(table, Where("false"), tmp_path / "none.parquet")
    assert not (tmp_path / "none.parquet").exists()
    with pytest.raises(MisuseError, match="nowhere to write"):
        select_table(table, Random(), None)


def test_rows_with_names_of_their_own_are_drawn_by_these(tmp_path: Path) -> None:
    """OpenVid-1M names its files, and has no times: each is drawn for itself."""
    rows = [
        {"video": f"abcdefghij{clip % 5}_{clip}_0to99.mp4", "caption": "x", "seconds": 4.0,
         "frame": 100, "aesthetic score": 4.0 + clip % 3}
        for clip in range(400)
    ]  # fmt: skip
    table = write_table(rows, tmp_path / "t.parquet")
    for number, selector in enumerate(
        (Random(count=20), Diverse(count=20), Aesthetic(count=20), Filtered("aesthetic score", 1.0,
         count=20))
    ):  # fmt: skip
        assert select_table(table, selector, tmp_path / f"{number}.parquet").clips == 20


def test_columns_of_a_table_may_be_called_anything(tmp_path: Path) -> None:
    names = ("length", "source_key", "draw_key", "drawn", "rows_of_source", "squares", "number")
    rows = [{**row, **dict.fromkeys(names, 1.5)} for row in rows_of([1, 5, 40])]
    table = write_table(rows, tmp_path / "t.parquet")
    for number, selector in enumerate((Random(count=9), Diverse(hours=0.02), Filtered(count=3))):
        out = tmp_path / f"{number}.parquet"
        assert 0 < select_table(table, selector, out).clips < len(rows)
        assert set(names) < set(pq.read_schema(out).names)
