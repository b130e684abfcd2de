"""Which kind of model a recipe trains."""

from __future__ import annotations

from internvid.core.errors import ConfigInvalidError
from internvid.training.chat.chat_kind import ChatKind
from internvid.training.chat.chat_recipe import ChatRecipe
from internvid.training.generation.kind import GenerationKind
from internvid.training.generation.recipe import GenerationRecipe
from internvid.training.kinds.contract import Kind, RunRecipe
from internvid.training.kinds.two_towers import DualEncoderKind
from internvid.training.recipes.recipe import TrainRecipe

_KINDS: tuple[tuple[type, Kind], ...] = (
    (TrainRecipe, DualEncoderKind()),
    (ChatRecipe, ChatKind()),
    (GenerationRecipe, GenerationKind()),
)
"""Class of recipes -> kind. A further kind of model is one more line."""


def find_kind(recipe: RunRecipe) -> Kind:
    """The kind of a recipe, by its class.

    Raises:
        ConfigInvalidError: it is no recipe of any kind.
    """
    for recipes, kind in _KINDS:
        if isinstance(recipe, recipes):
            return kind
    raise ConfigInvalidError(f"{type(recipe).__name__} is no training recipe")
