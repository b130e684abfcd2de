"""What a step takes in memory, how large parts are chosen by it, and what happens without room."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from internvid.core.errors import ConfigInvalidError, TrainingStoppedError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.model import ViCLIP
from internvid.training import prepare
from internvid.training.data.loader import check_shared_memory, shared_memory_bytes
from internvid.training.loop import train
from internvid.training.plan.device_memory import (
    KNOWN_DEVICES,
    Hardware,
    choose_micro_batch,
    step_memory,
    usable_memory,
    usable_of,
)
from internvid.training.plan.flops import step_cost
from internvid.training.prepare import view_shape
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.towers import PatchTower
from tests.training.tiny import losses, recipe, source, without_drop_path
from tests.training.together import run_together

WIDE = ViCLIPConfig(
    vision_width=128, vision_layers=4, vision_heads=2, patch=8, resolution=32, frames=4,
    text_width=32, text_layers=1, text_heads=2, context=8, vocabulary=514, embedding=16,
    drop_path=0.1,
)  # fmt: skip


def saved_bytes(config: ViCLIPConfig, clips: int, *, bf16: bool) -> int:
    """What autograd keeps for the backward pass, parameters left out."""
    model = ViCLIP(config).train()
    model.vision_encoder.transformer.checkpointed_blocks = config.checkpointed_blocks
    tower = PatchTower(model.vision_encoder, model.preprocessing, config.frames, config.grid)
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    # Tensors are held: a freed address would be counted once for two.
    seen: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            seen[place] = tensor
        return tensor

    patches = torch.zeros(clips, config.tokens, 3 * config.patch**2, dtype=torch.uint8)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        tower(patches, None)
    return sum(each.untyped_storage().nbytes() for each in seen.values())


@pytest.mark.parametrize("bf16", [True, False])
@pytest.mark.parametrize("again", [0, 4])
def test_activations_are_those_that_are_kept(bf16: bool, again: int) -> None:
    config = replace(WIDE, checkpointed_blocks=again)
    per_clip = (saved_bytes(config, 3, bf16=bf16) - saved_bytes(config, 1, bf16=bf16)) / 2
    counted = step_cost(config, 0.0, freeze_text=True, bf16=bf16)
    reckoned = counted.activation_bytes
    if again:
        # While one block is made again, its activations are there too.
        assert counted.transient_bytes > counted.activation_bytes / 4
    assert reckoned == pytest.approx(per_clip, rel=0.12)


@pytest.mark.parametrize("name", ["viclip_b16", "viclip_l14", "reference_b16", "reference_l14"])
def test_the_documented_commands_fit_on_devices_of_80_gb(name: str) -> None:
    made = recipes.get(name)
    usable = usable_of(80e9)
    for stage in made.stages:
        size, bytes_taken = chosen(made, stage.name, Hardware(8, usable, bfloat16=True))
        assert bytes_taken <= usable
        # Parts are not needlessly small.
        assert size == stage.batch // 8 or bytes_taken > 0.5 * usable


def chosen(made: TrainRecipe, name: str, hardware: Hardware) -> tuple[int, float]:
    stage = next(each for each in made.stages if each.name == name)
    shape = view_shape(made, stage)
    cost = step_cost(made.model.config, stage.mask_ratio, freeze_text=True, bf16=hardware.bfloat16)
    memory = step_memory(made, stage, shape, cost, hardware)
    size = choose_micro_batch(stage, stage.batch // hardware.processes, memory, hardware)
    return size, memory.of(size)


def test_parts_shrink_with_the_memory_and_never_exceed_what_was_chosen() -> None:
    made = recipes.viclip_b16()
    sizes = [
        chosen(made, "masked", Hardware(8, gb * 1e9, bfloat16=True))[0] for gb in (20, 80, 600)
    ]
    assert 1 <= sizes[0] < sizes[1] < sizes[2] == 4096
    hardware = Hardware(8, 80e9, bfloat16=True, chosen={"masked": 100})
    assert chosen(made, "masked", hardware)[0] <= 100
    named = replace(made, stages=(replace(made.stages[0], micro_batch=77), made.stages[1]))
    assert chosen(named, "masked", Hardware(8, 1e9, bfloat16=True))[0] == 77
    assert chosen(made, "masked", Hardware(8, 1e9, bfloat16=True))[0] == 1
    assert chosen(made, "masked", Hardware(8, None, bfloat16=True))[0] == 4096
    assert KNOWN_DEVICES["h100"].memory_gigabytes == 80


# In a run


def test_little_memory_makes_parts_with_the_same_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = without_drop_path(recipe("stages.*.peak_lr=1e-4"))
    train(made, source(), tmp_path / "whole")
    stage = made.stages[1]
    cost = step_cost(made.model.config, 0.0, freeze_text=False, bf16=False)
    memory = step_memory(made, stage, view_shape(made, stage), cost, Hardware())
    monkeypatch.setattr(prepare, "usable_memory", lambda *_: memory.of(3))
    heard: list[str] = []
    found = train(made, source(), tmp_path / "parts", notice=heard.append)
    assert found.micro_batch["unmasked"] in (2, 3)
    assert "unmasked: " in heard[0]
    assert "stages.unmasked.micro_batch" in heard[0]
    np.testing.assert_allclose(losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=1e-4)


def small_device(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A device that takes so many clips at once and no more."""
    real = PatchTower.forward

    def forward(self: PatchTower, patches: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        if len(patches) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(self, patches, kept)

    monkeypatch.setattr(PatchTower, "forward", forward)


def test_a_step_without_room_is_taken_in_smaller_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = without_drop_path(recipe("stages.*.peak_lr=1e-4", "optimiser.clip_norm=0"))
    train(made, source(), tmp_path / "whole")
    small_device(monkeypatch, 4)
    heard: list[str] = []
    found = train(made, source(), tmp_path / "run", notice=heard.append)
    assert found.micro_batch == {"masked": 4, "unmasked": 4}
    assert "stages.masked.micro_batch=4" in heard[0]
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(tmp_path / "whole"), rtol=1e-4)
    kept = json.loads((tmp_path / "run" / "chosen.json").read_text())
    assert kept["micro_batch"] == {"masked": 4, "unmasked": 4}


def test_parts_are_halved_once_and_the_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_device(monkeypatch, 2)
    with pytest.raises(TrainingStoppedError, match="'masked' runs out of memory with 4") as told:
        train(recipe(), source(), tmp_path)
    assert "--set stages.masked.micro_batch=2" in str(told.value.hint)
    assert train(recipe("stages.*.micro_batch=2"), source(), tmp_path).step == 10


def _short_of_memory(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        small_device(patch, 2)
        with pytest.raises(TrainingStoppedError, match="out of memory with 4 clips") as told:
            train(recipe("stages=masked"), source(), folder)
        assert "the same command goes on with --set stages.masked.micro_batch=2" in str(told.value)
        found = train(recipe("stages=masked"), source(), folder)
    assert (found.step, found.micro_batch) == (6, {"masked": 2})


@pytest.mark.slow
def test_several_processes_go_on_with_smaller_parts_when_started_again(tmp_path: Path) -> None:
    run_together(_short_of_memory, tmp_path)


# Shared memory of the loader


def test_shared_memory_is_reckoned_and_refused_before_it_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = recipes.viclip_b16()
    shape = view_shape(made, made.stages[0])
    loader = made.data.loader
    # 8 processes x (8 workers x 2 batches ahead + 1) of 4,096 clips, each 157 patches of 768
    # bytes with their numbers.
    clip = 157 * (768 + 8) + 8
    assert 8 * shared_memory_bytes(shape, 4096, loader) == 8 * 17 * 4096 * clip
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=8 << 30))
    with pytest.raises(ConfigInvalidError, match=r"fill 67.9 GB .* has 8.59 GB left") as told:
        check_shared_memory(shape, 4096, loader, 8)
    assert "--shm-size=64g" in str(told.value.hint)
    assert "data.loader.ahead=1" in str(told.value.hint)
    check_shared_memory(shape, 4096, replace(loader, kind="threads"), 8)
    check_shared_memory(shape, 64, loader, 8)


@pytest.mark.parametrize(("free", "counted"), [(79e9, 80e9), (40e9, 40e9)])
def test_an_idle_gpu_counts_as_the_same_at_every_start(
    monkeypatch: pytest.MonkeyPatch, free: float, counted: float
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 80e9))
    assert usable_memory(torch.device("cuda", 0)) == usable_of(counted)
    assert usable_memory(torch.device("meta")) is None
    both = usable_memory(torch.device("cpu"), 2)
    whole = usable_memory(torch.device("cpu"))
    assert both is not None
    assert whole == 2 * both
