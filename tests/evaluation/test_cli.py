"""`internvid evaluate`: from a name and a folder to a result file and a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from internvid.cli.app import main
from internvid.evaluation.results.protocol import read_result
from tests.evaluation.colours import COLOURS, film

MODEL = "tests.evaluation.colours:ColourEmbedder"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Films and lists in the current folder."""
    monkeypatch.chdir(tmp_path)
    for colour in COLOURS:
        film(tmp_path / "films" / f"{colour}.mp4", colour)
    rows = "".join(f"{colour}.mp4,{colour}\n" for colour in COLOURS)
    (tmp_path / "val.csv").write_text(rows + "gone.mp4,red\n")
    (tmp_path / "1ka.csv").write_text(
        "key,vid_key,video_id,sentence\n"
        + "".join(f"r,m,{colour},a {colour} film\n" for colour in COLOURS)
    )
    return tmp_path


def run(*arguments: str) -> int:
    return main(["evaluate", "--workers", "0", *arguments])


def test_a_result_is_written_and_printed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--benchmark", "k400", "--videos", "films", "--annotations", "val.csv")
    assert run(MODEL, *options, "-o", "out/k400.json", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads(Path("out/k400.json").read_text())
    result = read_result(Path("out/k400.json"))
    assert result.metrics["top1"] == 100.0
    assert [one.clip for one in result.missing] == ["gone.mp4"]
    assert list(Path("out/embeddings").glob("videos@*/part-*.npy"))
    assert run(MODEL, *options) == 0
    printed = capsys.readouterr()
    assert "4 of 5 found" in printed.out
    assert "1 clip is missing" in printed.err
    assert "gone.mp4: not_found" in printed.err
    # Four classes are easier than four hundred.
    assert "4 classes were named and the set has 400" in printed.err


def test_cut_texts_stand_with_the_result(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--benchmark", "msrvtt", "--videos", "films", "--annotations", "1ka.csv")
    assert run(f"{MODEL.rpartition(':')[0]}:ShortReader", *options, "-o", "short.json") == 0
    printed = capsys.readouterr()
    assert "4, 1 of them cut" in printed.out
    assert "note: 1 of 4 texts are longer than the model reads, and were cut" in printed.err
    assert read_result(Path("short.json")).texts == {"texts": 4, "cut": 1}
    assert run(MODEL, *options, "-o", "unknown.json") == 0
    assert "whether any was cut is not known" in capsys.readouterr().out
    # Results that were written before the number was there are read.
    old = json.loads(Path("unknown.json").read_text())
    del old["texts"]
    Path("old.json").write_text(json.dumps(old))
    assert read_result(Path("old.json")).texts == {}
    assert run("fake", *options, "--context", "64") == 2
    assert "has its own text length only" in capsys.readouterr().err


def test_many_missing_clips_are_counted(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("long.csv").write_text("red.mp4,red\n" + "".join(f"{at}.mp4,red\n" for at in range(1200)))
    options = ("--videos", "films", "--annotations", "long.csv")
    assert run(MODEL, "--benchmark", "actions", *options) == 0
    told = capsys.readouterr().err
    assert "1,200 clips are missing" in told
    assert "9.mp4: not_found" in told
    assert "10.mp4" not in told
    assert "and 1,190 more" in told
    assert "note:" not in told


def test_options_and_fields_reach_the_benchmark(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(
        MODEL, "--benchmark", "k400", "--videos", "films", "--annotations", "val.csv",
        "--protocol", "clip", "--set", "views.frames=2", "-o", "r.json",
    ) == 0  # fmt: skip
    protocol = read_result(Path("r.json")).protocol
    assert (protocol.templates, protocol.frames) == ("clip-kinetics", 2)
    assert run(MODEL, "--benchmark", "msrvtt", "--videos", "films", "--annotations", "1ka.csv") == 0
    assert "usually 1,000" in capsys.readouterr().err


def test_a_page_is_made_of_results(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        chosen = ("--set", "clips=12", "--set", f"seeds={seed}", "--set", "size=16")
        assert run("fake", "--benchmark", "retrieval-synthetic", *chosen, "-o", f"{seed}.json") == 0
    assert run("--page", "1.json", "2.json", "-o", "page.html") == 0
    assert "retrieval-synthetic" in Path("page.html").read_text("utf-8")
    capsys.readouterr()
    assert run("--page", "1.json", "-o", "page.html", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"page": "page.html"}


def test_a_classifier_can_be_named(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(
        "tests.evaluation.test_benchmarks:ColourClassifier", "--benchmark", "fine-tuned",
        "--videos", "films", "--annotations", "val.csv", "--set", "views.segments=2", "--json",
    ) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["top1"] == 100.0
    assert found["protocol"]["views"] == "2 x 1, mean of probabilities"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fake"], "one benchmark at a time"),
        (["fake", "other", "--benchmark", "k400"], "one benchmark at a time"),
        (["fake", "--benchmark", "k4000"], "did you mean 'k400'"),
        (["fake", "--benchmark", "k400"], "k400 needs its list"),
        (["fake", "--benchmark", "k400", "--annotations", "val.csv"], "--videos FOLDER"),
        (
            ["fake", "--benchmark", "retrieval-synthetic", "--videos", "films"],
            "no use for --videos",
        ),
        (["fake", "--benchmark", "msrvtt", "--protocol", "clip"], "no use for --protocol"),
        (["nowhere", "--benchmark", "retrieval-synthetic"], "nowhere"),
        (["--page", "1.json"], "a page needs a place"),
        (["--page", "none.json", "-o", "p.html"], "no result file"),
    ],
)
def test_misuse_is_explained(
    desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_folder_named_as_a_kind_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    assert main(["list", "benchmarks"]) == 0
    assert "retrieval-synthetic" in capsys.readouterr().out


def test_a_rank_without_a_launcher_hides_no_result(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    options = ("--benchmark", "k400", "--videos", "films", "--annotations", "val.csv")
    assert run(MODEL, *options, "-o", "k400.json", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Path("k400.json").read_text())
