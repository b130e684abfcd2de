"""caption, score, embed, classify, audit: what they print and how they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.curate.select import select
from internvid.curate.selectors import Random
from internvid.dataset.store import Dataset
from tests.captions.servers import Turn, chat, serving
from tests.cli.speaking import Capture, read_json, spoken
from tests.models.tiny import TinyModels
from tests.trees import digest_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def data(dataset: Dataset, tmp_path: Path) -> Path:
    shutil.copytree(dataset.root, tmp_path / "data")
    return tmp_path / "data"


def test_caption_then_score_then_audit(data: Path, capsys: Capture) -> None:
    clips = internvid.open(data).clips().num_rows
    code, out, err = spoken(capsys, "caption", data, "--captioner", "echo", "--workers", 1)
    assert code == 0
    assert f"echo: {clips} of {clips} clips answered" in out
    assert "captioning (echo)" in err
    again = read_json(capsys, "caption", data, "--captioner", "echo")
    assert [row["asked"] for row in again] == [0]
    scorer = "internvid.synthetic.fakes:OracleScorer"
    code, _, err = spoken(capsys, "score", data, "--scorer", scorer)
    assert code == 2
    assert "several text columns" in err
    (scored,) = read_json(
        capsys, "score", data, "--scorer", scorer, "--text", "echo", "--as", "fit"
    )
    assert scored["column"] == "fit"
    values = internvid.open(data).sql("select distinct fit from clips").fetchall()
    assert values == [(1.0,)]
    found = read_json(capsys, "audit", data, "--column", "echo", "--scorer", scorer)
    assert found[0]["broken"] == {"clips": 0, "first": []}
    assert found[0]["compared"] == clips
    status = read_json(capsys, "status", data)
    assert {row["column"]: row["ok"] for row in status["columns"]}["echo"] == clips
    shown = read_json(capsys, "show", data, internvid.open(data).clips()["clip_id"][0].as_py())
    assert shown["fit"] == 1.0
    _, out, _ = spoken(capsys, "describe", data)
    assert "echo" in out


def test_a_swapped_caption_ends_the_audit_with_1(data: Path, capsys: Capture) -> None:
    spoken(capsys, "caption", data, "--captioner", "echo")
    (path,) = data.glob("cuts/*/columns/echo@*/part-00000.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["value"], rows[1]["value"] = rows[1]["value"], rows[0]["value"]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    code, out, err = spoken(capsys, "audit", data)
    assert code == 1
    assert "2 broken" in out
    assert rows[0]["clip_id"] in out
    assert "do not belong" in err


def test_a_plan_changes_nothing(data: Path, capsys: Capture, tiny: TinyModels) -> None:
    before = digest_tree(data)
    captioner = "tests.pipeline.annotators:Narrator"
    (plan,) = read_json(capsys, "caption", data, "--captioner", captioner, "--plan")
    clips = internvid.open(data).clips().num_rows
    assert plan["clips"] == clips
    assert plan["expected"]["tokens"] == 7 * clips
    assert plan["stages"]["model"] >= 0
    arguments = ("score", data, "--scorer", "safety", "--set", "model=" + tiny["classifier"])
    (plan,) = read_json(capsys, *arguments, "--plan")
    assert plan["counts"]["frames"] > 0
    wide = (captioner, "--set", "more_frames=20", "--plan")
    (plan,) = read_json(capsys, "caption", data, "--captioner", *wide)
    assert plan["stages"]["more pictures"] > 0
    assert digest_tree(data) == before
    _, out, _ = spoken(capsys, *arguments, "--plan")
    assert "expected" in out


def test_several_components_with_settings_of_their_own(
    data: Path, capsys: Capture, tiny: TinyModels
) -> None:
    select(internvid.open(data), Random(count=2), "two")
    arguments = [
        "score", data, "--scorer", "safety", "--scorer", "language", "--text", "measured",
        "--subset", "two", "--as", "unsafe", "--set", "safety.model=" + tiny["classifier"],
        "--set", "safety.batch=1",
    ]  # fmt: skip
    first, second = read_json(capsys, *arguments)
    assert (first["column"], second["column"]) == ("unsafe", "language")
    assert first["answered"] == 2
    row = internvid.open(data).sql("select * from clips where unsafe is not null").df().iloc[0]
    assert row["language"] == "en"
    assert 0 < row["language_confidence"] <= 1
    wrong = ["score", data, "--scorer", "safety", "--scorer", "hash", "--set", "batch=1"]
    code, _, err = spoken(capsys, *wrong)
    assert code == 2
    assert "which component" in err


def test_pretrained_captioners_go_through_the_same_pass(
    data: Path, capsys: Capture, tiny: TinyModels
) -> None:
    weights = "local.weights=" + tiny["git"]
    arguments = ("caption", data, "--captioner", "frame", "--set", weights)
    (done,) = read_json(capsys, *arguments)
    clips = internvid.open(data).clips()
    assert done["answered"] == clips.num_rows
    assert done["counts"]["frames"] == clips.num_rows - done["failed"]
    (again,) = read_json(capsys, *arguments, "--set", "local.batch=2")
    assert (again["key"], again["asked"]) == (done["key"], done["failed"])
    (found,) = read_json(capsys, "audit", data, "--column", "frame", "--language", "")
    assert found["sealed"] == clips.num_rows
    assert found["broken"]["clips"] == 0
    (plan,) = read_json(capsys, *arguments, "--set", "prompt=a red", "--plan")
    assert plan["stages"]["model"] > 0


def test_one_video_is_answered_clip_by_clip(
    world_videos: list[Path], capsys: Capture, tiny: TinyModels
) -> None:
    video = world_videos[0]
    code, out, _ = spoken(capsys, "caption", video, "--captioner", "echo")
    assert code == 0
    assert " s\n    echo: clip " in out
    model = "model=" + tiny["clip"]
    found = read_json(
        capsys, "score", video, "a dog runs", "--scorer", "similarity", "--set", model
    )
    assert all(-1 <= clip["similarity"]["value"] <= 1 for clip in found["clips"])
    assert found["clips"][0]["similarity"]["prompt"] == "a dog runs"
    code, _, err = spoken(capsys, "score", video, "--scorer", "similarity", "--set", model)
    assert code == 2
    assert "none is given" in err


def test_ctrl_c_exits_130_and_the_same_command_goes_on(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    log = tmp_path / "log"
    captioner = ["--captioner", "tests.pipeline.annotators:Narrator", "--set", f"log={log}"]
    command = [sys.executable, "-m", "internvid", "caption", str(data), *captioner]
    process = subprocess.Popen(
        [*command, "--set", "seconds=0.3"], cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (log.exists() and len(log.read_text().split()) > 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "run the same command again" in err
    assert "Traceback" not in err
    read_json(capsys, "caption", *command[4:])
    asked = [line for line in log.read_text().split() if line != "setup"]
    clips = internvid.open(data).clips().num_rows
    assert clips <= len(asked) <= clips + 1, "at most the clip that was under way is asked twice"


def test_embed_and_classify_with_a_video_model(
    data: Path, world_videos: list[Path], capsys: Capture, tmp_path: Path
) -> None:
    from tests.scores.test_pictures import viclip_folder

    model = viclip_folder(tmp_path)
    (done,) = read_json(capsys, "embed", data, "--model", model)
    assert done["failed"] == 0
    opened = internvid.open(data)
    table = opened.sql("select * from column_embedding").to_arrow_table()
    assert {len(vector) for vector in table["value"].to_pylist()} == {
        internvid.ViCLIP.from_pretrained(model).config.embedding
    }
    assert "embedding" not in opened.clips().column_names
    key = opened.record.columns[opened.record.cut or ""]["embedding"]
    assert opened.record.column_recipes[key]["describes"]["preprocessing"]["fit"] == "squash"
    (tmp_path / "labels.txt").write_text("dancing\ncooking\n")
    for labels in ("dancing,cooking", tmp_path / "labels.txt"):
        found = read_json(capsys, "classify", world_videos[0], "--labels", labels, "--model", model)
        for clip in found["clips"]:
            assert sum(clip["labels"].values()) == pytest.approx(1, abs=1e-4)
    whole = ("classify", world_videos[0], "--labels", "a,b,c", "--model", model, "--whole")
    (clip,) = read_json(capsys, *whole, "--top", 2)["clips"]
    assert len(clip["labels"]) == 2
    code, _, err = spoken(capsys, "classify", world_videos[0], "--labels", "a,a", "--model", model)
    assert code == 2
    assert "each once" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["caption", "data"], "--captioner"),
        (["caption", "data", "--captioner", "nope"], "no captioner 'nope'"),
        (["score", "data"], "--scorer NAME"),
        (["score", "data", "words", "--scorer", "hash"], "is for one video"),
        (["score", "data", "--scorer", "hash", "--as", "a", "--as", "b"], "fewer scorers"),
        (["score", "data", "--scorer", "hash", "--set", "nope=1"], "no field 'nope'"),
        (["score", "data", "--scorer", "hash", "--as", "clip_id"], "have a column"),
        (["score", "data", "--scorer", "hash", "--as", "rejection"], "is a name that is given"),
        (["score", "data", "--scorer", "hash", "--subset", "nope"], "no subset"),
        (["score", "data", "--scorer", "hash", "--text", "measured"], "reads no text"),
        (["audit", "data", "--column", "nope"], "no column"),
        (["audit", "data", "--scorer", "hash"], "reads no text"),
        (["audit", "data", "--set", "a=1"], "none is named"),
        (["audit", "data", "--language", "klingon"], "there is no language 'klingon'"),
        (["caption", "gone.mp4", "--captioner", "echo"], ""),
    ],
)
def test_misuse_changes_nothing(
    arguments: list[str], words: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = digest_tree(data)
    code, out, err = spoken(capsys, *arguments)
    assert code in (1, 2)
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert digest_tree(data) == before


def test_a_model_is_named_the_short_way(data: Path, capsys: Capture, tiny: TinyModels) -> None:
    short = ("caption", data, "--captioner", "frame", "--model", tiny["blip"])
    (made,) = read_json(capsys, *short)
    long = ("caption", data, "--captioner", "frame", "--set", "local.weights=" + tiny["blip"])
    (again,) = read_json(capsys, *long)
    assert again["key"] == made["key"]
    (scored,) = read_json(
        capsys, "score", data, "--scorer", "similarity", "--text", "measured",
        "--model", tiny["clip"],
    )  # fmt: skip
    assert scored["answered"] == scored["asked"] > 0


def test_a_served_model_is_named_the_short_way(data: Path, capsys: Capture) -> None:
    with serving(lambda payload, _: Turn(chat("a dog runs"))) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        (made,) = read_json(
            capsys, "caption", data, "--captioner", "vlm", "--server", address, "--model", "qwen",
            "--set", "served.cache=",
        )  # fmt: skip
        assert {payload["model"] for payload in server.posts} == {"qwen"}
    assert made["answered"] == made["asked"] > 0


def test_the_only_model_of_a_server_needs_no_name(data: Path, capsys: Capture) -> None:
    with serving(lambda payload, _: Turn(chat("a dog runs"))) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        command = (
            "caption", data, "--captioner", "vlm", "--server", address, "--set", "served.cache=",
        )  # fmt: skip
        server.models = ["qwen2.5-vl"]
        code, out, err = spoken(capsys, *command)
        assert code == 0
        assert f"model: qwen2.5-vl, the only one that {address} lists" in err
        assert {payload["model"] for payload in server.posts} == {"qwen2.5-vl"}
        (again,) = read_json(capsys, *command, "--model", "qwen2.5-vl")
        assert again["key"] in out, "the same column as with the name"
        server.models = ["one", "two"]
        code, _, err = spoken(capsys, *command)
        assert code == 2
        assert f"{address} lists one, two" in err
        assert "add --model one" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--captioner", "multiscale", "--model", "x"), "coarse.local.weights, fine.local.weights"),
        (("--captioner", "summarise", "--model", "x"), "--set fuser.local.weights"),
        (("--captioner", "multiscale", "--server", "http://h/v1"), "fuser.served.base_url"),
        (("--captioner", "echo", "--model", "x"), "echo has no model"),
        (("--captioner", "echo", "--server", "http://h/v1"), "echo has no served model"),
        (("--captioner", "vlm", "--server", "http://h/v1"), "add --model NAME"),
        (("--captioner", "vlm", "--server", "h", "--model", "x"), "must begin with http"),
        (("--captioner", "vlm", "--server", "http://u:sk@h/v1", "--model", "x"), "must not hold"),
        (("--captioner", "vlm", "--model", "x", "--set", "local.weights=y"), "another model"),
        (("--captioner", "vlm", "--model", "x", "--set", "served.model=y"), "another model"),
        (("--captioner", "vlm", "--captioner", "frame", "--model", "x"), "for one captioner"),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(
    data: Path, capsys: Capture, arguments: tuple[str, ...], told: str
) -> None:
    before = digest_tree(data)
    code, _, err = spoken(capsys, "caption", data, *arguments)
    assert code == 2
    assert told in err
    assert "sk@" not in err
    assert digest_tree(data) == before


def test_a_damaged_part_is_named(data: Path, capsys: Capture) -> None:
    spoken(capsys, "caption", data, "--captioner", "echo")
    (path,) = data.glob("cuts/*/columns/echo@*/part-00000.parquet")
    path.write_bytes(path.read_bytes()[:300])
    for arguments in (("audit",), ("describe",), ("status",), ("caption", "--captioner", "echo")):
        code, _, err = spoken(capsys, arguments[0], data, *arguments[1:])
        assert code == 1, arguments
        assert f"{path} is damaged" in err
    path.unlink()
    code, out, _ = spoken(capsys, "caption", data, "--captioner", "echo")
    assert code == 0
    assert "clips answered" in out


@pytest.mark.parametrize("name", ["value", "clips", "c0", "hours", "select", "described2"])
def test_a_column_may_be_called_what_queries_call_something(
    data: Path, capsys: Capture, name: str
) -> None:
    assert spoken(capsys, "caption", data, "--captioner", "echo", "--as", name)[0] == 0
    for verb in ("describe", "status", "report", "audit"):
        assert spoken(capsys, verb, data)[0] == 0, verb


@pytest.mark.parametrize("name", ["Kept", "CLIP_ID", "Measured"])
def test_names_that_differ_in_case_alone_are_one(data: Path, capsys: Capture, name: str) -> None:
    code, _, err = spoken(capsys, "caption", data, "--captioner", "echo", "--as", name)
    assert code == 2
    assert "already" in err


def test_captions_cannot_drive_the_terminal(data: Path, capsys: Capture) -> None:
    captioner = "tests.pipeline.annotators:Rude"
    assert spoken(capsys, "caption", data, "--captioner", captioner, "--as", "rude")[0] == 0
    clip_id = internvid.open(data).clips()["clip_id"][0].as_py()
    for arguments in (("describe",), ("show", clip_id), ("audit",), ("list",)):
        code, out, _ = spoken(capsys, arguments[0], data, *arguments[1:])
        assert code == 0
        assert not {"\x00", "\x1b", "\u202e"} & set(out)
        if arguments[0] != "show":
            assert max(map(len, out.splitlines())) < 2000
    page = Path(read_json(capsys, "report", data)["report"]).read_text("utf-8")
    assert "<script>alert" not in page


def test_labels_that_are_no_text_are_refused(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"dog\xff\xfe")
    code, _, err = spoken(capsys, "classify", "film.mp4", "--labels", path, "--model", "x")
    assert code == 2
    assert "cannot be read as labels" in err


def test_clips_without_pictures_fail_alone(data: Path, capsys: Capture, tiny: TinyModels) -> None:
    for path in data.glob("scans/*/picks/*.parquet"):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    code, out, _ = spoken(capsys, "caption", data, "--captioner", "frame", "--model", tiny["blip"])
    assert code == 0
    assert f"failed: no_picks {internvid.open(data).clips().num_rows}" in out
