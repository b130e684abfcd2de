"""Everything a run needs before its first step; what cannot work is refused here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from internvid.core.errors import ConfigInvalidError
from internvid.models.devices import choose_device, choose_dtype
from internvid.models.viclip.blocks import ResidualBlock
from internvid.models.viclip.config import ViCLIPConfig
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.initialise import initialise_sincos
from internvid.models.viclip.merges import find_merges
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.training.clip_validation import held_out_rows
from internvid.training.data.order import SamplePlan
from internvid.training.data.samples import LEAST_WORDS, ClipSource, Samples, make_samples
from internvid.training.data.text_cache import CachedTexts, Texts, TokenTexts, cache_texts
from internvid.training.data.vocabulary import learn_merges
from internvid.training.heads.open_heads import (
    extend_context,
    head_of,
    least_part,
    least_words,
    make_head,
)
from internvid.training.kinds.contract import Planned, RunRecipe, RunStage
from internvid.training.plan.device_memory import (
    Hardware,
    StepMemory,
    choose_micro_batch,
    step_memory,
    usable_memory,
)
from internvid.training.plan.flops import StepCost, step_cost
from internvid.training.recipes.recipe import Stage, TrainRecipe
from internvid.training.run.distributed import all_max, local_rank, local_world_size, world_size
from internvid.training.run.sharding import wrap_distributed
from internvid.training.towers import PatchTokens, PatchTower, TextTokens, named_parameters
from internvid.training.views.views import ViewShape

Validate = Callable[[ViCLIP], Mapping[str, float]]
"""Measures a model; the first number decides which checkpoint is best, the higher the better."""


@dataclass(frozen=True)
class PlannedStage(Planned):
    """A stage of two towers over given samples.

    Attributes:
        shape: of a view.
        cost: of training on a clip.
        memory: what a step takes on a device.
    """

    stage: Stage
    shape: ViewShape
    cost: StepCost
    memory: StepMemory


@dataclass(frozen=True)
class Towers:
    """The model as the step calls it.

    Attributes:
        model: the parameters, under their public names.
        video: bytes of patches -> embeddings.
        text: ids -> embeddings; None where embeddings are read from the cache.
        texts: what stands for a caption.
        device: where they are.
        bf16: whether the step computes in bfloat16.
        head: what is trained on top of the model, if anything: the parameters.
        wrapped_head: the same as the step calls it.
    """

    model: ViCLIP
    video: nn.Module
    text: nn.Module | None
    texts: Texts
    device: torch.device
    bf16: bool
    head: Head | None = None
    wrapped_head: nn.Module | None = None

    @property
    def trained(self) -> list[nn.Module]:
        """Those that get gradients."""
        called = [self.video, self.text, self.wrapped_head]
        return [
            each
            for each in called
            if each is not None and any(one.requires_grad for one in each.parameters())
        ]

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the model under their public names, then the head's as `head.NAME`."""
        return named_parameters(self.model, self.head)


def plan_stages(
    recipe: TrainRecipe,
    samples: Samples,
    hardware: Hardware | None = None,
    *,
    keeps_short_warmup: bool = False,
) -> list[PlannedStage]:
    """The stages with their steps, and with parts that fit on a device.

    Args:
        recipe: the whole configuration.
        samples: the clips.
        hardware: what the run has; by default the processes there are, of unknown memory.
        keeps_short_warmup: see `Stage.total_warmup`.

    Raises:
        ConfigInvalidError: a batch is larger than the data, or cannot be shared.
    """
    hardware = hardware or Hardware(world_size())
    _check_fits(recipe.stages, samples)
    check_shares(recipe.stages, hardware.processes)
    planned = []
    for at, stage in enumerate(recipe.stages):
        # Stages have orders of their own.
        plan = _sample_plan(recipe, stage, samples, seed=recipe.loop.seed + at)
        per_epoch = plan.batches_per_epoch
        shape = view_shape(recipe, stage)
        cost = step_cost(
            recipe.model.config,
            stage.mask_ratio,
            freeze_text=recipe.start.freeze_text,
            bf16=hardware.bfloat16,
        )
        memory = step_memory(recipe, stage, shape, cost, hardware)
        share = stage.batch // hardware.processes
        size = choose_micro_batch(stage, share, memory, hardware, least=least_part(recipe))
        planned.append(
            PlannedStage(
                stage=stage,
                plan=plan,
                steps=stage.total_steps(per_epoch),
                warmup=stage.total_warmup(per_epoch, keeps_short=keeps_short_warmup),
                shape=shape,
                share=share,
                micro_batch=size,
                cost=cost,
                memory=memory,
            )
        )
    return planned


def _sample_plan(recipe: TrainRecipe, stage: Stage, samples: Samples, seed: int) -> SamplePlan:
    return SamplePlan(
        count=len(samples),
        batch=stage.batch,
        seed=seed,
        sampling=recipe.data.sampling,
        sources=samples.sources,
        hard_negative_groups=samples.hard_negative_groups,
        texts=samples.texts,
        neighbours=stage.neighbours,
        neighbour_share=stage.neighbour_share,
    )


def view_shape(recipe: TrainRecipe, stage: Stage) -> ViewShape:
    """Sizes of a view of a stage."""
    config = recipe.model.config
    return ViewShape(
        config.frames, config.resolution, config.patch, stage.mask_ratio, stage.mask_focus
    )


def check_shares(stages: Sequence[RunStage], processes: int) -> None:
    """Refuses batches that the processes cannot share equally.

    Raises:
        ConfigInvalidError: with the setting that would do.
    """
    for stage in stages:
        if stage.batch % processes:
            raise ConfigInvalidError(
                f"stage {stage.name!r}: a batch of {stage.batch} cannot be shared equally by "
                f"{processes} processes",
                hint=f"--set stages.{stage.name}.batch=N with N a multiple of {processes}",
            )


def _check_fits(stages: Sequence[Stage], samples: Samples) -> None:
    """Refuses what the clips cannot give, all at once."""
    large = [stage for stage in stages if stage.batch > len(samples)]
    blind = [stage for stage in stages if stage.neighbours and samples.hard_negative_groups is None]
    faults, better = [], []
    if large:
        sizes = " and ".join(sorted({str(stage.batch) for stage in large}, key=int))
        faults.append(f"a batch of {sizes} cannot be drawn from {len(samples)} clips")
        better.append(_for_stages(large, stages, f"batch={len(samples)}"))
    if blind:
        counts = " and ".join(sorted({str(stage.neighbours) for stage in blind}, key=int))
        faults.append(
            f"neighbours={counts} asks for clips that differ in their motion alone, "
            "which only the synthetic world knows"
        )
        better.append(_for_stages(blind, stages, "neighbours=0"))
    if faults:
        names = [repr(stage.name) for stage in stages if stage in large or stage in blind]
        which = f"stage {names[0]}" if len(names) == 1 else f"stages {' and '.join(names)}"
        raise ConfigInvalidError(f"{which}: {'; '.join(faults)}", hint=f"add {' '.join(better)}")


def _for_stages(wrong: Sequence[Stage], stages: Sequence[Stage], value: str) -> str:
    """The options that mend some stages: one if it may be set for all."""
    if len(wrong) > 1 and len(wrong) == len(stages):
        return f"--set 'stages.*.{value}'"
    return " ".join(f"--set stages.{stage.name}.{value}" for stage in wrong)


def choose_samples(recipe: TrainRecipe, source: ClipSource) -> Samples:
    """The clips that can be trained on.

    Raises:
        MisuseError: there are too few, with the reason.
    """
    table = source.table()
    return make_samples(
        table,
        clean=recipe.data.clean_captions,
        least_words=least_words(recipe, LEAST_WORDS),
        held_out=held_out_rows(table, recipe.data.validation.share),
    )


def find_device(recipe: RunRecipe) -> torch.device:
    """Where this process computes."""
    device = choose_device(recipe.loop.device)
    if str(device) == "cuda":
        device = torch.device("cuda", local_rank())
        torch.cuda.set_device(device)
    return device


def find_hardware(recipe: RunRecipe, device: torch.device, chosen: Mapping[str, int]) -> Hardware:
    """What this run has to share its batches over; the same in every process.

    Args:
        recipe: whose settings count.
        device: of this process.
        chosen: stage -> clips at once, of an earlier start.
    """
    memory = usable_memory(device, local_world_size())
    if memory is not None:
        # All take equal parts: those that the fullest device can.
        least = torch.tensor(-memory, dtype=torch.float64, device=device)
        memory = -float(all_max(least))
    return Hardware(
        processes=world_size(),
        memory_bytes=memory,
        bfloat16=choose_dtype(recipe.loop.dtype, device) == torch.bfloat16,
        sharded=recipe.loop.sharding == "fsdp",
        chosen=chosen,
    )


def make_model(recipe: TrainRecipe, samples: Samples) -> ViCLIP:
    """The model that training starts from, with its tokenizer.

    Raises:
        InternvidError: weights or merges are not there.
    """
    start, config = recipe.start, recipe.model.config
    rule = recipe.model.preprocessing
    merges = start.merges if start.merges not in ("", "learn") else None
    if start.weights:
        try:
            model = ViCLIP.from_pretrained(
                start.weights,
                frames=config.frames,
                resolution=config.resolution,
                preprocessing=rule,
                merges=merges,
            )
        except ConfigInvalidError as error:
            raise ConfigInvalidError(
                f"{start.weights} cannot take the recipe's shapes: {error.message}",
                hint="--set model.config.patch=N and .resolution=N as its config.json says",
            ) from error
        _check_shapes(start.weights, model.config, config)
        extend_context(model, config.context)
    else:
        learns = start.merges == "learn"
        table = (
            learn_merges(samples.captions, start.learned_merges) if learns else find_merges(merges)
        )
        tokenizer = Tokenizer(table, config.context)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(start.seed)
            model = ViCLIP(replace(config, vocabulary=tokenizer.vocabulary), rule)
            if start.initialisation == "sincos":
                initialise_sincos(model.vision_encoder, model.text_encoder)
        model.loaded_tokenizer = tokenizer
        model.merges_fingerprint = table.fingerprint
    _set_up_blocks(model, config.drop_path, config.checkpointed_blocks)
    if start.temperature:
        torch.nn.init.constant_(model.temp, start.temperature)
    return model.train()


def _check_shapes(weights: str, given: ViCLIPConfig, wanted: ViCLIPConfig) -> None:
    """Refuses weights of other shapes than the recipe's, by which views and costs are made."""
    names = [name for name in given.shapes() if name.startswith(("vision_", "text_"))]
    differing = [
        f"model.config.{name}={getattr(given, name)}"
        for name in ("patch", "embedding", *names)
        if getattr(given, name) != getattr(wanted, name)
    ]
    if differing:
        raise ConfigInvalidError(
            f"{weights} is another model than the recipe's: {', '.join(differing)}",
            hint=f"for its shapes add --set {' --set '.join(differing)}",
        )


def _set_up_blocks(model: ViCLIP, drop_path: float, checkpointed: int) -> None:
    transformer = model.vision_encoder.transformer
    transformer.checkpointed_blocks = checkpointed
    blocks = [block for block in transformer.resblocks if isinstance(block, ResidualBlock)]
    for at, block in enumerate(blocks):
        block.drop_path.chance = drop_path * at / max(1, len(blocks) - 1)


def make_towers(recipe: TrainRecipe, model: ViCLIP, samples: Samples, cache: Path) -> Towers:
    """The model on its device, shared by the processes, texts ready."""
    device = find_device(recipe)
    model.to(device)
    wanted = head_of(recipe)
    if wanted is not None and wanted.freezes_video:
        model.vision_encoder.requires_grad_(requires_grad=False).eval()
    frozen = recipe.start.freeze_text
    texts: Texts
    if frozen:
        model.text_encoder.requires_grad_(requires_grad=False).eval()
        texts = cache_texts(
            model.text_encoder, model.tokenizer, samples.captions, cache, device,
            products=recipe.loop.text_products,
        )  # fmt: skip
        assert isinstance(texts, CachedTexts)
    else:
        texts = TokenTexts(samples.captions, model.tokenizer, trims=device.type == "cpu")
    patches = PatchTower(
        model.vision_encoder, model.preprocessing, model.config.frames, model.config.grid
    )
    with_tokens = wanted is not None and wanted.reads_tokens
    video = (PatchTokens(patches) if with_tokens else patches).to(device)
    if recipe.loop.compile:
        video.compile()
    text = TextTokens(model.text_encoder) if with_tokens else model.text_encoder
    head = make_head(recipe, model, samples.captions)
    head = None if head is None else head.to(device).train()
    sharding = recipe.loop.sharding
    return Towers(
        model=model,
        video=_shared(video, sharding, device),
        text=None if frozen else _shared(text, sharding, device),
        texts=texts,
        device=device,
        bf16=choose_dtype(recipe.loop.dtype, device) == torch.bfloat16,
        head=head,
        wrapped_head=None if head is None else _shared(head, sharding, device),
    )


def _shared(tower: nn.Module, sharding: str, device: torch.device) -> nn.Module:
    """What to call in a tower's place; one that is not trained stays as it is."""
    trained = any(each.requires_grad for each in tower.parameters())
    return wrap_distributed(tower, sharding, device) if trained else tower
