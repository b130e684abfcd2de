"""Where networks run and in which numbers."""

from __future__ import annotations

import torch

from internvid.core.errors import ConfigInvalidError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` takes a GPU if there is one, else the CPU.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps` ...

    Raises:
        ConfigInvalidError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigInvalidError(
            f"{name!r} is no device", hint="use auto, cpu, cuda, cuda:1 or mps"
        ) from error
    count = torch.cuda.device_count()
    # torch keeps indices in a byte: large ones come out negative.
    if device.type == "cuda" and not 0 <= (device.index or 0) < count:
        raise ConfigInvalidError(f"device {name!r} is not here: {count} CUDA devices are visible")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigInvalidError("device 'mps' is not here")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32 there."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Private names: where a release of torch lacks them, the answer is no.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)
    return False


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name; `auto` is bfloat16 on a GPU that has it, else float32.

    Args:
        name: `auto`, `float32`, `bfloat16` or `float16`.
        device: where the network will run.

    Raises:
        ConfigInvalidError: no such dtype is offered.
    """
    if name == "auto":
        fast = device.type == "cuda" and has_bfloat16(device)
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise ConfigInvalidError(f"dtype is one of auto, {', '.join(DTYPES)}, not {name!r}")
    return DTYPES[name]
