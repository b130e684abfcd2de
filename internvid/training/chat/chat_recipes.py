"""Named runs that train a video chat: the two stages of the paper's system, and a small one."""

from __future__ import annotations

from internvid.models.chat.chat_config import ChatConfig, ConnectorConfig
from internvid.training.chat.chat_recipe import (
    LEARN,
    ChatDataRecipe,
    ChatModelRecipe,
    ChatRecipe,
    ChatStage,
)
from internvid.training.data.loader import LoaderRecipe
from internvid.training.recipes.recipe import LoopRecipe, OptimiserRecipe, WorldRecipe

_OPTIMISER = OptimiserRecipe(beta2=0.999, weight_decay=0.02, clip_norm=1.0)
_LOADER = LoaderRecipe(workers=8)


def videochat_align() -> ChatRecipe:
    """The connector learns to say a clip's caption; both models stay as they are (paper §9.2).

    Set `model.vision` and `model.language`.
    """
    stage = ChatStage("align", peak_lr=1e-4, epochs=1, warmup_share=0.2, batch=32)
    return ChatRecipe(
        "videochat_align",
        model=ChatModelRecipe(chat=ChatConfig(ConnectorConfig("qformer"))),
        data=ChatDataRecipe(kind="captions", frames="random", loader=_LOADER),
        optimiser=_OPTIMISER,
        stages=(stage,),
    )


def videochat_instruct() -> ChatRecipe:
    """Dialogues, from an aligned chat: set `model.start` (paper §9.2).

    With `model.chat.tuning=lora` and `stages.instruct.language=true` the language model learns
    too, as in later systems.
    """
    stage = ChatStage("instruct", peak_lr=2e-5, epochs=3, warmup_share=0.2, floor=0.25, batch=32)
    return ChatRecipe(
        "videochat_instruct",
        model=ChatModelRecipe(chat=ChatConfig(ConnectorConfig("qformer"))),
        data=ChatDataRecipe(kind="dialogues", frames="random", loader=_LOADER),
        optimiser=_OPTIMISER,
        stages=(stage,),
    )


def videochat_tiny() -> ChatRecipe:
    """A small language model from nothing, then a connector to it, on the synthetic world.

    Minutes on a CPU: the words first, without videos; then the connector alone.
    """
    words = ChatStage(
        "words", connector=False, language=True, video=False, peak_lr=3e-3, steps=400, batch=48
    )
    connector = ChatStage("connector", peak_lr=4e-3, steps=1200, batch=48, floor=0.02)
    return ChatRecipe(
        "videochat_tiny",
        model=ChatModelRecipe(language=LEARN, chat=ChatConfig(tuning="full"), keeps_language=True),
        data=ChatDataRecipe(
            kind="dialogues",
            world=WorldRecipe(count=12000, cameras=("static",), paths="inside", validation=0),
        ),
        optimiser=OptimiserRecipe(beta2=0.98, weight_decay=0.01, clip_norm=1.0),
        stages=(words, connector),
        loop=LoopRecipe(dtype="float32", device="cpu", checkpoint_minutes=2.0),
    )


CHAT_RECIPES = {
    made.__name__: made for made in (videochat_align, videochat_instruct, videochat_tiny)
}
