"""Rows of the stored tables as types: each names exactly the columns of its schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pytest

from internvid.dataset.layout import Record
from internvid.dataset.tables import (
    ANNOTATION_KEYS,
    CLIP_FIELDS,
    PICK_SCHEMA,
    SOURCE_SCHEMA,
    SPAN_PICK_SCHEMA,
    VIDEO_SCHEMA,
    AnswerRow,
    ClipRow,
    PickRow,
    SourceRow,
    SpanPickRow,
    VideoRow,
    column_schema,
)
from tests.docs.manual import ROOT

CLIP_SCHEMA = pa.schema(list(CLIP_FIELDS))
ANSWER_SCHEMA = column_schema("string", {}, reads_text=True)
SCHEMAS = (
    (VideoRow, VIDEO_SCHEMA),
    (SourceRow, SOURCE_SCHEMA),
    (PickRow, PICK_SCHEMA),
    (SpanPickRow, SPAN_PICK_SCHEMA),
    (ClipRow, CLIP_SCHEMA),
    (AnswerRow, ANSWER_SCHEMA),
)
PLAIN = {
    str: pa.types.is_string,
    int: pa.types.is_integer,
    float: pa.types.is_floating,
    bool: pa.types.is_boolean,
    bytes: lambda kind: pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind),
}


@pytest.mark.parametrize(("row", "schema"), SCHEMAS)
def test_a_row_has_the_columns_of_its_schema(row: Any, schema: pa.Schema) -> None:
    assert set(get_type_hints(row)) == set(schema.names)


@pytest.mark.parametrize(("row", "schema"), SCHEMAS)
def test_values_of_a_row_have_the_types_of_its_schema(row: Any, schema: pa.Schema) -> None:
    for name, hint in get_type_hints(row).items():
        kinds = [kind for kind in getattr(hint, "__args__", (hint,)) if kind is not type(None)]
        if kinds[0] in PLAIN and getattr(hint, "__origin__", None) is None:
            assert PLAIN[kinds[0]](schema.field(name).type), name


def test_an_answer_has_the_columns_that_no_extra_may_take() -> None:
    assert set(get_type_hints(AnswerRow)) == set(ANNOTATION_KEYS)


def test_a_record_says_of_everything_in_it_what_it_is() -> None:
    for name, hint in get_type_hints(Record).items():
        assert "Any" not in str(hint), name


def test_a_type_checker_knows_what_a_status_and_a_description_hold(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import internvid\n\n"
        "status = internvid.status('data')\n"
        "reveal_type(status['failures'][0]['reason'])\n"
        "reveal_type(internvid.describe('data')['numbers'][0]['median'])\n"
        "status['clip']\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*command, str(script)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    shown = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert [line.rpartition("is ")[2] for line in shown] == [
        '"str | None"', '"float | None"',
    ], done.stdout  # fmt: skip
    assert 'has no key "clip"' in done.stdout
