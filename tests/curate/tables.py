"""Small published tables, as their layouts are, for the tests of the room of tables."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

INTERNVID = [
    ("0TDAwrav8Dc", "00:00:01.000", "00:00:03.500", 'a "q", [x]', 4.5, 0.4),
    ("007", "00:10:00.250", "00:10:09.000", "b", 5.0, 0.3),
    ("0TDAwrav8Dc", "25:00:00.000", "26:00:00.500", "c", 3.0, 0.2),
]
NAMES = ("YoutubeID", "Start_timestamp", "End_timestamp", "Caption", "Aesthetic_Score", "UMT_Score")
PANDA_HEADER = "videoID,url,timestamp,caption,matching_score\n"


def internvid_objects(rows=INTERNVID):
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def write_jsonl(path: Path, objects) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), "utf-8")
    return path


def write_parquet(path: Path, objects, schema: pa.Schema | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(objects, schema=schema), path)
    return path


def rows_of(rows, *columns: str, where: str = "true"):
    """Values of some columns, in the order of the input."""
    listed = ", ".join(columns)
    chosen = rows.relation.filter(where).order("row_place").project(listed)
    values = chosen.fetchall()
    return [value[0] for value in values] if len(columns) == 1 else values
