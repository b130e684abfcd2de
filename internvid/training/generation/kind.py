"""Text-to-video models as a kind that the shared loop trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from internvid.core.errors import ConfigInvalidError
from internvid.training.data.order import SamplePlan
from internvid.training.data.samples import ClipSource, Samples, make_samples
from internvid.training.generation.recipe import GenerationRecipe, GenerationStage
from internvid.training.generation.subject import GenerationSubject, prepare_subject
from internvid.training.kinds.contract import Kind, Planned

if TYPE_CHECKING:
    from internvid.training.plan.device_memory import Hardware


class GenerationKind(Kind):
    """See `Kind`."""

    def choose_samples(self, recipe: GenerationRecipe, source: ClipSource) -> Samples:
        """See `Kind`; clips without a caption are counted in `dropped`."""
        del recipe
        return make_samples(source.table(), clean=False, least_words=1)

    def plan_stages(
        self,
        recipe: GenerationRecipe,
        samples: Samples,
        hardware: Hardware,
        *,
        keeps_short_warmup: bool,
    ) -> list[Planned]:
        """See `Kind`."""
        planned = []
        for at, stage in enumerate(recipe.stages):
            _check(stage, samples, hardware.processes)
            plan = SamplePlan(
                count=len(samples),
                batch=stage.batch,
                seed=recipe.loop.seed + at,
                sampling="mask",
                hard_negative_groups=samples.hard_negative_groups,
                texts=samples.texts,
                neighbours=stage.neighbours,
                neighbour_share=stage.neighbour_share,
            )
            share = stage.batch // hardware.processes
            wanted = hardware.chosen.get(stage.name) or stage.micro_batch or share
            planned.append(
                Planned(
                    stage=stage,
                    plan=plan,
                    steps=stage.total_steps(plan.batches_per_epoch),
                    warmup=stage.total_warmup(
                        plan.batches_per_epoch, keeps_short=keeps_short_warmup
                    ),
                    share=share,
                    micro_batch=min(share, wanted),
                )
            )
        return planned

    def choose_threads(self, recipe: Any, planned: Any, device: torch.device) -> int:
        """See `Kind`; those that the recipe names."""
        del planned, device
        threads: int = recipe.loop.threads
        return threads

    def prepare(
        self, recipe: GenerationRecipe, source: ClipSource, samples: Samples, cache: Path
    ) -> GenerationSubject:
        """See `Kind`; latents are computed here, once."""
        from internvid.training.prepare import find_device

        device = find_device(recipe)
        return prepare_subject(recipe, source, samples, cache, device, lambda done, total: None)

    def less_memory(self) -> str:
        """See `Kind`."""
        return "fewer frames or a smaller size (--set data.frames=N data.height=H data.width=W)"


def _check(stage: GenerationStage, samples: Samples, processes: int) -> None:
    if stage.batch > len(samples):
        raise ConfigInvalidError(
            f"stage {stage.name!r}: a batch of {stage.batch} cannot be drawn from "
            f"{len(samples)} clips",
            hint=f"add --set stages.{stage.name}.batch={len(samples)}",
        )
    if stage.batch % processes:
        raise ConfigInvalidError(
            f"stage {stage.name!r}: a batch of {stage.batch} cannot be shared equally by "
            f"{processes} processes",
            hint=f"--set stages.{stage.name}.batch=N with N a multiple of {processes}",
        )
