"""Tables that others publish as one object, as a list of whole videos, or beside the videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.curate.tables.opening import open_rows
from tests.curate.tables import rows_of

TIMES = ("start_seconds", "end_seconds")
YOUCOOK2 = {
    "xHr8X2Wpmno": {
        "subset": "training",
        "recipe_type": "113",
        "duration": 311.77,
        "annotations": [
            {"id": 0, "segment": [41, 54], "sentence": "pick the ends off"},
            {"id": 1, "segment": [84.5, 400], "sentence": "mix"},
        ],
    },
    "empty": {"subset": "training", "recipe_type": "007", "duration": 3, "annotations": []},
}
ACTIVITYNET = {
    "v_QOlSCBRmfWY": {
        "duration": 82.73,
        "timestamps": [[0.83, 19.86], [17.37, 60.81]],
        "sentences": ["A young woman is seen.", "The girl dances, \u00e9."],
    },
    "v_uneven": {"duration": 1, "timestamps": [[0, 1]], "sentences": []},
}


@pytest.mark.parametrize("indent", [None, 2])
def test_youcook2_is_a_row_an_annotation(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "youcookii_annotations_trainval.json"
    path.write_text(json.dumps({"database": YOUCOOK2}, indent=indent))
    with open_rows(path) as rows:
        assert rows.layout == "youcook2"
        assert rows_of(rows, "source_id", *TIMES, "row_caption", "row_fault", "recipe_type") == [
            ("xHr8X2Wpmno", 41.0, 54.0, "pick the ends off", None, "113"),
            ("xHr8X2Wpmno", 84.5, 400.0, "mix", "out_of_video", "113"),
        ]
        assert [(line.line, line.reason) for line in rows.faults.kept] == [(2, "no_clips")]


def test_activitynet_captions_are_chosen_from_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "captions"
    folder.mkdir()
    (folder / "train.json").write_text(json.dumps(ACTIVITYNET))
    more = {"v_abcdefghi": {"duration": 9.0, "timestamps": [[1, 2]], "sentences": ["x"]}}
    (folder / "val_1.json").write_text(json.dumps(more))
    with open_rows(folder) as rows:
        assert rows.layout == "activitynet-captions"
        assert rows_of(rows, "source_id", *TIMES, "row_caption") == [
            ("QOlSCBRmfWY", 0.83, 19.86, "A young woman is seen."),
            ("QOlSCBRmfWY", 17.37, 60.81, "The girl dances, \u00e9."),
            ("v_abcdefghi", 1.0, 2.0, "x"),
        ]
        assert [(line.file.name, line.reason) for line in rows.faults.kept] == [
            ("train.json", "malformed_list")
        ]
    for ending in ("jsonl", "csv", "parquet"):
        out = tmp_path / f"long.{ending}"
        done = internvid.select(folder, "where", argument="duration_seconds > 5", out=out)
        assert (done.clips, done.reasons) == (2, {"malformed_list": 1, "where": 1})
        with open_rows(out) as rows:
            assert rows_of(rows, "source_id", *TIMES) == [
                ("QOlSCBRmfWY", 0.83, 19.86),
                ("QOlSCBRmfWY", 17.37, 60.81),
            ]


def test_an_object_that_is_no_list_of_videos_is_refused_as_before(tmp_path: Path) -> None:
    for value in ({"a": {"x": 1}}, {"database": {"x": 1}}, {"version": {"n": 1}, "data": []}):
        (tmp_path / "t.json").write_text(json.dumps(value, indent=1))
        with pytest.raises(MisuseError, match="one JSON object"), open_rows(tmp_path / "t.json"):
            pass


def test_howto100m_is_a_row_a_video(tmp_path: Path) -> None:
    (tmp_path / "HowTo100M_v1.csv").write_text(
        "video_id,category_1,category_2,rank,task_id\nnVbIUDjzWY4,Cars,Motorcycles,27,52907\n"
    )
    with open_rows(tmp_path / "HowTo100M_v1.csv") as rows:
        assert rows.layout == "howto100m"
        found = rows_of(rows, "source_id", *TIMES, "row_fault", "rank", "task_id")
        assert found == [("nVbIUDjzWY4", None, None, None, 27.0, "52907")]


def finevideo(**more: Any) -> pa.Table:
    about = [
        {
            "original_video_filename": f"{name}.mp4",
            "duration_seconds": 60 + at,
            "youtube_title": "a title",
            "content_metadata": {"description": f"text {at}"},
            **more,
        }
        for at, name in enumerate(("aaa", "b.b"))
    ]
    return pa.table({"mp4": pa.array([b"x", b"y"], pa.binary()), "json": about})


def test_finevideo_is_known_by_what_its_json_says(tmp_path: Path) -> None:
    pq.write_table(finevideo(), tmp_path / "t.parquet")
    with open_rows(tmp_path / "t.parquet") as rows:
        assert (rows.layout, rows.columns) == ("finevideo", ("mp4", "json"))
        assert rows_of(rows, "source_id", "duration_seconds", "row_caption", "row_fault") == [
            ("aaa", 60.0, "text 0", None),
            ("b.b", 61.0, "text 1", None),
        ]
    internvid.select(
        tmp_path / "t.parquet", "where", argument="duration_seconds > 60",
        out=tmp_path / "o.parquet",
    )  # fmt: skip
    assert pq.read_table(tmp_path / "o.parquet").equals(finevideo().slice(1))


def test_json_without_a_name_of_the_video_is_refused(tmp_path: Path) -> None:
    table = pa.table({"mp4": pa.array([b"x"], pa.binary()), "json": [{"title": "a"}]})
    pq.write_table(table, tmp_path / "t.parquet")
    with (
        pytest.raises(MisuseError, match=r"has no json\.original_video_filename"),
        open_rows(tmp_path / "t.parquet"),
    ):
        pass
