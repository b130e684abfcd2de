"""What the training loop needs of a kind of model, and nothing of any one kind.

The loop owns order, resuming, checkpoints, logs, accumulation and processes. A kind gives the
rest: a recipe (`RunRecipe`), its stages over the samples (`Planned`), the model with its loss
(`Subject`), and the step that adds gradients (`RunStep`). `find_kind` maps recipes to kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from internvid.training.data.loader import LoaderRecipe
from internvid.training.data.order import SamplePlan
from internvid.training.data.samples import Samples
from internvid.training.plan.device_memory import Hardware
from internvid.training.recipes.recipe import LoopRecipe, OptimiserRecipe

Validation = Callable[[Any], Mapping[str, float]]
"""Measures a model; the first number decides which checkpoint is best, the higher the better."""


class RunStage(Protocol):
    """A stage of a recipe, as the loop reads it; `Stage` documents the fields."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def peak_lr(self) -> float: ...  # noqa: D102
    @property
    def floor(self) -> float: ...  # noqa: D102
    @property
    def batch(self) -> int: ...  # noqa: D102
    @property
    def micro_batch(self) -> int: ...  # noqa: D102


class RunData(Protocol):
    """How clips are read, as the loop needs it; `DataRecipe` documents the fields."""

    @property
    def skip_share(self) -> float: ...  # noqa: D102
    @property
    def loader(self) -> LoaderRecipe: ...  # noqa: D102


class RunRecipe(Protocol):
    """A whole run as a frozen dataclass: what every kind's recipe has.

    Its `fingerprint` covers every field but settings, so that a run goes on only as itself.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> RunData: ...  # noqa: D102
    @property
    def optimiser(self) -> OptimiserRecipe: ...  # noqa: D102
    @property
    def stages(self) -> Sequence[RunStage]: ...  # noqa: D102
    @property
    def loop(self) -> LoopRecipe: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    def plain(self) -> dict[str, Any]: ...  # noqa: D102


class RunBatch(Protocol):
    """One step's share of a process.

    An unreadable sample leaves its place empty (`EMPTY` in `samples`), so that shapes stay.
    """

    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def samples(self) -> Tensor: ...  # noqa: D102
    @property
    def unreadable(self) -> tuple[tuple[int, str], ...]: ...  # noqa: D102


class RunStep(Protocol):
    """Takes optimiser steps. Nothing in it waits for the device."""

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """What changes the parameters."""
        ...

    def add_gradients(self, batch: Any) -> Tensor:
        """Adds a batch's gradients, in parts; returns the loss of the global batch, detached."""
        ...

    def update(self, *, wants_norm: bool) -> Tensor | None:
        """Changes the parameters by their gradients, and forgets those; the gradient's norm."""
        ...

    def in_parts(self, parts: int) -> Self:
        """A copy of the step that takes a batch in so many parts."""
        ...


@dataclass(frozen=True)
class Planned:
    """A stage over given samples.

    Attributes:
        stage: its recipe.
        plan: its batches.
        steps: how many there are.
        warmup: of them, in the warm-up.
        share: samples of a batch that one process takes.
        micro_batch: of them, at once.
    """

    stage: RunStage
    plan: SamplePlan
    steps: int
    warmup: int
    share: int
    micro_batch: int

    @property
    def parts(self) -> int:
        """In how many one process takes its share of a batch."""
        return -(-self.share // self.micro_batch)


class Subject(ABC):
    """What a run trains, on its device and shared by the processes.

    Attributes:
        device: where this process computes.
        bf16: whether the step computes in bfloat16.
    """

    device: torch.device
    bf16: bool

    @abstractmethod
    def begin(self, stage: int) -> None:
        """Makes the model ready for the stage of that number, such as what it trains."""

    @abstractmethod
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters whose optimiser state a checkpoint keeps, under names that never change."""

    def rate_scales(self, names: Sequence[str]) -> Sequence[float]:
        """Each parameter's learning rate as a multiple of the stage's; empty for 1 everywhere."""
        return ()

    @abstractmethod
    def stepper(self, optimiser: torch.optim.Optimizer, stage: int, planned: Planned) -> RunStep:
        """What takes the steps of the stage of that number."""

    @abstractmethod
    def batches(self, planned: Planned, start: int, end: int) -> Iterator[Any]:
        """Batches (`RunBatch`) of steps `start` to `end` of a stage, the same at every start."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Takes the weights of a checkpoint.

        Raises:
            CheckpointFormatError: they are damaged, or of another model.
        """

    @abstractmethod
    def states(self) -> Any:
        """Whole weights on the CPU. Every process must call it."""

    @abstractmethod
    def write(self, states: Any, folder: Path) -> None:
        """Writes a model folder of `states()`: of a checkpoint, and of the finished model.

        The first process calls it; the weights lie in `model.safetensors`.
        """

    @abstractmethod
    def finish(self, run: Path) -> None:
        """Writes what is made of the finished model beside it, if anything; first process."""

    @abstractmethod
    def measure(self, validate: Validation, path: Path) -> dict[str, float]:
        """What validation says of the checkpoint at `path`; the first process calls it."""

    @abstractmethod
    def train_flops(self, planned: Planned) -> float:
        """Training FLOPs of one sample of a stage."""

    def temperature(self) -> float | None:
        """The temperature of a contrastive loss; None where there is none."""
        return None


class Kind(ABC):
    """A kind of models: how a run of it is prepared. Stateless."""

    @abstractmethod
    def choose_samples(self, recipe: Any, source: Any) -> Samples:
        """What can be trained on.

        Raises:
            MisuseError: there is too little, with the reason.
        """

    @abstractmethod
    def plan_stages(
        self, recipe: Any, samples: Samples, hardware: Hardware, *, keeps_short_warmup: bool
    ) -> list[Any]:
        """The stages (`Planned`) with their steps, in parts that fit on a device.

        Raises:
            ConfigInvalidError: a batch is larger than the data, or cannot be shared.
        """

    @abstractmethod
    def choose_threads(self, recipe: Any, planned: Any, device: torch.device) -> int:
        """Threads of a CPU for the steps; 0 leaves them as they are."""

    @abstractmethod
    def prepare(self, recipe: Any, source: Any, samples: Samples, cache: Path) -> Subject:
        """The model that training starts from, ready to train.

        Raises:
            InternvidError: weights, or what else it starts from, are not there.
        """

    def least_part(self, recipe: Any) -> int:
        """Samples that a part of a batch needs."""
        return 1

    def less_memory(self) -> str:
        """What a user can do where even the smallest part does not fit on the device."""
        return "share the weights over more devices (--set loop.sharding=fsdp)"
