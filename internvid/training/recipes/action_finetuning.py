"""Fine-tuning for action recognition: a classifier's step, its recipes, and its training lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import MisuseError
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.records import LabelledSet
from internvid.models.viclip.config import CONFIGS
from internvid.training.data.clip_sources import FileSource
from internvid.training.data.file_list import FileClip
from internvid.training.data.loader import Batch, LoaderRecipe
from internvid.training.data.order import key_of
from internvid.training.heads.open_heads import ActionRecipe, FineTuneRecipe, head_as
from internvid.training.loss import EMPTY
from internvid.training.recipes.recipe import (
    DataRecipe,
    ModelRecipe,
    OptimiserRecipe,
    Stage,
    StartRecipe,
)
from internvid.training.run.distributed import all_sum, rank, world_size
from internvid.training.run.sharding import no_sync
from internvid.training.step import Stepper
from internvid.training.views.views import ViewRecipe

START = "OpenGVLab/ViCLIP-L-14-hf"
_MIXUP = 7


@dataclass(frozen=True)
class ActionStepper(Stepper):
    """Cross entropy of a linear head, with smoothed targets and perhaps mixed clips."""

    def add_gradients(self, batch: Batch) -> Tensor:
        """See `Stepper`."""
        wanted = head_as(self.recipe, ActionRecipe)
        towers = self.towers
        held_B = (batch.samples != EMPTY).to(towers.device)
        classes = self.samples.texts[batch.samples.clamp(min=0).numpy()]
        labels_B = torch.from_numpy(classes).to(towers.device)
        patches, kept = self.moved(batch)
        everyone = all_sum(held_B.sum()).clamp(min=1)
        total = torch.zeros((), device=towers.device)
        for part in range(self.parts):
            rows = self.rows(len(patches), part)
            mixed = self._mixed(wanted, batch.step, part, held_B[rows])
            self.seed(batch.step, part)
            with (
                torch.autocast(towers.device.type, torch.bfloat16, enabled=towers.bf16),
                no_sync(towers.trained)() if part < self.parts - 1 else _nothing(),
            ):
                video = towers.video(
                    mixed(patches[rows].float()) if wanted.mixup else patches[rows],
                    None if kept is None else kept[rows],
                )
                assert towers.wrapped_head is not None
                logits_BC = towers.wrapped_head(video).float()
                targets = smoothed(labels_B[rows], logits_BC.shape[1], wanted.smoothing)
                each = -(mixed(targets) * logits_BC.log_softmax(1)).sum(1)
                loss = (each * held_B[rows]).sum() / everyone
                (loss * world_size()).backward()
            total = total + loss.detach()
        return all_sum(total)

    def _mixed(
        self, wanted: ActionRecipe, step: int, part: int, held_B: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """What mixes rows of a part with those of its mirror image; the same for all its rows."""
        if not wanted.mixup:
            return lambda rows: rows
        key = key_of(self.recipe.loop.seed, self.stage, step, rank(), part, _MIXUP)
        share = float(np.random.default_rng(key).beta(wanted.mixup, wanted.mixup))
        # A clip whose partner could not be read stays as it is.
        own = torch.where(held_B & held_B.flip(0), share, 1.0)

        def mix(rows: Tensor) -> Tensor:
            part_of = own.view(-1, *[1] * (rows.ndim - 1)).to(rows.dtype)
            return part_of * rows + (1 - part_of) * rows.flip(0)

        return mix


def _nothing() -> torch.autograd.grad_mode.enable_grad:
    return torch.enable_grad()


def smoothed(labels_B: Tensor, classes: int, smoothing: float) -> Tensor:
    """Targets [B, C]: `smoothing` spread over all classes, the rest on the right one."""
    right = functional.one_hot(labels_B, classes).float()
    return right * (1 - smoothing) + smoothing / classes


def labelled_source(
    listed: LabelledSet, videos: Sequence[VideoFolder], short_side: int = 256
) -> FileSource:
    """The clips of a training list that are there, as a source whose captions are class names.

    Args:
        listed: for example of `merge_training_lists`.
        videos: where the files are; the first folder that has a clip gives it.
        short_side: pixels of the shorter side of the frames.

    Raises:
        MisuseError: not one of the clips is there.
    """
    clips = []
    for clip in listed.clips:
        answers = (each.find(clip.names) for each in videos)
        path = next((answer for answer in answers if isinstance(answer, Path)), None)
        if path is not None:
            clips.append(FileClip(path, clip.label, clip.span, clip.clip))
    if not clips:
        raise MisuseError(
            f"none of the {len(listed.clips)} listed clips is below "
            f"{', '.join(str(each.folder) for each in videos)}",
            hint="is it the folder that belongs to the training list?",
        )
    return FileSource(clips, short_side)


def viclip_action() -> FineTuneRecipe:
    """L/14 on a labelled set, directly: UMT's recipe for SSv2, the nearest known (paper §7.4)."""
    return FineTuneRecipe(
        "viclip_action",
        model=ModelRecipe(replace(CONFIGS["l14"], drop_path=0.2)),
        start=StartRecipe(START),
        data=DataRecipe(
            # Class names are labels, not sentences.
            clean_captions=False,
            sampling="reference",
            view=ViewRecipe(flip="unsided"),
            loader=LoaderRecipe(workers=8),
        ),
        optimiser=OptimiserRecipe(beta2=0.999, weight_decay=0.05),
        stages=(
            Stage("tune", mask_ratio=0.0, peak_lr=4e-4, epochs=14, warmup_epochs=4, batch=256),
        ),
        head=ActionRecipe(smoothing=0.1, layer_decay=0.85, mixup=0.8),
    )


def viclip_action_merged() -> FineTuneRecipe:
    """L/14 on a merged set such as K710, first of two steps (paper §7.4; UMT's values)."""
    stage = Stage("tune", mask_ratio=0.0, peak_lr=1e-4, epochs=20, warmup_epochs=2, batch=256)
    return replace(viclip_action(), name="viclip_action_merged", stages=(stage,))


def viclip_action_after() -> FineTuneRecipe:
    """The second: on one of the merged sets, from the classifier over all (set start.weights)."""
    stage = Stage("tune", mask_ratio=0.0, peak_lr=1e-5, epochs=5, warmup_epochs=1, batch=256)
    return replace(viclip_action(), name="viclip_action_after", stages=(stage,))
