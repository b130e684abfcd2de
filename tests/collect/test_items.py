"""Tables of every published layout become items: what is to be fetched, and the spans of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from internvid.collect.fetching.fetch_folder import open_fetch_folder
from internvid.collect.fetching.items.item_table import write_items
from internvid.collect.fetching.items.keyed_files import as_table
from internvid.core.errors import DatasetFormatError, InternvidError

YOUTUBE = "https://www.youtube.com/watch?v="
ID = "-_abcDEF012"
Rows = list[dict[str, Any]]


def parsed(table: Path, folder: Path, **options: Any) -> tuple[Rows, Rows, Rows]:
    write_items(table, folder, 0, **options)
    names = ("items", "spans", "faulty")
    first, second, third = (
        pq.read_table(folder / name / "part-00000.parquet").to_pylist() for name in names
    )
    return first, second, third


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


PANDA = (
    "videoID,url,timestamp,caption,matching_score,desirable_filtering,shot_boundary_detection\n"
    f"{ID},{YOUTUBE}{ID},\"[['0:00:02.500', '0:00:08'], ['1:00:01.25', '1:00:09']]\","
    '"[\'it\\\'s a ""dog""\', \'b\']","[0.4, 0.5]","[\'desirable\', \'x\']","[[], []]"\n'
)
KOALA = (
    "videoID,url,timestamp,caption,clarity_score,aesthetic_score,motion_score,"
    f"video_training_suitability_score\n{ID}_26,{YOUTUBE}{ID},\"['0:00:02.5', '0:00:08']\""
    ",a,1,2,3,4\n"
)
SPANS = [(2.5, 8.0), (3601.25, 3609.0)]


@pytest.mark.parametrize(
    ("name", "text", "spans"),
    [
        (
            "flt.jsonl",
            json.dumps({"YoutubeID": ID, "Start_timestamp": "00:00:02.500",
                        "End_timestamp": "00:00:08.000", "Caption": "a", "UMT_Score": 0.4}),
            [(2.5, 8.0)],
        ),
        ("panda.csv", PANDA, SPANS),
        (
            "koala.csv",
            KOALA,
            [(2.5, 8.0)],
        ),
        (
            "hdvila.jsonl",
            json.dumps({"video_id": ID, "url": f"www.youtube.com/watch?v={ID}", "clip": [
                {"clip_id": "a.mp4", "span": ["00:00:02.500", "00:00:08.000"]}]}),
            [(2.5, 8.0)],
        ),
        ("videocc.csv", f"{ID},2500000,8000000,a text\n", [(2.5, 8.0)]),
        ("vidgen.json", json.dumps([{"vid": f"{ID}-Scene-0030", "caption": "a"}]), [(None, None)]),
        ("howto100m.csv", f"video_id,category_1,rank,task_id\n{ID},Food,1,2\n", [(None, None)]),
        (
            "activitynet.json",
            json.dumps({f"v_{ID}": {"timestamps": [[2.5, 8]], "sentences": ["a"]}}),
            [(2.5, 8.0)],
        ),
        (
            "youcook2.json",
            json.dumps({"database": {ID: {"subset": "training", "annotations": [
                {"id": 0, "segment": [2.5, 8], "sentence": "a"}]}}}),
            [(2.5, 8.0)],
        ),
        (
            "captions_of_howto.json",
            json.dumps({ID: {"start": [2.5], "end": [8.0], "text": ["a"]}}),
            [(2.5, 8.0)],
        ),
        ("list.txt", f"# mine\n{ID}\n\nhttps://youtu.be/{ID}?t=3\n", [(None, None)] * 2),
        ("links.csv", f"link\nhttps://m.youtube.com/shorts/{ID}\n", [(None, None)]),
        ("own.csv", f"source_id,start_seconds,end_seconds\nyoutube:{ID},2.5,8\n", [(2.5, 8.0)]),
    ],
)  # fmt: skip
def test_a_video_of_youtube_is_one_item_whatever_names_it(
    tmp_path: Path, name: str, text: str, spans: list[tuple[float | None, float | None]]
) -> None:
    items, rows, faulty = parsed(written(tmp_path / name, text), tmp_path / "out")
    assert faulty == []
    (item,) = items
    assert (item["source_id"], item["uri"]) == (f"youtube:{ID}", YOUTUBE + ID)
    assert item["spans"] == len(spans)
    assert [(row["start_seconds"], row["end_seconds"]) for row in rows] == spans


def test_ids_are_texts_and_further_columns_are_kept(tmp_path: Path) -> None:
    text = 'id,url,score,note\n007,http://h/a?b=c&d,0.5,"x, ""y"""\n7,http://h/ü,1,\n'
    (first, second), (row, _), _ = parsed(written(tmp_path / "t.csv", text), tmp_path / "out")
    assert (first["source_id"], first["uri"]) == ("007", "http://h/a?b=c&d")
    assert (second["source_id"], second["uri"]) == ("7", "http://h/ü")
    assert json.loads(row["metadata"]) == {"score": 0.5, "note": 'x, "y"'}


def test_a_template_says_where_ids_are(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", "video_id,caption\na b/ü,x\n001,y\n")
    items, _, _ = parsed(table, tmp_path / "out", url_template="https://h/{id}.mp4")
    assert [item["uri"] for item in items] == ["https://h/a%20b%2F%C3%BC.mp4", "https://h/001.mp4"]
    assert [item["source_id"] for item in items] == ["a b/ü", "001"]


def test_items_are_in_the_order_of_the_table_and_spans_in_that_of_items(tmp_path: Path) -> None:
    rows = ["b,http://h/b,5,6", "a,http://h/a,1,2", "b,http://h/b,1,2", "a,http://h/a2,3,4"]
    text = "source_id,url,start_seconds,end_seconds\n" + "\n".join(rows) + "\n"
    items, spans, _ = parsed(written(tmp_path / "t.csv", text), tmp_path / "out")
    assert [item["uri"] for item in items] == ["http://h/b", "http://h/a", "http://h/a2"]
    assert [(span["item"], span["start_seconds"]) for span in spans] == [
        (0, 1),
        (0, 5),
        (1, 1),
        (2, 3),
    ]
    assert (items[0]["start_seconds"], items[0]["end_seconds"]) == (1, 6)


def test_bad_lines_are_named_by_line_and_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = {"source_id": "a", "uri": "http://h/a", "start_seconds": 1, "end_seconds": 2}
    lines = [
        json.dumps(good),
        "{cut off",
        "[]",
        json.dumps({**good, "start_seconds": "soon"}),
        json.dumps({**good, "end_seconds": 0.5}),
        json.dumps({**good, "uri": ""}),
        json.dumps({**good, "uri": "http://h/a b"}),
        json.dumps({**good, "uri": "http://h/" + "x" * 5000}),
        json.dumps({**good, "uri": "http://h/\u0000"}),
        json.dumps({**good, "uri": None, "source_id": "no such site"}),
    ]
    table = written(tmp_path / "t.jsonl", "\n".join(lines) + "\n")
    items, spans, faulty = parsed(table, tmp_path / "out")
    assert (len(items), len(spans)) == (1, 1)
    assert {each["line"] for each in faulty} == set(range(2, 11))
    reasons = {each["line"]: each["reason"] for each in faulty}
    assert reasons[2] == "malformed_json"
    assert (reasons[4], reasons[5]) == ("malformed_time", "reversed_time")
    assert (reasons[6], reasons[7], reasons[10]) == ("no_uri", "malformed_uri", "no_uri")


def test_latin_1_costs_a_caption_and_not_the_video(tmp_path: Path) -> None:
    text = "source_id,url,caption\na,http://h/a,caf\u00e9\nb,http://h/b,tea\n".encode("latin-1")
    items, spans, faulty = parsed(written(tmp_path / "t.csv", text), tmp_path / "out")
    assert len(items) == 2
    assert [span["caption"] for span in spans] == [None, "tea"]
    assert faulty == [{"line": 2, "reason": "broken_text"}]


def test_code_in_lists_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"[__import__('pathlib').Path({str(mark)!r}).touch()]"
    row = f'{ID},{YOUTUBE}{ID},"{code}","{code}","[]","[]","[]"\n'
    table = written(tmp_path / "t.csv", PANDA + row)
    items, _, faulty = parsed(table, tmp_path / "out")
    assert len(items) == 1
    assert [each["reason"] for each in faulty] == ["malformed_list"]
    assert not mark.exists()


def test_a_table_without_rows_has_no_items_and_one_without_columns_is_refused(
    tmp_path: Path,
) -> None:
    empty = written(tmp_path / "t.csv", "source_id,url\n")
    assert parsed(empty, tmp_path / "out") == ([], [], [])
    for name, text in (("a.csv", ""), ("b.csv", "x,y\n1,2\n"), ("c.json", ""), ("d.jsonl", "")):
        with pytest.raises(InternvidError):
            parsed(written(tmp_path / name, text), tmp_path / name.partition(".")[0])


def test_a_keyed_file_is_read_piece_by_piece(tmp_path: Path) -> None:
    entries = {
        f"v_{n:011d}": {"timestamps": [[1, 2]], "sentences": ["x" * 5000]} for n in range(900)
    }
    whole = json.dumps(entries)
    table = as_table(written(tmp_path / "a.json", whole), tmp_path / "scratch")
    assert pq.read_metadata(table).num_rows == 900
    with pytest.raises(DatasetFormatError, match="breaks off"):
        as_table(written(tmp_path / "b.json", whole[:-9]), tmp_path / "scratch")


def test_parquet_with_further_types_is_taken(tmp_path: Path) -> None:
    table = pa.table({"id": [7, 8], "url": ["http://h/a", "http://h/b"], "tags": [["x"], []]})
    pq.write_table(table, tmp_path / "t.parquet")
    items, spans, _ = parsed(tmp_path / "t.parquet", tmp_path / "out")
    assert [item["source_id"] for item in items] == ["7", "8"]
    assert json.loads(spans[0]["metadata"]) == {"tags": ["x"]}


def test_pictures_and_vectors_of_a_table_are_no_metadata(tmp_path: Path) -> None:
    columns = {"id": ["a"], "url": ["http://h/a"], "jpeg": [b"x" * 9000], "vector": [[0.5] * 512]}
    pq.write_table(pa.table({**columns, "score": [1]}), tmp_path / "t.parquet")
    _, (span,), _ = parsed(tmp_path / "t.parquet", tmp_path / "out")
    assert json.loads(span["metadata"]) == {"score": 1}


def test_a_table_is_known_by_its_bytes(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", "id,url\na,http://h/a\n")
    folder = open_fetch_folder(tmp_path / "f", may_be_new=True)
    assert folder.add(table)
    assert not folder.add(table)
    again = written(tmp_path / "t.csv", "id,url\na,http://h/a\n")  # another time of change
    assert not open_fetch_folder(tmp_path / "f").add(again)
