"""Recipes of heads: what is trained on top of the towers, as plain data, and how it is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

import torch
from torch import nn

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.heads.classifier_head import ActionHead
from internvid.models.viclip.heads.matching_head import MatchingHead
from internvid.models.viclip.heads.saved_heads import has_head, load_head
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.weights.positions import resize_context
from internvid.training.heads.label_sets import inherit_rows
from internvid.training.recipes.recipe import TrainRecipe

HeadRecipeType = TypeVar("HeadRecipeType", bound="HeadRecipe")


class HeadRecipe(ABC):
    """What a run trains on top of the towers, and what that asks of the rest of the run.

    Attributes:
        least_words: that a caption needs, where it differs from the usual number.
        reads_tokens: whether the step needs the towers' tokens beside their embeddings.
        freezes_video: whether the video tower stays as it is.
    """

    least_words: ClassVar[int | None] = None
    reads_tokens: ClassVar[bool] = False

    @property
    def freezes_video(self) -> bool:
        """Whether the video tower stays as it is."""
        return False

    @abstractmethod
    def check(self, recipe: TrainRecipe) -> None:
        """Refuse a run that cannot train this head.

        Raises:
            ConfigInvalidError: it cannot.
        """

    @abstractmethod
    def make(self, config: ViCLIPConfig, captions: Sequence[str]) -> Head:
        """A head with fresh weights.

        Args:
            config: of the towers.
            captions: every caption once.

        Raises:
            ConfigInvalidError: no head can be made of them.
        """

    @abstractmethod
    def start_from(self, fresh: Head, known: Head) -> Head:
        """The head that training starts from, where the start's folder holds one.

        Args:
            fresh: what `make` returned.
            known: the start's own; taken whole, in part, or not at all.
        """

    @abstractmethod
    def rate_scale(self, parameter: str, layers: int) -> float:
        """A parameter's learning rate, as a multiple of the stage's.

        Args:
            parameter: its name; the head's begin with `head.`.
            layers: blocks of the video tower.
        """


@dataclass(frozen=True)
class MatchingRecipe(HeadRecipe):
    """Video-text matching beside the contrastive loss (paper §7.3; the head is ours).

    Attributes:
        layers: of fusion.
        weight: of the matching loss.
        rate: learning rate of the head, as a multiple of the towers'.
        hard_negatives: whether wrong partners are drawn by similarity, else evenly.
        loss: `ranking`: a pair against its own wrong ones, which is what re-ranking asks;
            `binary`: match or not, each pair by itself, as in ALBEF and UMT.
    """

    reads_tokens: ClassVar[bool] = True

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

    def check(self, recipe: TrainRecipe) -> None:
        """See `HeadRecipe`."""
        if recipe.start.freeze_text:
            raise ConfigInvalidError(
                "matching reads the text tower's tokens, which a frozen tower's cache has not",
                hint="--set start.freeze_text=false",
            )

    def make(self, config: ViCLIPConfig, captions: Sequence[str]) -> MatchingHead:
        """See `HeadRecipe`."""
        return MatchingHead(config, self.layers)

    def start_from(self, fresh: Head, known: Head) -> Head:
        """See `HeadRecipe`: the start's head where it has as many layers."""
        fits = isinstance(known, MatchingHead) and known.layers == self.layers
        return known if fits else fresh

    def rate_scale(self, parameter: str, layers: int) -> float:
        """See `HeadRecipe`."""
        return self.rate if parameter.startswith("head.") else 1.0


@dataclass(frozen=True)
class ActionRecipe(HeadRecipe):
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

    least_words: ClassVar[int | None] = 1

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

    @property
    def freezes_video(self) -> bool:
        """See `HeadRecipe`."""
        return self.frozen

    def check(self, recipe: TrainRecipe) -> None:
        """See `HeadRecipe`."""
        masked = [stage.name for stage in recipe.stages if stage.mask_ratio]
        if self.mixup and masked:
            raise ConfigInvalidError(
                f"mixup {self.mixup} mixes whole clips, and stage {masked[0]!r} masks them",
                hint=f"--set stages.{masked[0]}.mask_ratio=0, or --set head.mixup=0",
            )

    def make(self, config: ViCLIPConfig, captions: Sequence[str]) -> ActionHead:
        """See `HeadRecipe`: the captions are its classes."""
        return ActionHead(config, captions)

    def start_from(self, fresh: Head, known: Head) -> Head:
        """See `HeadRecipe`: rows of classes that both heads have."""
        if self.inherit and isinstance(fresh, ActionHead) and isinstance(known, ActionHead):
            inherit_rows(known, fresh)
        return fresh

    def rate_scale(self, parameter: str, layers: int) -> float:
        """See `HeadRecipe`."""
        if parameter.startswith("head."):
            return self.rate
        return self.layer_decay ** (layers - _depth(parameter, layers))


@dataclass(frozen=True)
class FineTuneRecipe(TrainRecipe):
    """A run that trains a head too.

    Attributes:
        head: which one.
    """

    head: MatchingRecipe | ActionRecipe = field(default_factory=MatchingRecipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.head.check(self)


def head_of(recipe: TrainRecipe) -> HeadRecipe | None:
    """The head that a recipe trains; None for the towers alone."""
    return recipe.head if isinstance(recipe, FineTuneRecipe) else None


def head_as(recipe: TrainRecipe, kind: type[HeadRecipeType]) -> HeadRecipeType:
    """The head that a recipe trains, which the caller knows to be of that kind.

    Raises:
        ConfigInvalidError: it trains another, or none.
    """
    head = head_of(recipe)
    if not isinstance(head, kind):
        raise ConfigInvalidError(f"the recipe trains {type(head).__name__}, not {kind.__name__}")
    return head


def least_words(recipe: TrainRecipe, usual: int) -> int:
    """Words that a caption needs; a class name may be one."""
    head = head_of(recipe)
    return usual if head is None or head.least_words is None else head.least_words


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
        head = wanted.make(model.config, list(captions))
    folder = Path(recipe.start.weights) if recipe.start.weights else None
    if folder is None or not folder.is_dir() or not has_head(folder):
        return head
    return wanted.start_from(head, load_head(folder, model.config))


def learning_rate_scales(recipe: TrainRecipe, model: ViCLIP, names: Sequence[str]) -> list[float]:
    """Each parameter's learning rate, as a multiple of the stage's.

    Args:
        recipe: of the run.
        model: whose video blocks are counted.
        names: of parameters; a head's begin with `head.`.
    """
    wanted = head_of(recipe)
    layers = model.config.vision_layers
    return [1.0 if wanted is None else wanted.rate_scale(name, layers) for name in names]


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
