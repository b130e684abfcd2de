"""A run that trains a video chat, as plain dataclasses; see `internvid.training.recipes.recipe`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from internvid.core.config import fingerprint, named_by, plain, setting, weights_field
from internvid.core.errors import ConfigInvalidError
from internvid.models.chat.chat_config import ChatConfig
from internvid.models.chat.small_language import SmallLanguage
from internvid.training.data.loader import LoaderRecipe
from internvid.training.recipes.recipe import LoopRecipe, OptimiserRecipe, StagesByName, WorldRecipe

LEARN = "learn"


@dataclass(frozen=True)
class ChatModelRecipe:
    """What is trained, and what it starts from.

    Attributes:
        vision: ViCLIP: a training run, a folder or file of weights, a hub name. It is not trained.
        language: a causal language model: a folder, a `.gguf` file or a hub name; `learn` makes a
            small one of the dialogues' words.
        learned: the shapes of that.
        start: a video chat to go on from, in place of both: the result of the stage before.
        chat: connector, prompt, frames, tuning.
        seed: of the connector's weights.
        keeps_language: whether the finished model's folder holds the language model whole.
    """

    vision: str = weights_field("")
    language: str = ""
    learned: SmallLanguage = field(default_factory=SmallLanguage)
    start: str = ""
    chat: ChatConfig = field(default_factory=ChatConfig)
    seed: int = 0
    keeps_language: bool = setting(default=False)


@dataclass(frozen=True)
class ChatDataRecipe:
    """Which dialogues are trained on, and how their videos are shown.

    Attributes:
        kind: `captions` makes a question and an answer of each clip's caption; `dialogues` reads
            dialogues.
        frames: `middle` of equal intervals, or a `random` frame of each.
        longest: tokens of the longest dialogue, the video's inputs included; longer ones are left
            out. 0 takes what the language model takes.
        skip_share: training stops when more than this share of the videos shown (and more than
            ten) could not be read.
        world: the synthetic world, if the videos are to come from there.
        loader: who reads.
    """

    kind: Literal["captions", "dialogues"] = "dialogues"
    frames: Literal["middle", "random"] = "middle"
    longest: int = 0
    skip_share: float = 0.02
    world: WorldRecipe = field(default_factory=WorldRecipe)
    loader: LoaderRecipe = field(default_factory=LoaderRecipe, metadata={"setting": True})


@dataclass(frozen=True)
class ChatStage:
    """A stretch of training; the optimiser is new.

    Attributes:
        name: what it is called in logs and in `stages.NAME.field`.
        connector: whether the connector is trained.
        language: whether the language model is: its additions with `lora`, all of it with `full`.
        video: whether the videos are shown; without, a language model learns the words alone,
            with a description in the place of the video where the data has one.
        peak_lr: largest learning rate.
        language_rate: learning rate of the language model, as a multiple of it.
        epochs: how long, in passes over the dialogues.
        warmup_share: of the stage, until the learning rate is at its peak.
        floor: least learning rate, as a share of the peak.
        batch: dialogues of a global batch.
        micro_batch: dialogues that one device takes at once; 0 for all of its share.
        steps: how long in steps, in place of `epochs`; 0 for by epochs.
    """

    name: str
    connector: bool = True
    language: bool = False
    video: bool = True
    peak_lr: float = 1e-4
    language_rate: float = 1.0
    epochs: float = 1.0
    warmup_share: float = 0.1
    floor: float = 0.05
    batch: int = 32
    micro_batch: int = setting(0)
    steps: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "peak_lr": not self.peak_lr > 0,
            "language_rate": not self.language_rate > 0,
            "epochs": not (self.epochs > 0 or self.steps > 0),
            "warmup_share": not 0 <= self.warmup_share < 1,
            "floor": not 0 <= self.floor <= 1,
            "batch": self.batch < 1,
            "micro_batch": self.micro_batch < 0,
            "steps": self.steps < 0,
            "connector": not (self.connector or self.language),
            "video": not self.video and self.connector,
        }
        for name in (name for name, bad in wrong.items() if bad):
            raise ConfigInvalidError(
                f"stage {self.name!r}: {name} cannot be {getattr(self, name)}",
                hint="a stage trains something; a connector is trained with videos alone",
            )

    def total_steps(self, per_epoch: int) -> int:
        """Steps of the stage, given the batches of an epoch."""
        return self.steps or max(1, round(self.epochs * per_epoch))


@dataclass(frozen=True)
class ChatRecipe:
    """A whole run of a video chat.

    Attributes:
        name: of the recipe.
        stages: one after the other.
    """

    name: str
    model: ChatModelRecipe = field(default_factory=ChatModelRecipe)
    data: ChatDataRecipe = field(default_factory=ChatDataRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    stages: tuple[ChatStage, ...] = field(default=(), metadata=named_by(StagesByName()))
    loop: LoopRecipe = field(default_factory=LoopRecipe)

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ConfigInvalidError(f"a recipe needs stages with different names, got {names}")
        if any(stage.language for stage in self.stages) and self.model.chat.tuning == "frozen":
            raise ConfigInvalidError(
                "a stage trains the language model, and model.chat.tuning is frozen",
                hint="--set model.chat.tuning=lora or full, or --set 'stages.*.language=false'",
            )
        if self.loop.sharding == "fsdp":
            raise ConfigInvalidError(
                "a video chat is trained with whole weights on each device",
                hint="--set loop.sharding=ddp",
            )

    @property
    def fingerprint(self) -> str:
        """12 hex digits of everything but settings."""
        return fingerprint(self)

    def plain(self) -> dict[str, Any]:
        """The recipe as plain JSON."""
        recipe: dict[str, Any] = plain(self)
        return recipe
