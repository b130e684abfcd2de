"""Video chats as the training loop takes them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.models.chat.causal_language import load_language
from internvid.models.chat.chat_config import ChatConfig
from internvid.models.chat.small_language import make_small_language
from internvid.models.chat.video_chat import VideoChat
from internvid.models.devices import choose_dtype
from internvid.models.viclip.model import ViCLIP
from internvid.training.chat.chat_batches import ChatBatch, ChatReader
from internvid.training.chat.chat_recipe import LEARN, ChatModelRecipe, ChatRecipe, ChatStage
from internvid.training.chat.chat_step import AnswerLoss, ChatStepper, dialogue_tokens
from internvid.training.chat.dialogue_sources import DialogueSource, turns_of
from internvid.training.data.loader import Orders, batches
from internvid.training.data.order import SamplePlan
from internvid.training.data.samples import Samples, make_samples
from internvid.training.kinds.contract import Kind, Planned, Subject, Validation
from internvid.training.plan.device_memory import Hardware
from internvid.training.plan.flops import step_cost
from internvid.training.prepare import check_shares, find_device
from internvid.training.run.distributed import rank, wait_for_all
from internvid.training.run.run_checkpoint import read_tensors
from internvid.training.run.run_folder import MODEL
from internvid.training.run.sharding import wrap_distributed

WEIGHTS = "model.safetensors"
_LANGUAGE = "language"


@dataclass(frozen=True)
class PlannedChat(Planned):
    """A stage of a video chat over given dialogues."""

    stage: ChatStage


@dataclass
class ChatSubject(Subject):
    """A video chat on its device.

    Attributes:
        recipe: of the run.
        source: the videos with their dialogues.
        samples: those that are trained on.
        chat: what is trained.
        device: where.
    """

    recipe: ChatRecipe
    source: DialogueSource
    samples: Samples
    chat: VideoChat
    device: torch.device
    bf16: bool = False
    stage: int = 0
    wrapped: nn.Module = field(init=False)

    def begin(self, stage: int) -> None:
        """See `Subject`: what the stage trains gets gradients, and processes share it anew."""
        wanted, self.stage = self.recipe.stages[stage], stage
        self.chat.train()
        self.chat.vision.eval()
        self.chat.connector.requires_grad_(wanted.connector)
        tuning = self.recipe.model.chat.tuning
        for name, each in self.chat.language_model.named_parameters():
            trains = wanted.language and (tuning == "full" or "lora_" in name)
            each.requires_grad_(trains)
        loss = AnswerLoss(self.chat, with_video=wanted.video)
        self.wrapped = wrap_distributed(loss, "ddp", self.device)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `Subject`."""
        yield from self.chat.connector.named_parameters(prefix="connector")
        yield from self.chat.language_model.named_parameters(prefix="language")

    def rate_scales(self, names: Sequence[str]) -> Sequence[float]:
        """See `Subject`; the language model may learn at another rate."""
        rate = self.recipe.stages[self.stage].language_rate
        return [rate if name.startswith("language.") else 1.0 for name in names]

    def stepper(
        self, optimiser: torch.optim.Optimizer, stage: int, planned: Planned
    ) -> ChatStepper:
        """See `Subject`."""
        key = (self.recipe.loop.seed, stage)
        limit = self.recipe.optimiser.clip_norm
        return ChatStepper(
            self.samples, self.chat, self.wrapped, optimiser, self.bf16, limit, key, planned.parts
        )

    def batches(self, planned: Planned, start: int, end: int) -> Iterator[ChatBatch]:
        """See `Subject`."""
        assert isinstance(planned, PlannedChat)
        data = self.recipe.data
        reader = ChatReader(
            self.source,
            self.chat.config.frames,
            self.chat.vision.config.resolution,
            self.chat.vision.preprocessing,
            data.frames,
            self.recipe.loop.seed,
            planned.stage.video,
        )
        orders = Orders(planned.plan, self.samples, start, end, "never")
        return batches(reader, orders, data.loader, pin=self.device.type == "cuda")

    def load(self, path: Path) -> None:
        """See `Subject`."""
        self.chat.take(read_tensors(path / WEIGHTS), str(path))

    def states(self) -> dict[str, Tensor]:
        """See `Subject`; what is not trained lies where the recipe says."""
        return {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.chat.trained_state().items()
        }

    def write(self, states: Mapping[str, Tensor], folder: Path) -> None:
        """See `Subject`; `VideoChat.from_pretrained` reads the folder."""
        self.chat.save_pretrained(folder, language="reference", vision="reference")

    def finish(self, run: Path) -> None:
        """See `Subject`; ViCLIP goes into the finished model, and so may the language model."""
        keeps = self.recipe.model.keeps_language
        self.chat.save_pretrained(
            run / MODEL, language="whole" if keeps else "reference", vision="whole"
        )

    def measure(self, validate: Validation, path: Path) -> dict[str, float]:
        """See `Subject`; the weights of the checkpoint are those in memory."""
        self.chat.eval()
        try:
            return dict(validate(self.chat))
        finally:
            self.chat.train()
            self.chat.vision.eval()

    def train_flops(self, planned: Planned) -> float:
        """See `Subject`."""
        assert isinstance(planned, PlannedChat)
        return chat_flops(self.chat, self.samples, planned.stage)


class ChatKind(Kind):
    """See `Kind`."""

    def choose_samples(self, recipe: ChatRecipe, source: DialogueSource) -> Samples:
        """See `Kind`; dialogues longer than the language model takes are left out."""
        table = source.table()
        samples = make_samples(table, clean=False, least_words=1)
        samples.dropped.pop("short_caption", None)
        samples.dropped.update(source.dropped)
        return samples

    def plan_stages(
        self,
        recipe: ChatRecipe,
        samples: Samples,
        hardware: Hardware,
        *,
        keeps_short_warmup: bool,
    ) -> list[PlannedChat]:
        """See `Kind`."""
        check_shares(recipe.stages, hardware.processes)
        planned = []
        for at, stage in enumerate(recipe.stages):
            if stage.batch > len(samples):
                raise ConfigInvalidError(
                    f"stage {stage.name!r}: a batch of {stage.batch} cannot be drawn from "
                    f"{len(samples)} dialogues",
                    hint=f"add --set stages.{stage.name}.batch={len(samples)}",
                )
            plan = SamplePlan(
                len(samples), stage.batch, recipe.loop.seed + at, "reference", samples.sources
            )
            steps = stage.total_steps(plan.batches_per_epoch)
            share = stage.batch // hardware.processes
            size = stage.micro_batch or hardware.chosen.get(stage.name, share)
            planned.append(
                PlannedChat(
                    stage=stage,
                    plan=plan,
                    steps=steps,
                    warmup=min(steps // 2, round(stage.warmup_share * steps)),
                    share=share,
                    micro_batch=max(1, min(size, share)),
                )
            )
        return planned

    def choose_threads(
        self, recipe: ChatRecipe, planned: Sequence[Planned], device: torch.device
    ) -> int:
        """See `Kind`."""
        return recipe.loop.threads

    def prepare(
        self, recipe: ChatRecipe, source: DialogueSource, samples: Samples, cache: Path
    ) -> ChatSubject:
        """See `Kind`."""
        device = find_device(recipe)
        chat = make_chat(recipe, samples, cache).to(device)
        _check_lengths(recipe, chat, samples)
        bf16 = choose_dtype(recipe.loop.dtype, device) == torch.bfloat16
        return ChatSubject(recipe, source, samples, chat, device, bf16)

    def less_memory(self) -> str:
        """See `Kind`."""
        return "fewer frames (--set model.chat.frames=N), or a smaller language model"


def make_chat(recipe: ChatRecipe, samples: Samples, cache: Path) -> VideoChat:
    """The chat that training starts from.

    Raises:
        InternvidError: a model is not named, or not there.
    """
    wanted = recipe.model
    if wanted.start:
        chat = VideoChat.from_pretrained(wanted.start)
        started = replace(
            chat.config,
            tuning=wanted.chat.tuning,
            frames=wanted.chat.frames,
            lora_rank=wanted.chat.lora_rank,
            lora_alpha=wanted.chat.lora_alpha,
        )
        return _retuned(chat, started, wanted)
    if not wanted.vision or not wanted.language:
        raise MisuseError(
            "the recipe does not say which ViCLIP and which language model are joined",
            hint="--set model.vision=RUN_OR_FOLDER --set model.language=FOLDER_OR_HUB_NAME "
            "(or --set model.start=CHAT to go on from one)",
        )
    vision = vision_place(wanted.vision)
    name = wanted.language
    if name == LEARN:
        name = str(_learned(wanted, samples, cache))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(wanted.seed)
        chat = VideoChat(ViCLIP.from_pretrained(vision), load_language(name), wanted.chat)
    chat.vision_reference = vision
    return chat


def _retuned(chat: VideoChat, config: ChatConfig, wanted: ChatModelRecipe) -> VideoChat:
    """A chat that goes on with the tuning of another recipe: its connector, and its words."""
    if config == chat.config:
        return _referring(chat, wanted)
    if chat.config.tuning not in ("frozen", config.tuning):
        raise ConfigInvalidError(
            f"{wanted.start} was trained with tuning {chat.config.tuning}, not {config.tuning}",
            hint=f"--set model.chat.tuning={chat.config.tuning}",
        )
    if config.tuning == chat.config.tuning:
        chat.config = config
        return _referring(chat, wanted)
    made = VideoChat(chat.vision, chat.language, config)
    made.connector.load_state_dict(chat.connector.state_dict())
    made.vision_reference = chat.vision_reference
    return _referring(made, wanted)


def _referring(chat: VideoChat, wanted: ChatModelRecipe) -> VideoChat:
    """The chat, whose ViCLIP and language model lie in the start's folder if nowhere else."""
    folder = Path(wanted.start).absolute()
    inside = folder / "model" if (folder / "model").is_dir() else folder
    if not chat.vision_reference:
        chat.vision_reference = str(inside / "vision")
    return chat


def vision_place(name: str) -> str:
    """Where ViCLIP's weights lie: the model of a training run, or what the name says."""
    folder = Path(name)
    return str((folder / MODEL).absolute()) if (folder / MODEL).is_dir() else name


def _learned(wanted: ChatModelRecipe, samples: Samples, cache: Path) -> Path:
    """A small language model with random weights, made once for all processes of the run."""
    folder = (cache / _LANGUAGE).absolute()
    if rank() == 0 and not (folder / "tokenizer.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        texts = (turn.text for text in samples.captions for turn in turns_of(text))
        make_small_language(wanted.learned, texts, folder)
    wait_for_all()
    return folder


def _check_lengths(recipe: ChatRecipe, chat: VideoChat, samples: Samples) -> None:
    """Refuses dialogues that the language model does not take.

    Raises:
        MisuseError: with the longest, and how to leave such out.
    """
    limit = recipe.data.longest or chat.language.context
    if limit is None:
        return
    length = functools.partial(_length, chat)
    over = [text for text in samples.captions if length(text) > limit]
    if over:
        longest = max(map(length, over))
        raise MisuseError(
            f"{len(over)} of {len(samples.captions)} dialogues are longer than {limit} tokens, "
            f"the longest takes {longest}",
            hint="shorten them (internvid dialogues has budgets), show fewer frames, or take a "
            "language model with a longer context",
        )


def _length(chat: VideoChat, text: str) -> int:
    """Tokens of a dialogue with its video."""
    seconds = [0.0] * chat.config.frames
    words = dialogue_tokens(chat, text, seconds, with_video=True)
    return len(words.ids) + chat.video_tokens()


def chat_flops(chat: VideoChat, samples: Samples, stage: ChatStage) -> float:
    """Training FLOPs of a dialogue: two per parameter and token forward, as much for gradients
    of inputs, and once more for those of weights where they are trained.
    """
    texts = samples.captions[: min(32, len(samples.captions))]
    length = float(np.mean([_length(chat, text) for text in texts]))
    inner = sum(each.numel() for each in chat.language_model.parameters())
    flops = 2.0 * inner * length * (3 if stage.language else 2)
    if not stage.video:
        return flops
    config = chat.vision.config
    windows = -(-chat.config.frames // config.frames)
    vision = step_cost(config, 0.0, freeze_text=True, bf16=False).vision
    connector = sum(each.numel() for each in chat.connector.parameters())
    return flops + windows * vision + 6.0 * connector * chat.video_tokens()
