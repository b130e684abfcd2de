"""ViCLIP, two towers and perhaps a head, as the training loop takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from internvid.models.viclip.heads.saved_heads import WEIGHTS as HEAD
from internvid.models.viclip.heads.saved_heads import has_head, load_head, save_head
from internvid.models.viclip.model import ViCLIP
from internvid.training.clip_validation import ClipValidation
from internvid.training.data.loader import Batch, BatchReader, Orders, batches, check_shared_memory
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.heads.open_heads import learning_rate_scales, least_part
from internvid.training.heads.steps import find_stepper
from internvid.training.kinds.contract import Kind, Planned, Subject, Validation
from internvid.training.plan.device_memory import Hardware
from internvid.training.plan.flops import step_cost
from internvid.training.plan.trial import choose_threads
from internvid.training.prepare import (
    PlannedStage,
    Towers,
    choose_samples,
    make_model,
    make_towers,
    plan_stages,
)
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.distributed import local_world_size
from internvid.training.run.run_checkpoint import WEIGHTS, fitting, read_tensors, whole_state
from internvid.training.run.run_folder import BLENDED, MODEL
from internvid.training.run.sharding import local_like
from internvid.training.step import Stepper
from internvid.training.towers import named_parameters
from internvid.training.wiseft import blend_models

States = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Of the towers, and of the head, empty where there is none."""


@dataclass
class DualEncoder(Subject):
    """Two towers on their device.

    Attributes:
        recipe: of the run.
        source: the clips.
        samples: those of them that are trained on.
        towers: what is trained.
    """

    recipe: TrainRecipe
    source: ClipSource
    samples: Samples
    towers: Towers

    def __post_init__(self) -> None:
        self.device, self.bf16 = self.towers.device, self.towers.bf16

    def begin(self, stage: int) -> None:
        """See `Subject`; stages differ in masks and rates alone."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `Subject`."""
        return self.towers.named_parameters()

    def rate_scales(self, names: Sequence[str]) -> Sequence[float]:
        """See `Subject`; a head's layers may learn at rates of their own."""
        return learning_rate_scales(self.recipe, self.towers.model, names)

    def stepper(self, optimiser: torch.optim.Optimizer, stage: int, planned: Planned) -> Stepper:
        """See `Subject`."""
        kind = find_stepper(self.recipe)
        return kind(self.recipe, self.samples, self.towers, optimiser, stage, planned.parts)

    def batches(self, planned: Planned, start: int, end: int) -> Iterator[Batch]:
        """See `Subject`."""
        assert isinstance(planned, PlannedStage)
        data = self.recipe.data
        reader = BatchReader(self.source, planned.shape, data.view, self.recipe.loop.seed)
        orders = Orders(planned.plan, self.samples, start, end, data.view.flip)
        return batches(reader, orders, data.loader, pin=self.device.type == "cuda")

    def load(self, path: Path) -> None:
        """See `Subject`."""
        load_weights(path, self.towers.model, self.towers.head)

    def states(self) -> States:
        """See `Subject`."""
        head = self.towers.head
        return whole_state(self.towers.model), {} if head is None else whole_state(head)

    def write(self, states: States, folder: Path) -> None:
        """See `Subject`; `ViCLIP.from_pretrained` reads the folder."""
        weights, head_weights = states
        save_model(self.towers.model, weights, folder)
        if self.towers.head is not None:
            save_head(self.towers.head, head_weights, folder)

    def finish(self, run: Path) -> None:
        """See `Subject`; writes the blend where the recipe has one."""
        share = self.recipe.finish.wise_ft
        if share:
            trained = ViCLIP.from_pretrained(run / MODEL)
            start = make_model(self.recipe, self.samples)
            blend_models(trained, start, share, run / BLENDED)

    def measure(self, validate: Validation, path: Path) -> dict[str, float]:
        """See `Subject`."""
        model = ViCLIP.from_pretrained(path, device=self.device)
        if isinstance(validate, ClipValidation) and has_head(path):
            head = load_head(path, model.config).to(self.device).eval()
            return validate(model, head)
        return dict(validate(model))

    def train_flops(self, planned: Planned) -> float:
        """See `Subject`."""
        assert isinstance(planned, PlannedStage)
        ratio, frozen = planned.stage.mask_ratio, self.towers.text is None
        return step_cost(self.towers.model.config, ratio, freeze_text=frozen, bf16=False).train

    def temperature(self) -> float:
        """See `Subject`."""
        return float(self.towers.model.temp.detach())


class DualEncoderKind(Kind):
    """See `Kind`."""

    def choose_samples(self, recipe: TrainRecipe, source: ClipSource) -> Samples:
        """See `Kind`."""
        return choose_samples(recipe, source)

    def plan_stages(
        self,
        recipe: TrainRecipe,
        samples: Samples,
        hardware: Hardware,
        *,
        keeps_short_warmup: bool,
    ) -> list[PlannedStage]:
        """See `Kind`; refuses a loader that fills shared memory, too."""
        planned = plan_stages(recipe, samples, hardware, keeps_short_warmup=keeps_short_warmup)
        for each in planned:
            check_shared_memory(each.shape, each.share, recipe.data.loader, local_world_size())
        return planned

    def choose_threads(
        self, recipe: TrainRecipe, planned: list[PlannedStage], device: torch.device
    ) -> int:
        """See `Kind`."""
        return choose_threads(recipe, planned, device)

    def prepare(
        self, recipe: TrainRecipe, source: ClipSource, samples: Samples, cache: Path
    ) -> DualEncoder:
        """See `Kind`."""
        towers = make_towers(recipe, make_model(recipe, samples), samples, cache)
        return DualEncoder(recipe, source, samples, towers)

    def least_part(self, recipe: TrainRecipe) -> int:
        """See `Kind`."""
        return least_part(recipe)

    def less_memory(self) -> str:
        """See `Kind`."""
        return (
            "recompute activations (--set model.config.checkpointed_blocks=N), or share the "
            "weights over more devices (--set loop.sharding=fsdp)"
        )


def save_model(model: ViCLIP, state: Mapping[str, Tensor], folder: Path) -> None:
    """Write a model folder of given weights with the model's config and tokenizer."""
    with torch.device("meta"):
        copy = ViCLIP(model.config, model.preprocessing)
    copy.load_state_dict(dict(state), assign=True)
    copy.loaded_tokenizer = model.loaded_tokenizer
    copy.merges_fingerprint = model.merges_fingerprint
    copy.save_pretrained(folder)


def load_weights(path: Path, model: ViCLIP, head: nn.Module | None = None) -> None:
    """A checkpoint's weights into a model, whatever number of processes shares it.

    Raises:
        CheckpointFormatError: the file is damaged, or of another model.
    """
    state = read_tensors(path / WEIGHTS)
    if head is not None:
        state |= {f"head.{name}": value for name, value in read_tensors(path / HEAD).items()}
    with torch.no_grad(), fitting(path / WEIGHTS):
        for name, parameter in named_parameters(model, head):
            parameter.copy_(local_like(state[name], parameter))
