"""Low-rank adapters on diffusers' own video transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from internvid import TextToVideo
from internvid.core.errors import CheckpointError, ConfigInvalidError, MisuseError
from internvid.models.generation.video_model import measure_loss
from internvid.models.generation.video_transformer import ADAPTER, LoraShape


def _trained(folder: Path) -> tuple[TextToVideo, dict[str, Any]]:
    opened = TextToVideo.from_pretrained(folder, lora=LoraShape(rank=2, alpha=8))
    model, limits = opened.model, opened.limits
    side, frames = 2 * limits.multiple, limits.step + 1
    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (2, frames, side, side, 3), dtype=np.uint8)
    clean, text = model.encode(clips), model.encode_text(["a cat", "a red dog runs"])
    optimiser = torch.optim.AdamW([each for _, each in model.named_parameters()], lr=2e-2)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        times = model.draw_times(2, clean.shape[2], generator)
        noise = torch.randn(clean.shape, generator=generator)
        measure_loss(model, clean, noise, times, text).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    return opened, {"frames": frames, "height": side, "width": side, "steps": 2}


def test_adapters_load_in_the_pipeline_of_diffusers(video_pipeline: Path, tmp_path: Path) -> None:
    import diffusers

    opened, sizes = _trained(video_pipeline)
    assert all(".lora_" in name for name, _ in opened.model.named_parameters())
    made = opened.generate("a cat", **sizes)
    opened.save_pretrained(tmp_path / "adapters")
    again = TextToVideo.from_pretrained(tmp_path / "adapters")
    assert np.array_equal(again.generate("a cat", **sizes), made)
    kind = getattr(diffusers, type(opened.model.pipeline).__name__)  # type: ignore[attr-defined]
    theirs = kind.from_pretrained(video_pipeline)
    options = {
        "prompt": "a cat", "negative_prompt": "", "num_frames": sizes["frames"],
        "height": sizes["height"], "width": sizes["width"], "num_inference_steps": 2,
        "guidance_scale": opened.limits.guidance, "output_type": "np",
        "max_sequence_length": opened.limits.tokens,
    }  # fmt: skip

    def shown() -> np.ndarray[Any, Any]:
        video = theirs(**options, generator=torch.Generator().manual_seed(0)).frames[0]
        bytes_: np.ndarray[Any, Any] = (video * 255).round().astype(int)
        return bytes_

    theirs.load_lora_weights(tmp_path / "adapters")
    assert np.abs(shown() - made).max() <= 1
    theirs.unload_lora_weights()
    assert np.abs(shown() - made).max() > 8


def test_sizes_and_prompts_off_the_grid_are_refused(video_pipeline: Path) -> None:
    model = TextToVideo.from_pretrained(video_pipeline)
    limits = model.limits
    with pytest.raises(MisuseError, match=rf"{limits.step}k\+1 frames") as caught:
        model.generate("a cat", frames=limits.step + 2)
    assert f"--frames {limits.step + 1}" in str(caught.value)
    with pytest.raises(MisuseError, match=f"no multiple of {limits.multiple}"):
        model.generate("a cat", frames=limits.step + 1, height=limits.multiple + 2)
    with pytest.raises(MisuseError, match="the text encoder reads 16"):
        model.generate("a cat " * 20, frames=limits.step + 1)


def test_a_pipeline_without_adapters_has_nothing_to_save(
    video_pipeline: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalidError, match="nothing to save"):
        TextToVideo.from_pretrained(video_pipeline).save_pretrained(tmp_path / "saved")


def test_layers_that_are_not_there_are_refused(video_pipeline: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="adapters do not fit"):
        TextToVideo.from_pretrained(video_pipeline, lora=LoraShape(targets=("nothing",)))


def test_damaged_adapters_are_typed(video_pipeline: Path, tmp_path: Path) -> None:
    opened = TextToVideo.from_pretrained(video_pipeline, lora=LoraShape(rank=2))
    opened.save_pretrained(tmp_path / "adapters")
    (tmp_path / "adapters" / ADAPTER).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="does not fit"):
        TextToVideo.from_pretrained(tmp_path / "adapters")
