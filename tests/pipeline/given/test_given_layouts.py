"""Published tables, and a folder of videos that are called by their ids."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import internvid
from tests.numbered import Numbered, write_numbered
from tests.pipeline.given.tables_of_given import build_given, write_jsonl

ONE, TWO = "0TDAwrav8Dc", "_-abcDEF123"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole videos of 100 frames, called by their ids, in folders; and one clip by its name."""
    folder = tmp_path_factory.mktemp("videos")
    write_numbered(folder / "a" / f"{ONE}.mp4", Numbered(frames=100, cuts=(30, 60)))
    write_numbered(folder / "b" / f"{TWO}.mkv", Numbered(frames=100, cuts=(45,)))
    return folder


def clips_of(dataset: Path, columns: str) -> list[tuple[object, ...]]:
    data = internvid.open(dataset)
    query = f"select source_id, start_frame, end_frame, given, {columns} from clips order by 1, 2"
    return data.sql(query).fetchall()


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_internvid(videos: Path, tmp_path: Path) -> None:
    rows = [
        {"YoutubeID": ONE, "Start_timestamp": "00:00:01.200", "End_timestamp": "00:00:02.400",
         "Caption": "a man sings", "Aesthetic_Score": 4.5, "UMT_Score": 0.41},
        {"YoutubeID": TWO, "Start_timestamp": "00:00:00.000", "End_timestamp": "00:00:01.800",
         "Caption": "a dog", "Aesthetic_Score": 5.5, "UMT_Score": 0.38},
        {"YoutubeID": TWO, "Start_timestamp": "soon", "End_timestamp": "00:00:01.800",
         "Caption": "no time", "Aesthetic_Score": 5.5, "UMT_Score": 0.38},
        {"YoutubeID": "gone_gone_g", "Start_timestamp": "00:00:00.000",
         "End_timestamp": "00:00:01.800", "Caption": "x", "Aesthetic_Score": 1, "UMT_Score": 0.1},
    ]  # fmt: skip
    table = write_jsonl(tmp_path / "InternVid-10M-flt.jsonl", rows)
    with table.open("a", encoding="utf-8") as file:
        file.write("{cut off\n")
    summary = build_given(tmp_path / "data", table, videos=videos)
    assert clips_of(
        tmp_path / "data", "given_aesthetic_score, given_umt_score, given_youtubeid"
    ) == [
        (f"youtube:{ONE}", 30, 60, "a man sings", 4.5, 0.41, ONE),
        (f"youtube:{TWO}", 0, 45, "a dog", 5.5, 0.38, TWO),
    ]
    assert summary.given_rejected == {"malformed_time": 1}
    assert summary.set_aside == 2
    (aside,) = internvid.status(tmp_path / "data")["set_aside"]
    assert aside["first"] == [
        {"line": 4, "reason": f"no file below {videos} is called gone_gone_g"},
        {"line": 5, "reason": "it is no row: malformed_json"},
    ]


def test_a_file_that_is_called_by_the_clip_is_the_clip(videos: Path, tmp_path: Path) -> None:
    rows = [
        {"YoutubeID": "aaaaaaaaaaa", "Start_timestamp": "00:01:51.578",
         "End_timestamp": "00:01:53.647", "Caption": "cut out by a mirror"},
        {"YoutubeID": ONE, "Start_timestamp": "00:00:01.200", "End_timestamp": "00:00:02.400",
         "Caption": "of a whole video"},
    ]  # fmt: skip
    folder = tmp_path / "mirror"
    write_numbered(
        folder / "aaaaaaaaaaa_00:01:51.578_00:01:53.647.mp4", Numbered(frames=50, cuts=())
    )
    (folder / f"{ONE}.mp4").write_bytes((videos / "a" / f"{ONE}.mp4").read_bytes())
    table = write_jsonl(tmp_path / "clips.jsonl", rows)
    build_given(tmp_path / "data", table, videos=folder)
    assert clips_of(tmp_path / "data", "given_start_seconds") == [
        (f"youtube:{ONE}", 30, 60, "of a whole video", 1.2),
        ("youtube:aaaaaaaaaaa", 0, 50, "cut out by a mirror", 111.578),
    ]


def test_panda(videos: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"videoID": ONE, "url": f"https://www.youtube.com/watch?v={ONE}",
         "timestamp": "[['0:00:00.000', '0:00:01.200'], ['0:00:02.400', '0:00:04.000']]",
         "caption": '["it\'s a man", \'a dog\']', "matching_score": "[0.43, 0.5]",
         "desirable_filtering": "['desirable', '1_low_desirable_score']",
         "shot_boundary_detection": "[[['0:00:00.000', '0:00:01.200']], []]"},
    ]  # fmt: skip
    build_given(tmp_path / "data", write_csv(tmp_path / "panda.csv", rows), videos=videos)
    columns = "given_matching_score, given_desirable_filtering, given_url"
    url = f"https://www.youtube.com/watch?v={ONE}"
    assert clips_of(tmp_path / "data", columns) == [
        (f"youtube:{ONE}", 0, 30, "it's a man", 0.43, "desirable", url),
        (f"youtube:{ONE}", 60, 100, "a dog", 0.5, "1_low_desirable_score", url),
    ]


def test_koala(videos: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"videoID": f"{TWO}_{number}", "url": f"https://www.youtube.com/watch?v={TWO}",
         "timestamp": f"['0:00:0{start}', '0:00:0{end}']", "caption": caption,
         "clarity_score": 0.9, "aesthetic_score": 4.0 + number, "motion_score": 3.2}
        for number, (start, end, caption) in enumerate(
            [("0.0", "1.8", "first"), ("1.8", "4.0", "second")]
        )
    ]  # fmt: skip
    build_given(tmp_path / "data", write_csv(tmp_path / "koala.csv", rows), videos=videos)
    assert clips_of(tmp_path / "data", "given_aesthetic_score, given_videoid") == [
        (f"youtube:{TWO}", 0, 45, "first", 4.0, f"{TWO}_0"),
        (f"youtube:{TWO}", 45, 100, "second", 5.0, f"{TWO}_1"),
    ]


def test_miradata_counts_frames(videos: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"index": 0, "video_id": ONE, "start_frame": 30, "end_frame": 60, "fps": 25.0,
         "dense_caption": "long text", "short_caption": "short"}
    ]  # fmt: skip
    build_given(tmp_path / "data", write_csv(tmp_path / "mira.csv", rows), videos=videos)
    assert clips_of(tmp_path / "data", "given_short_caption, given_fps") == [
        (ONE, 30, 60, "long text", "short", 25.0)
    ]


def test_openvid_and_vidgen_are_whole_files(videos: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"video": f"{ONE}.mp4", "caption": "whole", "aesthetic score": 5.1, "frame": 100,
         "fps": 25.0, "seconds": 4.0}
    ]  # fmt: skip
    build_given(tmp_path / "one", write_csv(tmp_path / "OpenVid-1M.csv", rows), videos=videos)
    assert clips_of(tmp_path / "one", "given_aesthetic_score") == [(ONE, 0, 100, "whole", 5.1)]
    path = tmp_path / "vidgen.json"
    path.write_text(json.dumps([{"vid": TWO, "caption": "a scene"}]), "utf-8")
    build_given(tmp_path / "two", path, videos=videos)
    assert clips_of(tmp_path / "two", "1") == [(TWO, 0, 100, "a scene", 1)]


def test_hd_vila_has_no_captions_and_no_column_of_them(videos: Path, tmp_path: Path) -> None:
    rows = [
        {"video_id": ONE, "url": f"https://www.youtube.com/watch?v={ONE}", "clip": [
            {"clip_id": f"{ONE}.0.mp4", "span": ["00:00:00.000", "00:00:01.200"]},
            {"clip_id": f"{ONE}.1.mp4", "span": ["00:00:01.200", "00:00:02.400"]},
        ]}
    ]  # fmt: skip
    summary = build_given(
        tmp_path / "data", write_jsonl(tmp_path / "vila.jsonl", rows), videos=videos
    )
    assert summary.clips == 2
    data = internvid.open(tmp_path / "data")
    assert "given" not in data.sql("select * from clips limit 0").columns
    assert data.sql("select start_frame, end_frame from clips order by 1").fetchall() == [
        (0, 30),
        (30, 60),
    ]


def test_a_published_table_with_paths_needs_no_folder(videos: Path, tmp_path: Path) -> None:
    rows = [
        {"YoutubeID": ONE, "Start_timestamp": "00:00:01.200", "End_timestamp": "00:00:02.400",
         "Caption": "a man sings", "path": str(videos / "a" / f"{ONE}.mp4")},
    ]  # fmt: skip
    build_given(tmp_path / "data", write_jsonl(tmp_path / "clips.jsonl", rows))
    assert clips_of(tmp_path / "data", "1") == [(f"youtube:{ONE}", 30, 60, "a man sings", 1)]


def test_an_index_of_files_that_lie_elsewhere(videos: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"file_name": f"a/{ONE}.mp4", "start": "00:00:01.2", "end": 2.4, "text": "a street",
         "metadata": "seen twice"},
        {"file_name": f"b/{TWO}.mkv", "start": "", "end": "", "text": "whole",
         "metadata": "not seen"},
        {"file_name": f"b/{TWO}.mkv", "start": "soon", "end": "later", "text": "no times",
         "metadata": ""},
        {"file_name": "b/none.mkv", "start": 0, "end": 1, "text": "no file", "metadata": ""},
    ]  # fmt: skip
    table = write_csv(tmp_path / "metadata.csv", rows)
    summary = build_given(tmp_path / "data", table, videos=videos)
    data = internvid.open(tmp_path / "data")
    query = "select start_frame, end_frame, given, given_metadata from clips order by 3"
    assert data.sql(query).fetchall() == [
        (30, 60, "a street", "seen twice"),
        (0, 100, "whole", "not seen"),
    ]
    assert summary.given_rejected == {"malformed_time": 1}
    assert summary.set_aside == 1


def test_youcook2_and_activitynet_are_objects_of_videos(videos: Path, tmp_path: Path) -> None:
    cooking = {"database": {ONE: {
        "subset": "training", "recipe_type": "113", "duration": 4.0,
        "annotations": [{"id": 0, "segment": [0, 1.2], "sentence": "cut the onions"}],
    }}}  # fmt: skip
    table = tmp_path / "youcookii.json"
    table.write_text(json.dumps(cooking), "utf-8")
    build_given(tmp_path / "one", table, videos=videos)
    assert clips_of(tmp_path / "one", "1") == [(f"youtube:{ONE}", 0, 30, "cut the onions", 1)]
    folder = tmp_path / "activitynet"
    folder.mkdir()
    (folder / f"v_{ONE}.mp4").write_bytes((videos / "a" / f"{ONE}.mp4").read_bytes())
    acting = {f"v_{ONE}": {"duration": 4.0, "timestamps": [[1.2, 2.4]], "sentences": ["x"]}}
    table.write_text(json.dumps(acting), "utf-8")
    build_given(tmp_path / "two", table, videos=folder)
    assert clips_of(tmp_path / "two", "1") == [(f"youtube:{ONE}", 30, 60, "x", 1)]
