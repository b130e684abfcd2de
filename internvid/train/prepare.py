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
from internvid.models.viclip.initialise import initialise_sincos
from internvid.models.viclip.merges import find_merges
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.train.checkpoint import named_parameters
from internvid.train.heads import (
    ActionRecipe,
    MatchingRecipe,
    extend_context,
    head_of,
    least_words,
    make_head,
)
from internvid.train.order import SamplePlan
from internvid.train.processes import local_rank, world_size
from internvid.train.recipe import Stage, TrainRecipe
from internvid.train.samples import LEAST_WORDS, ClipSource, Samples, make_samples
from internvid.train.sharding import share_tower
from internvid.train.textcache import CachedTexts, Texts, TokenTexts, cache_texts
from internvid.train.towers import PatchTokens, PatchTower, TextTokens
from internvid.train.views import ViewShape
from internvid.train.vocabulary import learn_merges

Validate = Callable[[ViCLIP], Mapping[str, float]]
"""Measures a model; the first number decides which checkpoint is best, the higher the better."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage over given samples.

    Attributes:
        stage: its recipe.
        plan: its batches.
        steps: how many there are.
        warmup: of them, in the warm-up.
        shape: of a view.
        parts: in how many one process takes its share of a batch.
    """

    stage: Stage
    plan: SamplePlan
    steps: int
    warmup: int
    shape: ViewShape
    parts: int


@dataclass(frozen=True)
class Towers:
    """The model as the step calls it.

    Attributes:
        model: the parameters, under their public names.
        video: bytes of patches -> embeddings.
        text: ids -> embeddings; None where embeddings are read from the cache.
        texts: what stands for a caption.
        device: where they are.
        half: whether the step computes in bfloat16.
        head: what is trained on top of the model, if anything: the parameters.
        shared_head: the same as the step calls it.
    """

    model: ViCLIP
    video: nn.Module
    text: nn.Module | None
    texts: Texts
    device: torch.device
    half: bool
    head: nn.Module | None = None
    shared_head: nn.Module | None = None

    @property
    def trained(self) -> list[nn.Module]:
        """Those that get gradients."""
        called = [self.video, self.text, self.shared_head]
        return [
            each
            for each in called
            if each is not None and any(one.requires_grad for one in each.parameters())
        ]

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the model under their public names, then the head's as `head.NAME`."""
        return named_parameters(self.model, self.head)


def plan_stages(recipe: TrainRecipe, samples: Samples) -> list[PlannedStage]:
    """The stages with their steps.

    Raises:
        ConfigInvalidError: a batch is larger than the data, or cannot be shared.
    """
    config = recipe.model.config
    planned = []
    _check_fits(recipe.stages, samples)
    for at, stage in enumerate(recipe.stages):
        if stage.batch % world_size():
            raise ConfigInvalidError(
                f"stage {stage.name!r}: a batch of {stage.batch} cannot be shared equally by "
                f"{world_size()} processes",
                hint=f"--set stages.{stage.name}.batch=N with N a multiple of {world_size()}",
            )
        plan = SamplePlan(
            count=len(samples),
            batch=stage.batch,
            # Stages have orders of their own.
            seed=recipe.loop.seed + at,
            sampling=recipe.data.sampling,
            sources=samples.sources,
            alike=samples.alike,
            texts=samples.texts,
            neighbours=stage.neighbours,
            neighbour_share=stage.neighbour_share,
        )
        per_epoch = plan.batches_per_epoch
        share = stage.batch // world_size()
        planned.append(
            PlannedStage(
                stage=stage,
                plan=plan,
                steps=stage.total_steps(per_epoch),
                warmup=stage.total_warmup(per_epoch),
                shape=ViewShape(
                    config.frames,
                    config.resolution,
                    config.patch,
                    stage.mask_ratio,
                    stage.mask_focus,
                ),
                parts=-(-share // stage.micro_batch) if stage.micro_batch else 1,
            )
        )
    return planned


def _check_fits(stages: Sequence[Stage], samples: Samples) -> None:
    """Refuses what the clips cannot give, all at once."""
    large = [stage for stage in stages if stage.batch > len(samples)]
    blind = [stage for stage in stages if stage.neighbours and samples.alike is None]
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
    """The options that mend some stages: one if it may be said of all."""
    if len(wrong) > 1 and len(wrong) == len(stages):
        return f"--set 'stages.*.{value}'"
    return " ".join(f"--set stages.{stage.name}.{value}" for stage in wrong)


def choose_samples(recipe: TrainRecipe, source: ClipSource) -> Samples:
    """The clips that can be trained on.

    Raises:
        MisuseError: there are too few, with the reason.
    """
    return make_samples(
        source.table(),
        clean=recipe.data.clean_captions,
        least_words=least_words(recipe, LEAST_WORDS),
    )


def find_device(recipe: TrainRecipe) -> torch.device:
    """Where this process computes."""
    device = choose_device(recipe.loop.device)
    if str(device) == "cuda":
        device = torch.device("cuda", local_rank())
        torch.cuda.set_device(device)
    return device


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


def _check_shapes(weights: str, found: ViCLIPConfig, wanted: ViCLIPConfig) -> None:
    """Refuses weights of other shapes than the recipe's, by which views and costs are made."""
    names = [name for name in found.shapes() if name.startswith(("vision_", "text_"))]
    differing = [
        f"model.config.{name}={getattr(found, name)}"
        for name in ("patch", "embedding", *names)
        if getattr(found, name) != getattr(wanted, name)
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
    if isinstance(wanted, ActionRecipe) and wanted.frozen:
        model.vision_encoder.requires_grad_(requires_grad=False).eval()
    frozen = recipe.start.freeze_text
    texts: Texts
    if frozen:
        model.text_encoder.requires_grad_(requires_grad=False).eval()
        texts = cache_texts(model.text_encoder, model.tokenizer, samples.captions, cache, device)
        assert isinstance(texts, CachedTexts)
    else:
        texts = TokenTexts(samples.captions, model.tokenizer, trims=device.type == "cpu")
    matches = isinstance(wanted, MatchingRecipe)
    video = (PatchTokens if matches else PatchTower)(
        model.vision_encoder, model.preprocessing, model.config.frames, model.config.grid
    ).to(device)
    if recipe.loop.compile:
        video.compile()
    text = TextTokens(model.text_encoder) if matches else model.text_encoder
    head = make_head(recipe, model, samples.captions)
    head = None if head is None else head.to(device).train()
    sharding = recipe.loop.sharding
    return Towers(
        model=model,
        video=_shared(video, sharding, device),
        text=None if frozen else _shared(text, sharding, device),
        texts=texts,
        device=device,
        half=choose_dtype(recipe.loop.dtype, device) == torch.bfloat16,
        head=head,
        shared_head=None if head is None else _shared(head, sharding, device),
    )


def _shared(tower: nn.Module, sharding: str, device: torch.device) -> nn.Module:
    """What to call in a tower's place; one that is not trained stays as it is."""
    trained = any(each.requires_grad for each in tower.parameters())
    return share_tower(tower, sharding, device) if trained else tower
