"""TorchScript files of feature networks: programs, so opened only where the user allows it."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from internvid.core.errors import CheckpointFormatError, ConfigInvalidError


def is_scripted(path: Path) -> bool:
    """Whether a file is TorchScript; determined from its table of contents, nothing is run."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def open_scripted(path: Path, device: torch.device, *, allowed: bool) -> Any:
    """The module of a TorchScript file, in evaluation mode.

    Raises:
        ConfigInvalidError: the user has not allowed it.
        CheckpointFormatError: torch cannot open it.
    """
    if not allowed:
        raise ConfigInvalidError(
            f"{path} is TorchScript, a program that would be run; it is not run by default",
            hint="if you trust where it is from: --set torchscript=true; plain weights (a state "
            "dict) need no such trust",
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # its format is no longer developed
            opened: Any = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location=device
            )
            return opened.eval()
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointFormatError(f"{path} cannot be opened as TorchScript: {first}") from error


def run_scripted(module: Any, pixels: torch.Tensor, **options: bool) -> torch.Tensor:
    """One output of a TorchScript network, float [N, D].

    Raises:
        ConfigInvalidError: it takes other arguments, or gives something else than vectors.
    """
    try:
        made = module(pixels, **options)
    except RuntimeError as error:
        known = ", ".join(options)
        lines = str(error).strip().splitlines()
        raise ConfigInvalidError(
            f"the TorchScript network fails at {list(pixels.shape)} with {known}: {lines[-1]}",
            hint="I3D of StyleGAN-V (i3d_torchscript.pt) and NVIDIA's Inception "
            "(inception-2015-12-05.pt) are known",
        ) from error
    if not isinstance(made, torch.Tensor) or made.ndim != 2 or len(made) != len(pixels):
        shape = list(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
        raise ConfigInvalidError(f"the TorchScript network gives {shape}, not a vector a sample")
    return made.float()
