"""Datasets that someone changed so that names in them lead elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.dataset.frame_shards import INDEX, INDEX_SCHEMA, FrameShards
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, read_part, rows_to_table
from internvid.dataset.store import Dataset
from internvid.dataset.tables import SOURCE_SCHEMA
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    """A copy that may be spoiled."""
    return Path(shutil.copytree(dataset.root, tmp_path / "deep" / "data"))


def spoil(folder: Path, **entries: Any) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    "entries",
    [
        {"cut": "../../other/cuts/default@0123456789ab"},
        {"cut": "default"},
        {"cut": 3},
        {"scan": ".."},
        {"scan": "a/b"},
        {"parts": [{"name": "../part-00000", "sources": 2}]},
        {"parts": [{"name": "part-00000", "sources": -1}]},
        {"parts": [{"name": "part-00000", "sources": 1}] * 2},
        {"parts": {"name": "part-00000"}},
        {"parts": ["part-00000"]},
        {"columns": {"default@0123456789ab": {"measured": "../measured@1"}}},
        {"columns": {"default@0123456789ab": {"x; drop table clips": "measured@1"}}},
        {"columns": {"../x@1": {}}},
        {"columns": []},
        {"scans": {"../x": {}}},
        {"column_recipes": {"a b@1": {}}},
        {"metadata": {"views": "bigint), (select content from read_text('/etc/passwd')"}},
        {"metadata": {"views": ["BIGINT"]}},
        {"sources_per_part": 0},
        {"megabytes_per_part": 0},
        {"sources_per_part": True},
    ],
)
def test_a_record_that_leads_elsewhere_is_refused(entries: dict[str, Any], copied: Path) -> None:
    assert internvid.open(copied).clips().num_rows
    spoil(copied, **entries)
    with pytest.raises(DatasetFormatError, match=r"dataset\.json says what no dataset"):
        internvid.open(copied)


@pytest.mark.parametrize(
    "name", ["../../x", "", "0" * 31, "0" * 32 + "\n", "0" * 28 + "/../", "A" * 32]
)
def test_an_id_that_is_none_is_refused(name: str, copied: Path) -> None:
    (part,) = copied.glob("cuts/*/clips/*.parquet")
    clips = pq.read_table(part)
    ids = [name, *clips["clip_id"].to_pylist()[1:]]
    at = clips.column_names.index("clip_id")
    part.unlink()
    commit_table(part, clips.set_column(at, "clip_id", pa.array(ids, pa.string())))
    data = internvid.open(copied)
    with pytest.raises(DatasetFormatError, match="is not 32 hex digits"):
        data.clips(rejected=True)
    with pytest.raises(DatasetFormatError, match="is not 32 hex digits"):
        publish(data, copied.parent / "out", WebDatasetExporter())
    assert sorted(path.name for path in copied.parent.iterdir()) == ["data"]


def test_ids_that_are_numbers_are_refused(tmp_path: Path) -> None:
    commit_table(tmp_path / "part.parquet", pa.table({"video_id": [1]}))
    with pytest.raises(DatasetFormatError, match="video_id is int64, not text"):
        read_part(tmp_path / "part.parquet")


def test_a_source_cannot_be_known_in_another_place(tmp_path: Path) -> None:
    row = {"uri": "/a.mp4", "known_in": "../../x"}
    commit_table(tmp_path / "part.parquet", rows_to_table([row], SOURCE_SCHEMA))
    with pytest.raises(DatasetFormatError, match="known_in"):
        read_part(tmp_path / "part.parquet")


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", ".hidden", "a\nb", "", "a\0b"])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for path in (
        lambda: layout.scanned(name, "videos", "part-00000"),
        lambda: layout.clips("cut@1", name),
        lambda: layout.column("cut@1", name, "part-00000"),
        lambda: layout.span_picks("scan", name, "part-00000"),
        lambda: layout.subset(name),
    ):
        with pytest.raises(DatasetFormatError, match="cannot be a name"):
            path()
    # An answer may name any: such pictures are not there, which the audit tells.
    assert layout.span_picks_files("scan", name, "part-00000") == []


def test_a_subset_of_another_folder_is_none(dataset: Dataset) -> None:
    with pytest.raises(MisuseError, match="has no subset"):
        dataset.clips("../sources/part-00000")


def test_frame_shards_lie_in_their_folder(tmp_path: Path) -> None:
    row = dict.fromkeys(INDEX_SCHEMA.names)
    row |= {"clip_id": "0" * 32, "shard": "../elsewhere/shard-000000.tar"}
    commit_table(tmp_path / INDEX, rows_to_table([row], INDEX_SCHEMA))
    with pytest.raises(DatasetFormatError, match="is not the name of a file"):
        list(FrameShards(tmp_path).read(0, lambda count: [0]))
