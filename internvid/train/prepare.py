"""Everything a run needs before its first step; what cannot work is refused here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from internvid.core.errors import ConfigInvalidError, MisuseError, OutputExistsError
from internvid.dataset.parts import commit_json, held, storage_errors
from internvid.models.devices import choose_device, choose_dtype
from internvid.models.viclip.blocks import ResidualBlock
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
from internvid.train.processes import local_rank, rank, wait_for_all, world_size
from internvid.train.recipe import Stage, TrainRecipe
from internvid.train.samples import LEAST_WORDS, ClipSource, Samples, make_samples
from internvid.train.sharding import share_tower
from internvid.train.textcache import CachedTexts, Texts, TokenTexts, cache_texts
from internvid.train.towers import PatchTokens, PatchTower, TextTokens
from internvid.train.views import ViewShape
from internvid.train.vocabulary import learn_merges

RUN = "run.json"
CACHE = "cache"
_FORMAT = {"format": "internvid-training", "version": 1}

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
                shape=ViewShape(config.frames, config.resolution, config.patch, stage.mask_ratio),
                parts=-(-share // stage.micro_batch) if stage.micro_batch else 1,
            )
        )
    return planned


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
        model = ViCLIP.from_pretrained(
            start.weights,
            frames=config.frames,
            resolution=config.resolution,
            preprocessing=rule,
            merges=merges,
        )
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


def run_facts(samples: Samples) -> dict[str, Any]:
    """What is recorded of the data: another set of samples is another run."""
    digest = hashlib.blake2b(digest_size=12)
    for clip_id, text in zip(samples.clip_ids, samples.texts, strict=True):
        digest.update(f"{clip_id} {samples.captions[text]}\n".encode())
    return {"samples": len(samples), "samples_digest": digest.hexdigest()}


def check_folder(folder: Path) -> None:
    """Changes nothing, but makes sure that the folder is a run's or can become one.

    Raises:
        OutputExistsError: it holds something else.
    """
    if folder.is_file():
        raise OutputExistsError(f"{folder} is a file", hint="choose another path with -o")
    if not folder.is_dir() or (folder / RUN).is_file():
        return
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in (CACHE, "lock"))
    if foreign:
        raise OutputExistsError(
            f"{folder} exists and is not a training run (it holds {foreign[0]!r})",
            hint="choose an empty or new folder with -o",
        )


def claim_folder(folder: Path, recipe: TrainRecipe, samples: Samples) -> None:
    """Makes the folder this run's, or finds that it is.

    Raises:
        ConfigInvalidError: it belongs to a run of another recipe or other data.
        OutputExistsError: it holds something else.
    """
    check_folder(folder)
    # All have looked before the first one writes.
    wait_for_all()
    facts = run_facts(samples)
    mine = {**_FORMAT, "recipe": recipe.plain(), "fingerprint": recipe.fingerprint, **facts}
    path = folder / RUN
    if path.is_file():
        known = json.loads(path.read_text("utf-8"))
        if known.get("fingerprint") != recipe.fingerprint:
            differing = _differences(known.get("recipe", {}), mine["recipe"])
            raise ConfigInvalidError(
                f"{folder} holds a run of another recipe; it differs in: {', '.join(differing)}",
                hint="give the same recipe and --set values to go on, or another folder",
            )
        if known.get("samples_digest") != facts["samples_digest"]:
            raise ConfigInvalidError(
                f"{folder} holds a run on {known.get('samples')} other clips or captions; "
                f"these are {len(samples)}",
                hint="give the same data to go on, or another folder",
            )
    elif rank() == 0:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            commit_json(path, mine)
    wait_for_all()


def _differences(known: Any, mine: Any, path: str = "") -> list[str]:
    if isinstance(known, dict) and isinstance(mine, dict):
        return [
            found
            for name in sorted({*known, *mine})
            for found in _differences(known.get(name), mine.get(name), f"{path}.{name}".strip("."))
        ]
    if isinstance(known, list) and isinstance(mine, list) and len(known) == len(mine):
        return [
            found
            for at, pair in enumerate(zip(known, mine, strict=True))
            for found in _differences(*pair, f"{path}.{at}")
        ]
    return [] if known == mine else [f"{path} ({known} there, {mine} here)"]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this run; the system frees it however the process ends.

    Raises:
        MisuseError: another process trains there.
    """
    if rank():
        yield
        return
    busy = MisuseError(
        f"another process is training in {folder}", hint="wait until it ends, or stop it"
    )
    with held(folder / "lock", busy):
        yield
