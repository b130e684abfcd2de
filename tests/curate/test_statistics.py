"""Statistics of tables of clips, against the same figures counted in Python."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import MisuseError
from internvid.curate.statistics import (
    ClipNumbers,
    Roles,
    clip_statistics,
    find_roles,
    with_columns,
)
from internvid.curate.statistics import caption_lengths as lengths_module
from internvid.curate.statistics import spreads as spreads_module
from internvid.curate.statistics.spreads import weighted_quantiles


def count(columns: dict[str, Any], assigned: Sequence[str] = (), **options: Any) -> ClipNumbers:
    """Statistics of a table with these columns; reads no caption unless asked to."""
    connection = duckdb.connect()
    table = pa.table(columns)
    connection.register("given", table)
    relation = connection.sql("select * from given")
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    roles = with_columns(find_roles(kinds), assigned, kinds)
    numbers = clip_statistics(connection, relation, roles, **{"captions": 0, **options})
    json.dumps(numbers, allow_nan=False)
    left = connection.execute("select table_name from information_schema.tables").fetchall()
    assert [name for (name,) in left if name.startswith("internvid")] == []
    return numbers


def values_of(numbers: ClipNumbers, role: str) -> Any:
    return next(one for one in numbers["values"] if one["role"] == role)


def shares_of(numbers: ClipNumbers, figure: str) -> list[int]:
    found = next(one for one in numbers["shares"] if one["figure"] == figure)
    return [row["count"] for row in found["buckets"]]


def test_lengths_sources_and_hours_are_those_of_the_rows() -> None:
    drawn = random.Random(3)
    sources = [f"v{min(int(drawn.expovariate(0.2)), 30)}" for _ in range(500)]
    seconds = [
        round(drawn.choice([0.7, 2.0, 3.999, 4.0, 10.0, 19.9, 20.0, 77.25]), 3) for _ in sources
    ]
    numbers = count({"video_id": sources, "duration": seconds})
    assert (numbers["clips"], numbers["sources"]) == (500, len(set(sources)))
    assert numbers["hours"] == pytest.approx(sum(seconds) / 3600, rel=1e-12)
    spread = numbers["clip_seconds"]
    assert spread is not None
    assert spread["mean"] == pytest.approx(statistics.mean(seconds), rel=1e-8)
    assert (spread["minimum"], spread["maximum"]) == (min(seconds), max(seconds))
    ranked = sorted(seconds)
    assert spread["quantiles"]["0.5"] == ranked[249]
    assert spread["quantiles"]["0.95"] == ranked[474]
    edges = (2, 4, 10, 20)
    expected = Counter(sum(value >= edge for edge in edges) for value in seconds)
    assert shares_of(numbers, "Clip length") == [expected[at] for at in range(5)]
    per_source = Counter(sources)
    clips = numbers["clips_per_source"]
    assert clips is not None
    assert clips["maximum"] == max(per_source.values())
    assert clips["mean"] == pytest.approx(500 / len(per_source), rel=1e-8)
    hours: Counter[str] = Counter()
    for source, length in zip(sources, seconds, strict=True):
        hours[source] += length
    total = sum(hours.values())
    found = values_of(numbers, "source")
    assert found["values"][0]["value"] == max(hours, key=lambda name: hours[name])
    assert found["top_1"] == pytest.approx(max(hours.values()) / total)
    assert found["top_10"] == pytest.approx(sum(sorted(hours.values())[-10:]) / total)
    squares = sum((value / total) ** 2 for value in hours.values())
    assert found["effective"] == pytest.approx(1 / squares, rel=1e-5)


def test_the_length_of_a_clip_is_its_end_less_its_start() -> None:
    numbers = count(
        {"video_id": ["a"] * 3, "start_seconds": [4.3, 0, 1], "end_seconds": [6.3, 2.5, 9]}
    )
    # 6.3 - 4.3 is a hair below two.
    assert shares_of(numbers, "Clip length") == [0, 2, 1, 0, 0]
    assert numbers["hours"] == pytest.approx(12.5 / 3600)


def test_values_that_are_no_lengths_count_as_rows_alone() -> None:
    odd = [math.nan, math.inf, -math.inf, -1.0, 1e300, None, 0.0, 3.0]
    numbers = count(
        {"video_id": list("aabbccdd"), "duration": pa.array(odd, pa.float64(), from_pandas=False)}
    )
    spread = numbers["clip_seconds"]
    assert spread is not None
    assert numbers["clips"] == 8
    assert (spread["count"], spread["missing"], spread["not_finite"]) == (2, 1, 5)
    assert numbers["hours"] == pytest.approx(3 / 3600)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_of_no_row_or_one(rows: int) -> None:
    columns = {
        "video_id": pa.array(["a"] * rows, pa.string()),
        "duration": pa.array([2.5] * rows, pa.float64()),
        "caption": pa.array(["a dog runs"] * rows, pa.string()),
        "score": pa.array([0.25] * rows, pa.float64()),
        "category": pa.array(["Sports"] * rows, pa.string()),
        "upload_date": pa.array(["20200101"] * rows, pa.string()),
        "width": pa.array([1280] * rows, pa.int32()),
        "height": pa.array([720] * rows, pa.int32()),
        "video_duration": pa.array([400.0] * rows, pa.float64()),
    }
    numbers = count(columns)
    assert (numbers["clips"], numbers["sources"]) == (rows, rows)
    assert numbers["captions"][0]["words"]["mean"] == (3 if rows else None)
    assert numbers["scores"][0]["count"] == rows
    assert sum(shares_of(numbers, "Resolution")) == rows
    assert shares_of(numbers, "Video length") == [0, rows, 0, 0]
    assert [one["value"] for one in values_of(numbers, "date")["values"]] == ["2020"] * rows


def test_columns_without_any_value() -> None:
    nothing = [None] * 20
    numbers = count({
        "video_id": pa.array(nothing, pa.string()), "duration": pa.array(nothing, pa.float64()),
        "caption": pa.array(nothing, pa.string()),
        "aesthetic_score": pa.array(nothing, pa.float32()),
        "category": pa.array(nothing, pa.string()),
    })  # fmt: skip
    assert (numbers["clips"], numbers["sources"], numbers["hours"]) == (20, 0, 0)
    assert numbers["captions"][0]["missing"] == 20
    assert numbers["scores"][0]["missing"] == 20
    assert values_of(numbers, "category")["without"] == 20
    assert numbers["warnings"] == []


def test_a_table_of_nothing_that_is_known() -> None:
    numbers = count({"colour": ["red", "blue"]})
    assert (numbers["clips"], numbers["sources"], numbers["clip_seconds"]) == (2, None, None)
    assert numbers["values"] == numbers["captions"] == numbers["scores"] == []


def test_names_with_quotes_are_names() -> None:
    names = {
        'the "caption"': ["a b", "c"],
        "a 'score": [0.5, 1.5],
        'x"; drop table given; --': ["p", "q"],
    }
    numbers = count(names, ['value=x"; drop table given; --'])
    assert numbers["captions"][0]["column"] == 'the "caption"'
    assert numbers["scores"][0]["mean"] == 1.0
    assert values_of(numbers, "value")["different"] == 2


def test_many_values_are_twenty_and_the_rest() -> None:
    owners = [f"o{at % 3000:04d}" for at in range(9000)] + ["big"] * 600
    numbers = count(
        {"channel": owners, "duration": [2.0] * len(owners), "video_id": ["v"] * len(owners)}
    )
    found = values_of(numbers, "owner")
    assert (found["different"], len(found["values"])) == (3001, 20)
    assert found["values"][0] == {
        "value": "big", "clips": 600, "hours": pytest.approx(1 / 3), "share": pytest.approx(0.0625),
    }  # fmt: skip
    # Of equal ones the first by name.
    assert [one["value"] for one in found["values"][1:3]] == ["o0000", "o0001"]
    assert found["rest"]["clips"] == 9600 - 600 - 19 * 3
    assert sum(one["share"] for one in [*found["values"], found["rest"]]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), ["20190304", "2019-05-06", "2019", " 2019-01-01T10:00:00Z"]),
        (pa.int64(), [20190304, 20191231, 2019, 20190101]),
        (pa.date32(), [dt.date(2019, 3, at) for at in range(1, 5)]),
        (pa.timestamp("us"), [dt.datetime(2019, 3, at) for at in range(1, 5)]),  # noqa: DTZ001
    ],
)
def test_years_of_every_way_to_write_a_date(kind: pa.DataType, values: list[Any]) -> None:
    dates = pa.array([*values, None], kind)
    found = values_of(count({"upload_date": dates, "video_id": list("abcde")}), "date")
    assert [(one["value"], one["clips"]) for one in found["values"]] == [("2019", 4)]
    assert found["without"] == 1


def test_what_is_no_year_is_none() -> None:
    odd = ["yesterday", "0000", "9999", "", "1569"]
    assert values_of(count({"upload_date": odd, "video_id": odd}), "date")["values"] == []


def test_scores_that_are_known_have_the_papers_buckets() -> None:
    drawn = random.Random(0)
    beauty = [drawn.uniform(2, 8) for _ in range(2000)]
    fit = [drawn.choice([0.3, 0.4, 0.35, 0.1]) for _ in beauty]
    numbers = count({"Aesthetic_Score": beauty, "UMT_Score": pa.array(fit, pa.float32())})
    found = {one["figure"]: [row["count"] for row in one["buckets"]] for one in numbers["shares"]}
    assert found["Aesthetic score"] == [
        sum(x < 4 for x in beauty), sum(4 <= x < 6 for x in beauty), sum(x >= 6 for x in beauty),
    ]  # fmt: skip
    assert found["UMT similarity"] == [
        fit.count(0.1),
        0,
        fit.count(0.3) + fit.count(0.35),
        fit.count(0.4),
        0,
    ]
    spread = numbers["scores"][0]
    assert (spread["edges"][0], spread["edges"][-1], len(spread["edges"])) == (0.0, 10.0, 21)
    assert spread["counts"][1 + 8] == sum(4 <= x < 4.5 for x in beauty)
    assert sum(spread["counts"]) == 2000
    assert spread["quantiles"]["0.5"] == pytest.approx(statistics.median(beauty))


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 50,
        [1e308, -1e308, 0.0, 5.0],
        [float(at) for at in range(1000)] + [1e12],
        [0.0] * 5000 + [1.0] * 3,
        [1e-300, 2e-300, 3e-300],
        [-7.5],
    ],
    ids=["equal", "huge", "one outlier", "rare", "tiny", "one"],
)
def test_histograms_of_odd_scores_hold_every_value(values: list[float]) -> None:
    spread = count({"score": values})["scores"][0]
    assert sum(spread["counts"]) == len(values)
    assert spread["edges"] == sorted(spread["edges"])
    assert len(spread["counts"]) == len(spread["edges"]) + 1 <= 60
    assert (spread["minimum"], spread["maximum"]) == (min(values), max(values))


def test_one_outlier_does_not_flatten_a_histogram() -> None:
    spread = count({"score": [float(at) for at in range(1000)] + [1e12]})["scores"][0]
    assert sum(number > 0 for number in spread["counts"]) > 15


def test_a_score_of_another_scale_than_its_name_says() -> None:
    spread = count({"clip_score": [float(at % 40) for at in range(400)]})["scores"][0]
    assert spread["edges"][0] <= 0
    assert spread["edges"][-1] >= 39
    assert spread["counts"][0] == spread["counts"][-1] == 0


def test_many_rows_are_estimated_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random.Random(1)
    rows = 30_000
    columns = {
        "video_id": [f"v{at % 500}" for at in range(rows)],
        "start_seconds": [float(at) for at in range(rows)],
        "end_seconds": [at + 1 + drawn.random() for at in range(rows)],
        "caption": [" ".join(["word"] * drawn.randrange(1, 40)) for _ in range(rows)],
        "aesthetic_score": [drawn.gauss(5, 0.8) for _ in range(rows)],
    }
    exact = count(columns)
    assert exact["approximate"] == []
    for place in (spreads_module, lengths_module):
        monkeypatch.setattr(place, "EXACT_ROWS", 1000)
    monkeypatch.setattr(lengths_module, "MEASURED_OF_MANY", 6000)
    about = count(columns)
    assert [line.split(":")[0] for line in about["approximate"]] == [
        "quantiles of aesthetic_score", "lengths of caption",
    ]  # fmt: skip
    spread = about["scores"][0]
    for share, value in exact["scores"][0]["quantiles"].items():
        assert abs(spread["quantiles"][share] - value) <= spread["resolution"]
    assert spread["counts"] == exact["scores"][0]["counts"]
    text = about["captions"][0]
    assert text["sampled"]
    assert 5400 < text["captions"] < 6600
    assert text["words"]["mean"] == pytest.approx(exact["captions"][0]["words"]["mean"], rel=0.03)
    whole = exact["captions"][0]["words"]["shares"]["buckets"]
    for one, other in zip(text["words"]["shares"]["buckets"], whole, strict=True):
        assert one["share"] == pytest.approx(other["share"], abs=0.03)
    # All else is as exact as before, and a seed draws its own rows again.
    assert about["clip_seconds"] == exact["clip_seconds"]
    assert about["values"] == exact["values"]
    assert count(columns)["captions"] == about["captions"]
    assert count(columns, seed=1)["captions"] != about["captions"]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=200))
@settings(max_examples=60, deadline=None)
def test_quantiles_of_counts_are_those_of_the_values(values: list[int]) -> None:
    counted = sorted(Counter(values).items())
    ranked = sorted(values)
    for share, value in weighted_quantiles(counted).items():
        assert value == ranked[math.ceil(float(share) * len(values)) - 1]


def test_a_value_that_dominates_is_a_warning() -> None:
    numbers = count({
        "video_id": [f"v{at}" for at in range(100)], "duration": [1.0] * 40 + [3.0] * 60,
        "category": ["Gaming"] * 40 + ["Sports"] * 60,
        "channel": ["big"] * 30 + [f"c{at}" for at in range(70)],
        "talking_head": [False] * 90 + [True] * 10,
        "language": ["en"] * 50 + ["zh"] * 50,
    })  # fmt: skip
    assert [(one["column"], one["value"]) for one in numbers["warnings"]] == [
        ("category", "Sports"), ("language", "zh"), ("channel", "big"),
    ]  # fmt: skip
    sports = numbers["warnings"][0]
    assert (sports["by"], sports["clips"]) == ("hours", 60)
    assert sports["share"] == pytest.approx(180 / 220)
    assert sports["rule"] == "one value has more than 50 % of the hours"
    assert numbers["warnings"][2]["rule"] == "one owner has more than 10 % of the hours"


def test_half_is_not_more_than_half_and_few_owners_are_no_warning() -> None:
    numbers = count({
        "video_id": list("abcdefgh"), "category": ["a"] * 4 + ["b"] * 4,
        "channel": list("aaaaaabc"),
    })  # fmt: skip
    assert values_of(numbers, "category")["by"] == "clips"
    assert numbers["warnings"] == []


def test_talking_heads_by_a_flag_or_a_word() -> None:
    flags = count({"is_talking_head": [True] * 8 + [False] * 2})
    assert [(one["role"], one["value"]) for one in flags["warnings"]] == [("talking_head", "true")]
    words = count({"shot": ["talking"] * 8 + ["wide"] * 2}, ["talking_head=shot"])
    assert [(one["role"], one["value"]) for one in words["warnings"]] == [
        ("talking_head", "talking")
    ]


def test_roles_of_published_and_of_own_names() -> None:
    published = {
        "YoutubeID": "VARCHAR", "Start_timestamp": "VARCHAR", "Caption": "VARCHAR",
        "UMT_Score": "DOUBLE", "Aesthetic_Score": "FLOAT", "Category": "VARCHAR",
        "start_seconds": "DOUBLE", "end_seconds": "DOUBLE", "transition_score": "FLOAT",
    }  # fmt: skip
    roles = find_roles(published)
    assert roles == Roles(
        source="YoutubeID", start="start_seconds", end="end_seconds", captions=("Caption",),
        scores=("UMT_Score", "Aesthetic_Score"), category="Category",
    )  # fmt: skip
    own = with_columns(roles, ["owner=Category", "category=", "score=end_seconds"], published)
    assert (own.owner, own.category, own.scores) == ("Category", None, ("end_seconds",))


@pytest.mark.parametrize(
    ("assigned", "message"),
    [
        ("owner", "not ROLE=COLUMN"),
        ("colour=a", "known role"),
        ("owner=b", "no column 'b'"),
        ("score=a", "not numbers"),
        ("caption=n", "not texts"),
    ],
)
def test_a_role_that_cannot_be(assigned: str, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        with_columns(Roles(), [assigned], {"a": "VARCHAR", "n": "DOUBLE"})


def test_the_paper_stands_beside_with_what_to_know() -> None:
    numbers = count({"video_id": ["a", "b"], "duration": [1.0, 3.0], "caption": ["a b c", "d"]})
    beside = {one["figure"]: (one["here"], one["paper"]) for one in numbers["paper"]}
    assert beside["clips"] == (2, 234_000_000)
    assert beside["mean clip, seconds"] == (2.0, 11.7)
    assert beside["mean words of caption"] == (2.0, 17.6)
    assert beside["categories"] == (None, 16)
    assert "distinct verbs of caption" not in beside


def test_progress_names_each_stage() -> None:
    stages: list[str] = []
    count(
        {"video_id": ["a"], "duration": [1.0], "caption": ["x"], "category": ["y"]},
        tell=lambda stage, _: stages.append(stage),
    )
    assert stages == [
        "counting clips, hours and sources",
        "counting category",
        "measuring caption",
    ]
