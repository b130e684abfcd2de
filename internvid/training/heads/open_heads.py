"""Recipes of heads: what is trained on top of the towers, as plain data, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.heads.classifier_head import ActionHead
from internvid.models.viclip.heads.matching_head import MatchingHead
from internvid.models.viclip.heads.saved_heads import Head, has_head, load_head
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.weights.positions import resize_context
from internvid.training.heads.label_sets import inherit_rows
from internvid.training.recipes.recipe import TrainRecipe


@dataclass(frozen=True)
class MatchingRecipe:
    """Video-text matching beside the contrastive loss (paper §7.3; the head is ours).

    Attributes:
        layers: of fusion.
        weight: of the matching loss.
        rate: learning rate of the head, as a multiple of the towers'.
        hard_negatives: whether wrong partners are drawn by similarity, else evenly.
        loss: `ranking`: a pair against its own wrong ones, which is what re-ranking asks;
            `binary`: match or not, each pair by itself, as in ALBEF and UMT.
    """

    layers: int = 2
    weight: float = 1.0
    rate: float = 1.0
    hard_negatives: bool = True
    loss: Literal["ranking", "binary"] = "ranking"

    def __post_init__(self) -> None:
        if self.layers < 1 or self.weight <= 0 or self.rate <= 0:
            raise ConfigInvalidError(
                f"matching: layers {self.layers}, weight {self.weight} and rate {self.rate} "
                "must be above 0"
            )
        if self.loss not in ("ranking", "binary"):
            raise ConfigInvalidError(f"matching: loss is ranking or binary, not {self.loss!r}")


@dataclass(frozen=True)
class ActionRecipe:
    """A linear head over the video embedding; captions are class names.

    Attributes:
        smoothing: share of the target spread over all classes.
        layer_decay: learning rate of a block, as a multiple of the next one's.
        rate: learning rate of the head, as a multiple of the last block's.
        mixup: parameter of the Beta distribution that mixes pairs of clips; 0 for none. Only
            where no patches are masked.
        frozen: whether the video tower stays as it is: a linear probe.
        inherit: whether rows of the start's own head are taken for classes of the same cleaned
            name, where the start has a head.
    """

    smoothing: float = 0.1
    layer_decay: float = 0.85
    rate: float = 1.0
    mixup: float = 0.0
    frozen: bool = False
    inherit: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1 or not 0 < self.layer_decay <= 1:
            raise ConfigInvalidError(
                f"smoothing {self.smoothing} must lie in [0, 1), layer_decay {self.layer_decay} "
                "in (0, 1]"
            )
        if self.rate <= 0 or self.mixup < 0:
            raise ConfigInvalidError(f"rate {self.rate} and mixup {self.mixup}")


@dataclass(frozen=True)
class FineTuneRecipe(TrainRecipe):
    """A run that trains a head too.

    Attributes:
        head: which one.
    """

    head: MatchingRecipe | ActionRecipe = field(default_factory=MatchingRecipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.head, MatchingRecipe) and self.start.freeze_text:
            raise ConfigInvalidError(
                "matching reads the text tower's tokens, which a frozen tower's cache has not",
                hint="--set start.freeze_text=false",
            )
        masked = [stage.name for stage in self.stages if stage.mask_ratio]
        if isinstance(self.head, ActionRecipe) and self.head.mixup and masked:
            raise ConfigInvalidError(
                f"mixup {self.head.mixup} mixes whole clips, and stage {masked[0]!r} masks them",
                hint=f"--set stages.{masked[0]}.mask_ratio=0, or --set head.mixup=0",
            )


def head_of(recipe: TrainRecipe) -> MatchingRecipe | ActionRecipe | None:
    """The head that a recipe trains; None for the towers alone."""
    return recipe.head if isinstance(recipe, FineTuneRecipe) else None


def least_words(recipe: TrainRecipe, usual: int) -> int:
    """Words that a caption needs; a class name may be one."""
    return 1 if isinstance(head_of(recipe), ActionRecipe) else usual


def least_part(recipe: TrainRecipe) -> int:
    """Clips that a part of a batch needs: a matching head draws wrong partners among them."""
    return 2 if isinstance(head_of(recipe), MatchingRecipe) else 1


def make_head(recipe: TrainRecipe, model: ViCLIP, captions: Sequence[str]) -> Head | None:
    """The head that training starts from.

    Args:
        recipe: of the run.
        model: its towers.
        captions: every caption once; they are the classes of an action head.

    Raises:
        ConfigInvalidError: fewer than two classes.
        CheckpointError: the start's own head is damaged.
    """
    wanted = head_of(recipe)
    if wanted is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.start.seed + 1)
        if isinstance(wanted, MatchingRecipe):
            head: Head = MatchingHead(model.config, wanted.layers)
        else:
            head = ActionHead(model.config, list(captions))
    folder = Path(recipe.start.weights) if recipe.start.weights else None
    if folder is None or not folder.is_dir() or not has_head(folder):
        return head
    known = load_head(folder, model.config)
    if isinstance(head, MatchingHead) and isinstance(known, MatchingHead):
        return known if known.layers == head.layers else head
    if isinstance(head, ActionHead) and isinstance(known, ActionHead) and _inherits(wanted):
        inherit_rows(known, head)
    return head


def _inherits(wanted: MatchingRecipe | ActionRecipe) -> bool:
    return isinstance(wanted, ActionRecipe) and wanted.inherit


def learning_rate_scales(recipe: TrainRecipe, model: ViCLIP, names: Sequence[str]) -> list[float]:
    """Each parameter's learning rate, as a multiple of the stage's.

    Args:
        recipe: of the run.
        model: whose video blocks are counted.
        names: of parameters; a head's begin with `head.`.
    """
    wanted = head_of(recipe)
    if wanted is None:
        return [1.0] * len(names)
    if isinstance(wanted, MatchingRecipe):
        return [wanted.rate if name.startswith("head.") else 1.0 for name in names]
    layers = model.config.vision_layers
    return [
        wanted.rate
        if name.startswith("head.")
        else wanted.layer_decay ** (layers - _depth(name, layers))
        for name in names
    ]


def _depth(name: str, layers: int) -> int:
    """0 for what comes before the first block, its number from 1 for a block, then the last's."""
    parts = name.split(".")
    if "resblocks" in parts:
        return int(parts[parts.index("resblocks") + 1]) + 1
    return layers if name.endswith((".proj", "ln_post.weight", "ln_post.bias")) else 0


def extend_context(model: ViCLIP, context: int) -> None:
    """Room for longer texts: new positions start at zero, as in the reference (paper §6.2)."""
    known = model.text_encoder.positional_embedding
    if context <= len(known):
        return
    model.text_encoder.positional_embedding = nn.Parameter(resize_context(known.detach(), context))
    model.config = replace(model.config, context=context)
    model.loaded_tokenizer = None
