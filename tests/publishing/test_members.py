"""Members of shards have one type in all samples, and no sample lacks one."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.contracts import ExportItem
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import Clip, TimeSpan
from internvid.dataset.parts import commit_table, read_part
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.members import json_member
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan
from tests.publishing.test_webdataset import read_shards

ID = "0" * 32
FACTS = ("frames", "seconds", "width", "height", "fps", "sound", "dynamic_range")


def item(row: dict[str, Any], **said: Any) -> ExportItem:
    return ExportItem(Clip(ID, ID, TimeSpan(0.0, 1.0), 0, 1), row, None, "/a.mp4", said)


def types_of(values: list[dict[str, Any]]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for one in values:
        for name, value in one.items():
            inner = {type(each).__name__ for each in value} if isinstance(value, list) else set()
            found[name].add(f"{type(value).__name__}{sorted(inner)}")
    return found


def test_what_is_not_known_is_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"x": None, "list": [], "flag": None, "deep": [None]},
        {"x": 1.0, "list": ["a"], "flag": False, "deep": [1.5, None, math.nan]},
        {"x": math.nan, "list": None, "flag": True, "deep": []},
        {"x": math.inf, "zero": 0, "none": "", "bytes": b"\xff", "day": dt.date(2024, 5, 1)},
    ]
    made = [json_member(item(row, views=at, tags=None), {}) for at, row in enumerate(rows)]
    assert [json.loads(text, parse_constant=pytest.fail) for text in made] == [
        {"uri": "/a.mp4", "metadata": '{"tags": null, "views": 0}'},
        {"uri": "/a.mp4", "metadata": '{"tags": null, "views": 1}', "x": 1.0, "list": ["a"],
         "flag": False, "deep": [1.5, None, None]},
        {"uri": "/a.mp4", "metadata": '{"tags": null, "views": 2}', "flag": True},
        {"uri": "/a.mp4", "metadata": '{"tags": null, "views": 3}', "zero": 0, "none": "",
         "bytes": "ff", "day": "2024-05-01"},
    ]  # fmt: skip
    assert json_member(item({"metadata": "mine"}), {"fps": 8.0, "uri": 1}) == (
        b'{"fps": 8.0, "metadata": "mine", "uri": 1}'
    )


def test_every_member_has_one_type_in_every_sample(dataset: Dataset, tmp_path: Path) -> None:
    """As a reader of five samples needs it; a column that is null here and there among them."""
    data = spoiled(dataset, tmp_path / "data")
    columns = data.clips()
    assert 0 < columns["camera_direction"].null_count < len(columns)
    assert 0 < columns["measured"].null_count < len(columns)
    manifest = publish(data, tmp_path / "out", WebDatasetExporter(clips_per_shard=3))
    files = read_shards(tmp_path / "out")
    members = defaultdict(set)
    for name in files:
        clip_id, _, suffix = name.partition(".")
        members[clip_id].add(suffix)
    assert set(map(frozenset, members.values())) == {frozenset({"mp4", "json", "txt"})}
    rows = [json.loads(text) for name, text in files.items() if name.endswith(".json")]
    assert all(len(kinds) == 1 for kinds in types_of(rows).values()), types_of(rows)
    assert all(value is not None for row in rows for value in row.values())
    known = {each["column"]: each["type"] for each in manifest["columns"]}
    assert set().union(*rows) - set(known) == {"uri", "metadata", "window", *FACTS}
    assert (known["brightness"], known["colour_names"]) == ("double", "list<string>")


def spoiled(dataset: Dataset, folder: Path) -> Dataset:
    """A copy in which the first clip has no direction and no caption, and the second has."""
    import shutil

    import pyarrow as pa

    shutil.copytree(dataset.root, folder)
    first = dataset.clips()["clip_id"][0].as_py()
    for pattern, name, absent in (
        ("cuts/*/clips/*.parquet", "camera_direction", None),
        ("cuts/*/columns/*/*.parquet", "status", "failed"),
    ):
        (path,) = folder.glob(pattern)
        table = read_part(path)
        other = {"camera_direction": "left", "status": "ok"}[name]
        values = [absent if one == first else other for one in table["clip_id"].to_pylist()]
        path.unlink()
        at = table.column_names.index(name)
        commit_table(path, table.set_column(at, name, pa.array(values, pa.string())))
    return internvid.open(folder)


def test_a_caption_that_clips_lack_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="clips have no such column") as caught:
        publish(dataset, tmp_path / "out", WebDatasetExporter(caption="nope"))
    assert "measured" in caught.value.message
    assert "clip_id" not in caught.value.message
    assert not (tmp_path / "out").exists()
    publish(dataset, tmp_path / "none", WebDatasetExporter(caption=""))
    assert not any(name.endswith(".txt") for name in read_shards(tmp_path / "none"))


@pytest.mark.parametrize("kind", [CutPlan, FramesExporter])
@pytest.mark.parametrize("crf", [-5, 52])
def test_a_quality_that_there_is_not_is_refused(kind: Any, crf: int) -> None:
    with pytest.raises(ConfigInvalidError, match=r"crf must be from 0 .* to 51"):
        kind(crf=crf)
