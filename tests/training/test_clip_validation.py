"""Validation on real clips: held out of training by source, or of another list."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from internvid.cli.app import main
from internvid.core.assignments import with_values
from internvid.core.errors import MisuseError
from internvid.models.viclip.model import ViCLIP
from internvid.training.clip_validation import held_out_rows, make_validation
from internvid.training.compare.held_out import choose_held_out
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.samples import ClipTable
from internvid.training.heads.open_heads import ActionRecipe, FineTuneRecipe
from internvid.training.loop import train
from internvid.training.prepare import choose_samples
from tests.evaluation.colours import film
from tests.training.tiny import COLOURS, Leaky, recipe, source

SHARE = "data.validation.share=0.25"


def test_sources_held_out_are_not_trained_on() -> None:
    clips, made = source(), recipe(SHARE)
    table = clips.table()
    held = choose_held_out(table.sources, 0.25)
    assert len(held) == 6
    samples = choose_samples(made, clips)
    assert len(samples) == 36
    assert samples.dropped["held_out"] == 12
    assert not held & {table.sources[at] for at in samples.clips}
    rows = held_out_rows(table, 0.25)
    validation = make_validation(made, clips, rows)
    assert {table.sources[at] for at in validation.clips} == held
    assert "held_out" not in choose_samples(recipe(), clips).dropped
    # Fields that say what is measured are no part of a run's identity; its clips are.
    assert made.fingerprint == recipe().fingerprint


def test_a_run_is_measured_on_them_as_it_goes(tmp_path: Path) -> None:
    clips = source()
    made = recipe(SHARE, "loop.validate_steps=3", "loop.checkpoint_steps=0")
    validation = make_validation(made, clips, held_out_rows(clips.table(), 0.25))
    heard: list[str] = []
    summary = train(made, clips, tmp_path / "run", validate=validation, notice=heard.append)
    assert [text.partition(":")[0] for text in heard] == [
        f"validation after step {step}" for step in (3, 6, 9, 10)
    ]
    assert "mean_recall" in heard[0]
    assert next(iter(summary.validation)) == "mean_recall"
    assert summary.validation["clips"] == 12
    best = json.loads((tmp_path / "run" / "checkpoints" / "best.json").read_text())
    model = ViCLIP.from_pretrained(tmp_path / "run" / "model")
    again = validation(model)
    assert again == summary.validation
    assert best["value"] >= again["mean_recall"]


def test_a_video_with_several_captions_is_one_answer() -> None:
    clips = [np.full((4, 16, 16, 3), 10 * at, np.uint8) for at in range(6)]
    captions = ["a first text", "a second text", "a third text", "a third text", "word", None]

    class Listed(ArraySource):
        def table(self) -> ClipTable:
            return replace(super().table(), videos=["one", "one", "two", "three", "four", "five"])

    found = make_validation(recipe(), Listed(clips, captions))
    assert found.clips.tolist() == [0, 2, 3]
    assert found.texts == (("a first text", "a second text"), ("a third text",), ("a third text",))
    with pytest.raises(MisuseError, match="1 videos with captions are there to validate on"):
        make_validation(recipe(), ArraySource(clips[:2], ["a text", None]))


def test_clips_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    model = ViCLIP.from_pretrained(train(recipe("loop.steps=0"), source(), tmp_path).model or "")
    found = make_validation(recipe(), Leaky(source(8), frozenset({1, 3})))(model)
    assert found["clips"] == 6
    with pytest.raises(MisuseError, match="1 of 8 clips to validate on can be read"):
        make_validation(recipe(), Leaky(source(8), frozenset(range(7))))(model)


def test_an_action_head_is_measured_by_its_accuracy(tmp_path: Path) -> None:
    clips = source()
    named = ArraySource(clips.clips, [list(COLOURS)[at % 3] for at in range(48)], clips.sources)
    plain = with_values(
        recipe(), ["stages=masked", "stages.masked.mask_ratio=0", "stages.masked.peak_lr=1e-2",
                   "stages.masked.steps=40", "loop.log_steps=10", "loop.checkpoint_steps=0",
                   "loss.same_text=share"],
    )  # fmt: skip
    values = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    made = FineTuneRecipe(**values, head=ActionRecipe(smoothing=0.0, layer_decay=1.0))
    made = with_values(made, [SHARE])
    validation = make_validation(made, named, held_out_rows(named.table(), 0.25))
    summary = train(made, named, tmp_path, validate=validation)
    assert list(summary.validation) == ["top1", "top5", "clips"]
    assert summary.validation["top5"] == 100.0
    assert summary.validation["top1"] > 60


def test_the_command_validates_on_another_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, shades in (("train", (1.0, 0.9, 0.8, 0.7)), ("val", (0.6, 0.5))):
        rows = ["path,caption"]
        for at, shade in enumerate(shades):
            film(tmp_path / f"{part}-{at}.mp4", "red", shade=shade)
            rows.append(f"{part}-{at}.mp4,a red film of shade {at}")
        (tmp_path / f"{part}.csv").write_text("\n".join(rows) + "\n")
    common = ["train", "--data", str(tmp_path / "train.csv"), "-o", str(tmp_path / "run"),
              "--set", "stages.*.batch=4", "--set", "stages.*.neighbours=0",
              "--set", "stages.*.steps=1", "--set", "loop.writers=csv"]  # fmt: skip
    assert main([*common, "--validate", str(tmp_path / "val.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["validation"]["clips"] == 2
    assert found["samples"] == 4
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        assert "loss" in next(csv.reader(file))
    both = ["--validate", str(tmp_path / "val.csv"), "--set", SHARE]
    assert main([*common[:3], "-o", str(tmp_path / "other"), *common[5:], *both]) == 2
    assert "two ways" in capsys.readouterr().err
