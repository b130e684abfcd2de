"""The training loop, top to bottom: prepare, then stage by stage and step by step."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from internvid.dataset.parts import storage_errors
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.kinds.contract import Planned, RunRecipe, Subject, Validation
from internvid.training.kinds.find_kind import find_kind
from internvid.training.optimiser import make_optimiser, set_learning_rate
from internvid.training.plan.flops import measure_peak
from internvid.training.plan.trial import cpu_threads
from internvid.training.prepare import find_device, find_hardware
from internvid.training.run.distributed import (
    all_max,
    process_group,
    rank,
    wait_for_all,
    world_size,
)
from internvid.training.run.log import Progress, open_writers
from internvid.training.run.meter import TimedBatches, Window
from internvid.training.run.monitor import Watch, stage_learning_rate
from internvid.training.run.run_checkpoint import (
    Checkpoints,
    Position,
    load_moments,
    read_position,
    save_checkpoint,
)
from internvid.training.run.run_folder import (
    CACHE,
    MODEL,
    check_folder,
    claim_folder,
    keeps_short_warmup,
    locked,
    read_chosen,
    run_facts,
)
from internvid.training.run.settled import Notice, Settled
from internvid.training.run.skipped_log import SkippedLog


@dataclass(frozen=True)
class TrainSummary:
    """What a run came to.

    Attributes:
        folder: of the run.
        model: folder of the trained model; None where the run ended before its last step.
        step: steps done.
        total: steps of the whole run.
        loss: mean at the last reading; None if nothing was left to do.
        samples: clips trained on.
        dropped: clips left out, by reason.
        skipped: showings that could not be read.
        validation: the last validation's numbers.
        threads: of the CPU, chosen for this run; 0 where they were left as they are.
        micro_batch: stage -> clips that a device took at once.
    """

    folder: Path
    model: Path | None
    step: int
    total: int
    loss: float | None
    samples: int
    dropped: dict[str, int]
    skipped: int
    validation: dict[str, float]
    threads: int = 0
    micro_batch: dict[str, int] = field(default_factory=dict)


def train(
    recipe: RunRecipe,
    source: ClipSource,
    folder: Path,
    *,
    validate: Validation | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> TrainSummary:
    """Trains, or goes on where the folder's newest checkpoint stands.

    The same call works alone and under `torchrun`. Order, views, masks and dropped paths are
    functions of the seed and the sample, so a run that was killed ends as if it had not been.

    Args:
        recipe: the whole configuration.
        source: the clips.
        folder: of the run; new, empty, or of a run with the same recipe and clips.
        validate: measures a model at the end of each stage and every `loop.validate_steps`.
        progress: is called with each reading of the loss.
        notice: receives messages: what is chosen for the machine, what changes on the way, and
            what validation measured.

    Raises:
        MisuseError: nothing to train on, another run's folder, a recipe that cannot be.
        TrainingStoppedError: the loss is no number, or too many clips cannot be read.
        StorageError: a checkpoint cannot be written; those before it are whole.
    """
    device, kind = find_device(recipe), find_kind(recipe)
    with process_group(device):
        samples = kind.choose_samples(recipe, source)
        check_folder(folder)
        known = read_chosen(folder, recipe)
        hardware = find_hardware(recipe, device, known.micro_batch)
        planned = kind.plan_stages(
            recipe, samples, hardware, keeps_short_warmup=keeps_short_warmup(folder)
        )
        with locked(folder):
            claim_folder(folder, recipe, samples)
            threads = known.threads or kind.choose_threads(recipe, planned, device)
            threads = int(all_max(torch.tensor(threads, device=device)))
            with cpu_threads(threads):
                settled = Settled(folder, kind, recipe, planned, threads, notice or _say_nothing)
                settled.keep()
                subject = kind.prepare(recipe, source, samples, folder / CACHE)
                watch = make_watch(recipe, planned, subject, progress)
                run = _Run(recipe, samples, settled, subject, folder, watch, validate)
                return _run_through(run, folder)


def _run_through(run: _Run, folder: Path) -> TrainSummary:
    # Checkpoints name their own path; this is for the logs and skipped logs beside them.
    with storage_errors(folder):
        try:
            run.resume()
            for at in range(len(run.settled.planned)):
                run.train_stage(at)
            summary = run.finish()
        except BaseException:
            # What ended the run is told, not a log that could not be written either.
            with suppress(OSError):
                run.watch.close()
            raise
        run.watch.close()
        return summary


def _say_nothing(_: str) -> None:
    pass


def make_watch(
    recipe: RunRecipe, planned: list[Planned], subject: Subject, progress: Progress | None
) -> Watch:
    """What reads the loss now and then; measures the device's peak first."""
    total = sum(each.steps for each in planned)
    dtype = torch.bfloat16 if subject.bf16 else torch.float32
    return Watch(
        planned=planned,
        # The run may be told to end before its last step.
        end=min(total, recipe.loop.steps or total),
        train_flops=subject.train_flops,
        peak=measure_peak(subject.device, dtype) * world_size(),
        skip_share=recipe.data.skip_share,
        progress=progress,
    )


@dataclass
class _Run:
    recipe: RunRecipe
    samples: Samples
    settled: Settled
    subject: Subject
    folder: Path
    watch: Watch
    validate: Validation | None
    position: Position = field(default_factory=Position)
    newest: Path | None = None
    loss: float | None = None
    validation: dict[str, float] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.checkpoints = Checkpoints(self.folder)
        self.skipped_log = SkippedLog(self.folder)

    def resume(self) -> None:
        """Takes up the newest checkpoint, and cuts records back to it."""
        if rank() == 0:
            self.checkpoints.clear()
        wait_for_all()
        self.newest = self.checkpoints.newest()
        if self.newest is not None:
            self.position, _ = read_position(self.newest)
            self.subject.load(self.newest)
        self.skipped_log.cut_back(self.position.step)
        if rank() == 0:
            names = self.recipe.loop.writers
            self.watch.writers = open_writers(names, self.folder, self.position.step)

    def train_stage(self, at: int) -> None:
        """The rest of a stage; nothing, if it is done."""
        planned, subject = self.settled.planned[at], self.subject
        before = sum(each.steps for each in self.settled.planned[:at])
        start, end = self.position.step - before, min(planned.steps, self.watch.end - before)
        if start >= end:
            return
        subject.begin(at)
        named = list(subject.named_parameters())
        scales = subject.rate_scales([name for name, _ in named])
        optimiser = make_optimiser(named, self.recipe.optimiser, scales)
        if start and self.newest is not None:
            load_moments(self.newest, dict(named), optimiser)
        stepper = subject.stepper(optimiser, at, planned)
        loader, window = TimedBatches(subject.batches(planned, start, end)), Window()
        for batch in loader:
            set_learning_rate(optimiser, stage_learning_rate(planned, batch.step))
            reads = batch.step + 1 == end or not (self.position.step + 1) % self._log_steps
            loss, stepper = self.settled.gradients(stepper, batch, at)
            norm = stepper.update(wants_norm=reads)
            self._advance(planned, batch.step + 1)
            self.skipped_log.note(self.position.step, batch.unreadable, self.samples)
            window.add(loss, norm, batch.samples, len(batch.unreadable))
            if reads:
                self._read(planned, window, loader.take_waited())
                if self._is_due(stage_done=batch.step + 1 == end):
                    self._save(optimiser, planned)
                window = Window()

    @property
    def _log_steps(self) -> int:
        return self.recipe.loop.log_steps

    def _advance(self, planned: Planned, stage_step: int) -> None:
        self.position = replace(
            self.position,
            step=self.position.step + 1,
            stage=planned.stage.name,
            stage_step=stage_step,
            shown=self.position.shown + planned.stage.batch,
        )

    def _read(self, planned: Planned, window: Window, waited_seconds: float) -> None:
        reading = window.read(self.subject.device, waited_seconds)
        self.position = replace(self.position, skipped=self.position.skipped + reading.skipped)
        self.watch.check(window, reading, self.position, self.samples, self.skipped_log)
        temperature = self.subject.temperature()
        self.loss = self.watch.tell(planned, self.position, reading, temperature).loss

    def _is_due(self, *, stage_done: bool) -> bool:
        """Whether a checkpoint is written now; only after the loss was read and found good."""
        loop, step = self.recipe.loop, self.position.step
        if stage_done:
            return True
        every = [loop.checkpoint_steps, loop.validate_steps if self.validate else 0]
        if any(steps and step // steps != (step - loop.log_steps) // steps for steps in every):
            return True
        if not loop.checkpoint_minutes:
            return False
        late = time.monotonic() - self.saved_at > 60 * loop.checkpoint_minutes
        # One clock late is enough: all must write together.
        return bool(all_max(torch.tensor(float(late), device=self.subject.device)))

    def _save(self, optimiser: torch.optim.Optimizer, planned: Planned) -> None:
        facts = {**run_facts(self.samples), "loss": self.loss}
        self.newest = save_checkpoint(
            self.checkpoints, self.subject, optimiser, self.position, self.recipe, facts
        )
        if self.validate is not None and self._validates(planned):
            self._measure(self.validate, self.newest)
        if rank() == 0:
            self.checkpoints.prune(self.recipe.loop.keep)
        self.saved_at = time.monotonic()

    def _validates(self, planned: Planned) -> bool:
        every, step = self.recipe.loop.validate_steps, self.position.step
        done = self.position.stage_step == planned.steps or step == self.watch.end
        return done or bool(every and step // every != (step - self._log_steps) // every)

    def _measure(self, validate: Validation, path: Path) -> None:
        """Validates the checkpoint just written; the first process does, the others wait."""
        if rank() == 0:
            self.validation = self.subject.measure(validate, path)
            for writer in self.watch.writers:
                writer.write(self.position.step, self.validation)
            numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.validation.items())
            self.settled.notice(f"validation after step {self.position.step}: {numbers}")
            if self.validation:
                self.checkpoints.note_best(path, next(iter(self.validation.values())))
        wait_for_all()

    def finish(self) -> TrainSummary:
        """Writes the model, and what its kind makes of it."""
        total = sum(each.steps for each in self.settled.planned)
        done = self.position.step >= total
        if done:
            states = self.subject.states()
            if rank() == 0:
                self.subject.write(states, self.folder / MODEL)
                self.subject.finish(self.folder)
        wait_for_all()
        return TrainSummary(
            folder=self.folder,
            model=self.folder / MODEL if done else None,
            step=self.position.step,
            total=total,
            loss=self.loss,
            samples=len(self.samples),
            dropped=self.samples.dropped,
            skipped=self.position.skipped,
            validation=self.validation,
            threads=self.settled.threads,
            micro_batch={each.stage.name: each.micro_batch for each in self.settled.planned},
        )
