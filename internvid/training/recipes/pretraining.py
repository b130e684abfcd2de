"""Named training runs: each a function that returns the whole configuration."""

from __future__ import annotations

from dataclasses import replace

from internvid.core.errors import ComponentUnknownError
from internvid.models.viclip.config import CONFIGS, ViCLIPConfig
from internvid.training.data.loader import LoaderRecipe
from internvid.training.generation.recipe import RECIPES as GENERATION
from internvid.training.loss import ContrastiveLoss
from internvid.training.recipes.action_finetuning import (
    viclip_action,
    viclip_action_after,
    viclip_action_merged,
)
from internvid.training.recipes.probing import viclip_probe
from internvid.training.recipes.recipe import (
    DataRecipe,
    FinishRecipe,
    LoopRecipe,
    ModelRecipe,
    OptimiserRecipe,
    Stage,
    StartRecipe,
    TrainRecipe,
    WorldRecipe,
)
from internvid.training.recipes.retrieval_finetuning import (
    viclip_retrieval,
    viclip_retrieval_activitynet,
    viclip_retrieval_didemo,
    viclip_retrieval_lsmdc,
    viclip_retrieval_msvd,
)
from internvid.training.views.views import ViewRecipe

_LOADER = LoaderRecipe(workers=8)


def viclip_b16() -> TrainRecipe:
    """B/16 from CLIP: 10 masked epochs, then half an unmasked one (paper §6.5).

    Other than the reference: clips of one source kept apart and out of the denominators, no
    mirroring where the caption names a side, no recomputed activations.
    """
    masked = Stage("masked", mask_ratio=0.9, peak_lr=2e-4, epochs=10, warmup_epochs=0.5)
    unmasked = Stage(
        "unmasked", mask_ratio=0.0, peak_lr=4e-6, epochs=0.5, warmup_epochs=0.1, batch=2048
    )
    return TrainRecipe(
        "viclip_b16",
        model=ModelRecipe(CONFIGS["b16"]),
        start=StartRecipe("openai/clip-vit-base-patch16"),
        data=DataRecipe(loader=_LOADER),
        stages=(masked, unmasked),
    )


def viclip_l14() -> TrainRecipe:
    """L/14 from CLIP, as above with the reference's learning rate for it."""
    recipe = viclip_b16()
    masked, unmasked = recipe.stages
    return replace(
        recipe,
        name="viclip_l14",
        model=ModelRecipe(CONFIGS["l14"]),
        start=StartRecipe("openai/clip-vit-large-patch14"),
        stages=(replace(masked, peak_lr=4e-4), unmasked),
    )


def reference_b16() -> TrainRecipe:
    """B/16 as the reference trains it: equal captions or sources mean nothing, always mirrored."""
    return _as_reference(viclip_b16(), "reference_b16", checkpointed_blocks=0)


def reference_l14() -> TrainRecipe:
    """L/14 as the reference trains it, all 24 blocks recomputed."""
    return _as_reference(viclip_l14(), "reference_l14", checkpointed_blocks=24)


def viclip_tiny() -> TrainRecipe:
    """Both towers from nothing on the synthetic world, in minutes on a CPU.

    Half of the batches are of clips that differ only in their motion, and positions start as sines
    and cosines: without either, direction is learned later (docs/design/0015-learning-motion.md).
    Masks look at the clip, so that a quarter of the patches is enough until the short unmasked end
    (docs/design/0016-masks-that-look.md).
    """
    config = ViCLIPConfig(
        vision_width=96,
        vision_layers=3,
        vision_heads=2,
        patch=12,
        resolution=48,
        frames=8,
        text_width=64,
        text_layers=2,
        text_heads=2,
        context=32,
        # What the captions need is learned; see `StartRecipe.merges`.
        vocabulary=514,
        embedding=64,
        drop_path=0.0,
    )
    return TrainRecipe(
        "viclip_tiny",
        model=ModelRecipe(config),
        start=StartRecipe(
            merges="learn", freeze_text=False, temperature=0.07, initialisation="sincos"
        ),
        # Crops would cut moving shapes off, and mirrored ones move the other way.
        data=DataRecipe(
            view=ViewRecipe(crop=False, flip="never"),
            world=WorldRecipe(
                count=24000, cameras=("static", "pan", "zoom", "shake"), paths="inside"
            ),
        ),
        loss=ContrastiveLoss(same_text="share"),
        optimiser=OptimiserRecipe(weight_decay=0.05, clip_norm=1.0, temperature_rate=0.03),
        stages=_tiny_stages(),
        loop=LoopRecipe(dtype="bfloat16", device="cpu", checkpoint_minutes=2.0),
    )


def _tiny_stages() -> tuple[Stage, ...]:
    masked = Stage(
        "masked",
        mask_ratio=0.75,
        mask_focus=3.0,
        peak_lr=2e-3,
        steps=1800,
        warmup_steps=100,
        batch=126,
        neighbours=6,  # a quarter of the eight motions of each thing is held out
        neighbour_share=0.5,
    )
    unmasked = replace(
        masked,
        name="unmasked",
        mask_ratio=0.0,
        mask_focus=0.0,
        peak_lr=5e-4,
        steps=140,
        warmup_steps=10,
    )
    return masked, unmasked


def _as_reference(recipe: TrainRecipe, name: str, checkpointed_blocks: int) -> TrainRecipe:
    config = replace(recipe.model.config, checkpointed_blocks=checkpointed_blocks)
    view = replace(recipe.data.view, flip="always")
    return replace(
        recipe,
        name=name,
        model=replace(recipe.model, config=config),
        data=replace(recipe.data, sampling="reference", view=view),
        loss=ContrastiveLoss(same_source="keep", same_text="keep"),
        # Every zero-shot number of the reference is of half blended weights.
        finish=FinishRecipe(wise_ft=0.5),
    )


RECIPES = {
    made.__name__: made
    for made in (
        viclip_b16,
        viclip_l14,
        reference_b16,
        reference_l14,
        viclip_tiny,
        viclip_retrieval,
        viclip_retrieval_lsmdc,
        viclip_retrieval_didemo,
        viclip_retrieval_msvd,
        viclip_retrieval_activitynet,
        viclip_action,
        viclip_action_merged,
        viclip_action_after,
        viclip_probe,
    )
}


def get(name: str) -> TrainRecipe:
    """The recipe of that name.

    Raises:
        ComponentUnknownError: there is none.
    """
    if name not in RECIPES:
        raise ComponentUnknownError(
            f"no training recipe {name!r}; known: {', '.join(sorted({*RECIPES, *GENERATION}))}"
        )
    return RECIPES[name]()
