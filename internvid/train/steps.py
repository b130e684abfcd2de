"""Which step a recipe takes: contrastive, with matching, or of a classifier."""

from __future__ import annotations

from internvid.train.action_finetuning import ActionStepper
from internvid.train.heads import ActionRecipe, MatchingRecipe, head_of
from internvid.train.matching import MatchingStepper
from internvid.train.recipe import TrainRecipe
from internvid.train.step import Stepper


def find_stepper(recipe: TrainRecipe) -> type[Stepper]:
    """The step of a recipe, by its head."""
    head = head_of(recipe)
    if isinstance(head, MatchingRecipe):
        return MatchingStepper
    return ActionStepper if isinstance(head, ActionRecipe) else Stepper
