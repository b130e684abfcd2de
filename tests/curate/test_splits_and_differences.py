"""split and diff: sources and near-duplicates on one side, and what two sides share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, MisuseError, NothingSelectedError
from internvid.dataset.store import Dataset

PARTS = ("train", "val", "test")


def write_rows(path: Path, sources: Iterator[int] | range, groups: dict[int, str]) -> Path:
    """Three clips of each source, in groups of duplicates where the source has one."""
    rows = [
        {
            "source_id": f"s{source}",
            "start_seconds": 10.0 * clip,
            "end_seconds": 10.0 * clip + 4,
            "duplicate_group": groups.get(source) if clip == 1 else None,
            "score": source / 7 + clip,
        }
        for source in sources
        for clip in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def sides(table: Path, out: Path, **options: Any) -> dict[str, str]:
    """Source -> its part; each of its clips is in that part alone."""
    for part in PARTS:
        out.with_name(f"{out.stem}.{part}{out.suffix}").unlink(missing_ok=True)
    found: dict[str, str] = {}
    clips = 0
    for part in internvid.split(table, out=out, **options):
        rows = pq.read_table(out.with_name(f"{out.stem}.{part}{out.suffix}"))
        clips += rows.num_rows
        for source in set(rows["source_id"].to_pylist()):
            assert found.setdefault(source, part) == part
    assert clips == pq.read_metadata(table).num_rows
    return found


def test_shares_are_kept_and_no_source_changes_sides_when_others_come(tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.parquet", range(300), {})
    many = write_rows(tmp_path / "many.parquet", range(1500), {})
    first = sides(few, tmp_path / "a.parquet", val=0.1, test=0.2)
    second = sides(many, tmp_path / "b.parquet", val=0.1, test=0.2)
    assert first.items() <= second.items()
    shares = {part: list(second.values()).count(part) / 1500 for part in PARTS}
    # Three standard deviations of a draw of each source by itself.
    assert shares["val"] == pytest.approx(0.1, abs=0.025)
    assert shares["test"] == pytest.approx(0.2, abs=0.032)
    other = sides(few, tmp_path / "c.parquet", val=0.1, test=0.2, seed=1)
    assert other != first


def test_groups_of_duplicates_are_on_one_side(tmp_path: Path) -> None:
    groups = {source: f"g{source // 2 % 40}" for source in range(300)}
    table = write_rows(tmp_path / "t.parquet", range(300), groups)
    found = sides(table, tmp_path / "a.parquet", val=0.2, test=0.2)
    by_group: dict[str, set[str]] = {}
    for source, group in groups.items():
        by_group.setdefault(group, set()).add(found[f"s{source}"])
    assert all(len(parts) == 1 for parts in by_group.values())
    apart = sides(table, tmp_path / "a.parquet", val=0.2, test=0.2, groups="")
    assert any(
        len({apart[f"s{source}"] for source, group in groups.items() if group == one}) > 1
        for one in by_group
    )


def test_numbers_of_clips_are_reached_by_whole_sources(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.parquet", range(50), {})
    done = internvid.split(table, out=tmp_path / "a.parquet", val=10, test=20)
    assert (done["val"].clips, done["test"].clips) == (12, 21)
    assert sum(part.clips for part in done.values()) == 150
    assert done["train"].reasons == {"test": 21, "val": 12}


def test_what_is_no_split_is_refused(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.parquet", range(5), {})
    with pytest.raises(ConfigInvalidError, match="nothing to train"):
        internvid.split(table, out=tmp_path / "a.parquet", val=0.5, test=0.5)
    with pytest.raises(ConfigInvalidError, match=r"got 2\.5"):
        internvid.split(table, out=tmp_path / "a.parquet", val=2.5)
    with pytest.raises(MisuseError, match="is a table"):
        internvid.split(table, "name")
    with pytest.raises(NothingSelectedError):
        internvid.split(table, out=tmp_path / "a.parquet", where="score < 0")


def test_a_dataset_is_split_into_three_subsets(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.root, tmp_path / "data")
    data = internvid.open(tmp_path / "data")
    done = internvid.split(data, "parts", val=0.3, test=0.3)
    ids = {
        part: set(data.clips(f"parts-{part}")["clip_id"].to_pylist())
        for part in PARTS
        if part in done
    }
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == len(data)
    assert "train" in done


def test_two_subsets_share_what_both_take(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.root, tmp_path / "data")
    data = internvid.open(tmp_path / "data")
    internvid.select(data, "random", "four", 4)
    internvid.select(data, "cap", "capped", 1, with_rejected=True)
    four, capped = (set(data.clips(name)["clip_id"].to_pylist()) for name in ("four", "capped"))
    found = internvid.diff(f"{data.root}:four", f"{data.root}:capped")
    assert found["shared"] == len(four & capped)
    assert found["a"]["clips"] == 4
    # The reason is known where it was recorded.
    assert found["only_a_reasons"] == ({"over_cap": len(four - capped)} if four - capped else {})
    assert found["only_b_reasons"] == ({"not_chosen": len(capped - four)} if capped - four else {})
    whole = internvid.diff(data, f"{data.root}:four")
    assert (whole["only_a"], whole["only_b"]) == (len(data) - 4, 0)
    with pytest.raises(MisuseError, match="no subset 'nix'"):
        internvid.diff(data, f"{data.root}:nix")


def test_tables_are_matched_by_source_and_times_and_compared_by_column(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.parquet", range(4), {})
    rows = pq.read_table(first).to_pylist()
    rows[5] = {**rows[5], "score": rows[5]["score"] + 0.5}
    rows[6] = {**rows[6], "end_seconds": rows[6]["start_seconds"] - 1}
    del rows[0]
    second = tmp_path / "b.csv"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    faulty = internvid.diff(first, tmp_path / "b.parquet")
    assert (faulty["shared"], faulty["only_a"], faulty["only_b"]) == (10, 2, 0)
    assert faulty["only_a_reasons"] == {"absent": 2}
    (score,) = [row for row in faulty["columns"] if row["column"] == "score"]
    assert (score["differs"], score["largest_difference"]) == (1, pytest.approx(0.5))
    internvid.select(first, "where", argument="score >= 0", out=second)
    same = internvid.diff(first, second)
    assert (same["shared"], same["only_a"], same["only_b"]) == (12, 0, 0)
    assert [row["column"] for row in same["columns"] if row["differs"]] == []


def test_a_subset_is_chosen_from_and_split(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(dataset.root, tmp_path / "data")
    data = internvid.open(tmp_path / "data")
    internvid.select(data, "random", "pool", 5)
    pool = set(data.clips("pool")["clip_id"].to_pylist())
    for selector, argument in (("random", 2), ("where", "fps > 0")):
        name = f"of-{selector}"
        found = internvid.select(data, selector, name, argument, subset="pool")
        assert found.of == 5
        assert set(data.clips(name)["clip_id"].to_pylist()) <= pool
    with pytest.raises(MisuseError, match="another recipe"):
        internvid.select(data, "random", "of-random", 2)
    parts = internvid.split(data, "parts", subset="pool", val=0.3, test=0.3)
    taken = [data.clips(part.name)["clip_id"].to_pylist() for part in parts.values()]
    assert sorted(one for part in taken for one in part) == sorted(pool)
    with pytest.raises(MisuseError, match="no subset 'nix'"):
        internvid.select(data, "random", "more", subset="nix")


def test_columns_are_compared_whatever_their_capitals(tmp_path: Path) -> None:
    rows = [{"clip_id": f"c{at}", "Score": float(at), "only": 1} for at in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    other = [{"Clip_ID": row["clip_id"], "score": 2.0, "ONLY_B": 1} for row in rows]
    pq.write_table(pa.Table.from_pylist(other), tmp_path / "b.parquet")
    found = internvid.diff(tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert (found["columns_only_a"], found["columns_only_b"]) == (["only"], ["ONLY_B"])
    differing = {row["column"]: row["differs"] for row in found["columns"]}
    assert (differing["clip_id"], differing["Score"]) == (0, 2)
