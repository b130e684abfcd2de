"""Which step a recipe takes: contrastive, with matching, or of a classifier."""

from __future__ import annotations

from internvid.training.heads.matching_step import MatchingStepper
from internvid.training.heads.open_heads import ActionRecipe, MatchingRecipe, head_of
from internvid.training.recipes.action_finetuning import ActionStepper
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.step import Stepper


def find_stepper(recipe: TrainRecipe) -> type[Stepper]:
    """The step of a recipe, by its head."""
    head = head_of(recipe)
    if isinstance(head, MatchingRecipe):
        return MatchingStepper
    return ActionStepper if isinstance(head, ActionRecipe) else Stepper
