"""From what a person names to videos with dialogues."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from internvid.core.errors import ConfigInvalidError, MisuseError, SourceMissingError
from internvid.core.system.launched import is_first_process
from internvid.models.chat.chat_folder import CHAT
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.weights.checkpoint import read_checkpoint
from internvid.training.chat.chat_kind import vision_place
from internvid.training.chat.chat_recipe import ChatRecipe
from internvid.training.chat.dialogue_sources import (
    CaptionDialogues,
    DialogueSource,
    WorldDialogues,
    read_file_dialogues,
)
from internvid.training.data.opening import WORLD, open_source
from internvid.training.recipes.recipe import DataRecipe, ModelRecipe, Stage, TrainRecipe


def open_dialogues(
    recipe: ChatRecipe,
    data: Sequence[str],
    cache: Path,
    *,
    videos: Sequence[Path] = (),
    text: str = "measured",
    subset: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> DialogueSource:
    """The dialogues that a run trains on.

    Args:
        recipe: says whether captions or dialogues are read, and how large the world is.
        data: of `captions`: a dataset, frame shards, a list of files, `world`; of `dialogues`: a
            file or an export of `internvid dialogues`, a public layout, or `world`.
        cache: a folder for what is copied or rendered once.
        videos: folders that paths of dialogues' videos start from.
        text: the column of captions.
        subset: of a dataset.
        notice: receives how many dialogues are left out, and why.

    Raises:
        InternvidError: nothing there, or nothing of it can be trained on.
    """
    if len(data) != 1:
        raise MisuseError(f"{len(data)} --data are named; a video chat is trained on one")
    (name,) = data
    if recipe.data.kind == "captions":
        vision, world = vision_config(recipe), recipe.data.world
        # Clips are opened as for a run of ViCLIP that takes the same frames.
        opened = TrainRecipe(
            recipe.name,
            model=ModelRecipe(vision),
            data=DataRecipe(world=world, loader=recipe.data.loader),
            stages=(Stage("open"),),
        )
        clips = open_source(name, opened, cache, text=text, subset=subset)
        return CaptionDialogues(clips, recipe.loop.seed)
    if subset is not None:
        raise MisuseError("dialogues have no subsets", hint="leave --subset out")
    if name == WORLD or name.startswith(f"{WORLD}:"):
        return _world(name, recipe, cache)
    path = Path(name)
    if not path.exists():
        raise SourceMissingError(
            f"there is no {name!r}",
            hint="--data takes a file or an export of internvid dialogues, or world",
        )
    source = read_file_dialogues(path, videos)
    if source.dropped and notice is not None and is_first_process():
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(source.dropped.items()))
        notice(f"{sum(source.dropped.values())} dialogues are left out: {reasons}")
    return source


def _world(name: str, recipe: ChatRecipe, cache: Path) -> WorldDialogues:
    seed = name.partition(":")[2]
    if seed and not seed.isdigit():
        raise ConfigInvalidError(f"{name!r}: a seed is a whole number from 0, as in world:1")
    vision, world = vision_config(recipe), recipe.data.world
    return WorldDialogues(
        seed=int(seed or 0),
        count=world.count,
        frames=max(vision.frames, recipe.model.chat.frames),
        size=vision.resolution,
        cameras=world.cameras,
        paths=world.paths,
        cache=(cache / "world").absolute(),
    )


def vision_config(recipe: ChatRecipe) -> ViCLIPConfig:
    """The shapes of the ViCLIP that a run reads.

    Raises:
        MisuseError: none is named.
    """
    wanted = recipe.model
    if wanted.start:
        folder = Path(wanted.start)
        folder = folder / "model" if (folder / "model" / CHAT).is_file() else folder
        try:
            kept = json.loads((folder / CHAT).read_text("utf-8"))["vision"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MisuseError(
                f"{wanted.start} is no video chat to go on from: {error}",
                hint="model.start takes a run of videochat_align, or its model folder",
            ) from error
        place = str(folder / "vision") if kept["kept"] == "whole" else str(kept["name"])
        return replace(read_checkpoint(place).config)
    if not wanted.vision:
        raise MisuseError(
            "the recipe does not say which ViCLIP is read",
            hint="--set model.vision=RUN_OR_FOLDER_OR_HUB_NAME, and model.language likewise",
        )
    return replace(read_checkpoint(vision_place(wanted.vision)).config)
