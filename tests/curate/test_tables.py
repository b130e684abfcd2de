"""Tables of clips: layouts, times, keys and faults, in one relation."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import (
    ConfigInvalidError,
    DatasetFormatError,
    MisuseError,
    SourceMissingError,
)
from internvid.curate.tables.keys import name_keys, row_keys
from internvid.curate.tables.opening import open_rows
from tests.curate.tables import (
    INTERNVID,
    NAMES,
    PANDA_HEADER,
    internvid_objects,
    rows_of,
    write_jsonl,
    write_parquet,
)

TIMES = ("start_seconds", "end_seconds", "duration_seconds")


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_published_table_has_its_own_columns_and_standard_ones(tmp_path, form):
    write = write_parquet if form == "parquet" else write_jsonl
    path = write(tmp_path / f"flt.{form}", internvid_objects())
    with open_rows(path, threads=1) as rows:
        assert (rows.layout, rows.columns, rows.faults.total) == ("internvid", NAMES, 0)
        assert rows_of(rows, *(f'"{name}"' for name in NAMES)) == INTERNVID
        assert rows_of(rows, "source_id", *TIMES, "row_caption") == [
            ("0TDAwrav8Dc", 1.0, 3.5, 2.5, 'a "q", [x]'),
            ("007", 600.25, 609.0, 8.75, "b"),
            ("0TDAwrav8Dc", 90000.0, 93600.5, 3600.5, "c"),
        ]
        assert rows_of(rows, "row_fault", "row_line") == [(None, 1), (None, 2), (None, 3)]
        kinds = dict(zip(rows.relation.columns, map(str, rows.relation.types), strict=True))
        assert kinds["row_key"] == "UBIGINT"
        assert [kinds[name] for name in TIMES] == ["DOUBLE"] * 3


@pytest.mark.parametrize(
    ("name", "text", "layout", "expected"),
    [
        (
            "koala.csv",
            (
                "videoID,url,timestamp,caption,clarity_score\n"
                "ab_c_26,u,\"['0:00:01.500', '0:00:02.750']\",cap,0.5\n"
            ),
            "koala-36m",
            [("ab_c", 1.5, 2.75, 1.25, "cap")],
        ),
        (
            "openvid.csv",
            (
                "video,caption,aesthetic score,camera motion,frame,fps,seconds\n"
                "-x_y_13_0to241.mp4,c,5.1,static,241,24,10.05\ncelebv_1.mp4,d,5,zoom,10,25,0.4\n"
            ),
            "openvid-1m",
            [("-x_y", None, None, 10.05, "c"), ("celebv_1", None, None, 0.4, "d")],
        ),
        (
            "mira.csv",
            (
                "index,video_id,start_frame,end_frame,short_caption,dense_caption,fps\n"
                "0,vv,30,90,s,d,30.0\n"
            ),
            "miradata-v0",
            [("vv", 1.0, 3.0, 2.0, "d")],
        ),
        (
            "vidgen.json",
            '[\n {"vid": "A-b_c-Scene-0030",\n  "caption": "x"},\n {"vid": "Q", "caption": "y"}]',
            "vidgen-1m",
            [("A-b_c", None, None, None, "x"), ("Q", None, None, None, "y")],
        ),
        (
            "hdvila.jsonl",
            (
                '{"video_id": "v", "url": "u", "clip": [{"clip_id": "v.0.mp4", "span": '
                '["00:00:17.750", "00:00:23.250"]}, {"clip_id": "v.1.mp4", "span": '
                '["00:01:00.000", "00:01:01.000"]}]}\n'
            ),
            "hd-vila-100m",
            [("v", 17.75, 23.25, 5.5, None), ("v", 60.0, 61.0, 1.0, None)],
        ),
        (
            "videocc.csv",
            'abc,1000000,2500000,"a cat, sits"\n',
            "videocc",
            [("abc", 1.0, 2.5, 1.5, "a cat, sits")],
        ),
        (
            "webvid.csv",
            "videoid,name,page_dir,duration,contentUrl\n0012,a dog,000_050,PT01H00M17S,http://x\n",
            "webvid",
            [("0012", None, None, 3617.0, "a dog")],
        ),
        (
            "own.csv",
            "clip_id,video_id,start_seconds,end_seconds,caption\nc1,007,1.5,0:00:03.500,x\n",
            "own",
            [("007", 1.5, 3.5, 2.0, "x")],
        ),
    ],
)
def test_layouts_are_known_by_their_columns(tmp_path, name, text, layout, expected):
    (tmp_path / name).write_text(text, "utf-8")
    with open_rows(tmp_path / name, threads=1) as rows:
        assert rows.layout == layout
        standard = ["source_id", "start_seconds::varchar", "end_seconds::varchar"]
        assert rows_of(rows, standard[0], "row_caption") == [(e[0], e[4]) for e in expected]
        assert rows_of(rows, "duration_seconds") == [each[3] for each in expected]
        if layout != "own":
            assert rows_of(rows, *TIMES) == [each[1:4] for each in expected]
        assert rows_of(rows, "row_fault") == [None] * len(expected)
        assert len(set(rows_of(rows, "row_key"))) == len(expected)


def test_a_video_with_lists_becomes_one_row_a_clip(tmp_path):
    cells = ["v1", "u"]
    lists = [
        "[['0:00:01.000', '0:00:04.500'], ['0:00:05.000', '0:00:09.000']]",
        "[\"it's a, [man]\", 'plain \"q\" \\'r\\'']",
        "[0.5, 0.25]",
    ]
    quoted = ['"' + each.replace('"', '""') + '"' for each in lists]
    text = PANDA_HEADER + ",".join([*cells, *quoted]) + "\n" + 'v2,u,"[[1","[]","[]"\n'
    text += 'v3,u,"[]","[]","[]"\n' + 'v4,u,"[[\'0:00:01.000\']]","[\'x\']","[1]"\n'
    (tmp_path / "panda.csv").write_text(text, "utf-8")
    with open_rows(tmp_path / "panda.csv", threads=1) as rows:
        assert rows.layout == "panda-70m"
        assert rows_of(rows, "videoID", *TIMES, "row_caption", where="row_fault is null") == [
            ("v1", 1.0, 4.5, 3.5, "it's a, [man]"),
            ("v1", 5.0, 9.0, 4.0, "plain \"q\" 'r'"),
        ]
        assert rows_of(rows, "timestamp", "caption", "matching_score")[1] == (
            "[['0:00:05.000', '0:00:09.000']]",
            "['plain \"q\" \\'r\\'']",
            "[0.25]",
        )
        assert rows_of(rows, "row_line", "row_fault")[2] == (5, "no_time")
        assert [(each.line, each.reason) for each in rows.faults.kept] == [
            (3, "malformed_list"),
            (4, "no_clips"),
        ]


def test_videos_in_parquet_are_expanded_too(tmp_path):
    video = {
        "videoID": "v",
        "url": "u",
        "timestamp": "[['0:00:01', '0:00:04']]",
        "caption": "['c']",
    }
    path = write_parquet(tmp_path / "panda.parquet", [video, {**video, "timestamp": "[["}])
    with open_rows(path, threads=1) as rows:
        assert rows_of(rows, "source_id", *TIMES, "row_line") == [("v", 1.0, 4.0, 3.0, 1)]
        assert [(each.line, each.reason) for each in rows.faults.kept] == [(2, "malformed_list")]


@pytest.mark.parametrize(
    ("start", "end", "fault"),
    [
        ("00:00:01.000", "00:00:02.000", None),
        ("0:0:1", "100:00:00", None),
        ("1.5", "2", None),
        (None, "00:00:02.000", "no_time"),
        ("00:00:01.000", "", "no_time"),
        ("00:00:01,000", "00:00:02.000", "malformed_time"),
        ("00:61:00.000", "02:00:02.000", "malformed_time"),
        ("1 day", "2 days", "malformed_time"),
        ("0:0:0:1", "00:00:02.000", "malformed_time"),
        ("nan", "inf", "malformed_time"),
        ("-00:00:01.000", "00:00:02.000", "negative_time"),
        ("00:00:02.000", "00:00:02.000", "reversed_time"),
    ],
)
def test_times_are_sound_or_at_fault_in_one_word(tmp_path, start, end, fault):
    row = {"YoutubeID": "x", "Start_timestamp": start, "End_timestamp": end, "Caption": "c"}
    schema = pa.schema([(name, pa.string()) for name in row])
    path = write_parquet(tmp_path / "t.parquet", [row], schema)
    with open_rows(path, threads=1) as rows:
        assert rows_of(rows, "row_fault") == [fault]
        assert rows_of(rows, "count(*)", where="row_fault is null") == [int(fault is None)] or fault


def test_faults_of_ids_lengths_and_scores(tmp_path):
    sound = {"source_id": "a", "start_seconds": 1.0, "end_seconds": 2.0, "video_seconds": 9.0}
    rows = [
        sound,
        {**sound, "source_id": None},
        {**sound, "source_id": ""},
        {**sound, "end_seconds": 10.5},
        {**sound, "end_seconds": float("nan")},
        {**sound, "start_seconds": -1.0},
    ]
    with open_rows(write_parquet(tmp_path / "t.parquet", rows), threads=1) as opened:
        assert rows_of(opened, "row_fault") == [
            None,
            "no_id",
            "no_id",
            "out_of_video",
            "malformed_time",
            "negative_time",
        ]
    objects = internvid_objects()
    objects[0]["UMT_Score"] = "abc"
    objects[1]["UMT_Score"] = float("nan")
    for path in (
        write_jsonl(tmp_path / "s.jsonl", objects),
        write_parquet(
            tmp_path / "s.parquet",
            [{**each, "UMT_Score": str(each["UMT_Score"])} for each in objects],
        ),
    ):
        with open_rows(path, threads=1) as opened:
            assert rows_of(opened, "row_fault") == ["bad_type", None, None]


def test_ids_stay_what_they_were_written_as(tmp_path):
    path = write_parquet(
        tmp_path / "n.parquet", [{"video_id": 7, "start_seconds": 0.0, "end_seconds": 1.0}]
    )
    with open_rows(path, threads=1) as rows:
        assert rows_of(rows, "source_id", "video_id") == [("7", 7)]
    (tmp_path / "n.csv").write_text("video_id,start_seconds,end_seconds\n007,0,1\n7,0,1\n")
    with open_rows(tmp_path / "n.csv", threads=1) as rows:
        assert rows_of(rows, "source_id") == ["007", "7"]
        assert len(set(rows_of(rows, "row_key"))) == 2


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(0, 1e6),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_keys_of_sql_and_numpy_are_equal(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("keys")
    names = ("source_id", "start_seconds", "end_seconds")
    path = write_parquet(folder / "k.parquet", [dict(zip(names, v, strict=True)) for v in values])
    with open_rows(path, threads=1) as rows:
        keys = rows_of(rows, "row_key")
    ids, starts, ends = zip(*values, strict=True)
    assert keys == row_keys(ids, starts, ends).tolist()


def test_a_key_names_the_clip_and_not_its_row(tmp_path):
    with open_rows(write_parquet(tmp_path / "a.parquet", internvid_objects()), threads=1) as rows:
        keys = rows_of(rows, "row_key")
    # Fixed for good: subsets that were drawn must come out again.
    assert keys[0] == 8885379611877769631
    backwards = internvid_objects()[::-1]
    with open_rows(write_jsonl(tmp_path / "b.jsonl", backwards), threads=2) as rows:
        assert rows_of(rows, "row_key") == keys[::-1]
    spans = [{"source_id": "007", "start_seconds": 600.25, "end_seconds": 609.0}]
    with open_rows(write_parquet(tmp_path / "c.parquet", spans), threads=1) as rows:
        assert rows_of(rows, "row_key") == [keys[1]]
    named = [{"clip_id": "c1", **spans[0]}, {"clip_id": "c2", **spans[0]}]
    with open_rows(write_parquet(tmp_path / "d.parquet", named), threads=1) as rows:
        assert rows_of(rows, "row_key") == name_keys(["c1", "c2"]).tolist()


def test_keys_of_neighbours_differ_and_spread():
    starts = np.repeat(np.arange(100) / 1000, 100)
    ends = np.tile(np.arange(100) / 1000, 100)
    keys = row_keys(["video"] * 10_000, starts, ends)
    assert len(np.unique(keys)) == 10_000
    counts = np.bincount((keys >> np.uint64(58)).astype(int), minlength=64)
    # 63 degrees of freedom: 1 in 10^5 lies outside on either side.
    assert 24 < float(((counts - 156.25) ** 2 / 156.25).sum()) < 124


def test_parts_are_one_table_in_the_order_of_their_names(tmp_path):
    objects = internvid_objects()
    for index, each in enumerate(objects):
        more = {} if index < 2 else {"Language": "en"}
        write_parquet(tmp_path / f"part-{index}.parquet", [{**each, **more}])
    for source in (tmp_path, str(tmp_path / "*.parquet")):
        with open_rows(source, threads=2) as rows:
            assert rows_of(rows, '"Caption"') == [each[3] for each in INTERNVID]
            assert rows_of(rows, '"Language"') == [None, None, "en"]
            assert rows_of(rows, "row_line") == [1, 1, 1]
            assert len(set(rows_of(rows, "row_place"))) == 3


@pytest.mark.parametrize("name", ["row_key", "Row_Fault", "internvid_x", "file_row_number"])
def test_names_that_rows_are_given_are_refused(tmp_path, name):
    path = write_parquet(tmp_path / "t.parquet", [{"source_id": "a", name: 1}])
    with pytest.raises(MisuseError, match=name), open_rows(path):
        pass


def test_what_is_no_table_is_refused_with_what_it_has(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", [{"foo": 1, "bar": 2}])
    with pytest.raises(MisuseError, match="foo, bar") as caught, open_rows(path):
        pass
    assert "start_seconds" in str(caught.value.hint)
    layout = "internvid"
    with pytest.raises(MisuseError, match="lacks uri or"), open_rows(path, layout=layout):
        pass
    with pytest.raises(ConfigInvalidError, match="panda"), open_rows(path, layout="panda"):
        pass
    with pytest.raises(SourceMissingError), open_rows(tmp_path / "none.parquet"):
        pass
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(MisuseError, match="notes"), open_rows(tmp_path / "notes.txt"):
        pass
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:50])
    with (
        pytest.raises(DatasetFormatError, match=r"cut\.parquet"),
        open_rows(tmp_path / "cut.parquet"),
    ):
        pass
