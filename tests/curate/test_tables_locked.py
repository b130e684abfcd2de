"""The connection of a table: it reads the table, spills, and reaches nothing else."""

import os

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from internvid.core.errors import MisuseError
from internvid.curate.tables.opening import open_rows
from internvid.dataset.duckdb_connection import open_locked, refuse_all_but_expression
from tests.curate.tables import internvid_objects, rows_of, write_jsonl, write_parquet


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_condition_reaches_no_other_file(tmp_path, form):
    write = write_parquet if form == "parquet" else write_jsonl
    path = write(tmp_path / f"t.{form}", internvid_objects())
    other = write_parquet(tmp_path / "other.parquet", internvid_objects())
    reads = [
        "read_csv('/etc/passwd')",
        "read_text('/etc/passwd')",
        "read_blob('/proc/self/environ')",
        "glob('/etc/*')",
        "sniff_csv('/etc/passwd')",
        f"read_parquet('{other}')",
        f"parquet_metadata('{other}')",
        f"'{other}'",
        "'https://example.org/a.parquet'",
        "os",  # a variable of this program
    ]
    with open_rows(path, threads=1) as rows:
        for each in reads:
            with pytest.raises(duckdb.Error):
                rows_of(rows, "row_key", where=f"exists (select * from {each})")
        for expression in ("getenv('HOME')", "attach 'x'", "query('select 1')"):
            with pytest.raises(duckdb.Error):
                rows_of(rows, "row_key", where=refuse_all_but_expression(expression))
        for statement in (
            f"copy (select 1) to '{tmp_path}/x.csv'",
            "install httpfs",
            "load httpfs",
            f"attach '{tmp_path}/x.db'",
            "set memory_limit = '99GB'",
            "set enable_external_access = true",
            f"export database '{tmp_path}/x'",
        ):
            with pytest.raises(duckdb.Error):
                rows.connection.execute(statement)
        assert rows_of(rows, "row_line", where="(duration_seconds > 3)") == [2, 3]
    assert not (tmp_path / "x.csv").exists()


def test_only_folders_that_were_allowed_are_written(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", internvid_objects())
    (tmp_path / "in").mkdir()
    with open_rows(path, threads=1, writable=[tmp_path / "in"]) as rows:
        rows.connection.execute(f"copy (select 1 as a) to '{tmp_path}/in/x.csv'")
        with pytest.raises(duckdb.Error):
            rows.connection.execute(f"copy (select 1 as a) to '{tmp_path}/y.csv'")
        with pytest.raises(duckdb.Error):
            rows.connection.execute(f"copy (select 1 as a) to '{tmp_path}/in/../y.csv'")
    assert (tmp_path / "in" / "x.csv").read_text() == "a\n1\n"


@pytest.mark.parametrize(
    "condition",
    [
        "true; drop table x",
        "true) union select (1",
        "1, 2",
        "",
        "select 1",
        "copy x to 'y'",
        "install httpfs",
        "a > ",
        "true -- ) and\n) or (",
        "true /*",
    ],
)
def test_what_is_not_one_expression_is_refused(condition):
    with pytest.raises(MisuseError, match="not one SQL expression"):
        refuse_all_but_expression(condition)


def test_an_expression_keeps_its_meaning_beside_others(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", internvid_objects())
    with open_rows(path, threads=1) as rows:
        for condition in ("true or true", "true or true -- and false", "'a)' = 'a)' or 1 > 2"):
            checked = refuse_all_but_expression(condition)
            assert rows_of(rows, "row_line", where=f"row_line = 2 and {checked}") == [2]


def test_what_does_not_fit_the_memory_is_spilled(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 1 << 62, 1_500_000)
    table = pa.table({"clip_id": pa.array(numbers).cast(pa.string()), "n": numbers})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=50_000)
    spill = tmp_path / "spill"
    with open_locked(
        [tmp_path / "t.parquet"], [], threads=2, memory_limit="60MB", spill=spill
    ) as connection:
        assert connection.execute("select current_setting('threads')").fetchall() == [(2,)]
        reader = connection.sql(
            f"select * from '{tmp_path}/t.parquet' order by clip_id, n"
        ).to_arrow_reader(100_000)
        first = reader.read_next_batch()
        assert sum(each.stat().st_size for each in spill.rglob("*")) > 10_000_000
        assert first.column(0)[0].as_py() == min(map(str, numbers.tolist()))
    with open_rows(tmp_path / "t.parquet", scratch=tmp_path, memory_limit="60MB") as rows:
        ordered = rows.relation.order("clip_id, n").project("row_place")
        assert sum(len(each) for each in ordered.to_arrow_reader(100_000)) == len(numbers)
    assert sorted(os.listdir(tmp_path)) == ["spill", "t.parquet"]
