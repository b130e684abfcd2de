"""A run of a text-to-video model as plain dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from internvid.core.config import fingerprint, named_by, plain, setting
from internvid.core.errors import ConfigInvalidError
from internvid.models.generation.tiny_network import TinyShape
from internvid.training.data.loader import LoaderRecipe
from internvid.training.recipes.recipe import (
    LoopRecipe,
    OptimiserRecipe,
    Stage,
    StagesByName,
    WorldRecipe,
)


@dataclass(frozen=True)
class LoraRecipe:
    """Adapters of `t2v_lora`.

    Attributes:
        rank: of the added products.
        alpha: they are scaled by alpha / rank.
        targets: endings of the names of the layers that get some.
    """

    rank: int = 16
    alpha: float = 16.0
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True)
class GenerationModel:
    """What is trained.

    Attributes:
        kind: `tiny` from nothing, `inflated` from an image model, `lora` on a video transformer.
        weights: a diffusers folder, or a model that was saved; empty for a fresh tiny one.
        seed: of fresh weights.
        tiny: shape of a fresh tiny one.
        keys: whose keys a frame of an inflated one sees beside its own: of the `previous` or the
            `first` frame.
        trained: of an inflated one: `temporal` attention, `queries` too, or `all`.
        lora: the adapters.
    """

    kind: Literal["tiny", "inflated", "lora"] = "tiny"
    weights: str = ""
    seed: int = 0
    tiny: TinyShape = field(default_factory=TinyShape)
    keys: Literal["previous", "first"] = "previous"
    trained: Literal["temporal", "queries", "all"] = "temporal"
    lora: LoraRecipe = field(default_factory=LoraRecipe)

    def __post_init__(self) -> None:
        if self.kind not in ("tiny", "inflated", "lora"):
            raise ConfigInvalidError(f"kind is tiny, inflated or lora, not {self.kind!r}")


@dataclass(frozen=True)
class GenerationData:
    """How clips are read.

    Attributes:
        preset: rate, frame counts and sides that a model was trained with, by the name that
            publishing has for it (`wan`, `ltx`, `cogvideox` ...); empty for the fields below.
        frames: of a clip; with a preset the most. 0 for the model's own.
        fps: frames a second; 0 for every frame of the file.
        height, width: of all clips, cut from the middle; 0 keeps each clip's shape, see `area`.
        area: pixels of a frame at most, where the shape is kept; 0 for those of the model's own
            height and width.
        text_dropout: share of showings without their text, which guidance needs.
        skip_share: training stops when more than this share of the clips shown (and more than
            ten) could not be read.
        world: the synthetic world, if the clips are to come from there.
        loader: who reads.
    """

    preset: str = ""
    frames: int = 0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    area: int = 0
    text_dropout: float = 0.1
    skip_share: float = 0.02
    world: WorldRecipe = field(default_factory=WorldRecipe)
    loader: LoaderRecipe = field(default_factory=LoaderRecipe, metadata={"setting": True})

    def __post_init__(self) -> None:
        wrong = {
            "frames": self.frames < 0,
            "fps": self.fps < 0,
            "height": self.height < 0,
            "width": self.width < 0 or bool(self.width) != bool(self.height),
            "area": self.area < 0,
            "text_dropout": not 0 <= self.text_dropout < 1,
        }
        for name in (name for name, bad in wrong.items() if bad):
            raise ConfigInvalidError(f"data.{name} cannot be {getattr(self, name)}")


@dataclass(frozen=True)
class GenerationStage(Stage):
    """A stretch of training.

    Attributes:
        pictures: single frames of the clips are shown, not clips; a tiny model alone can.
    """

    pictures: bool = False


@dataclass(frozen=True)
class DrawnSamples:
    """Samples that are drawn while the model trains.

    Attributes:
        prompts: what they show; empty for captions of the data.
        count: how many captions of the data.
        steps: of denoising; 0 for the model's own.
        seed: of their noise.
    """

    prompts: tuple[str, ...] = setting(())
    count: int = setting(8)
    steps: int = setting(0)
    seed: int = setting(0)


@dataclass(frozen=True)
class GenerationRecipe:
    """A whole run.

    Attributes:
        name: of the recipe.
        ema: each step, averaged weights keep this share of themselves; they are what is saved as
            the model. 0 for none.
        stages: one after the other.
    """

    name: str
    model: GenerationModel = field(default_factory=GenerationModel)
    data: GenerationData = field(default_factory=GenerationData)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    stages: tuple[GenerationStage, ...] = field(default=(), metadata=named_by(StagesByName()))
    ema: float = 0.0
    samples: DrawnSamples = field(default_factory=DrawnSamples)
    loop: LoopRecipe = field(default_factory=LoopRecipe)

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ConfigInvalidError(f"a recipe needs stages with different names, got {names}")
        if not 0 <= self.ema < 1:
            raise ConfigInvalidError(f"ema lies from 0 to below 1, not {self.ema}")
        if self.loop.sharding != "ddp":
            raise ConfigInvalidError(
                "text-to-video models are not sharded; each process holds the whole model",
                hint="leave loop.sharding at ddp",
            )
        if self.model.kind != "tiny" and any(stage.pictures for stage in self.stages):
            raise ConfigInvalidError("stages of single pictures are for tiny models")

    @property
    def fingerprint(self) -> str:
        """12 hex digits of everything but settings."""
        return fingerprint(self)

    def plain(self) -> dict[str, Any]:
        """The recipe as plain JSON."""
        recipe: dict[str, Any] = plain(self)
        return recipe


def _stage(name: str, **options: Any) -> GenerationStage:
    common = {"mask_ratio": 0.0, "epochs": 1.0, "warmup_epochs": 0.02}
    return GenerationStage(name, **{**common, **options})


def t2v_tiny() -> GenerationRecipe:
    """From nothing on the synthetic world, on a CPU: pictures first, then clips."""
    return GenerationRecipe(
        "t2v_tiny",
        data=GenerationData(world=WorldRecipe(count=8192, validation=96)),
        optimiser=OptimiserRecipe(beta2=0.99, weight_decay=0.01, clip_norm=1.0),
        stages=(
            _stage("pictures", steps=1800, peak_lr=2e-3, floor=0.02, batch=64, pictures=True),
            _stage("clips", steps=2400, peak_lr=2e-3, floor=0.01, batch=16),
        ),
        ema=0.99,
    )


def t2v_inflated() -> GenerationRecipe:
    """The paper's baseline; rate, steps and learning rate are ours, the paper has none."""
    return GenerationRecipe(
        "t2v_inflated",
        model=GenerationModel(kind="inflated"),
        data=GenerationData(frames=16, fps=8.0),
        optimiser=OptimiserRecipe(beta2=0.999, weight_decay=0.01, clip_norm=1.0),
        stages=(_stage("clips", steps=100_000, warmup_steps=1000, peak_lr=3e-5, batch=64),),
        ema=0.999,
    )


def t2v_lora() -> GenerationRecipe:
    """Adapters on an open video transformer; the preset is Wan's."""
    return GenerationRecipe(
        "t2v_lora",
        model=GenerationModel(kind="lora"),
        data=GenerationData(preset="wan"),
        optimiser=OptimiserRecipe(beta2=0.99, weight_decay=0.01, clip_norm=1.0),
        stages=(_stage("adapters", steps=2000, warmup_steps=100, peak_lr=1e-4, batch=8),),
    )


RECIPES = {each.__name__: each for each in (t2v_tiny, t2v_inflated, t2v_lora)}
"""Name -> what makes the recipe."""
