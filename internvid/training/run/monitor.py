"""Reads the loss now and then: tells writers and people, and stops a run that cannot go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from internvid.core.errors import TrainingStoppedError
from internvid.dataset.parts import commit_json
from internvid.training.data.samples import Samples
from internvid.training.kinds.contract import Planned
from internvid.training.loss import EMPTY
from internvid.training.run.distributed import rank
from internvid.training.run.log import LogLine, MetricWriter, Progress, values_of
from internvid.training.run.meter import Reading, Window
from internvid.training.run.run_checkpoint import Position
from internvid.training.run.skipped_log import SkippedLog
from internvid.training.schedule import learning_rate

_FEW_SKIPPED = 10


@dataclass
class Watch:
    """What turns readings into lines.

    Attributes:
        planned: the stages.
        end: the step at which the run ends.
        train_flops: of one sample of a stage.
        peak: FLOP per second of all processes, measured.
        skip_share: of the clips shown, that may be unreadable.
        progress: is called with each line.
        writers: get the numbers of each line.
    """

    planned: list[Planned]
    end: int
    train_flops: Callable[[Planned], float]
    peak: float
    skip_share: float
    progress: Progress | None = None
    writers: list[MetricWriter] = field(default_factory=list)

    def tell(
        self, stage: Planned, position: Position, reading: Reading, temperature: float | None
    ) -> LogLine:
        """One line, to everyone."""
        batch, steps = stage.stage.batch, len(reading.losses)
        clips_per_second = steps * batch / reading.seconds
        line = LogLine(
            step=position.step,
            total=self.end,
            stage=stage.stage.name,
            loss=sum(reading.losses) / steps,
            learning_rate=stage_learning_rate(stage, position.stage_step - 1),
            gradient_norm=reading.norm,
            temperature=temperature,
            clips_per_second=clips_per_second,
            mfu=self.train_flops(stage) * clips_per_second / self.peak,
            data_wait_share=reading.wait_share,
            skipped=position.skipped,
            eta_seconds=self._flops_left(position) / self.train_flops(stage) / clips_per_second,
        )
        for writer in self.writers:
            writer.write(line.step, values_of(line))
        if self.progress is not None and rank() == 0:
            self.progress(line)
        return line

    def _flops_left(self, position: Position) -> float:
        left, first = 0.0, 0
        for each in self.planned:
            steps = min(self.end, first + each.steps) - max(first, position.step)
            left += max(0, steps) * each.stage.batch * self.train_flops(each)
            first += each.steps
        return left

    def close(self) -> None:
        """The run has ended, well or not."""
        for writer in self.writers:
            writer.close()

    def check(
        self,
        window: Window,
        reading: Reading,
        position: Position,
        samples: Samples,
        skipped_log: SkippedLog,
    ) -> None:
        """Stops a run whose loss is no number, or whose clips cannot be read.

        Raises:
            TrainingStoppedError: with the file that lists the clips.
        """
        if not all(math.isfinite(loss) for loss in reading.losses):
            self._stop(window, reading, position, samples, skipped_log.path.parent)
        if position.skipped == position.shown:
            raise TrainingStoppedError(
                f"not one of the {position.shown} clips shown could be read",
                hint=f"the reasons are in {skipped_log.path}",
            )
        if position.skipped > max(_FEW_SKIPPED, self.skip_share * position.shown):
            raise TrainingStoppedError(
                f"{position.skipped} of {position.shown} clips shown could not be read, more than "
                f"data.skip_share {self.skip_share:g} allows",
                hint=f"the reasons are in {skipped_log.path}; "
                "another data.skip_share is another run",
            )

    def _stop(
        self,
        window: Window,
        reading: Reading,
        position: Position,
        samples: Samples,
        folder: Path,
    ) -> None:
        first = position.step - len(reading.losses) + 1
        bad = [
            {"step": first + at, "loss": repr(loss), "clips": _names(shown, samples)}
            for at, (loss, shown) in enumerate(zip(reading.losses, window.samples, strict=True))
            if not math.isfinite(loss)
        ]
        path = folder / f"bad-loss-{rank()}.json"
        commit_json(path, bad)
        raise TrainingStoppedError(
            f"the loss of step {bad[0]['step']} is {bad[0]['loss']}; its clips are in {path}",
            hint="look at them, or lower the stage's peak_lr in a new run; nothing of this "
            "stretch was saved",
        )


def stage_learning_rate(stage: Planned, step: int) -> float:
    """The learning rate of a step of a stage."""
    return learning_rate(
        step,
        peak=stage.stage.peak_lr,
        total=stage.steps,
        warmup=stage.warmup,
        floor=stage.stage.floor,
    )


def _names(shown: torch.Tensor, samples: Samples) -> list[str]:
    return [samples.clip_ids[at] for at in shown.tolist() if at != EMPTY]
