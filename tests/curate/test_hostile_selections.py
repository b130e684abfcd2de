"""Selections of odd tables, by odd requests: refused with a reason, or exact."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, MisuseError, OutputExistsError
from internvid.core.system.temporary import new_temporary
from internvid.curate.select import select_clips
from internvid.curate.select_table import select_table
from internvid.curate.selectors import (
    Aesthetic,
    Cap,
    Diverse,
    Filtered,
    Quota,
    Random,
    Where,
    quotas,
)
from internvid.curate.selectors.source_splits import Split
from internvid.dataset.layout import Layout
from internvid.dataset.store import Dataset
from tests.curate.tables_of_clips import name_of, rows_of, write_table
from tests.trees import digest_tree


def one_row(**more: Any) -> dict[str, Any]:
    return {**rows_of([1])[0], **more}


@pytest.mark.parametrize("step", ['cap "3', "cap '", "cap 1 2"])
def test_a_step_that_cannot_be_read_is_misuse(step: str, tmp_path: Path) -> None:
    table = write_table(rows_of([3]), tmp_path / "t.parquet")
    with pytest.raises(MisuseError, match="a step is a selector, its argument"):
        internvid.select(table, "random", then=[step], out=tmp_path / "o.csv")


def test_a_step_is_parted_by_any_blank(tmp_path: Path) -> None:
    table = write_table(rows_of([3, 3]), tmp_path / "t.parquet")
    done = internvid.select(table, "random", then=[" cap\t1", "cap\n1"], out=tmp_path / "o.csv")
    assert done.chosen == 2


def test_a_table_keeps_no_subset_and_says_so(tmp_path: Path) -> None:
    table = write_table(rows_of([3]), tmp_path / "t.parquet")
    with pytest.raises(MisuseError, match=r"is a table, which has no subsets(.|\n)*--out"):
        internvid.select(table, "random", "x")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Random(hours=1e300), "hours must be"),
        (lambda: Diverse(hours=float("inf")), "hours must be"),
        (lambda: Aesthetic(minimum=float("nan")), "minimum is a score, got nan"),
        (lambda: Aesthetic(text_column="UMT_Score", count=0), "count must be at least 1"),
        (lambda: Aesthetic(text_column="UMT_Score", count=-3), "count must be at least 1"),
        (lambda: Quota(column="Caption", clusters=1), "holds no vectors: its type is VARCHAR"),
        (lambda: Quota(column="UMT_Score", clusters=1), "holds no vectors: its type is DOUBLE"),
        (lambda: Quota(column="words", clusters=1), r"holds no vectors: its type is VARCHAR\[\]"),
        (lambda: Quota(column="uneven", clusters=1), "other lengths than one: 1, 2 numbers"),
        (lambda: Quota(column="even", clusters=-1), "clusters must be at least 1"),
        (lambda: Split(groups="nope"), "no column 'nope' of groups"),
    ],
)
def test_what_cannot_be_is_refused_in_words(make: Any, why: str, tmp_path: Path) -> None:
    rows = rows_of([2, 1])
    lists = {"words": ["a"], "even": [1.0, 2.0]}
    rows = [{**row, **lists, "uneven": [1.0] * (1 + at % 2)} for at, row in enumerate(rows)]
    table = write_table(rows, tmp_path / "t.parquet")
    with pytest.raises(ConfigInvalidError, match=why):
        select_table(table, make(), tmp_path / "o.parquet")
    assert list(tmp_path.iterdir()) == [table]


def test_limits_may_be_infinite(tmp_path: Path) -> None:
    table = write_table(rows_of([4]), tmp_path / "t.parquet")
    everything = Filtered(minimum_seconds=-float("inf"), maximum_seconds=float("inf"), share=1.0)
    assert select_table(table, everything, tmp_path / "a.csv").chosen == 4
    assert select_table(table, Aesthetic(minimum=-float("inf")), tmp_path / "b.csv").chosen == 4


def test_vectors_with_gaps_are_none_and_seeds_any_number(tmp_path: Path) -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0], [None, 1.0], [float("nan"), 1.0], None, [1.0, 0.1]]
    rows = [{**row, "v": v} for row, v in zip(rows_of([6]), vectors, strict=True)]
    table = write_table(rows, tmp_path / "t.parquet")
    done = select_table(table, Quota("v", 1, clusters=2, seed=-5), tmp_path / "o.parquet")
    assert done.chosen == 3  # one of each cluster, and one of those without a vector


def test_quotas_of_millions_take_what_smaller_ones_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {**row, "Caption": None if at % 7 else "x"} for at, row in enumerate(rows_of([9, 4, 1]))
    ]
    table = write_table([*rows, rows[0]], tmp_path / "t.parquet")
    select_table(table, Quota("Caption", 3), tmp_path / "few.parquet")
    monkeypatch.setattr(quotas, "_MOST_HELD", 2)
    select_table(table, Quota("Caption", 3), tmp_path / "many.parquet")
    assert (tmp_path / "few.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()
    assert select_table(table, Cap(10**30), tmp_path / "all.parquet").chosen == 14


def test_names_that_selections_use_themselves_may_be_columns(tmp_path: Path) -> None:
    names = ("first", "part", "value", "last_draw", "limit_of", "side", "clips", "input")
    rows = [one_row(**dict.fromkeys(names, "x"))] * 2
    table = write_table(rows, tmp_path / "t.parquet")
    for at, selector in enumerate([Quota("value", 1), Split()]):
        done = select_table(table, selector, tmp_path / f"{at}.parquet", with_rejected=True)
        assert (done.chosen, done.reasons) == (1, {"duplicate": 1})


def test_rows_that_were_rejected_before_can_be_chosen_from(tmp_path: Path) -> None:
    table = write_table(rows_of([5, 5]), tmp_path / "t.parquet")
    select_table(table, Cap(2), tmp_path / "o.parquet", with_rejected=True)
    rejected = tmp_path / "o.rejected.parquet"
    done = select_table(rejected, Random(), tmp_path / "again.parquet")
    assert (done.chosen, done.reasons) == (6, {})
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(rejected))
    capped = Where("earlier_rejection = 'over_cap'")
    assert select_table(rejected, capped, tmp_path / "capped.csv").chosen == 6
    with pytest.raises(MisuseError, match="has a column 'rejection', which --with-rejected adds"):
        select_table(rejected, capped, tmp_path / "both.csv", with_rejected=True)


def test_ids_and_times_of_another_type_are_ids_and_times(tmp_path: Path) -> None:
    columns = {"start_seconds": ["0", "7.5", "x"], "end_seconds": ["00:00:02.000", "9", "1"]}
    texts, numbers = (
        {"source_id": ["7", "007", "7"], **columns},
        {"source_id": [7, 8, 7], **columns},
    )
    texts["duration_seconds"] = ["2", "1.5", "q"]
    for name, table, selector in (
        ("texts", texts, Random(count=2)),
        ("numbers", numbers, Split(val=0, test=0)),
    ):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table(table), path)
        done = select_table(path, selector, tmp_path / f"{name}.out.parquet")
        assert (done.chosen, done.reasons) == (2, {"malformed_time": 1})
        assert done.hours == pytest.approx(3.5 / 3600, abs=1e-6)
        written = pq.read_table(tmp_path / f"{name}.out.parquet")
        assert written.equals(pq.read_table(path).slice(0, 2))
    same = internvid.diff(path, path)
    assert (same["shared"], same["only_a"]) == (2, 0)


@pytest.mark.parametrize("selector", [Random(count=1), Diverse(count=4), Random(hours=0.02)])
def test_a_draw_whose_last_clip_stands_there_twice_takes_as_many(
    selector: Random, tmp_path: Path
) -> None:
    rows = rows_of([4, 3, 2])
    select_table(write_table(rows, tmp_path / "once.parquet"), selector, tmp_path / "a.parquet")
    twice = write_table([*rows, *rows], tmp_path / "twice.parquet")
    done = select_table(twice, selector, tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))
    assert done.reasons["duplicate"] == 9


@pytest.mark.parametrize(
    "condition", ["random() < 0.5", "uuid()::varchar < '8'", "true and (select RANDOM()) < 1"]
)
def test_a_condition_that_changes_its_mind_is_refused(
    condition: str, dataset: Dataset, tmp_path: Path
) -> None:
    table = write_table(rows_of([3]), tmp_path / "t.parquet")
    for source in (table, dataset):
        with pytest.raises(ConfigInvalidError, match="another value each time"):
            internvid.select(source, "where", argument=condition, out=tmp_path / "o.csv")
    named = """Caption <> '"function_name":"random"' -- what random() says"""
    assert select_table(table, Where(named), tmp_path / "o.csv").chosen == 3


def test_a_value_that_fails_hints_at_casts(tmp_path: Path) -> None:
    rows = [{**row, "views": "?" if at == 99 else "1"} for at, row in enumerate(rows_of([100]))]
    table = write_table(rows, tmp_path / "t.parquet")
    with pytest.raises(ConfigInvalidError, match=r"Could not convert(.|\n)*try_cast"):
        select_table(table, Where("views::int > 0"), tmp_path / "o.csv")


def test_a_split_writes_all_its_files_or_none(tmp_path: Path) -> None:
    table = write_table(rows_of([1] * 60), tmp_path / "t.parquet")
    (tmp_path / "s.test.csv").touch()
    before = digest_tree(tmp_path)
    with pytest.raises(OutputExistsError, match=r"s\.test\.csv exists"):
        internvid.split(table, out=tmp_path / "s.csv")
    assert digest_tree(tmp_path) == before


def test_what_a_killed_selection_left_goes_with_the_next(dataset: Dataset, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from internvid.core.system.temporary import new_temporary\n"
        "print(new_temporary(Path(sys.argv[1])))"
    )
    out = tmp_path / "new" / "o [1].csv"
    out.parent.mkdir()
    told = subprocess.run(
        [sys.executable, "-c", code, out], capture_output=True, text=True, check=True
    )
    assert Path(told.stdout.strip()).exists()
    mine = new_temporary(out)  # its writer lives
    table = write_table(rows_of([3]), tmp_path / "t.parquet")
    select_table(table, Random(), out)
    assert sorted(out.parent.iterdir()) == sorted([out, mine])


KILLED = """
import os, sys
from pathlib import Path
import internvid
from internvid.curate import select_out
select_out.write_rows = lambda *_: os._exit(9)
internvid.select(sys.argv[1], "random", count=2, out=sys.argv[2])
"""


def test_clips_go_to_a_folder_that_is_made_and_leave_no_scratch(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "o.csv"
    select_clips(dataset, Random(count=2), None, out)
    assert list(out.parent.iterdir()) == [out]
    # A process that is killed cannot clean up: the next one does.
    more = out.with_name("p.csv")
    command = [sys.executable, "-c", KILLED, dataset.root, more]
    assert subprocess.run(command, check=False).returncode == 9
    assert len(list(out.parent.iterdir())) == 2
    select_clips(dataset, Random(count=2), None, more)
    assert sorted(out.parent.iterdir()) == [out, more]


def test_a_subset_that_is_also_written_is_decided_once(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(dataset.root, tmp_path / "data")
    copy = internvid.open(tmp_path / "data")
    decided: list[Random] = []
    decide = Random.decide

    def counted(selector: Random, table: Any) -> Any:
        decided.append(selector)
        return decide(selector, table)

    monkeypatch.setattr(Random, "decide", counted)
    for number in (1, 2):
        out = tmp_path / f"{number}.parquet"
        done = select_clips(copy, Random(count=2), "two", out, with_rejected=True)
        # The second time the subset is there, and the rows are not.
        assert len(decided) == number
        assert (done.name, done.clips, done.out) == ("two", 2, out)
        ids = pq.read_table(out)["clip_id"].to_pylist()
        assert sorted(ids) == copy.clips("two")["clip_id"].to_pylist()
        assert pq.read_metadata(out.with_name(f"{number}.rejected.parquet")).num_rows > 0


@pytest.mark.parametrize("name", ["rejection", "row_key"])
def test_a_column_of_clips_with_a_name_of_ours_is_refused(
    name: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask = dataset.sql
    monkeypatch.setattr(
        Dataset, "sql", lambda self, query: ask(query).project(f"*, true as {name.upper()}")
    )
    with pytest.raises(MisuseError, match=f"have a column '{name.upper()}'"):
        select_clips(dataset, Where("true"), None, tmp_path / "o.csv")


def test_ctrl_c_in_a_query_ends_in_one_line(tmp_path: Path) -> None:
    table, out = tmp_path / "table", tmp_path / "o.csv"
    table.mkdir()
    first = table / "0.parquet"
    pq.write_table(pa.Table.from_pylist(rows_of([500])).take([*range(500)] * 100), first)
    for at in range(1, 200):
        os.link(first, table / f"{at}.parquet")
    slow = "list_sum(range(1000 + length(Caption))) > 0"  # a minute for all of them
    command = [sys.executable, "-m", "internvid", "select", table, "where", slow, "--out", out]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not list(tmp_path.glob("internvid-rows-*")):
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert (process.returncode, told) == (130, "interrupted; run the same command again to go on\n")
    assert list(tmp_path.iterdir()) == [table]


def test_a_file_is_no_folder_of_a_dataset(tmp_path: Path) -> None:
    path = write_table(rows_of([1]), tmp_path / "t.parquet")
    with pytest.raises(internvid.InternvidError, match=r"is a file, not the folder(.|\n)*hint: "):
        Layout(path).read_record()


def test_programs_read_these_names(tmp_path: Path) -> None:
    rows = rows_of([3, 3])
    table = write_table(rows, tmp_path / "t.parquet")
    command = [sys.executable, "-m", "internvid", "select", table, "cap", "1", "--json"]
    done = subprocess.run(
        [*command, "--out", tmp_path / "o.parquet"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert (told["chosen"], told["rejected"], told["reasons"]) == (2, 4, {"over_cap": 4})
    assert told["out"] == str(tmp_path / "o.parquet")
    written = pq.read_table(told["out"])
    assert written.schema.equals(pq.read_schema(table))
    assert Counter(map(name_of, written.to_pylist())) <= Counter(map(name_of, rows))


def test_a_full_disk_is_told_as_such_and_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
        "from internvid.cli import run; sys.argv = ['internvid', *sys.argv[1:]]; run()"
    )
    out = tmp_path / "out.parquet"
    command = [sys.executable, "-c", program, "select", dataset.root, "where", "true"]
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "open result" not in done.stderr
    assert "large" in done.stderr or "space" in done.stderr, done.stderr
    assert list(tmp_path.glob("*.parquet*")) == []
