"""Devices and number formats by name."""

from __future__ import annotations

import pytest
import torch

from internvid.core.errors import ConfigInvalidError
from internvid.models.devices import choose_device, choose_dtype, has_bfloat16


def test_auto_finds_a_device_that_works() -> None:
    device = choose_device()
    assert torch.ones(2, device=device).sum().item() == 2
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:999", "", "cpu:x"])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(ConfigInvalidError):
        choose_device(name)


def test_formats_by_name() -> None:
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    assert isinstance(has_bfloat16(cpu), bool)
    with pytest.raises(ConfigInvalidError, match="float32, bfloat16"):
        choose_dtype("int8", cpu)
