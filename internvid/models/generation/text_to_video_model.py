"""Videos from prompts, by any of the models that this package knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.weights import require_weights
from internvid.models.devices import DTYPES, choose_device
from internvid.models.generation.pipeline_folder import read_index
from internvid.models.generation.saved_model import MODEL_FILE, Described, read_described
from internvid.models.generation.video_model import Frames, Limits, VideoModel, Wish

_IMAGE_PIPELINES = ("StableDiffusionPipeline",)
_EXPECTED = {"tiny": "tiny", "inflated": "inflated", "lora": "transformer"}
RUN_MODEL = "model"
"""Where a training run keeps its model."""


class TextToVideo:
    """A text-to-video model.

    Args:
        model: what is inside.
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        expects: str = "",
        **options: Any,
    ) -> TextToVideo:
        """Open a model.

        Args:
            source: a training run; a folder that `save_pretrained` wrote; a diffusers folder, or
                its hub name if it is on this machine: of Stable Diffusion's type (each frame is
                then a picture, until it is trained), Wan, LTX-Video or CogVideoX.
            device: `auto` takes a GPU if there is one.
            dtype: of the weights: `auto` as they are stored, `float32`, `bfloat16` or `float16`.
            expects: the kind that it must be: `tiny`, `inflated`, or `lora` for a video
                transformer; empty for any.
            options: of the kind of model, such as `keys="first"`.

        Raises:
            WeightsMissingError: it is not on this machine.
            CheckpointError: parts are damaged or do not fit together.
            ConfigInvalidError: a kind of model that is not known, or a bad option.
            DependencyMissingError: diffusers is not installed.
        """
        folder = require_weights(str(source))
        if (folder / RUN_MODEL / MODEL_FILE).is_file():
            folder /= RUN_MODEL
        place, numbers = choose_device(device), _dtype(dtype)
        described = read_described(folder) or Described(_kind_of(folder))
        if expects and described.kind != _EXPECTED.get(expects):
            raise ConfigInvalidError(
                f"{source} holds a model of kind {described.kind!r}; wanted is {expects!r}",
                hint="choose the recipe for it: t2v_tiny, t2v_inflated or t2v_lora",
            )
        return cls(_open(described, folder, place, numbers, options))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that `from_pretrained` reads.

        Raises:
            OutputExistsError: it is not empty.
            StorageError: it cannot be written.
        """
        self.model.save(Path(folder))

    @property
    def limits(self) -> Limits:
        """What it can be given, and what it takes where nothing is chosen."""
        return self.model.limits

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        seed: int | Sequence[int] = 0,
        steps: int | None = None,
        guidance: float | None = None,
        negative: str = "",
    ) -> npt.NDArray[np.uint8]:
        """Make videos.

        Args:
            prompt: one text, or several.
            frames: of each video.
            height, width: in pixels.
            seed: of the noise; of several prompts the first one's, or one for each. A sample is
                the same whatever else is made beside it, up to rounding.
            steps: of denoising.
            guidance: how strongly the prompt pulls; 1 for none.
            negative: a text to stay away from.

        Returns:
            uint8 RGB [T, H, W, 3]; [N, T, H, W, 3] of several prompts.

        Raises:
            MisuseError: a size off the grid, a prompt that is empty or longer than the encoder
                reads; with what is allowed.
            CheckpointError: the model gives NaN.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        seeds = [seed + at for at in range(len(prompts))] if isinstance(seed, int) else list(seed)
        limits = self.limits
        wish = Wish(
            prompts=prompts,
            seeds=seeds,
            frames=limits.frames if frames is None else frames,
            height=limits.height if height is None else height,
            width=limits.width if width is None else width,
            steps=limits.steps if steps is None else steps,
            guidance=limits.guidance if guidance is None else guidance,
            negative=negative,
        )
        _check(wish, limits)
        with memory_errors(wish):
            made: Frames = self.model.sample(wish)
        return made[0] if isinstance(prompt, str) else made


def _check(wish: Wish, limits: Limits) -> None:
    if not wish.prompts or any(not text.strip() for text in wish.prompts):
        raise MisuseError("a prompt is empty", hint="say what the video shows")
    if len(wish.seeds) != len(wish.prompts):
        raise MisuseError(f"{len(wish.prompts)} prompts need as many seeds, not {len(wish.seeds)}")
    if any(not 0 <= seed < 2**63 for seed in wish.seeds):
        raise MisuseError(f"a seed is a number from 0 to 2**63 - 1, not {wish.seeds[0]}")
    if wish.steps < 1:
        raise MisuseError(f"steps must be at least 1, not {wish.steps}")
    if not 0 <= wish.guidance <= 100:
        raise MisuseError(f"guidance lies between 0 and 100, not {wish.guidance}")
    limits.check(wish.frames, wish.height, wish.width)


@contextmanager
def memory_errors(wish: Wish) -> Iterator[None]:
    """Turns memory that runs out into an error that says what would help."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MisuseError(
            f"{len(wish.prompts)} x {wish.frames} frames of {wish.width}x{wish.height} do not fit "
            "into the device's memory",
            hint="fewer frames, a smaller size, --batch 1, or --dtype bfloat16",
        ) from error


def _kind_of(folder: Path) -> str:
    index = read_index(folder)
    if index.pipeline in _IMAGE_PIPELINES:
        return "inflated"
    from internvid.models.generation.transformer_families import FAMILIES

    if index.pipeline in FAMILIES:
        return "transformer"
    known = ", ".join((*_IMAGE_PIPELINES, *FAMILIES))
    raise ConfigInvalidError(
        f"{folder} holds a {index.pipeline}, which is not known here", hint=f"known are: {known}"
    )


def _open(
    described: Described,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype | None,
    options: dict[str, Any],
) -> VideoModel:
    if described.kind == "inflated":
        from internvid.models.generation.inflated_model import open_inflated

        return open_inflated(folder, described.about, device, dtype, **options)
    if described.kind == "transformer":
        from internvid.models.generation.video_transformer import open_transformer

        return open_transformer(folder, described.about, device, dtype, **options)
    if described.kind == "tiny":
        from internvid.models.generation.tiny_model import open_tiny

        return open_tiny(folder, described.about, device, **options)
    raise ConfigInvalidError(
        f"{folder} holds a model of kind {described.kind!r}, which is not known here",
        hint="update internvid",
    )


def _dtype(name: str) -> torch.dtype | None:
    if name == "auto":
        return None
    if name not in DTYPES:
        raise ConfigInvalidError(f"dtype is one of auto, {', '.join(DTYPES)}, not {name!r}")
    return DTYPES[name]
