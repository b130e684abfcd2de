"""`t2v-world`: a model's samples held against the truth, through the command and its parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from internvid import TextToVideo
from internvid.cli.app import main
from internvid.core.errors import CheckpointMismatchError
from internvid.evaluation.benchmarks.rendered import draw_distinct
from internvid.evaluation.generation.world_classifier import open_classifier, read_clips
from internvid.evaluation.generation.world_samples import measure_world
from internvid.models.generation.tiny_model import make_tiny
from internvid.models.generation.tiny_network import TinyShape
from internvid.synthetic.clips import render_clip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned nothing."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    shape = TinyShape(frames=4, side=16, width=8, inner=8, condition=16, blocks=1, heads=2)
    TextToVideo(make_tiny(shape, ["a red circle moves to the left"], 0)).save_pretrained(folder)
    return folder


def test_the_command_measures_a_model(model: Path, tmp_path: Path) -> None:
    kept, result = tmp_path / "classifier.safetensors", tmp_path / "result.json"
    command = [
        "evaluate", str(model), "--benchmark", "t2v-world", "-o", str(result),
        *(f"--set={each}" for each in (
            "count=6", "steps=2", "classifier_steps=2", f"classifier={kept}")),
    ]  # fmt: skip
    assert main(command) == 0
    stored = json.loads(result.read_text())
    metrics = stored["metrics"]
    for name in ("colour", "shape", "size", "tone", "motion", "direction"):
        for control in ("", "_real", "_reversed", "_frozen"):
            assert 0 <= metrics[f"{name}{control}"] <= 100
    assert metrics["direction_frozen"] == 0
    assert metrics["frechet"] > 0
    assert stored["protocol"]["details"]["classifier_steps"] == 2
    assert kept.is_file()
    # One that was trained otherwise is not taken for it.
    with pytest.raises(CheckpointMismatchError, match="after 3 steps"):
        open_classifier(kept, 4, 16, steps=3)
    with pytest.raises(CheckpointMismatchError, match="8 frames"):
        open_classifier(kept, 8, 16, steps=2)


def test_real_clips_have_the_directions_that_are_true_and_no_distance() -> None:
    specs = draw_distinct(3, 24, cameras=("static",), paths="loop")
    clips = np.stack([render_clip(spec, 8, 32) for spec in specs])
    metrics = measure_world(clips, specs, open_classifier(None, 8, 32, steps=1))
    assert metrics["direction"] == metrics["direction_real"] == 100
    assert metrics["direction_reversed"] == metrics["direction_frozen"] == 0
    assert metrics["frechet"] == pytest.approx(0, abs=1e-4)
    assert metrics["frechet_real_real"] > metrics["frechet"]


@pytest.mark.slow
def test_the_classifier_names_what_it_was_trained_on() -> None:
    network = open_classifier(None, 8, 32, steps=150)
    specs = draw_distinct(5, 64, cameras=("static",), paths="loop")
    clips = np.stack([render_clip(spec, 8, 32) for spec in specs])
    right = read_clips(network, clips).right(specs)
    assert right["colour"] >= 90
    assert right["tone"] >= 90
