"""Subsets: what they take, that they can be made again, and that they cannot be confused."""

from __future__ import annotations

from pathlib import Path

import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.curate.select import select
from internvid.curate.selectors import Random, Where
from internvid.dataset.store import Dataset
from tests.listening import Listener


def test_a_condition_takes_exactly_the_clips_that_fit(dataset: Dataset) -> None:
    lengths = sorted(dataset.clips()["duration_seconds"].to_pylist())
    middle = lengths[len(lengths) // 2]
    summary = select(dataset, Where(f"duration_seconds >= {middle}"), "long")
    assert summary.clips == sum(length >= middle for length in lengths)
    assert summary.of == len(lengths)
    assert dataset.clips("long").num_rows == summary.clips
    assert "long" in dataset.subsets()


def test_a_larger_sample_contains_a_smaller_one(dataset: Dataset) -> None:
    select(dataset, Random(count=1, seed=3), "one")
    select(dataset, Random(count=3, seed=3), "three")
    one, three = (set(dataset.clips(name)["clip_id"].to_pylist()) for name in ("one", "three"))
    assert len(one) == 1
    assert one < three
    select(dataset, Random(count=10**9), "every")
    assert dataset.clips("every").num_rows == dataset.clips().num_rows


def test_the_same_name_stays_with_its_recipe(dataset: Dataset) -> None:
    first = select(dataset, Random(count=2), "pair")
    assert select(dataset, Random(count=2), "pair") == first
    with pytest.raises(MisuseError, match="made by another recipe"):
        select(dataset, Random(count=1), "pair")


def test_clips_outside_another_subset_are_the_rest_of_a_subset(dataset: Dataset) -> None:
    select(dataset, Random(count=5, seed=3), "five")
    select(dataset, Random(count=4, seed=8), "others")
    five, others = (set(dataset.clips(name)["clip_id"].to_pylist()) for name in ("five", "others"))
    summary = internvid.select(dataset, "outside", "rest", "others", subset="five")
    assert set(dataset.clips("rest")["clip_id"].to_pylist()) == five - others
    shared = len(five & others)
    assert summary.reasons == ({"in_subset": shared} if shared else {})
    internvid.select(dataset, "outside", "all-others", "others")
    assert len(others) + dataset.clips("all-others").num_rows == dataset.clips().num_rows
    with pytest.raises(MisuseError, match="no subset 'lost'"):
        internvid.select(dataset, "outside", "wrong", "lost")
    with pytest.raises(ConfigInvalidError, match="name of a subset"):
        internvid.select(dataset, "outside", "wrong")


def test_a_table_has_no_subset_to_be_outside_of(dataset: Dataset, tmp_path: Path) -> None:
    internvid.select(dataset, "random", None, 3, out=tmp_path / "three.parquet")
    with pytest.raises(ConfigInvalidError, match="only a dataset has subsets"):
        internvid.select(
            tmp_path / "three.parquet", "outside", None, "x", out=tmp_path / "out.parquet"
        )


@pytest.mark.parametrize(
    "condition",
    [
        "no_such_column > 1",
        "duration_seconds >",
        "true); drop table clips; --",
        "1; select 1",
        "",
        "measured::int > 1",
    ],
)
def test_a_wrong_condition_is_misuse_and_names_the_columns(
    condition: str, dataset: Dataset
) -> None:
    with pytest.raises(ConfigInvalidError, match="cannot be used") as caught:
        select(dataset, Where(condition), "wrong")
    assert "duration_seconds" in str(caught.value)
    assert "wrong" not in dataset.subsets()


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-x", ".hidden", "n" * 101, "a\nb", "a:b"])
def test_a_name_that_is_no_file_name_is_refused(name: str, dataset: Dataset) -> None:
    with pytest.raises(MisuseError, match="cannot name a subset"):
        select(dataset, Random(count=1), name)


def test_nothing_found_and_nothing_asked_for_are_misuse(dataset: Dataset) -> None:
    with pytest.raises(MisuseError, match="nothing fits"):
        select(dataset, Where("false"), "nothing")
    with pytest.raises(ConfigInvalidError, match="at least 1"):
        select(dataset, Random(count=0), "nothing")


@pytest.mark.parametrize(
    "condition",
    [
        "(select count(*) from read_text('{outside}')) > 0",
        "(select count(*) from glob('{outside}')) > 0",
        "exists (from '{address}/x.parquet')",
        "exists (from read_csv('{outside}'))",
        "exists (from read_text('{root}/dataset.json'))",
    ],
)
def test_a_condition_reaches_nothing_but_the_tables(
    condition: str, dataset: Dataset, outside: Path, listener: Listener
) -> None:
    filled = condition.format(outside=outside, address=listener.address, root=dataset.root)
    with pytest.raises(ConfigInvalidError, match="Cannot access file") as caught:
        select(dataset, Where(filled), "outside")
    assert "reads the dataset's own tables" in str(caught.value)
    assert listener.heard == 0
    assert "outside" not in dataset.subsets()


def test_a_condition_may_ask_other_tables_of_the_dataset(dataset: Dataset) -> None:
    condition = "video_id in (select video_id from videos where fps > 0)"
    assert select(dataset, Where(condition), "by-video").clips == len(dataset.clips())
