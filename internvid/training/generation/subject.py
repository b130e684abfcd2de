"""What a run of a text-to-video model trains, and how its recipe becomes a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from internvid.core.errors import CheckpointFormatError, ConfigInvalidError
from internvid.models.devices import choose_dtype
from internvid.models.generation.saved_model import MODEL_FILE, VERSION
from internvid.models.generation.text_to_video_model import TextToVideo
from internvid.models.generation.tiny_model import TinyModel, make_tiny
from internvid.models.generation.video_model import TextInputs, VideoModel
from internvid.models.generation.video_transformer import LoraShape
from internvid.models.viclip.weights.checkpoint import read_weights, save_tensors
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.generation.batches import GenerationBatch, GenerationReader
from internvid.training.generation.clip_shapes import ClipShapes, find_shapes
from internvid.training.generation.denoising_step import DenoisingStep
from internvid.training.generation.latent_cache import LatentCache, open_cache
from internvid.training.generation.recipe import GenerationModel, GenerationRecipe, GenerationStage
from internvid.training.generation.samples_page import SampleDrawing
from internvid.training.kinds.contract import Planned, Subject, Validation
from internvid.training.run.run_folder import MODEL

WEIGHTS, TRAINED = "model.safetensors", "trained.safetensors"
States = tuple[dict[str, Tensor], dict[str, Tensor]]


@dataclass
class GenerationSubject(Subject):
    """See `Subject`.

    Attributes:
        recipe: the whole configuration.
        source: the clips.
        samples: those of them that are trained on.
        model: what is trained.
        shapes: what clips are brought to.
        cache: of latents; None for a tiny model, which sees pixels.
    """

    recipe: GenerationRecipe
    source: ClipSource
    samples: Samples
    model: VideoModel
    shapes: ClipShapes
    cache: LatentCache | None
    device: torch.device
    bf16: bool
    averaged: dict[str, Tensor] = field(default_factory=dict)
    no_text: TextInputs = field(default_factory=dict)
    counted: dict[bool, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model.network.train()
        if self.recipe.ema:
            self.averaged = {
                name: each.detach().clone() for name, each in self.model.named_parameters()
            }
        if self.cache is not None:
            self.no_text = {
                name: each.to(self.device) for name, each in self.cache.no_text().items()
            }

    def begin(self, stage: int) -> None:
        """See `Subject`; all stages train the same."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `Subject`."""
        return self.model.named_parameters()

    @torch.no_grad()
    def average(self) -> None:
        """Averaged weights take a step towards those that are trained."""
        if self.averaged:
            named = dict(self.model.named_parameters())
            torch._foreach_lerp_(
                list(self.averaged.values()),
                [named[name].detach() for name in self.averaged],
                1 - self.recipe.ema,
            )

    def stepper(
        self, optimiser: torch.optim.Optimizer, stage: int, planned: Planned
    ) -> DenoisingStep:
        """See `Subject`."""
        return DenoisingStep(self, optimiser, stage, planned.parts)

    def batches(self, planned: Planned, start: int, end: int) -> Iterator[GenerationBatch]:
        """See `Subject`."""
        assert isinstance(planned.stage, GenerationStage)
        reader = GenerationReader(
            self.source, self.samples, self.shapes, self.cache, planned.plan,
            planned.stage.pictures, self.recipe.loop.seed,
        )  # fmt: skip
        return reader.run(start, end, self.recipe.data.loader)

    def load(self, path: Path) -> None:
        """See `Subject`."""
        averaged = read_weights(path / WEIGHTS)
        state = read_weights(path / TRAINED) if self.averaged else averaged
        named = dict(self.model.named_parameters())
        for tensors, file in ((state, TRAINED if self.averaged else WEIGHTS), (averaged, WEIGHTS)):
            if tensors.keys() != named.keys():
                raise CheckpointFormatError(
                    f"{path / file} has other weights than the recipe trains"
                )
        with torch.no_grad():
            for name, each in named.items():
                each.copy_(state[name])
                if self.averaged:
                    self.averaged[name].copy_(averaged[name])

    def states(self) -> States:
        """See `Subject`: the weights to use, and those that are trained where they differ."""
        trained = {
            name: each.detach().to("cpu", copy=True).contiguous()
            for name, each in self.model.named_parameters()
        }
        if not self.averaged:
            return trained, {}
        averaged = {
            name: each.to("cpu", copy=True).contiguous() for name, each in self.averaged.items()
        }
        return averaged, trained

    def write(self, states: States, folder: Path) -> None:
        """See `Subject`; of a tiny model `TextToVideo.from_pretrained` reads the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        used, trained = states
        save_tensors(used, folder / WEIGHTS)
        if trained:
            save_tensors(trained, folder / TRAINED)
        if isinstance(self.model, TinyModel):
            about = {"version": VERSION, "kind": "tiny", "about": self.model.describe()}
            (folder / MODEL_FILE).write_text(json.dumps(about, indent=2) + "\n", "utf-8")

    def finish(self, run: Path) -> None:
        """See `Subject`: the model folder becomes one that `TextToVideo.from_pretrained` reads."""
        with self.in_use():
            shutil.rmtree(run / MODEL, ignore_errors=True)
            self.model.save(run / MODEL)

    @contextmanager
    def in_use(self) -> Iterator[VideoModel]:
        """The model with the weights that are saved as such: the averaged ones, if there are."""
        named = dict(self.model.named_parameters())
        with torch.no_grad():
            kept = {name: named[name].detach().clone() for name in self.averaged}
            for name, each in self.averaged.items():
                named[name].copy_(each)
        self.model.network.eval()
        try:
            yield self.model
        finally:
            self.model.network.train()
            with torch.no_grad():
                for name, each in kept.items():
                    named[name].copy_(each)

    def measure(self, validate: Validation, path: Path) -> dict[str, float]:
        """See `Subject`."""
        with self.in_use() as model:
            opened = TextToVideo(model)
            if isinstance(validate, SampleDrawing):
                return validate.draw(opened, path, list(self.samples.captions))
            return dict(validate(opened))

    def train_flops(self, planned: Planned) -> float:
        """See `Subject`: three times what a forward pass of one sample takes, as it is counted."""
        assert isinstance(planned.stage, GenerationStage)
        pictures = planned.stage.pictures
        if pictures not in self.counted:
            self.counted[pictures] = 3 * count_forward(self.model, self.shapes, pictures=pictures)
        return self.counted[pictures]


@torch.no_grad()
def count_forward(model: VideoModel, shapes: ClipShapes, *, pictures: bool) -> float:
    """FLOPs of one prediction for the largest clip."""
    size = shapes.sides(model.limits.height, model.limits.width)
    frames = 1 if pictures else shapes.counts[-1]
    clip = torch.zeros((1, frames, *size, 3), dtype=torch.uint8)
    latents = model.encode(clip.numpy())
    times = model.draw_times(1, latents.shape[2], torch.Generator().manual_seed(0))
    text = model.encode_text([""])
    counter = FlopCounterMode(display=False)
    with counter:
        model.predict(latents, times.to(latents.device), text)
    return float(counter.get_total_flops())


def open_model(
    wanted: GenerationModel,
    captions: Sequence[str],
    device: torch.device,
    dtype: str,
) -> VideoModel:
    """The model that training starts from.

    Raises:
        ConfigInvalidError: no weights are named where some are needed, or they are of another kind.
        InternvidError: they are not there or damaged.
    """
    if wanted.kind == "tiny" and not wanted.weights:
        model = make_tiny(wanted.tiny, list(captions), wanted.seed)
        model.network.to(device)
        return model
    if not wanted.weights:
        what = "a Stable Diffusion" if wanted.kind == "inflated" else "a Wan, LTX or CogVideoX"
        raise ConfigInvalidError(
            f"recipes of kind {wanted.kind} start from weights, and none are named",
            hint=f"--set model.weights=FOLDER, {what} folder of diffusers",
        )
    options: dict[str, Any] = {}
    if wanted.kind == "inflated":
        options = {"keys": wanted.keys, "trained": wanted.trained}
    elif wanted.kind == "lora":
        options = {"lora": LoraShape(**vars(wanted.lora), seed=wanted.seed)}
    opened = TextToVideo.from_pretrained(
        wanted.weights, device=str(device), dtype=dtype, expects=wanted.kind, **options
    )
    return opened.model


def prepare_subject(
    recipe: GenerationRecipe,
    source: ClipSource,
    samples: Samples,
    cache: Path,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> GenerationSubject:
    """The model that training starts from, with the latents that it needs.

    Raises:
        InternvidError: weights are not there, or sizes that the model cannot take.
    """
    loop = recipe.loop
    bf16 = choose_dtype(loop.dtype, device) == torch.bfloat16
    # Frozen weights in half precision are enough where the step computes so.
    dtype = "bfloat16" if bf16 and recipe.model.kind == "lora" else "float32"
    model = open_model(recipe.model, list(samples.captions), device, dtype)
    shapes = find_shapes(recipe.data, model.limits)
    if recipe.samples.prompts:
        # A prompt that is too long is refused now, not at the first sample.
        model.encode_text(recipe.samples.prompts)
    latents = None
    if recipe.model.kind != "tiny":
        latents = open_cache(cache, model, samples, shapes)
        latents.fill(model, source, samples, shapes, progress)
    return GenerationSubject(recipe, source, samples, model, shapes, latents, device, bf16)
