"""A linear probe as a run: only the head is trained, on a video tower that stays as it is.

`--benchmark linear-probe` fits the same layer to its minimum on vectors of one view; here each
clip is shown anew each epoch, and the result is a classifier with multi-view testing.
"""

from __future__ import annotations

from dataclasses import replace

from internvid.training.heads.open_heads import ActionRecipe, FineTuneRecipe
from internvid.training.recipes.action_finetuning import viclip_action
from internvid.training.recipes.recipe import OptimiserRecipe, Stage


def viclip_probe() -> FineTuneRecipe:
    """A linear head on the frozen L/14; the values are ours, the paper has none."""
    return replace(
        viclip_action(),
        name="viclip_probe",
        optimiser=OptimiserRecipe(beta2=0.999, weight_decay=0.0),
        stages=(
            Stage("probe", mask_ratio=0.0, peak_lr=1e-3, epochs=10, warmup_epochs=1, batch=256),
        ),
        head=ActionRecipe(smoothing=0.0, layer_decay=1.0, frozen=True),
    )
