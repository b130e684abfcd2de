"""Bad texts: found by the audit, selected by a column, asked again by `caption --redo`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.dataset.store import Dataset
from tests.captions.servers import Turn, chat, serving
from tests.cli.speaking import Capture, read_json, spoken

LOOP = "a dog, a dog, a dog, a dog, a dog"


@pytest.fixture
def data(dataset: Dataset, tmp_path: Path) -> Path:
    shutil.copytree(dataset.root, tmp_path / "data")
    return tmp_path / "data"


def texts(data: Path, column: str) -> list[str]:
    return internvid.open(data).clips()[column].to_pylist()


def edit(data: Path, column: str, change: Any) -> list[str]:
    """Changes the rows of a column's first file; returns the clip ids in its order."""
    (path,) = data.glob(f"cuts/*/columns/{column}@*/part-00000.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    return [row["clip_id"] for row in rows]


def test_answers_without_a_seal_do_not_pass(data: Path, capsys: Capture) -> None:
    spoken(capsys, "caption", data, "--captioner", "echo")

    def swap(rows: list[dict[str, Any]]) -> None:
        rows[0]["value"], rows[1]["value"] = rows[1]["value"], rows[0]["value"]
        rows[0]["seal"] = rows[1]["seal"] = None

    clips = edit(data, "echo", swap)
    code, out, err = spoken(capsys, "audit", data, "--column", "echo")
    assert code == 1
    assert "2 broken" in out
    assert "unsealed" in out
    assert "do not belong" in err
    before = texts(data, "echo")
    (made,) = read_json(capsys, "caption", data, "--captioner", "echo", "--redo", "broken")
    assert made["asked"] == made["answered"] == 2
    assert texts(data, "echo") != before
    assert spoken(capsys, "audit", data, "--column", "echo")[0] == 0
    rows = internvid.open(data).clips().to_pylist()
    assert {row["clip_id"] for row in rows} == set(clips)
    assert all(row["clip_id"] in row["echo"] for row in rows)


def test_texts_that_clips_share_are_told_but_not_of_measured_facts(
    data: Path, capsys: Capture
) -> None:
    clips = internvid.open(data).clips().num_rows

    def constant(payload: Any, _: int) -> Turn:
        return Turn(chat("A man talks to the camera."))

    def edited(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["value"] = "A static camera shows a dark scene."

    edit(data, "measured", edited)
    with serving(constant) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        spoken(
            capsys, "caption", data, "--captioner", "vlm", "--server", address, "--model", "m",
            "--set", "served.cache=",
        )  # fmt: skip
    code, out, _ = spoken(capsys, "audit", data, "--json")
    assert code == 1, "the edited sentences lost their seals"
    found = {row["column"]: row for row in json.loads(out)}
    assert found["vlm"]["health"] == {"identical": clips}
    assert found["measured"]["health"] == {}


def test_named_answers_are_asked_again_past_the_cache(
    data: Path, capsys: Capture, tmp_path: Path
) -> None:
    """The first answers loop, refuse or are fine; the second ones are fine."""
    clips = internvid.open(data).clips().num_rows
    first = [LOOP, "I'm sorry, I cannot describe this image.", "A cat sleeps."]
    number = 0

    def script(payload: Any, before: int) -> Turn:
        nonlocal number
        number += 1
        return Turn(chat(first[number % 3] if not before else f"A cat runs, number {number}."))

    with serving(script) as server:
        asks = [
            "caption", data, "--captioner", "frame", "--model", "m",
            "--server", f"http://127.0.0.1:{server.port}/v1",
            "--set", f"served.cache={tmp_path / 'kept'}",
        ]  # fmt: skip
        spoken(capsys, *asks)
        before = texts(data, "frame")
        asked = len(server.posts)
        (again,) = read_json(capsys, *asks)
        assert again["asked"] == 0
        (plan,) = read_json(capsys, *asks, "--redo", "looping", "--plan")
        bad = [text for text in before if text == LOOP]
        assert plan["clips"] == len(bad)
        tried = len(server.posts) - asked
        (made,) = read_json(capsys, *asks, "--redo", "looping")
        assert made["asked"] == len(bad)
        assert len(server.posts) == asked + tried + len(bad)
        now = texts(data, "frame")
        assert LOOP not in now
        assert [text for text in now if "sorry" in text] == [t for t in before if "sorry" in t]
        (made,) = read_json(capsys, *asks, "--redo", "refused, looping")
        assert made["asked"] == sum("sorry" in text for text in before)
        assert not any("sorry" in text for text in texts(data, "frame"))
        (made,) = read_json(capsys, *asks, "--redo", "refused,looping,broken")
        assert made["asked"] == 0
    assert texts(data, "frame").count("A cat sleeps.") == before.count("A cat sleeps.")
    assert read_json(capsys, "audit", data, "--column", "frame")[0]["sealed"] == clips
    code, _, err = spoken(capsys, *asks, "--redo", "ugly")
    assert code == 2
    assert "'ugly'" in err
    assert "looping" in err


def test_health_is_a_column_to_select_by(data: Path, capsys: Capture) -> None:
    said = ["A dog runs over the grass.", LOOP, "I cannot describe this image."]

    def change(rows: list[dict[str, Any]]) -> None:
        for row, text in zip(rows, said, strict=False):
            row["value"] = text

    spoken(capsys, "caption", data, "--captioner", "echo")
    edit(data, "echo", change)
    (made,) = read_json(
        capsys, "score", data, "--scorer", "health", "--text", "echo", "--set", "language="
    )
    assert made["failed"] == 0
    rows = {row["echo"]: row for row in internvid.open(data).clips().to_pylist()}
    assert [rows[text]["health"] for text in said] == ["ok", "looping", "refusing"]
    assert [rows[text]["health_reasons"] for text in said] == [[], ["looping"], ["refusing"]]
    spoken(capsys, "score", data, "--scorer", "language", "--text", "measured")
    code, _, err = spoken(capsys, "score", data, "--scorer", "health", "--as", "again")
    assert (code, "echo, health, language, measured" in err) == (2, True)
    code, out, _ = spoken(capsys, "select", data, "where", "health = 'looping'", "--as", "loops")
    assert (code, "1" in out) == (0, True)


def test_a_summary_of_a_text_column_names_the_column(data: Path, capsys: Capture) -> None:
    spoken(capsys, "caption", data, "--captioner", "echo", "--as", "lines")
    heard: list[str] = []

    def script(payload: Any, _: int) -> Turn:
        heard.append(str(payload["messages"][-1]["content"]))
        return Turn(chat(f"A dog runs, the {len(heard)}th time."))

    with serving(script) as server:
        asks = [
            "caption", data, "--captioner", "summarise", "--set", "source=text",
            "--set", "fuser.served.model=m", "--set", "fuser.served.cache=",
            "--set", f"fuser.served.base_url=http://127.0.0.1:{server.port}/v1",
        ]  # fmt: skip
        code, _, err = spoken(capsys, *asks)
        assert code == 2
        assert "lines, measured" in err
        assert "--text" in err
        assert heard == []
        (made,) = read_json(capsys, *asks, "--text", "lines")
    assert made["failed"] == 0
    assert all("clip" in words for words in heard)
    code, _, err = spoken(capsys, "caption", data, "--captioner", "echo", "--text", "lines")
    assert (code, "reads no text column" in err) == (2, True)
    code, _, err = spoken(capsys, "caption", data, *asks[2:], "--text", "nope")
    assert (code, "no text column 'nope'" in err) == (2, True)


def test_words_about_texts_are_not_taken_for_the_text(data: Path, capsys: Capture) -> None:
    spoken(capsys, "score", data, "--scorer", "language")
    (made,) = read_json(capsys, "score", data, "--scorer", "health")
    assert made["failed"] == 0
    (again,) = read_json(capsys, "score", data, "--scorer", "health", "--as", "again")
    assert again["failed"] == 0
    values = internvid.open(data).clips().to_pylist()
    assert {row["again"] for row in values} == {"ok"}
