"""Runs of `t2v_tiny`: exact resume, averaged weights, samples, plans, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import internvid
from internvid import TextToVideo
from internvid.core.errors import ConfigInvalidError, MisuseError, TrainingStoppedError
from internvid.models.viclip.weights.checkpoint import read_weights
from internvid.training.data.clip_sources import ArraySource, WorldSource
from internvid.training.generation.batches import GenerationBatch, GenerationReader
from internvid.training.generation.denoising_step import DenoisingStep
from internvid.training.generation.kind import GenerationKind
from internvid.training.generation.recipe import GenerationRecipe
from internvid.training.generation.subject import GenerationSubject
from internvid.training.optimiser import make_optimiser
from internvid.training.plan.device_memory import Hardware

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = (
    "model.tiny.side=16", "model.tiny.width=8", "model.tiny.inner=8", "model.tiny.condition=16",
    "model.tiny.blocks=1", "model.tiny.heads=2", "model.tiny.frames=4", "data.world.count=32",
    "data.world.validation=4", "stages.pictures.steps=4", "stages.pictures.batch=8",
    "stages.clips.steps=6", "stages.clips.batch=4", "loop.log_steps=1", "samples.count=2",
    "samples.steps=3", "ema=0.5", "loop.writers=csv", "loop.threads=1",
)  # fmt: skip


def run(folder: Path, *settings: str) -> object:
    """A run of a very small model."""
    return internvid.train("t2v_tiny", "world", folder, settings=(*SETTINGS, *settings))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(folder)
    return folder


def newest(folder: Path) -> Path:
    return max((folder / "checkpoints").glob("step-*"))


def assert_same(one: Path, other: Path) -> None:
    for name in ("model", "trained", "optimiser"):
        mine, theirs = (read_weights(newest(each) / f"{name}.safetensors") for each in (one, other))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_run_leaves_a_model_that_draws(whole: Path) -> None:
    model = TextToVideo.from_pretrained(whole)
    clip = model.generate("a red circle moves up", steps=2)
    assert clip.shape == (4, 16, 16, 3)
    used, trained = (read_weights(newest(whole) / f"{n}.safetensors") for n in ("model", "trained"))
    assert any(not torch.equal(used[name], trained[name]) for name in used)
    saved = model.model.network.state_dict()
    assert all(torch.equal(saved[name], each) for name, each in used.items())


def test_averaged_weights_follow_the_trained_ones(tmp_path: Path) -> None:
    run(tmp_path / "none", "ema=0")
    checkpoint = newest(tmp_path / "none")
    assert not (checkpoint / "trained.safetensors").exists()
    run(tmp_path / "half", "ema=0.5")
    trained = read_weights(newest(tmp_path / "half") / "trained.safetensors")
    plain = read_weights(checkpoint / "model.safetensors")
    # Averaging changes what is saved, never what is trained.
    assert all(torch.equal(trained[name], plain[name]) for name in plain)


def test_a_run_that_stopped_between_ends_the_same(whole: Path, tmp_path: Path) -> None:
    for steps in (2, 7, 0):
        run(tmp_path / "run", f"loop.steps={steps}")
    assert_same(whole, tmp_path / "run")


def test_a_killed_run_ends_the_same(whole: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        "import os, signal, sys\n"
        "from tests.training.generation.test_tiny_runs import run\n"
        "from internvid.training.generation.denoising_step import DenoisingStep\n"
        "from pathlib import Path\n"
        "update, done = DenoisingStep.update, []\n"
        "def counted(self, **options):\n"
        "    done.append(1)\n"
        "    if len(done) == 7:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return update(self, **options)\n"
        "DenoisingStep.update = counted\n"
        "run(Path(sys.argv[1]), 'loop.checkpoint_steps=1')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run")],
        env=environment, cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    assert newest(tmp_path / "run").name == "step-000000006"
    run(tmp_path / "run", "loop.checkpoint_steps=1")
    assert_same(whole, tmp_path / "run")


def prepared(*settings: str) -> tuple[GenerationSubject, GenerationRecipe]:
    from internvid.core.assignments import with_values
    from internvid.training.generation.recipe import t2v_tiny

    recipe = with_values(t2v_tiny(), (*SETTINGS, *settings))
    source = WorldSource(count=32, frames=4, size=16)
    kind = GenerationKind()
    samples = kind.choose_samples(recipe, source)
    subject = kind.prepare(recipe, source, samples, Path("nowhere"))
    return subject, recipe


def gradients(parts: int, batch: GenerationBatch, *settings: str) -> tuple[float, torch.Tensor]:
    subject, recipe = prepared(*settings)
    named = list(subject.named_parameters())
    step = DenoisingStep(subject, make_optimiser(named, recipe.optimiser), 1, parts)
    loss = float(step.add_gradients(batch))
    found = [each.grad.flatten() for _, each in named if each.grad is not None]
    return loss, torch.cat(found)


def first_batch(*, pictures: bool = False) -> GenerationBatch:
    subject, recipe = prepared()
    kind = GenerationKind()
    planned = kind.plan_stages(recipe, subject.samples, Hardware(1), keeps_short_warmup=False)
    reader = GenerationReader(
        subject.source, subject.samples, subject.shapes, None, planned[1].plan, pictures, 0
    )
    return reader.read(0)


def test_parts_of_a_batch_give_the_gradients_of_the_whole() -> None:
    batch = first_batch()
    whole, parts = gradients(1, batch), gradients(3, batch)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    assert torch.allclose(parts[1], whole[1], atol=1e-6)
    assert whole[1].abs().max() > 1e-4


def test_bfloat16_gives_about_the_same_gradients() -> None:
    batch = first_batch()
    whole, half = gradients(1, batch), gradients(1, batch, "loop.dtype=bfloat16")
    assert half[0] == pytest.approx(whole[0], rel=0.05)
    assert not torch.equal(half[1], whole[1])
    assert torch.nn.functional.cosine_similarity(half[1], whole[1], dim=0) > 0.98


def test_single_pictures_are_frames_of_their_clips() -> None:
    clips, pictures = first_batch(), first_batch(pictures=True)
    assert clips.groups[0].content.shape == (4, 4, 16, 16, 3)
    assert pictures.groups[0].content.shape == (4, 1, 16, 16, 3)
    for clip, picture in zip(clips.groups[0].content, pictures.groups[0].content, strict=True):
        assert any(torch.equal(frame, picture[0]) for frame in clip)


def test_samples_stand_on_a_page_beside_their_prompts(whole: Path) -> None:
    folder = whole / "samples"
    columns = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert columns == ["step-000000004", "step-000000010"]
    page = (folder / "index.html").read_text("utf-8")
    prompts = [
        json.loads(line)["prompt"]
        for line in (folder / columns[0] / "prompts.jsonl").read_text().splitlines()
    ]
    assert len(prompts) == 2
    for prompt in prompts:
        assert prompt in page
    for column in columns:
        for name in ("000.mp4", "001.mp4"):
            assert f'src="{column}/{name}"' in page
            assert (folder / column / name).stat().st_size > 0
    from internvid.evaluation.generation.video_sets import read_samples

    assert read_samples(folder / columns[0]).without_prompt == 0


def test_prompts_become_text_on_the_page(tmp_path: Path) -> None:
    run(tmp_path / "run", 'samples.prompts=["<b>bold</b> & co"]', "data.world.validation=0")
    page = (tmp_path / "run" / "samples" / "index.html").read_text("utf-8")
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; co" in page
    assert "<b>" not in page


def test_clips_without_a_caption_are_counted(tmp_path: Path) -> None:
    source = ArraySource(
        [np.zeros((4, 16, 16, 3), np.uint8)] * 4, ["a red circle", "", None, "a cat"]
    )
    samples = GenerationKind().choose_samples(prepared()[1], source)
    assert len(samples) == 2
    assert samples.dropped["no_caption"] == 2


def test_a_plan_counts_steps_and_flops(tmp_path: Path) -> None:
    expected = internvid.plan_training("t2v_tiny", "world", settings=SETTINGS)
    pictures, clips = expected.stages
    assert (pictures.steps, pictures.clips) == (4, 32)
    assert (clips.steps, clips.clips) == (6, 24)
    assert clips.gigaflops_per_clip > 3 * pictures.gigaflops_per_clip > 0
    assert clips.memory_gigabytes > 0
    assert expected.hours > 0
    on_others = internvid.plan_training(
        "t2v_tiny", "world", settings=(*SETTINGS, "stages.clips.batch=8"), device="h100", devices=2
    )
    assert on_others.stages[1].micro_batch == 4
    assert not on_others.compute_is_measured


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("stages.clips.batch=64",), "cannot be drawn from 32 clips"),
        (("model.kind=inflated",), "single pictures are for tiny"),
        (("loop.sharding=fsdp",), "not sharded"),
        (("ema=1",), "ema lies from 0"),
        (("data.frames=9",), "makes 1 to 4 frames, not 9"),
        (("data.preset=nothing",), "no preset 'nothing'"),
        (("model.tiny.side=18",), "multiple of 4"),
        (("data.text_dropout=1",), "text_dropout cannot be"),
        ((f'samples.prompts=["{"word " * 30}"]',), "this model reads 24"),
    ],
)
def test_bad_recipes_are_refused(tmp_path: Path, settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(MisuseError, match=words):
        run(tmp_path / "run", *settings)


@pytest.mark.parametrize("recipe", ["t2v_inflated", "t2v_lora"])
def test_recipes_that_start_from_weights_need_some(tmp_path: Path, recipe: str) -> None:
    settings = ("data.world.count=16", "stages.*.batch=8")
    with pytest.raises(ConfigInvalidError, match="start from weights, and none are named"):
        internvid.train(recipe, "world", tmp_path / "run", settings=settings)


def test_options_of_dual_encoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no use for --videos"):
        internvid.train("t2v_tiny", "world", tmp_path / "run", videos=tmp_path)
    with pytest.raises(MisuseError, match="has no subset"):
        internvid.train("t2v_tiny", "world", tmp_path / "run", subset="aes")
    with pytest.raises(ConfigInvalidError, match="a seed is a whole number"):
        internvid.train("t2v_tiny", "world:x", tmp_path / "run")


def test_a_loss_that_is_no_number_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from internvid.models.generation.tiny_model import TinyModel

    monkeypatch.setattr(TinyModel, "target", lambda *given: given[1] * float("nan"))
    with pytest.raises(TrainingStoppedError):
        run(tmp_path / "run")
