"""Writing rows: own columns as they were, in the order of the input, whole or not at all."""

import csv
import datetime as dt
import decimal
import json
import os
import resource
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from internvid.core.errors import MisuseError, OutputExistsError, StorageError
from internvid.curate.select_table import select_table
from internvid.curate.selectors import Aesthetic
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.writing import write_rows
from tests.curate.tables import (
    PANDA_HEADER,
    internvid_objects,
    rows_of,
    write_jsonl,
    write_parquet,
)

TYPES = pa.schema(
    [
        pa.field("clip_id", pa.large_string(), nullable=False, metadata={"note": "kept"}),
        ("start_seconds", pa.float32()),
        ("end_seconds", pa.decimal128(9, 3)),
        ("frame", pa.float64()),
        ("views", pa.uint16()),
        ("made", pa.timestamp("ms", tz="UTC")),
        ("day", pa.date32()),
        ("tags", pa.list_(pa.string())),
        ("box", pa.struct([("x.y", pa.int8()), ("z", pa.binary())])),
        ("label", pa.dictionary(pa.int32(), pa.string())),
        ("a.b", pa.bool_()),
    ],
    metadata={"huggingface": "{}"},
)


def typed_table(count: int) -> pa.Table:
    rows = [
        {
            "clip_id": f"c{at}",
            "start_seconds": at,
            "end_seconds": decimal.Decimal(at) + decimal.Decimal("0.125"),
            "frame": float("nan") if at % 3 else 0.5,
            "views": at,
            "made": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "day": dt.date(2024, 1, 1) if at % 2 else None,
            "tags": ["a", None, "é"],
            "box": {"x.y": 1, "z": b"\xff"},
            "label": "one",
            "a.b": at % 2 == 0,
        }
        for at in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=TYPES)


def test_parquet_keeps_types_values_and_order(tmp_path):
    table = typed_table(3000)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    with open_rows(tmp_path / "in.parquet", threads=2) as rows:
        chosen = rows.relation.filter("views % 7 = 3 or views between 1390 and 1420")
        written = write_rows(rows, chosen.order("row_key"), tmp_path / "out.parquet")
    at = [at for at in range(3000) if at % 7 == 3 or 1390 <= at <= 1420]
    assert written == len(at)
    back = pq.read_table(tmp_path / "out.parquet")
    assert back.schema.equals(pq.read_schema(tmp_path / "in.parquet"), check_metadata=True)
    assert back.schema.metadata == TYPES.metadata
    assert repr(back.to_pylist()) == repr(table.take(at).to_pylist())
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_equal_rows_make_equal_bytes_however_they_were_chosen(tmp_path):
    pq.write_table(typed_table(3000), tmp_path / "in.parquet", row_group_size=700)
    for suffix in ("parquet", "csv", "jsonl"):
        made = []
        for threads, order in ((1, "row_key"), (3, "hash(row_key)")):
            out = tmp_path / f"out{threads}.{suffix}"
            with open_rows(tmp_path / "in.parquet", threads=threads) as rows:
                write_rows(rows, rows.relation.filter("views % 2 = 0").order(order), out)
            made.append(out.read_bytes())
        assert made[0] == made[1]


def test_lines_of_jsonl_and_csv_are_copied(tmp_path):
    lines = [json.dumps(each, indent=None, separators=(",", " : ")) for each in internvid_objects()]
    lines[0] = lines[0].replace("4.5", "4.50e0")
    (tmp_path / "in.jsonl").write_bytes("\r\n".join([lines[0], "", "{", *lines[1:]]).encode())
    with open_rows(tmp_path / "in.jsonl", threads=1) as rows:
        chosen = rows.relation.filter("end_seconds > 1000 or duration_seconds < 3")
        assert write_rows(rows, chosen, tmp_path / "out.jsonl") == 2
        assert write_rows(rows, rows.relation, tmp_path / "out.csv") == 3
    assert (tmp_path / "out.jsonl").read_text() == f"{lines[0]}\n{lines[2]}\n"
    with open_rows(tmp_path / "out.csv", threads=1) as rows:
        assert rows_of(rows, '"Caption"') == ['a "q", [x]', "b", "c"]
    header, one, two = "clip_id, caption ,start_seconds\n", 'a,"x\n""y""",01.50\n', "b,,2\n"
    (tmp_path / "in2.csv").write_text(header + one + "bad\n" + two)
    with open_rows(tmp_path / "in2.csv", threads=1) as rows:
        assert write_rows(rows, rows.relation.order("row_key"), tmp_path / "out2.csv") == 2
        write_rows(rows, rows.relation, tmp_path / "out2.jsonl")
    assert (tmp_path / "out2.csv").read_text() == header + one + two
    assert [json.loads(line) for line in (tmp_path / "out2.jsonl").read_text().splitlines()] == [
        {"clip_id": "a", " caption ": 'x\n"y"', "start_seconds": 1.5},
        {"clip_id": "b", " caption ": None, "start_seconds": 2.0},
    ]


def test_elements_of_an_array_become_lines_and_files_stay_in_order(tmp_path):
    for at in range(2):
        text = json.dumps([{"vid": f"v{at}", "caption": "x\ny"}, {"vid": f"w{at}"}], indent=2)
        (tmp_path / f"{at}.json").write_text(text)
    with open_rows(tmp_path / "*.json", threads=1) as rows:
        write_rows(rows, rows.relation.filter("vid <> 'w0'"), tmp_path / "out.jsonl")
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert made == [
        {"vid": "v0", "caption": "x\ny"},
        {"vid": "v1", "caption": "x\ny"},
        {"vid": "w1"},
    ]


def test_a_reader_of_panda_loads_what_is_written(tmp_path):
    spans, captions = "[['0:00:01', '0:00:04'], ['0:00:05', '0:00:09']]", '[\'a\', ""b\'s""]'
    (tmp_path / "in.csv").write_text(f'{PANDA_HEADER}v1,u,"{spans}","{captions}","[1, 2]"\n')
    with open_rows(tmp_path / "in.csv", threads=1) as rows:
        chosen = rows.relation.filter("duration_seconds > 3.5")
        assert write_rows(rows, chosen, tmp_path / "out.csv") == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {
                "videoID": "v1",
                "url": "u",
                "timestamp": "[['0:00:05', '0:00:09']]",
                "caption": '["b\'s"]',
                "matching_score": "[2]",
            }
        ]
    with open_rows(tmp_path / "out.csv", threads=1) as rows:
        assert rows_of(rows, "row_caption", "start_seconds") == [("b's", 5.0)]


def test_rows_of_several_forms_become_parquet_of_sensible_types(tmp_path):
    path = write_jsonl(tmp_path / "in.jsonl", [{**each, "n": 1} for each in internvid_objects()])
    with open_rows(path, threads=1) as rows:
        write_rows(rows, rows.relation.limit(0), tmp_path / "none.parquet")
        write_rows(rows, rows.relation, tmp_path / "out.parquet")
    for name in ("none", "out"):
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert [str(field.type) for field in schema] == [*["string"] * 4, *["double"] * 2, "int64"]


def test_an_output_is_refused_before_it_is_harmed(tmp_path):
    path = write_parquet(tmp_path / "in.parquet", internvid_objects())
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with open_rows(path, threads=1) as rows:
        with pytest.raises(OutputExistsError, match="exists"):
            write_rows(rows, rows.relation, out)
        assert out.read_text() == "mine"
        (tmp_path / "d.csv").mkdir()
        with pytest.raises(OutputExistsError, match="folder"):
            write_rows(rows, rows.relation, tmp_path / "d.csv", overwrite=True)
        with pytest.raises(MisuseError, match="suffix"):
            write_rows(rows, rows.relation, tmp_path / "out.txt")
        with pytest.raises(MisuseError, match="row_place"):
            write_rows(rows, rows.relation.project("row_key"), tmp_path / "x.csv")
        with pytest.raises(MisuseError, match="cannot be chosen"):
            write_rows(rows, rows.relation.filter('"Caption"::int > 1'), tmp_path / "x.csv")
        assert write_rows(rows, rows.relation, out, overwrite=True) == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["d.csv", "in.parquet", "out.jsonl"]


def test_the_input_itself_can_be_replaced(tmp_path):
    path = write_jsonl(tmp_path / "t.jsonl", internvid_objects())
    with open_rows(path, threads=1) as rows:
        assert write_rows(rows, rows.relation.limit(1), path, overwrite=True) == 1
    assert len(path.read_text().splitlines()) == 1


def test_a_full_disk_leaves_no_file(tmp_path):
    pq.write_table(typed_table(3000), tmp_path / "in.parquet")
    (tmp_path / "out").mkdir()
    with open_rows(tmp_path / "in.parquet", threads=1) as rows:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            for suffix in ("parquet", "csv", "jsonl"):
                with pytest.raises(StorageError):
                    write_rows(rows, rows.relation, tmp_path / "out" / f"x.{suffix}")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)
        # The connection is free again for what comes next.
        assert len(rows_of(rows, "row_place")) == 3000
    assert list((tmp_path / "out").iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from internvid.curate.tables import taking
from internvid.curate.tables.opening import open_rows
from internvid.curate.tables.writing import write_rows
source, scratch, out = map(Path, sys.argv[1:])
once = taking._of_group
def slow(*arguments):
    yield from once(*arguments)
    print("ready", flush=True)
    time.sleep(60)
taking._of_group = slow
with open_rows(source, scratch=scratch, threads=1) as rows:
    write_rows(rows, rows.relation, out)
"""


def test_a_killed_writer_leaves_no_half_file_and_its_scratch_goes_later(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", internvid_objects())
    scratch, out = tmp_path / "scratch", tmp_path / "out.parquet"
    command = [sys.executable, "-c", KILLED, str(source), str(scratch), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    left = list(scratch.iterdir())
    with open_rows(source, scratch=scratch, threads=1):
        # It lives: its folder is not touched, though ours comes and goes.
        assert set(left) < set(scratch.iterdir())
    assert list(scratch.iterdir()) == left
    process.kill()
    process.wait()
    process.stdout.close()
    assert not out.exists()
    with open_rows(source, scratch=scratch, threads=1) as rows:
        assert not left[0].exists()
        assert write_rows(rows, rows.relation, out) == 3
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "lines", "rejected"),
    [
        (
            "t.csv",
            [
                "clip_id,start_seconds,end_seconds,caption,aesthetic_score",
                'a,0,5,"x, y",5',
                "b,0,5,,abc",
                'c, 0,5,"two',
                'lines",1.50',
            ],
            [
                "clip_id,start_seconds,end_seconds,caption,aesthetic_score,rejection",
                "b,0,5,,abc,no_score",
                'c, 0,5,"two',
                'lines",1.50,low_aesthetic',
            ],
        ),
        (
            "t.jsonl",
            [
                '{"clip_id": "a", "aesthetic_score": 5}',
                '{"clip_id":"b","aesthetic_score":"abc" }',
                '{"aesthetic_score": 1.50, "clip_id": "\\u0063"}',
            ],
            [
                '{"clip_id":"b","aesthetic_score":"abc", "rejection": "bad_type"}',
                '{"aesthetic_score": 1.50, "clip_id": "\\u0063", "rejection": "low_aesthetic"}',
            ],
        ),
    ],
)
def test_rejected_lines_of_text_are_copied_with_their_reason(tmp_path, name, lines, rejected):
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    out = tmp_path / f"out{name[1:]}"
    select_table(tmp_path / name, Aesthetic(), out, with_rejected=True)
    assert out.with_name(f"out.rejected{out.suffix}").read_text().splitlines() == rejected
