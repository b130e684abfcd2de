"""Fine-tuning for retrieval: contrastive loss and video-text matching, 12 frames (paper §7.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.config import CONFIGS
from internvid.training.data.loader import LoaderRecipe
from internvid.training.heads.open_heads import FineTuneRecipe, MatchingRecipe
from internvid.training.loss import ContrastiveLoss
from internvid.training.recipes.action_finetuning import START
from internvid.training.recipes.recipe import (
    DataRecipe,
    ModelRecipe,
    OptimiserRecipe,
    Stage,
    StartRecipe,
)
from internvid.training.views.views import ViewRecipe

FRAMES = 12


@dataclass(frozen=True)
class RetrievalSettings:
    """What differs from set to set.

    Attributes:
        peak_lr: learning rate.
        epochs: how long.
        context: tokens per text.
        drop_path: of the last video block.
        text_mode: what becomes of several texts a clip.
    """

    peak_lr: float
    epochs: int
    context: int
    drop_path: float
    text_mode: Literal["sentence", "paragraph"] = "sentence"


SETTINGS = MappingProxyType(
    {
        "msrvtt": RetrievalSettings(2e-5, 7, 32, 0.3),
        "lsmdc": RetrievalSettings(2e-5, 8, 96, 0.2),
        "didemo": RetrievalSettings(4e-5, 5, 64, 0.3, "paragraph"),
        "msvd": RetrievalSettings(1e-5, 10, 64, 0.3),
        "activitynet": RetrievalSettings(4e-5, 20, 150, 0.2, "paragraph"),
    }
)
"""Epochs, text lengths and drop paths of the paper's table, read in the order MSR-VTT, LSMDC,
DiDeMo, MSVD, ActivityNet: that of its printed header gives MSVD texts of 150 tokens. Its learning
rates fit neither order; these are UMT's for the same sets."""


def viclip_retrieval(dataset: str = "msrvtt") -> FineTuneRecipe:
    """L/14 with a matching head, with the values of one of the paper's sets.

    Args:
        dataset: a key of `SETTINGS`.

    Raises:
        ConfigInvalidError: there is no such set.
    """
    if dataset not in SETTINGS:
        raise ConfigInvalidError(
            f"no settings for retrieval on {dataset!r}; there are: {', '.join(SETTINGS)}"
        )
    settings = SETTINGS[dataset]
    config = replace(
        CONFIGS["l14"], frames=FRAMES, context=settings.context, drop_path=settings.drop_path
    )
    stage = Stage(
        "tune",
        mask_ratio=0.0,
        peak_lr=settings.peak_lr,
        epochs=settings.epochs,
        warmup_epochs=1,
        batch=256,
    )
    return FineTuneRecipe(
        "viclip_retrieval",
        model=ModelRecipe(config),
        start=StartRecipe(START, freeze_text=False),
        data=DataRecipe(
            view=ViewRecipe(flip="unsided"),
            loader=LoaderRecipe(workers=8),
            text_mode=settings.text_mode,
        ),
        # One video with twenty captions is right for each of them, as in the reference.
        loss=ContrastiveLoss(same_source="share_clip"),
        optimiser=OptimiserRecipe(beta2=0.999, weight_decay=0.02),
        stages=(stage,),
        head=MatchingRecipe(),
    )


def viclip_retrieval_lsmdc() -> FineTuneRecipe:
    """Retrieval fine-tuning with LSMDC's values."""
    return replace(viclip_retrieval("lsmdc"), name="viclip_retrieval_lsmdc")


def viclip_retrieval_didemo() -> FineTuneRecipe:
    """Retrieval fine-tuning with DiDeMo's values, for paragraphs."""
    return replace(viclip_retrieval("didemo"), name="viclip_retrieval_didemo")


def viclip_retrieval_msvd() -> FineTuneRecipe:
    """Retrieval fine-tuning with MSVD's values."""
    return replace(viclip_retrieval("msvd"), name="viclip_retrieval_msvd")


def viclip_retrieval_activitynet() -> FineTuneRecipe:
    """Retrieval fine-tuning with ActivityNet's values, for paragraphs."""
    return replace(viclip_retrieval("activitynet"), name="viclip_retrieval_activitynet")
