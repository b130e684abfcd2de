"""A step on made-up clips, timed: for plans, and to choose how many threads a CPU takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from internvid.models.devices import choose_dtype
from internvid.models.viclip.model import ViCLIP
from internvid.training.plan.flops import measure_peak
from internvid.training.prepare import PlannedStage
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.towers import PatchTower

# Doubling the threads must shorten a step to this share of it, else they are left to others.
_WORTH_IT = 0.8
_TRIAL_SECONDS = 1.0
# Runs of less work than the trial and its model cost are not worth one.
_LEAST_RUN_SECONDS = 20.0
# Of a CPU's matrix peak, what a small step reaches.
_CPU_SHARE = 0.2


class TrialStep:
    """Forward and backward of some clips with fresh weights, without an optimiser.

    Args:
        recipe: whose model, loss and numbers are taken.
        planned: of the stage.
        clips: at once, at least 2.
        device: where.
    """

    def __init__(
        self, recipe: TrainRecipe, planned: PlannedStage, clips: int, device: torch.device
    ) -> None:
        config, shape = recipe.model.config, planned.shape
        self._recipe, self._device = recipe, device
        with torch.random.fork_rng(devices=[]):
            self._model = ViCLIP(config, recipe.model.preprocessing).to(device).train()
            self._patches = torch.randint(
                0, 255, (clips, shape.kept, 3 * shape.patch**2), dtype=torch.uint8
            ).to(device)
        tower = self._model.vision_encoder
        tower.transformer.checkpointed_blocks = config.checkpointed_blocks
        rule = self._model.preprocessing
        self._tower = PatchTower(tower, rule, config.frames, config.grid).to(device)
        kept = torch.arange(shape.kept, device=device).expand(clips, -1)
        self._kept = kept if shape.mask_ratio else None
        self._labels = torch.arange(clips, device=device)
        self._ids = torch.ones(clips, config.context, dtype=torch.int64, device=device)
        self._bfloat16 = choose_dtype(recipe.loop.dtype, device) == torch.bfloat16

    def seconds(self, times: int = 2) -> float:
        """The least of several steps.

        Raises:
            torch.OutOfMemoryError: the device cannot take so many clips.
        """
        best = float("inf")
        for _ in range(times):
            started = time.perf_counter()
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
                video = self._tower(self._patches, self._kept)
                frozen = self._recipe.start.freeze_text
                text = torch.randn_like(video) if frozen else self._model.text_encoder(self._ids)
            loss = self._recipe.loss(video, text, self._model.temp, self._labels, self._labels)
            loss.backward()  # type: ignore[no-untyped-call]
            loss.item()
            best = min(best, time.perf_counter() - started)
        return best


def choose_threads(recipe: TrainRecipe, planned: list[PlannedStage], device: torch.device) -> int:
    """Threads for the steps of a run on a CPU: more only where they make it clearly faster.

    Small products gain nothing from a second thread, and take its core from the loader and from
    others.

    Args:
        recipe: of the run; threads that it names are taken.
        planned: its stages; the one with the most work is tried.
        device: where it computes.

    Returns:
        How many; 0 leaves them as they are.
    """
    if recipe.loop.threads:
        return recipe.loop.threads
    most = torch.get_num_threads()
    if device.type != "cpu" or most == 1:
        return 0
    with torch.random.fork_rng(devices=[]):
        return _measured_threads(recipe, planned, device, most)


def _measured_threads(
    recipe: TrainRecipe, planned: list[PlannedStage], device: torch.device, most: int
) -> int:
    peak = _CPU_SHARE * measure_peak(device, torch.float32, 0.05)
    longest = max(planned, key=_work)
    if sum(map(_work, planned)) / peak < _LEAST_RUN_SECONDS:
        return 0
    clips = int(_TRIAL_SECONDS * peak / longest.cost.train)
    trial = TrialStep(recipe, longest, max(2, min(clips, longest.micro_batch)), device)
    chosen, best = most, float("inf")
    threads = 1
    while threads <= most:
        with cpu_threads(threads):
            seconds = trial.seconds()
        if seconds > _WORTH_IT * best:
            break
        chosen, best = threads, seconds
        threads *= 2
    return chosen


def _work(planned: PlannedStage) -> float:
    """FLOPs of a stage."""
    return planned.steps * planned.stage.batch * planned.cost.train


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Lets torch use so many threads for a while; 0 changes nothing."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
