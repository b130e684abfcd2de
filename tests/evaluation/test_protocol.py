"""A number carries what decided it, and is compared with no number of another kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from internvid.core.errors import DatasetFormatError, ProtocolMismatchError, SourceMissingError
from internvid.evaluation.embedding.embedders import Identity
from internvid.evaluation.results.protocol import (
    MissingClip,
    Protocol,
    Result,
    compare,
    read_result,
)

PROTOCOL = Protocol(
    benchmark="msrvtt", version=1, annotations="aa", listed=3, found=2, clips="cc", frames=8,
    frame_rule="middle", text_mode="sentence", details={"seed": 1},
)  # fmt: skip
RESULT = Result(
    metrics={"text_to_video_r1": 40.0},
    protocol=PROTOCOL,
    model={"name": "m", "weights": "w"},
    missing=(MissingClip("video7", "not_found"),),
)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    RESULT.write(tmp_path / "r.json")
    assert read_result(tmp_path / "r.json") == RESULT
    assert json.loads((tmp_path / "r.json").read_text())["protocol"]["found"] == 2


def test_equal_protocols_are_compared() -> None:
    other = replace(RESULT, metrics={"text_to_video_r1": 42.5, "more": 1.0})
    assert compare(RESULT, other) == {"text_to_video_r1": (40.0, 42.5, 2.5)}


@pytest.mark.parametrize(
    ("field", "value"),
    [("text_mode", "paragraph"), ("dual_softmax", True), ("found", 3), ("wise_ft", 0.5),
     ("preprocessing", "clip"), ("template_digest", "x"), ("frames", 4)],
)  # fmt: skip
def test_other_protocols_are_refused_with_the_field_named(field: str, value: object) -> None:
    other = replace(RESULT, protocol=replace(PROTOCOL, **{field: value}))
    with pytest.raises(ProtocolMismatchError, match=field):
        compare(RESULT, other)
    assert compare(RESULT, other, despite=[field])
    assert PROTOCOL.fingerprint != other.protocol.fingerprint


def test_details_are_named_one_by_one() -> None:
    other = replace(RESULT, protocol=replace(PROTOCOL, details={"seed": 2}))
    with pytest.raises(ProtocolMismatchError, match=r"details\.seed: 1 against 2"):
        compare(RESULT, other)
    assert compare(RESULT, other, despite=["details.seed"])


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        read_result(tmp_path / "none.json")
    for at, text in enumerate(("", "[]", "{}", '{"format": 99}')):
        path = tmp_path / f"{at}.json"
        path.write_text(text)
        with pytest.raises(DatasetFormatError):
            read_result(path)


def test_an_edited_protocol_is_noticed(tmp_path: Path) -> None:
    RESULT.write(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text()
    (tmp_path / "r.json").write_text(text.replace('"sentence"', '"paragraph"'))
    with pytest.raises(DatasetFormatError, match="not the one"):
        read_result(tmp_path / "r.json")


def test_what_came_later_leaves_earlier_fingerprints_alone() -> None:
    """Those that version 0.1.0 gave: its results and vectors stay comparable."""
    plain = Protocol("captions", 1, "0" * 16, 4, 4, "1" * 16, 8, "middle of equal intervals",
                     details={"queries": 8})  # fmt: skip
    assert plain.fingerprint == "f812e9e91caa"
    assert Identity("n", "w", "p", 8).digest == "04be71b19259557a"
    assert Identity("n", "w", "p", 8, text_positions="60 of 77").digest != "04be71b19259557a"
