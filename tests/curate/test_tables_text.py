"""Text tables: bad lines are set aside with their numbers, all the others come through."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.text import delimited, line_blocks
from internvid.curate.tables.text.plan import Plan
from tests.curate.tables import internvid_objects, rows_of, write_jsonl

HEADER = "clip_id,start_seconds,end_seconds,caption\n"


def reasons(rows):
    return [(each.line, each.reason) for each in rows.faults.kept]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few lines, so that every line lies near the border of one."""
    for name, value in (("BLOCK_BYTES", 97), ("MOST_LINE_BYTES", 400)):
        monkeypatch.setattr(line_blocks, name, value)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("threads", [1, 3])
def test_bad_lines_of_jsonl_are_set_aside_and_the_rest_is_read(tmp_path, threads):
    good = [json.dumps(each) for each in internvid_objects() * 7]
    lines = [*good[:5], "{broken", *good[5:11], "", "[1, 2]", '"text"', "x" * 1000, *good[11:], "{"]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    with open_rows(path, threads=threads) as rows:
        numbers = [at for at, line in enumerate(lines, 1) if line in good]
        assert rows_of(rows, "row_line") == numbers
        assert rows_of(rows, '"Caption"') == [each["Caption"] for each in internvid_objects() * 7]
        assert reasons(rows) == [
            (6, "malformed_json"),
            (14, "not_an_object"),
            (15, "not_an_object"),
            (16, "too_long"),
            (len(lines), "malformed_json"),
        ]
        assert rows.faults.counts == {"malformed_json": 2, "not_an_object": 2, "too_long": 1}
        assert [each.text[:7] for each in rows.faults.kept][::3] == ["{broken", "xxxxxxx"]
        assert all(len(each.text) <= 200 for each in rows.faults.kept)


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_packed_files_are_read(tmp_path, packing):
    text = write_jsonl(tmp_path / "t.jsonl", internvid_objects() * 1000).read_bytes()
    path = tmp_path / f"u.jsonl.{packing}"
    if packing == "gz":
        # Two members in one file, as `cat a.gz b.gz` makes them.
        path.write_bytes(gzip.compress(text[:5000]) + gzip.compress(text[5000:]))
    else:
        path.write_bytes(pa.compress(text, "zstd", asbytes=True))
    with open_rows(path, threads=1) as rows:
        assert len(rows_of(rows, "row_line")) == 3000
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetFormatError, match=r"u\.jsonl"), open_rows(path):
        pass


def test_text_that_is_no_utf_8_is_replaced_and_marked(tmp_path):
    lines = [json.dumps(each).encode() for each in internvid_objects()]
    lines[1] = lines[1].replace(b'"b"', '"caf\xe9"'.encode("latin-1"))
    lines[2] = lines[2].replace(b'"c"', rb'"half \ud83d"')
    (tmp_path / "t.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    with open_rows(tmp_path / "t.jsonl", threads=1) as rows:
        assert rows_of(rows, "row_fault") == [None, "broken_text", "broken_text"]
        assert rows_of(rows, '"Caption"')[1:] == ["caf\ufffd", "half ?"]
    (tmp_path / "t.csv").write_bytes(HEADER.encode() + b"a,1,2,caf\xe9\nb,1,2,x\n")
    with open_rows(tmp_path / "t.csv", threads=1) as rows:
        assert rows_of(rows, "row_fault", "caption") == [("broken_text", "caf\ufffd"), (None, "x")]
    (tmp_path / "w.jsonl").write_bytes(b"\n".join(lines[:1]).decode().encode("utf-16"))
    with pytest.raises(MisuseError, match="UTF-16"), open_rows(tmp_path / "w.jsonl"):
        pass


def test_columns_and_fractions_that_turn_up_late_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 4096)
    objects = [{"clip_id": str(at), "views": at, "tags": ["a"]} for at in range(6000)]
    objects[5500]["views"] = 2.5
    objects[5800]["late"] = {"x": 1}
    objects[5900]["tags"] = [{"y": 1}]
    objects[5950]["late"] = {"z": "t"}
    objects[5990]["views"] = "many"
    path = write_jsonl(tmp_path / "t.jsonl", objects)
    with open_rows(path, threads=2) as rows:
        assert rows.columns == ("clip_id", "views", "tags", "late")
        assert rows_of(rows, "views", where="row_line in (5501, 5502)") == [2.5, 5501.0]
        assert rows_of(rows, "late", where="row_line in (5801, 5951)") == [
            {"x": 1, "z": None},
            {"x": None, "z": "t"},
        ]
        faults = rows_of(rows, "row_line", "row_fault", where="row_fault is not null")
        assert faults == [(5901, "bad_type"), (5991, "bad_type")]


def test_scores_that_are_no_numbers_of_json_are_numbers(tmp_path):
    objects = internvid_objects()
    objects[0]["UMT_Score"], objects[1]["UMT_Score"] = float("nan"), float("inf")
    objects[2]["UMT_Score"] = 1
    with open_rows(write_jsonl(tmp_path / "t.jsonl", objects), threads=1) as rows:
        assert rows_of(rows, '"UMT_Score"::varchar', "row_fault") == [
            ("nan", None),
            ("inf", None),
            ("1.0", None),
        ]


@pytest.mark.usefixtures("small_blocks")
def test_csv_with_quotes_newlines_and_bad_lines(tmp_path):
    text = (
        HEADER
        + 'a,1,2,"two\nlines, ""quoted"""\n'
        + 'b,1,2,5" pipe\n'
        + "c,1\n"
        + 'd,1,2,"never closed\n'
        + "e,1,2,x,y\n\n"
        + 'f,1,oops,"z"\r\n'
        + "".join(f'g{at},1,2,"""{at}"" and\n\n{at}"\n' for at in range(20))
        + 'h,1,2,"'
    )
    (tmp_path / "t.csv").write_bytes(text.encode())
    with open_rows(tmp_path / "t.csv", threads=2) as rows:
        found = rows_of(rows, "clip_id", "caption", "row_line", "row_fault")
        assert found[:3] == [
            ("a", 'two\nlines, "quoted"', 2, None),
            ("b", '5" pipe', 4, None),
            ("f", "z", 9, "bad_type"),
        ]
        assert found[3:] == [
            (f"g{at}", f'"{at}" and\n\n{at}', 10 + 3 * at, None) for at in range(20)
        ]
        assert reasons(rows) == [(line, "wrong_fields") for line in (5, 6, 7, 70)]


CELLS = st.text(st.one_of(st.sampled_from('",\n a'), st.characters(codec="utf-8")), max_size=8).map(
    lambda text: text.replace("\r", "").replace("\0", "")
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.integers(20, 200))
def test_what_a_csv_writer_writes_comes_through(tmp_path_factory, table, block_bytes):
    table = [("k" + row[0], *row[1:]) for row in table]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(table)
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text(file.getvalue(), "utf-8", newline="")
    plan = Plan(dict.fromkeys("abc", pa.string()))
    read = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_blocks, "BLOCK_BYTES", block_bytes)
        for records in delimited.read_delimited(path, ",", 3):
            assert not records.faulty
            careful = delimited.parse_careful(records, plan, ",")
            fast = delimited.parse_fast(records, plan, ",") if len(records) else None
            assert careful[3] == []
            assert fast is None or fast.equals(careful[0])
            read += careful[0].to_pylist()
    expected = [
        {name: cell or None for name, cell in zip("abc", row, strict=True)} for row in table
    ]
    assert read == expected


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 10_000])
def test_arrays_are_read_element_by_element(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block_bytes)
    elements = ['{"vid": "a]}, {", "caption": "é\\n\\"q\\""}', '{"vid":\n "b",\n"caption": null}']
    text = "\n [" + ",\n".join([elements[0], "{broken}", elements[1], "3"]) + " ]\n"
    (tmp_path / "t.json").write_text(text, "utf-8")
    with open_rows(tmp_path / "t.json", threads=1) as rows:
        assert rows_of(rows, "vid", "caption", "row_line") == [
            ("a]}, {", 'é\n"q"', 1),
            ("b", None, 3),
        ]
        assert reasons(rows) == [(2, "malformed_json"), (4, "not_an_object")]


@pytest.mark.parametrize("block_bytes", [1, 64, 10_000])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"vid": "a", "caption": "b"}, ', [(2, "cut_off")]),
        ('[{"vid": "a", "caption": "b"}', [(2, "cut_off")]),
        ('[{"vid": "a", "caption": "b"}, {"vid": "c", "capt', [(2, "malformed_json")]),
        ('[{"vid": "a", "caption": "b"}]\n\n[{"vid": "c"}]', [(2, "after_array")]),
        ('[{"vid": "a", "caption": "b"}, {c} ]', [(2, "malformed_json")]),
        ('[{"vid": "a", "caption": "b"}]\n  \n', []),
    ],
)
def test_an_array_that_is_cut_off_is_at_fault(tmp_path, monkeypatch, block_bytes, text, found):
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", block_bytes)
    (tmp_path / "t.json").write_text(text)
    with open_rows(tmp_path / "t.json", threads=1) as rows:
        assert rows_of(rows, "vid") == ["a"]
        assert reasons(rows) == found


def test_lines_that_end_with_carriage_returns_alone_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"clip_id,caption\ra,x\rb,y\r")
    with pytest.raises(MisuseError, match="carriage return alone"), open_rows(tmp_path / "t.csv"):
        pass
    (tmp_path / "t.csv").write_bytes(b"clip_id,caption\r\na,x\r\nb,y\r\n")
    with open_rows(tmp_path / "t.csv") as rows:
        assert rows_of(rows, "clip_id") == ["a", "b"]


def test_objects_in_a_json_file_are_lines_or_refused(tmp_path):
    path = write_jsonl(tmp_path / "t.json", internvid_objects())
    with open_rows(path, threads=1) as rows:
        assert len(rows_of(rows, "row_key")) == 3
    path.write_text(json.dumps({"database": {"x": 1}}, indent=1))
    with pytest.raises(MisuseError, match="one JSON object"), open_rows(path):
        pass
    for text in ("", "\n\n", "{}\n", "not json\n"):
        (tmp_path / "e.jsonl").write_text(text)
        with pytest.raises((MisuseError, DatasetFormatError)), open_rows(tmp_path / "e.jsonl"):
            pass


def test_files_of_a_folder_are_one_table(tmp_path):
    for at in range(3):
        (tmp_path / f"{at}.csv").write_text(HEADER + f"c{at},1,2,x\nd{at},1\n")
    with open_rows(tmp_path, threads=2) as rows:
        assert rows_of(rows, "clip_id", "row_line") == [("c0", 2), ("c1", 2), ("c2", 2)]
        assert [(each.file.name, each.line) for each in rows.faults.kept] == [
            ("0.csv", 3),
            ("1.csv", 3),
            ("2.csv", 3),
        ]
    (tmp_path / "2.csv").write_text("clip_id,caption\nx,y\n")
    with pytest.raises(DatasetFormatError, match=r"2\.csv has other columns"), open_rows(tmp_path):
        pass
    (tmp_path / "3.jsonl").write_text("{}")
    with pytest.raises(MisuseError, match="several forms"), open_rows(tmp_path):
        pass
