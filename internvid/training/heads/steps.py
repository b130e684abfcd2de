"""Which step a recipe takes: contrastive, with matching, or of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from internvid.training.heads.matching_step import MatchingStepper
from internvid.training.heads.open_heads import ActionRecipe, HeadRecipe, MatchingRecipe, head_of
from internvid.training.recipes.action_finetuning import ActionStepper
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.step import Stepper

_STEPPERS: Mapping[type[HeadRecipe], type[Stepper]] = MappingProxyType(
    {MatchingRecipe: MatchingStepper, ActionRecipe: ActionStepper}
)


def find_stepper(recipe: TrainRecipe) -> type[Stepper]:
    """The step of a recipe, by its head."""
    head = head_of(recipe)
    return Stepper if head is None else _STEPPERS[type(head)]
