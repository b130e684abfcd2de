"""The verb `train`: sources by name, plans, results, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from internvid.cli.app import main
from internvid.cli.commands.train import describe_line
from internvid.core.errors import ConfigInvalidError, MisuseError, SourceMissingError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.publish import publish
from internvid.synthetic.truth import World
from internvid.training.data.clip_sources import FileSource, ShardSource, WorldSource
from internvid.training.data.opening import open_source
from internvid.training.data.stored_picks import PickSource
from internvid.training.recipes.pretraining import viclip_tiny
from internvid.training.run.log import LogLine

QUICK = ["--set", "data.world.count=32", "--set", "data.world.validation=8",
         "--set", "stages.*.batch=8", "--set", "stages.masked.steps=2",
         "--set", "stages.unmasked.steps=1",
         "--set", "model.config.resolution=36", "--set", "loop.writers=csv"]  # fmt: skip


def run(*arguments: object) -> int:
    return main(["train", *map(str, arguments)])


def test_the_world_is_trained_on_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run("--data", "world:3", "-o", folder, *QUICK, "--json") == 0
    found = capsys.readouterr()
    summary = json.loads(found.out)
    assert (summary["step"], summary["total"], summary["samples"]) == (3, 3, 32)
    assert summary["model"] == str(folder / "model")
    assert set(summary["validation"]) == {
        f"{name}{shown}"
        for name in ("text_to_video_r1", "text_to_video_r5", "direction")
        for shown in ("", "_middle_frame")
    }
    assert "masked 3/3, loss" in found.err
    assert run("--data", "world:3", "-o", folder, *QUICK) == 0
    assert "steps     3 of 3" in capsys.readouterr().out
    assert run("--data", "world:3", "-o", folder, *QUICK, "--no-resume") == 2
    assert "holds a run already" in capsys.readouterr().err


def test_a_plan_says_what_holds_the_run_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", "world", "-o", tmp_path / "run", *QUICK, "--plan", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in plan["stages"]] == ["masked", "unmasked"]
    assert [stage["clips"] for stage in plan["stages"]] == [16, 8]
    assert plan["compute_is_measured"] is True
    assert all(stage["bottleneck"] in ("compute", "loader") for stage in plan["stages"])
    assert plan["hours"] > 0
    assert not (tmp_path / "run").exists()
    assert run("--data", "world", "-o", tmp_path / "run", *QUICK, "--plan") == 0
    assert "advice        stage" in capsys.readouterr().out


def test_a_plan_is_made_for_devices_that_are_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    big = ["--data", "world", "-o", tmp_path / "run", *QUICK[:4], "--set", "model.config.frames=8",
           "--set", "stages.masked.steps=2", "--set", "stages.*.neighbours=0",
           "--set", "data.world.count=4096", "--set", "stages.*.batch=4096"]  # fmt: skip
    there = ["--plan", "--device", "l4", "--devices", 4, "--json"]
    assert run(*big, *there, "--device-memory", "3.5") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["processes"], plan["device"], plan["compute_is_measured"]) == (4, "l4", False)
    assert plan["peak_teraflops"] == 121
    for stage in plan["stages"]:
        assert stage["fits"] is True
        assert stage["memory_gigabytes"] <= plan["usable_gigabytes"] < 1
        assert 1 <= stage["micro_batch"] < 1024
        assert stage["parts"] == -(-1024 // stage["micro_batch"])
    assert run(*big, *there, "--set", "stages.masked.micro_batch=100000",
               "--device-memory", "3.5") == 0  # fmt: skip
    plan = json.loads(capsys.readouterr().out)
    assert plan["stages"][0]["fits"] is False
    assert "lower stages.masked.micro_batch" in plan["advice"]
    assert run(*big, "--plan", "--device", "abacus") == 2
    assert "no device 'abacus' is known to plan for; known: a100-40gb" in capsys.readouterr().err
    assert run(*big, "--devices", 4) == 2
    assert "--devices says what to plan for, and there is no --plan" in capsys.readouterr().err


def test_a_plan_of_a_dataset_reads_some_of_its_videos(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--set", "stages.*.batch=4", "--set", "stages.*.neighbours=0"]
    assert run("--data", dataset.root, "-o", tmp_path / "run", *few, "--plan", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["samples"] == dataset.clips().num_rows
    assert all(stage["loader_clips_per_second"] > 0 for stage in plan["stages"])
    assert not (tmp_path / "run").exists()


def test_one_of_the_processes_of_torchrun_plans_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    for rank, count in (("0", 4), ("3", None)):
        monkeypatch.setenv("RANK", rank)
        assert run("--data", "world", "-o", tmp_path / "run", *QUICK, "--plan", "--json") == 0
        out = capsys.readouterr().out
        assert (json.loads(out)["processes"] if out else None) == count


def test_sources_are_known_by_what_they_are(dataset: Dataset, world: World, tmp_path: Path) -> None:
    recipe = viclip_tiny()
    assert isinstance(open_source("world:2", recipe, tmp_path), WorldSource)
    assert isinstance(open_source(str(dataset.root), recipe, tmp_path), PickSource)
    publish(dataset, tmp_path / "shards", FramesExporter(frames=4, short_side=32))
    shards = open_source(str(tmp_path / "shards"), recipe, tmp_path)
    assert isinstance(shards, ShardSource)
    path = world.folder / world.videos[0].name
    (tmp_path / "list.jsonl").write_text(
        json.dumps({"path": str(path), "caption": "a film", "end_seconds": 2}) + "\n"
    )
    (tmp_path / "list.csv").write_text(f"path,caption\n{path},a film\n")
    for name in ("list.jsonl", "list.csv"):
        listed = open_source(str(tmp_path / name), recipe, tmp_path)
        assert isinstance(listed, FileSource)
        assert listed.read(0, lambda n: [0, n - 1]).shape[0] == 2


def test_what_cannot_be_opened_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    recipe = viclip_tiny()
    with pytest.raises(ConfigInvalidError, match="a seed is a whole number"):
        open_source("world:x", recipe, tmp_path)
    with pytest.raises(SourceMissingError, match="there is no 'nothing'"):
        open_source("nothing", recipe, tmp_path)
    with pytest.raises(MisuseError, match="has no subset 'flt'"):
        open_source("world", recipe, tmp_path, subset="flt")
    with pytest.raises(MisuseError, match="has no subset 'none-such'"):
        open_source(str(dataset.root), recipe, tmp_path, subset="none-such")
    (tmp_path / "list.csv").write_text("file\nx.mp4\n")
    with pytest.raises(MisuseError, match="clip 1: it has no 'path'"):
        open_source(str(tmp_path / "list.csv"), recipe, tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(MisuseError, match="is no list of clips"):
        open_source(str(tmp_path / "letter.txt"), recipe, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"path": "a.mp4", "caption": "a b"}\nno json\n', "clip 2: Expecting value"),
        ("a.jsonl", b'["a.mp4", "a b"]\n', "clip 1: it is no object"),
        ("a.jsonl", b'{"path": "a.mp4", "caption": 5}\n', "clip 1: path and caption must be texts"),
        ("a.csv", b"path,caption\na.mp4,caf\xe9\n", r"the file is not UTF-8 \(byte 0xe9\)"),
        ("a.csv", b"path,caption,end_seconds\na.mp4,a b,soon\n", "clip 1: could not convert"),
        ("a.csv", b"path,caption,start_seconds,end_seconds\na.mp4,a b,5,2\n",
         "clip 1: a time span cannot end before it starts"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_list_is_told_with_its_place(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MisuseError, match=told):
        open_source(str(tmp_path / name), viclip_tiny(), tmp_path)


def test_refusals_reach_the_shell(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert run("--data", "world", "-o", tmp_path, *QUICK) == 2
    assert "is not a training run (it holds 'letter.txt')" in capsys.readouterr().err
    assert run("--data", dataset.root, "-o", tmp_path / "run", "--text", "blip") == 2
    assert "column 'blip'" in capsys.readouterr().err
    assert run("--data", "world", "-o", tmp_path / "run", "--recipe", "big") == 2
    assert "no training recipe 'big'" in capsys.readouterr().err


def test_a_line_for_people() -> None:
    line = LogLine(20, 100, "masked", 1.5, 1e-3, 2.0, 0.05, 512.0, 0.31, 0.04, 3, 75.0)
    assert describe_line(line) == (
        "masked 20/100, loss 1.5000, 3 skipped, 512 clips/s, 31.0 % of peak, "
        "4 % waiting for data, about 1 min 15 s left"
    )


def test_what_few_clips_cannot_give_is_said_of_all_stages_at_once(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", dataset.root, "-o", tmp_path / "run") == 2
    found = capsys.readouterr().err
    assert "stages 'masked' and 'unmasked': a batch of 126 cannot be drawn from" in found
    assert "--set 'stages.*.neighbours=0'" in found
    assert run("--data", dataset.root, "-o", tmp_path / "run", "--set", "stages.*.batch=4",
               "--set", "stages.unmasked.neighbours=0") == 2  # fmt: skip
    found = capsys.readouterr().err
    assert "stage 'masked': neighbours=6 asks for" in found
    assert "hint: add --set stages.masked.neighbours=0\n" in found
