"""What the SQL of others can reach."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.curate.selectors import Random
from internvid.dataset.store import Dataset
from tests.listening import Listener


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{new}'",
        "select 1; copy (select 1) to '{new}'",
        "explain analyze copy (select 1) to '{new}'",
        "prepare p as copy (select 1) to '{new}'",
        "export database '{new}'",
        "attach '{new}'",
        "create table mine as select 1",
        "create macro mine(a) as a",
        "insert into clips values (1)",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "pragma version",
        "call pragma_version()",
        "drop view clips",
        "",
    ],
)
def test_only_one_select_is_run(query: str, dataset: Dataset, tmp_path: Path) -> None:
    new = tmp_path / "new"
    with pytest.raises(MisuseError, match="one SELECT is allowed"):
        dataset.sql(query.format(new=new))
    assert not new.exists()
    assert dataset.sql("select count(*) from clips").fetchall() == [(len(dataset.clips()),)]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('{outside}')",
        "select * from read_blob('file://{outside}')",
        "select * from '{outside}'",
        "from read_csv('{outside}')",
        "select * from glob('{outside}')",
        "select * from sniff_csv('{outside}')",
        "select * from parquet_metadata('{outside}')",
        "select * from query('from read_text(''{outside}'')')",
        "with found as (from read_text('{outside}')) select * from found",
        "select * from read_text('{root}/subsets/../dataset.json')",
        "select * from '{address}/x.parquet'",
        "select * from read_json('{address}/x.json')",
        "select * from 's3://bucket/x.parquet'",
        "select * from enable_logging(storage = 'file', storage_path = '{outside}.log')",
    ],
)
def test_no_other_file_and_no_host_is_reached(
    query: str, dataset: Dataset, outside: Path, listener: Listener
) -> None:
    with pytest.raises(duckdb.Error, match=r"Cannot access file|Cannot change configuration"):
        dataset.sql(
            query.format(outside=outside, root=dataset.root, address=listener.address)
        ).fetchall()
    assert listener.heard == 0
    assert [path.name for path in outside.parent.iterdir()] == [outside.name]


def test_variables_of_a_program_are_no_tables(dataset: Dataset) -> None:
    with pytest.raises(duckdb.CatalogException, match="query"):
        dataset.sql("select * from query")


@pytest.mark.parametrize(
    "query", ["describe clips", "summarize videos", "from clips", "show tables"]
)
def test_what_only_looks_is_a_select(query: str, dataset: Dataset) -> None:
    assert dataset.sql(query).fetchall()


def test_a_subset_that_is_made_later_can_be_read(dataset: Dataset) -> None:
    opened = internvid.open(dataset.root)
    assert len(opened.clips()) > 1
    internvid.select(opened, Random(count=1), "later")
    assert len(opened.clips("later")) == 1


def test_an_unlocked_connection_has_the_views_and_writes(dataset: Dataset, tmp_path: Path) -> None:
    with dataset.unlocked() as connection:
        connection.execute(f"copy (select clip_id from clips) to '{tmp_path}/ids.parquet'")
    found = duckdb.sql(f"select count(*) from '{tmp_path}/ids.parquet'").fetchall()
    assert found == [(len(dataset.clips()),)]
