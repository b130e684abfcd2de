"""What a run has settled with its machine: threads, and clips at once; smaller ones on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from internvid.core.errors import TrainingStoppedError
from internvid.training.kinds.contract import Kind, Planned, RunBatch, RunRecipe, RunStep
from internvid.training.run.distributed import rank, world_size
from internvid.training.run.run_folder import Chosen, write_chosen

Notice = Callable[[str], None]
"""Receives a message for people."""


@dataclass
class Settled:
    """The stages as this machine takes them.

    A device that runs out of memory in a step gets parts half as large, once. The loss stays that
    of the whole batch: only the order in which gradients are added up changes, and which paths are
    dropped, since those are drawn part by part.

    Attributes:
        folder: of the run.
        kind: of the model.
        recipe: of the run.
        planned: its stages.
        threads: of a CPU; 0 where none were chosen.
        notice: receives what is chosen, and what changes.
    """

    folder: Path
    kind: Kind
    recipe: RunRecipe
    planned: list[Planned]
    threads: int
    notice: Notice
    halved: set[str] = field(default_factory=set)

    def keep(self) -> None:
        """Writes the choices down for the next start, and names those that matter."""
        if rank():
            return
        self._write()
        parts = [
            f"{each.stage.name}: {each.micro_batch} of {each.share} clips at once "
            f"(stages.{each.stage.name}.micro_batch)"
            for each in self.planned
            if each.parts > 1 and not each.stage.micro_batch
        ]
        if parts:
            self.notice(f"by the device's memory, {'; '.join(parts)}")
        if self.threads and not self.recipe.loop.threads:
            self.notice(f"{self.threads} threads, by a trial step (loop.threads)")

    def _write(self) -> None:
        sizes = {
            each.stage.name: each.micro_batch
            for each in self.planned
            if not each.stage.micro_batch or each.stage.name in self.halved
        }
        write_chosen(self.folder, self.recipe, Chosen(self.threads, sizes))

    def gradients(self, stepper: RunStep, batch: RunBatch, at: int) -> tuple[Tensor, RunStep]:
        """The gradients of a batch, in smaller parts where the device runs out of memory.

        Args:
            stepper: adds them.
            batch: of this process.
            at: number of the stage.

        Returns:
            The loss, and what takes the steps from now on.

        Raises:
            TrainingStoppedError: even the smaller parts do not fit, or other processes take part:
                they wait within the step for what will not come. The same command goes on with
                smaller parts.
        """
        try:
            return stepper.add_gradients(batch), stepper
        except torch.OutOfMemoryError as error:
            size = self._halve(at, str(error))
        # Outside the handler: the failed step's tensors are gone with its traceback.
        stepper.optimiser.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.notice(
            f"out of memory: {self.planned[at].stage.name} goes on with {size} clips at once "
            f"(stages.{self.planned[at].stage.name}.micro_batch={size}); the loss is the same"
        )
        stepper = stepper.in_parts(self.planned[at].parts)
        try:
            return stepper.add_gradients(batch), stepper
        except torch.OutOfMemoryError as error:
            raise self._stopped(self.planned[at], str(error)) from None

    def _halve(self, at: int, error: str) -> int:
        """Smaller parts for a stage, written down; how many clips they have."""
        planned = self.planned[at]
        name, size = planned.stage.name, planned.micro_batch // 2
        if size < self.kind.least_part(self.recipe) or name in self.halved:
            raise self._stopped(planned, error) from None
        self.planned[at] = dataclasses.replace(planned, micro_batch=size)
        self.halved.add(name)
        self._write()
        if world_size() > 1:
            raise self._stopped(planned, error) from None
        return size

    def _stopped(self, planned: Planned, error: str) -> TrainingStoppedError:
        name, size = planned.stage.name, planned.micro_batch // 2
        hint = f"--set stages.{name}.micro_batch={size}"
        if world_size() > 1 and not planned.stage.micro_batch:
            hint = f"the same command goes on with {hint}"
        if size < self.kind.least_part(self.recipe):
            hint = self.kind.less_memory()
        return TrainingStoppedError(
            f"stage {name!r} runs out of memory with {planned.micro_batch} clips at once: "
            f"{error.splitlines()[0] if error else 'no reason given'}",
            hint=hint,
        )
