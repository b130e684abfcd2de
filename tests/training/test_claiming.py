"""Whose a run's folder is, and what is made of one that was damaged from outside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from internvid.core.errors import (
    CheckpointFormatError,
    ConfigInvalidError,
    MisuseError,
    SourceMissingError,
)
from internvid.training.data.opening import open_source
from internvid.training.loop import train
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.run_folder import RUN, check_free, locked
from tests.training.tiny import losses, recipe, source


def quick(*more: str) -> TrainRecipe:
    """Four steps with a checkpoint after every second."""
    steps = ("stages.masked.steps=2", "stages.unmasked.steps=2")
    return recipe(*steps, "loop.log_steps=2", "loop.checkpoint_steps=2", *more)


def test_a_run_without_a_checkpoint_gives_way_to_another(tmp_path: Path) -> None:
    for clips in (48, 40):
        with pytest.raises(SourceMissingError, match="merges"):
            train(quick("start.merges=nowhere"), source(clips), tmp_path)
    assert train(quick(), source(), tmp_path).step == 4


def test_a_run_with_a_checkpoint_names_what_differs(tmp_path: Path) -> None:
    train(quick(), source(), tmp_path)
    with pytest.raises(ConfigInvalidError, match=r"differs in: stages\.masked\.peak_lr") as found:
        train(quick("stages.masked.peak_lr=0.5", "loop.keep=3"), source(), tmp_path)
    assert "keep" not in str(found.value), "a setting makes no other run"
    with pytest.raises(ConfigInvalidError, match="other clips"):
        train(quick(), source(40), tmp_path)


def test_a_second_run_ends_before_it_touches_the_cache(tmp_path: Path) -> None:
    check_free(tmp_path)
    assert not list(tmp_path.iterdir())
    with locked(tmp_path), pytest.raises(MisuseError, match="another process"):
        check_free(tmp_path)
    check_free(tmp_path)


@pytest.mark.parametrize("record", ["{", "[]"])
def test_a_damaged_record_is_said_to_be(tmp_path: Path, record: str) -> None:
    train(quick(), source(), tmp_path)
    (tmp_path / RUN).write_text(record, "utf-8")
    with pytest.raises(CheckpointFormatError, match="damaged"):
        train(quick(), source(), tmp_path)


def test_a_checkpoint_of_another_model_is_damage(tmp_path: Path) -> None:
    train(quick(), source(), tmp_path)
    newest = max((tmp_path / "checkpoints").glob("step-*"))
    state = newest / "state.json"
    known = json.loads(state.read_text("utf-8"))
    state.write_text(json.dumps(known | {"step": "4"}), "utf-8")
    with pytest.raises(CheckpointFormatError, match=r"state\.json is damaged"):
        train(quick(), source(), tmp_path)
    state.write_text(json.dumps(known), "utf-8")
    weights = newest / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensors[name] for name in sorted(tensors)[1:]}, weights)
    with pytest.raises(CheckpointFormatError, match="does not hold this model"):
        train(quick(), source(), tmp_path)


def test_damaged_logs_cost_nothing(tmp_path: Path) -> None:
    train(quick(), source(), tmp_path / "whole")
    train(quick("loop.steps=2"), source(), tmp_path / "run")
    for name in ("log.csv", "skipped-0.jsonl"):
        (tmp_path / "run" / name).write_bytes(b"\xff\xfe\x00{}\n[]\n")
    assert train(quick(), source(), tmp_path / "run").step == 4
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")[-1:]


def test_what_clips_cannot_give_is_said_at_once(tmp_path: Path) -> None:
    wanted = quick("stages.masked.batch=90", "stages.masked.neighbours=3")
    with pytest.raises(ConfigInvalidError, match=r"90 cannot be drawn.*motion alone") as found:
        train(wanted, source(20), tmp_path)
    assert found.value.hint == ("add --set stages.masked.batch=20 --set stages.masked.neighbours=0")


def test_weights_of_other_shapes_name_the_fields_to_set(tmp_path: Path) -> None:
    train(quick(), source(), tmp_path / "first")
    start = f"start.weights={tmp_path / 'first' / 'model'}"
    other = quick(start, "model.config.embedding=24", "model.config.vision_layers=3")
    with pytest.raises(ConfigInvalidError, match="another model") as found:
        train(other, source(), tmp_path / "second")
    sets = str(found.value.hint).partition("add ")[2].split("--set ")[1:]
    assert {each.partition("=")[0].strip() for each in sets} == {
        "model.config.embedding",
        "model.config.vision_layers",
    }
    given = [each.strip() for each in sets]
    assert train(quick(start, *given), source(), tmp_path / "second").step == 4


def test_lists_of_spreadsheets_are_read(tmp_path: Path) -> None:
    rows = "path,caption\r\na.mp4,a red ball\r\nb.mp4,a blue ball\r\n"
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbf" + rows.encode())
    assert open_source(str(path), quick(), tmp_path).table().captions == [
        "a red ball",
        "a blue ball",
    ]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("", "lists no clips"),
        ("path,caption\n", "lists no clips"),
        ("path,caption,start_seconds,end_seconds\na.mp4,a ball,1,1\n", "clip 1: an empty span"),
        ("path,caption,start_seconds,end_seconds\na.mp4,a ball,1,\n", "without end_seconds"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(tmp_path: Path, rows: str, fault: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(rows, "utf-8")
    with pytest.raises(MisuseError, match=fault):
        open_source(str(path), quick(), tmp_path)
    assert os.listdir(tmp_path) == ["list.csv"]
