"""Runs of `t2v_inflated` and `t2v_lora` on real videos, from tiny random models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import internvid
from internvid import TextToVideo
from internvid.core.errors import MisuseError
from internvid.models.generation.video_model import Frames
from internvid.models.generation.video_transformer import TransformerModel
from internvid.models.viclip.weights.checkpoint import read_weights
from internvid.training.generation.clip_shapes import ClipShapes
from tests.models.generation.tiny_parts import save_stable_diffusion, save_video_pipeline

VIDEOS = ("labelled/asl_gestures/intel__eat.mkv", "videos/panda__vdGG2_5VM9U.2.mp4",
          "labelled/asl_gestures/intel__help.mkv")  # fmt: skip


pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def clips(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of real videos, one that is not there, one that is too short, one without words."""
    path = tmp_path_factory.mktemp("list") / "clips.jsonl"
    rows = [{"path": str(media / name), "caption": f"a man {at}"} for at, name in enumerate(VIDEOS)]
    first = rows[0]["path"]
    rows += [
        {"path": str(path.parent / "gone.mp4"), "caption": "a dog"},
        {"path": first, "caption": "a cat", "start_seconds": 0.0, "end_seconds": 0.1},
        {"path": first, "caption": ""},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Stable Diffusion."""
    pytest.importorskip("diffusers", reason="needs internvid[generate]")
    return save_stable_diffusion(tmp_path_factory.mktemp("sd") / "model")


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Wan."""
    pytest.importorskip("diffusers", reason="needs internvid[generate]")
    pytest.importorskip("peft", reason="needs internvid[generate]")
    return save_video_pipeline("wan", tmp_path_factory.mktemp("wan") / "model")


def run(recipe: str, weights: Path, clips: Path, folder: Path, *settings: str) -> object:
    common = (
        f"model.weights={weights}", "loop.log_steps=1", "samples.count=0", "loop.writers=csv",
        "data.skip_share=1",
    )  # fmt: skip
    return internvid.train(recipe, clips, folder, settings=(*common, *settings))


LORA = (
    "model.lora.rank=2", "data.frames=9", "data.area=2048", "stages.adapters.steps=4",
    "stages.adapters.batch=5",
)  # fmt: skip


def shapes(folder: Path) -> list[tuple[int, ...]]:
    files = sorted(folder.glob("cache/latents/*/000000/*.safetensors"))
    return [tuple(read_weights(path)["latents"].shape) for path in files]


def test_adapters_are_trained_in_the_shapes_of_the_clips(
    wan: Path, clips: Path, tmp_path: Path
) -> None:
    summary = run("t2v_lora", wan, clips, tmp_path / "run", *LORA)
    # 640x480 and 640x360 in 2,048 pixels, sides multiples of 16; 9 frames of 16 a second.
    assert shapes(tmp_path / "run") == [(16, 3, 4, 6), (16, 3, 4, 6), (16, 3, 4, 6)]
    assert summary.samples == 5  # type: ignore[attr-defined]
    assert summary.dropped["no_caption"] == 1  # type: ignore[attr-defined]
    assert summary.skipped == 8  # type: ignore[attr-defined]
    opened = TextToVideo.from_pretrained(tmp_path / "run")
    assert isinstance(opened.model, TransformerModel)
    trained = dict(opened.model.network.named_parameters())
    grown = [each for name, each in trained.items() if ".lora_B" in name]
    assert grown
    assert any(bool(each.abs().max() > 0) for each in grown)
    assert opened.generate("a cat", frames=5, height=32, width=32, steps=1).shape == (5, 32, 32, 3)


def test_latents_are_made_once_and_a_run_goes_on_exactly(
    wan: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = TransformerModel.encode

    def counted(self: TransformerModel, frames: Frames) -> torch.Tensor:
        encoded.append(len(frames))
        return encode(self, frames)

    monkeypatch.setattr(TransformerModel, "encode", counted)
    run("t2v_lora", wan, clips, tmp_path / "whole", *LORA)
    made = len(encoded)
    # Three clips, and one to count a step's FLOPs.
    assert made == 4
    for steps in (1, 3, 0):
        run("t2v_lora", wan, clips, tmp_path / "run", *LORA, f"loop.steps={steps}")
    assert len(encoded) == made + 3 + 3
    mine, theirs = (
        read_weights(tmp_path / each / "checkpoints" / "step-000000004" / "model.safetensors")
        for each in ("whole", "run")
    )
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_baseline_is_trained_on_real_videos(
    stable_diffusion: Path, clips: Path, tmp_path: Path
) -> None:
    sizes = ("data.frames=4", "data.height=16", "data.width=24")
    stage = ("stages.clips.steps=3", "stages.clips.batch=5", "stages.clips.warmup_steps=1")
    run("t2v_inflated", stable_diffusion, clips, tmp_path / "run", *sizes, *stage, "ema=0.5")
    assert shapes(tmp_path / "run") == [(4, 4, 8, 12)] * 3
    for file in (stable_diffusion / "unet").iterdir():
        saved = tmp_path / "run" / "model" / "unet" / file.name
        assert saved.read_bytes() == file.read_bytes()
    opened = TextToVideo.from_pretrained(tmp_path / "run")
    used = read_weights(tmp_path / "run" / "checkpoints" / "step-000000003" / "model.safetensors")
    state = opened.model.network.state_dict()
    assert used
    assert all(torch.equal(state[name], each) for name, each in used.items())
    assert opened.generate("a man", frames=4, steps=1).shape == (4, 16, 16, 3)


def test_sizes_that_the_model_cannot_take_are_refused(
    wan: Path, clips: Path, tmp_path: Path
) -> None:
    with pytest.raises(MisuseError, match=r"leaves no frame count: this model takes 4k\+1"):
        run("t2v_lora", wan, clips, tmp_path / "run", *LORA, "data.frames=3")
    with pytest.raises(MisuseError, match="height 40 is no multiple of 16"):
        run("t2v_lora", wan, clips, tmp_path / "other", *LORA, "data.height=40", "data.width=32")


def test_recipes_and_weights_of_other_kinds_are_refused(
    wan: Path, clips: Path, tmp_path: Path
) -> None:
    with pytest.raises(MisuseError, match="kind 'transformer'; wanted is 'inflated'"):
        run("t2v_inflated", wan, clips, tmp_path / "run", "stages.clips.batch=4")


@pytest.mark.parametrize(
    ("rate", "count", "wanted"),
    [
        (10, 30, list(range(13))),
        (20, 12, [0, 2, 4, 6, 8]),
        (5, 4, [0, 0, 1, 1, 2]),
        (20, 9, []),
        (10, 0, []),
    ],
)
def test_frames_are_those_shown_at_each_time(rate: int, count: int, wanted: list[int]) -> None:
    shapes_ = ClipShapes((5, 13), 10.0, 16, None, 1024)
    assert shapes_.choose(np.arange(count) / rate) == wanted
