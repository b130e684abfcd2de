"""A run as plain dataclasses: model, start, data, loss, optimiser, stages, loop.

Saved as JSON with every checkpoint. Fields marked as settings say how to run and may change when
a run goes on; all others make the run what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from internvid.core.config import fingerprint, named_by, plain, setting
from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.training.data.loader import LoaderRecipe
from internvid.training.data.order import Sampling
from internvid.training.loss import ContrastiveLoss
from internvid.training.views.views import ViewRecipe


@dataclass(frozen=True)
class ModelRecipe:
    """What is trained.

    Attributes:
        config: the towers' shapes, for fresh weights; given weights bring their own.
        preprocessing: how frames become pixels, by name.
    """

    config: ViCLIPConfig = field(default_factory=ViCLIPConfig)
    preprocessing: str = "reference"


@dataclass(frozen=True)
class StartRecipe:
    """Where weights come from.

    Attributes:
        weights: what `ViCLIP.from_pretrained` takes; empty draws fresh ones.
        merges: the tokenizer's table: a file or folder, empty for the usual places (beside the
            weights, the environment, the hub cache), or `learn` to make a small one of the
            captions.
        learned_merges: how large a learned table is.
        freeze_text: whether the text tower stays as it is; its embeddings are then computed once.
        temperature: that cosines are divided by at the start; 0 takes the weights' own (0.01
            for fresh ones, as in the reference).
        initialisation: how fresh weights are drawn: `clip` as CLIP's, or `sincos`, with which a
            small model learns motion from nothing.
        seed: of fresh weights.
    """

    weights: str = ""
    merges: str = ""
    learned_merges: int = 256
    freeze_text: bool = True
    temperature: float = 0.0
    initialisation: Literal["clip", "sincos"] = "clip"
    seed: int = 0


@dataclass(frozen=True)
class WorldRecipe:
    """The synthetic world to train on, where that is requested.

    Attributes:
        count: clips.
        cameras: kinds of camera moves.
        paths: `loop` or `inside`, see `internvid.synthetic.clips`.
        validation: held-out clips that the model is measured on; 0 for none.
    """

    count: int = 16384
    cameras: tuple[str, ...] = ("static",)
    paths: Literal["loop", "inside"] = "loop"
    validation: int = setting(200)


@dataclass(frozen=True)
class ValidationRecipe:
    """Real clips that the model is measured on while it trains.

    Attributes:
        share: of the source videos, kept from training; chosen by the hash of their names. 0 for
            none. Another share is another set of samples, and so another run.
        clips: videos to measure on, at most.
    """

    share: float = 0.0
    clips: int = setting(1000)

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or self.clips < 2:
            raise ConfigInvalidError(
                f"share {self.share} must lie in [0, 1) and clips {self.clips} be at least 2"
            )


@dataclass(frozen=True)
class DataRecipe:
    """How clips are chosen and shown.

    Attributes:
        clean_captions: whether captions go through the reference's `pre_text`.
        sampling: what a batch does about clips of one source, see `SamplePlan`.
        view: frames, crop and mirroring.
        skip_share: training stops when more than this share of the clips shown (and more than
            ten) could not be read.
        world: the synthetic world, if the clips are to come from there.
        validation: clips that are held out of training.
        loader: who reads.
        text_mode: of annotation files with several texts a clip: each is a sample (`sentence`),
            or they are joined into one (`paragraph`).
    """

    clean_captions: bool = True
    sampling: Sampling = "separate"
    view: ViewRecipe = field(default_factory=ViewRecipe)
    skip_share: float = 0.02
    world: WorldRecipe = field(default_factory=WorldRecipe)
    # No part of a run's identity: which clips are trained on is, and says the same.
    validation: ValidationRecipe = field(
        default_factory=ValidationRecipe, metadata={"setting": True}
    )
    loader: LoaderRecipe = field(default_factory=LoaderRecipe, metadata={"setting": True})
    # The digest of the samples tells runs apart; a setting leaves known fingerprints alone.
    text_mode: Literal["sentence", "paragraph"] = setting("sentence")


@dataclass(frozen=True)
class OptimiserRecipe:
    """AdamW (paper §6.5).

    Attributes:
        beta1, beta2: decay of the first and second moments.
        epsilon: added to the root of the second moment.
        weight_decay: of matrices; vectors, position tables and the temperature have none.
        clip_norm: largest norm of the whole gradient; 0 leaves it alone.
        temperature_rate: learning rate of the temperature, as a multiple of the others'. It is a
            small number that each step changes by about the learning rate.
    """

    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-8
    weight_decay: float = 0.2
    clip_norm: float = 0.0
    temperature_rate: float = 1.0


@dataclass(frozen=True)
class Stage:
    """A stretch of training with its own mask, batch and learning rate; the optimiser is new.

    Attributes:
        name: what it is called in logs and in `stages.NAME.field`.
        mask_ratio: share of patches that is not shown.
        mask_focus: how much the shown patches favour content: each is drawn in proportion to
            (1 + its contrast + its change, in levels of 255) ** mask_focus. 0 draws uniformly,
            as the paper does.
        peak_lr: largest learning rate.
        epochs: how long, in passes over the samples; may be a fraction.
        warmup_epochs: of it, until the learning rate is at its peak.
        floor: least learning rate, as a share of the peak; it holds in the warm-up too.
        batch: samples of a global batch.
        micro_batch: clips that one device takes at once; more than that go through in parts with
            cached gradients, same loss. 0 takes as many as the device's memory holds.
        steps: how long in steps, in place of `epochs`; 0 for by epochs.
        warmup_steps: likewise, in place of `warmup_epochs`; 0 with `steps` keeps the share of
            the stage that `warmup_epochs` has of `epochs`. `warmup_epochs=0` is for no warm-up.
        neighbours, neighbour_share: see `SamplePlan`.
    """

    name: str
    mask_ratio: float = 0.9
    mask_focus: float = 0.0
    peak_lr: float = 4e-4
    epochs: float = 10.0
    warmup_epochs: float = 0.5
    floor: float = 0.01
    batch: int = 32768
    micro_batch: int = setting(0)
    steps: int = 0
    warmup_steps: int = 0
    neighbours: int = 0
    neighbour_share: float = 1.0

    def __post_init__(self) -> None:
        wrong = {
            "mask_ratio": not 0 <= self.mask_ratio < 1,
            "mask_focus": not 0 <= self.mask_focus <= 16,
            "peak_lr": not self.peak_lr > 0,
            "epochs": not (self.epochs > 0 or self.steps > 0),
            "warmup_epochs": self.warmup_epochs < 0,
            "floor": not 0 <= self.floor <= 1,
            "batch": self.batch < 2,
            "micro_batch": self.micro_batch < 0,
            "steps": self.steps < 0,
            "warmup_steps": self.warmup_steps < 0,
            "neighbour_share": not 0 <= self.neighbour_share <= 1,
        }
        for name in (name for name, bad in wrong.items() if bad):
            raise ConfigInvalidError(f"stage {self.name!r}: {name} cannot be {getattr(self, name)}")

    def total_steps(self, per_epoch: int) -> int:
        """Steps of the stage, given the batches of an epoch."""
        return self.steps or max(1, round(self.epochs * per_epoch))

    def total_warmup(self, per_epoch: int, *, keeps_short: bool = False) -> int:
        """Steps of its warm-up. One that would end with the stage or later takes half of it.

        Args:
            per_epoch: batches of an epoch.
            keeps_short: as 0.1.0 had it, for runs that it began: none with `steps` and without
                `warmup_steps`, and no limit.
        """
        if keeps_short:
            by_steps = self.warmup_steps or self.steps
            return self.warmup_steps if by_steps else round(self.warmup_epochs * per_epoch)
        total = self.total_steps(per_epoch)
        if self.warmup_steps:
            wanted = self.warmup_steps
        elif self.steps:
            share = self.warmup_epochs / self.epochs if self.epochs > 0 else 0.0
            wanted = round(share * self.steps)
        else:
            wanted = round(self.warmup_epochs * per_epoch)
        return wanted if wanted < total else total // 2


@dataclass(frozen=True)
class LoopRecipe:
    """How the run goes; all but the seed and the numbers' type are settings.

    Attributes:
        seed: of order, views, masks and dropped paths.
        dtype: `auto` (bfloat16 on a GPU that has it), `float32` or `bfloat16` (autocast; weights
            stay float32).
        device: `auto`, `cpu`, `cuda` ...
        sharding: with several processes: `ddp` keeps whole weights on each, `fsdp` shares them.
        compile: whether the video tower goes through torch.compile.
        log_steps: steps from one reading of the loss to the next; only then is a device waited
            for.
        checkpoint_steps, checkpoint_minutes: whichever comes first; 0 for never by that.
        keep: checkpoints that are kept beside the best.
        validate_steps: steps from validation to validation, where there is one; 0 for only at
            the end of each stage.
        steps: the run ends after so many steps in all; 0 for none such. Schedules stay whole.
        threads: of a CPU; 0 chooses them by a trial step.
        text_products: what a frozen text tower computes its embeddings in, once: `float32`,
            `tf32` (on a GPU that has it) or `bfloat16`.
        writers: where numbers go: `csv`, `tensorboard` (if it is installed), "module:Class".
    """

    seed: int = 42
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = setting("auto")
    sharding: Literal["ddp", "fsdp"] = setting("ddp")
    compile: bool = setting(default=False)
    log_steps: int = setting(20)
    checkpoint_steps: int = setting(0)
    checkpoint_minutes: float = setting(30.0)
    keep: int = setting(2)
    validate_steps: int = setting(0)
    steps: int = setting(0)
    threads: int = setting(0)
    text_products: Literal["float32", "tf32", "bfloat16"] = setting("float32")
    writers: tuple[str, ...] = setting(("csv", "tensorboard"))

    def __post_init__(self) -> None:
        if self.log_steps < 1 or self.keep < 1:
            raise ConfigInvalidError(
                f"log_steps {self.log_steps} and keep {self.keep} must be at least 1"
            )
        if self.sharding not in ("ddp", "fsdp"):
            raise ConfigInvalidError(f"sharding is ddp or fsdp, not {self.sharding!r}")


@dataclass(frozen=True)
class FinishRecipe:
    """What is made of the trained weights, beside them.

    Attributes:
        wise_ft: share of the trained weights in a second model, blended with those the run
            started from (`model-wise-ft`); 0 for none. The reference evaluates with 0.5.
    """

    wise_ft: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.wise_ft <= 1:
            raise ConfigInvalidError(f"wise_ft must lie in [0, 1], got {self.wise_ft}")


class StagesByName:
    """How stages are named in assignments: `stages.masked.batch=512`, `stages.masked=none`."""

    hint = "a further stage takes a recipe written in Python"

    def name_of(self, member: Any) -> str:
        """The stage's own."""
        return str(member.name)

    def make(self, name: str) -> Any:
        """None: a recipe's stages are all there are."""
        raise ConfigInvalidError(f"the recipe has no stage {name!r}", hint=self.hint)

    def begin(self, name: str, path: str) -> None:
        """None: a recipe's stages are all there are."""

    def opened(self, member: Any) -> Any:
        """The stage itself."""
        return member

    def closed(self, member: Any) -> Any:
        """The stage itself."""
        return member


@dataclass(frozen=True)
class TrainRecipe:
    """A whole run.

    Attributes:
        name: of the recipe.
        stages: one after the other.
    """

    name: str
    model: ModelRecipe = field(default_factory=ModelRecipe)
    start: StartRecipe = field(default_factory=StartRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    loss: ContrastiveLoss = field(default_factory=ContrastiveLoss)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    stages: tuple[Stage, ...] = field(default=(), metadata=named_by(StagesByName()))
    finish: FinishRecipe = field(default_factory=FinishRecipe)
    loop: LoopRecipe = field(default_factory=LoopRecipe)

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ConfigInvalidError(f"a recipe needs stages with different names, got {names}")

    @property
    def fingerprint(self) -> str:
        """12 hex digits of everything but settings."""
        return fingerprint(self)

    def plain(self) -> dict[str, Any]:
        """The recipe as plain JSON."""
        recipe: dict[str, Any] = plain(self)
        return recipe
