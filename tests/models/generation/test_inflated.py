"""The paper's baseline: an image model that frames are joined in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid import TextToVideo
from internvid.core.errors import CheckpointError, ConfigInvalidError, MisuseError
from internvid.models.generation.noise_rules import DiffusionRule
from internvid.models.generation.video_model import measure_loss
from tests.models.generation.tiny_parts import save_stable_diffusion


def test_equals_the_image_model_on_a_repeated_frame(stable_diffusion: Path) -> None:
    model = TextToVideo.from_pretrained(stable_diffusion).model
    picture_model = model.source.open("unet")  # type: ignore[attr-defined]
    picture = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    times = torch.tensor([3, 700])
    text = model.encode_text(["a cat", "a red dog"])
    with torch.no_grad():
        clip = picture[:, :, None].expand(-1, -1, 5, -1, -1).contiguous()
        given = model.predict(clip, times, text)
        wanted = picture_model(picture, times, encoder_hidden_states=text["text"]).sample
    assert wanted.abs().max() > 0.1
    assert (given - wanted[:, :, None]).abs().max() <= 1e-5


@pytest.mark.parametrize("keys", ["previous", "first"])
def test_a_frame_sees_the_frame_its_keys_name_and_no_other(
    stable_diffusion: Path, keys: str
) -> None:
    model = TextToVideo.from_pretrained(stable_diffusion, keys=keys).model
    text = model.encode_text(["a cat"])
    clip = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    changed = clip.clone()
    changed[:, :, 1] += 1

    def moved() -> list[bool]:
        with torch.no_grad():
            times = torch.tensor([500])
            two = [model.predict(one, times, text) for one in (clip, changed)]
        return [bool((two[0] - two[1])[:, :, at].abs().max() > 1e-6) for at in range(4)]

    # Through several blocks what is before reaches further, what comes after never.
    assert moved()[:2] == [False, True]
    assert moved()[2] is (keys == "previous")


def test_training_moves_temporal_weights_alone_and_saves_the_others_byte_by_byte(
    stable_diffusion: Path, tmp_path: Path
) -> None:
    opened = TextToVideo.from_pretrained(stable_diffusion)
    model = opened.model
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 16, 16, 3), dtype=np.uint8)
    clean, text = model.encode(clips), model.encode_text(["a cat", "a dog"])
    optimiser = torch.optim.AdamW([each for _, each in model.named_parameters()], lr=1e-2)
    before = {name: each.clone() for name, each in model.named_parameters()}
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        times = model.draw_times(2, clean.shape[2], generator)
        noise = torch.randn(clean.shape, generator=generator)
        measure_loss(model, clean, noise, times, text).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    assert all(name.startswith("temporal.") for name in before)
    moved = [name for name, each in model.named_parameters() if not torch.equal(each, before[name])]
    assert len(moved) > len(before) / 2
    opened.save_pretrained(tmp_path / "saved")
    for part in ("unet", "vae", "text_encoder"):
        files = sorted((stable_diffusion / part).iterdir())
        assert files
        for file in files:
            assert file.read_bytes() == (tmp_path / "saved" / part / file.name).read_bytes()
    again = TextToVideo.from_pretrained(tmp_path / "saved")
    wanted = opened.generate("a cat", frames=4, steps=2)
    assert np.array_equal(again.generate("a cat", frames=4, steps=2), wanted)
    fresh = TextToVideo.from_pretrained(stable_diffusion)
    assert not np.array_equal(fresh.generate("a cat", frames=4, steps=2), wanted)


def test_other_weights_are_trained_where_that_is_wanted(
    stable_diffusion: Path, tmp_path: Path
) -> None:
    queries = TextToVideo.from_pretrained(stable_diffusion, trained="queries")
    names = [name for name, _ in queries.model.named_parameters()]
    assert any(name.endswith("attn2.to_q.weight") for name in names)
    assert not any("conv" in name for name in names)
    whole = TextToVideo.from_pretrained(stable_diffusion, trained="all")
    with torch.no_grad():
        for _, each in whole.model.named_parameters():
            each.add_(0.01)
    whole.save_pretrained(tmp_path / "saved")
    again = TextToVideo.from_pretrained(tmp_path / "saved")
    state = again.model.network.state_dict()
    assert all(torch.equal(state[name], each) for name, each in whole.model.named_parameters())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_target_is_the_one_of_the_scheduler(tmp_path: Path, prediction: str) -> None:
    pytest.importorskip("diffusers")
    folder = save_stable_diffusion(tmp_path / "sd", prediction_type=prediction)
    model = TextToVideo.from_pretrained(folder).model
    assert isinstance(model.rule, DiffusionRule)  # type: ignore[attr-defined]
    clean, noise = torch.randn(2, 1, 4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([400])
    scheduler = model.scheduler  # type: ignore[attr-defined]
    wanted = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": scheduler.get_velocity(clean, noise, times)
        if hasattr(scheduler, "get_velocity")
        else None,
    }[prediction]
    assert torch.allclose(model.mix(clean, noise, times), scheduler.add_noise(clean, noise, times))
    assert wanted is not None
    assert torch.allclose(model.target(clean, noise, times), wanted, atol=1e-6)


def test_a_scheduler_that_does_not_say_its_target_is_refused(
    stable_diffusion: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(stable_diffusion, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "prediction_type": "magic"}))
    with pytest.raises(ConfigInvalidError, match="does not say what the network"):
        TextToVideo.from_pretrained(folder)


def test_a_sample_depends_on_its_own_seed(stable_diffusion: Path) -> None:
    model = TextToVideo.from_pretrained(stable_diffusion)
    both = model.generate(["a cat", "a dog"], frames=3, steps=2, seed=[4, 9])
    alone = model.generate("a dog", frames=3, steps=2, seed=9)
    assert np.abs(both[1].astype(int) - alone).max() <= 1
    other = model.generate("a dog", frames=3, steps=2, seed=10)
    assert np.abs(other.astype(int) - alone).max() > 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "a cat " * 20}, "the text encoder reads 24"),
        ({"prompt": "  "}, "a prompt is empty"),
        ({"prompt": "a cat", "width": 18 + 1}, "no multiple of 2"),
        ({"prompt": "a cat", "frames": 0}, "any number of frames, not 0"),
        ({"prompt": "a cat", "steps": 0}, "steps must be at least 1"),
        ({"prompt": "a cat", "guidance": -1.0}, "guidance lies between"),
        ({"prompt": ["a cat", "a dog"], "seed": [1]}, "2 prompts need as many seeds"),
    ],
)
def test_bad_wishes_are_refused(
    stable_diffusion: Path, arguments: dict[str, object], words: str
) -> None:
    model = TextToVideo.from_pretrained(stable_diffusion)
    with pytest.raises(MisuseError, match=words):
        model.generate(**arguments)  # type: ignore[arg-type]


def test_nan_and_memory_are_typed(stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TextToVideo.from_pretrained(stable_diffusion)
    with torch.no_grad():
        next(iter(model.model.network.parameters())).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="NaN"):
        model.generate("a cat", frames=2, steps=1)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(model.model, "predict", full)
    with pytest.raises(MisuseError, match="do not fit into the device's memory"):
        model.generate("a cat", frames=2, steps=1)


def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    folder = save_stable_diffusion(tmp_path / "sd", vae_channels=8)
    with pytest.raises(CheckpointError, match="latents of 8 channels, the U-Net takes 4"):
        TextToVideo.from_pretrained(folder)


def test_damaged_folders_are_typed(stable_diffusion: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(stable_diffusion, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="unet"):
        TextToVideo.from_pretrained(folder)
    (folder / "model_index.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        TextToVideo.from_pretrained(folder)
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ConfigInvalidError, match="FluxPipeline"):
        TextToVideo.from_pretrained(folder)
