"""`t2v_tiny`: a text-to-video model small enough to be trained from nothing on a CPU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointFormatError, ConfigInvalidError, MisuseError
from internvid.models.generation.guidance import guided
from internvid.models.generation.saved_model import Described, write_model
from internvid.models.generation.tiny_network import TinyShape, TinyVideoNetwork
from internvid.models.generation.video_model import (
    Frames,
    Limits,
    TextInputs,
    Wish,
    draw_noise,
    to_frames,
    to_pixels,
)
from internvid.models.viclip.weights.checkpoint import check_fit, read_weights, save_tensors

WEIGHTS = "model.safetensors"
MOST_WORDS = 24
LEAD = 2.0
"""How many times the whole way the middle frame is ahead of the first and last."""
_UNKNOWN = "?"
_LEAST_ROOM = 0.1


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case, without signs."""
    return re.findall(r"[a-z0-9]+", text.lower())


def learn_words(texts: Sequence[str]) -> tuple[str, ...]:
    """All words of texts, in alphabetical order, after the one for unknown words."""
    return (_UNKNOWN, *sorted({word for text in texts for word in words_of(text)}))


def leading_levels(progress: Tensor, frames: int, lead: float = LEAD) -> Tensor:
    """Levels [B, T] from 0 (noise) to 1 (clean) at a progress [B] of sampling.

    The middle frame becomes clean first and the others follow outwards, so that what moves is
    placed before the words say where it goes.
    """
    middle = max(1, frames // 2)
    distance = (torch.arange(frames, device=progress.device) - frames // 2).abs() / middle
    return (progress[:, None] * (1 + lead) - lead * distance).clamp(0, 1)


@dataclass
class TinyModel:
    """See the module; `VideoModel` says what each part does.

    Attributes:
        network: it.
        words: its vocabulary; the first stands for all others.
        fps: at which clips are played.
        lead: see `LEAD`; 0 for all frames together.
    """

    network: TinyVideoNetwork
    words: tuple[str, ...]
    fps: float = 4.0
    lead: float = LEAD
    kind: str = "tiny"
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = {word: at for at, word in enumerate(self.words)}
        shape = self.network.shape
        self.limits = Limits(
            frames=shape.frames,
            height=shape.side,
            width=shape.side,
            multiple=4,
            tokens=MOST_WORDS,
            most_frames=shape.frames,
            fps=self.fps,
            steps=32,
            guidance=2.0,
            fixed_side=True,
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.empty.device

    def encode(self, clips: Frames) -> Tensor:
        """See `VideoModel`; latents are pixels."""
        return to_pixels(clips, self.device)

    def encode_text(self, texts: Sequence[str], *, cuts: bool = False) -> TextInputs:
        """See `VideoModel`; an empty text is one without words."""
        rows = torch.full((len(texts), MOST_WORDS), -1)
        for at, text in enumerate(texts):
            found = words_of(text)
            if len(found) > MOST_WORDS and not cuts:
                raise MisuseError(
                    f"the prompt has {len(found)} words, this model reads {MOST_WORDS}: "
                    f"{text[:60]!r}{'...' if len(text) > 60 else ''}",
                    hint="shorten it",
                )
            ids = [self._numbers.get(word, 0) for word in found[:MOST_WORDS]]
            rows[at, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
        return {"words": rows.to(self.device)}

    def draw_times(self, count: int, frames: int, generator: torch.Generator) -> Tensor:
        """See `VideoModel`: levels [B, T]; for all frames the same, each its own, or led."""
        equal = torch.sigmoid(torch.randn(count, 1, generator=generator) - 0.3)
        if frames == 1:
            return equal
        own = torch.sigmoid(1.5 * torch.randn(count, frames, generator=generator))
        led = leading_levels(torch.rand(count, generator=generator), frames, self.lead)
        kind = torch.randint(0, 3, (count, 1), generator=generator)
        return torch.where(kind == 0, equal, torch.where(kind == 1, own, led))

    def mix(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `VideoModel`."""
        share = _over(times)
        return share * clean + (1 - share) * noise

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `VideoModel`: the clean clip."""
        del noise, times
        return clean

    def weights(self, times: Tensor) -> Tensor:
        """See `VideoModel`: those of errors of the velocity, within reason."""
        share = _over(times)
        return (share < 1).float() / (1 - share).clamp(min=_LEAST_ROOM)

    def predict(self, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `VideoModel`."""
        levels = times.expand(len(latents), latents.shape[2])
        clean: Tensor = self.network(latents.transpose(1, 2), levels, text["words"])
        return clean.transpose(1, 2)

    @torch.no_grad()
    def sample(self, wish: Wish) -> Frames:
        """See `VideoModel`."""
        shape = 3, wish.frames, wish.height, wish.width
        clips = draw_noise(wish.seeds, shape).to(self.device)
        texts = self.encode_text(wish.prompts), self.encode_text([wish.negative] * len(clips))
        progress = torch.linspace(0, 1, wish.steps + 1, device=self.device)
        levels = leading_levels(progress, wish.frames, self.lead)
        for now, then in pairwise(levels):
            times = now.expand(len(clips), -1)
            clean = guided(self.predict, clips, times, texts, wish.guidance)
            part = (then - now) / (1 - now).clamp(min=1e-4)
            clips = clips + _over(part[None]) * (clean.clamp(-1.2, 1.2) - clips)
        return to_frames(clips)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `VideoModel`."""
        return self.network.named_parameters()

    def describe(self) -> dict[str, Any]:
        """See `VideoModel`."""
        return {
            "shape": vars(self.network.shape),
            "words": list(self.words),
            "fps": self.fps,
            "lead": self.lead,
        }

    def save(self, folder: Path) -> None:
        """See `VideoModel`."""
        state = {
            name: value.detach().cpu().contiguous()
            for name, value in self.network.state_dict().items()
        }
        described = Described(self.kind, self.describe())
        write_model(folder, described, lambda place: save_tensors(state, place / WEIGHTS))


def make_tiny(shape: TinyShape, texts: Sequence[str], seed: int, fps: float = 4.0) -> TinyModel:
    """A fresh model that knows the words of some texts.

    Raises:
        ConfigInvalidError: sizes that do not fit together.
    """
    wrong = shape.side % 4 or shape.side < 8 or shape.width % 8 or shape.inner % 8
    if wrong or shape.frames < 1 or shape.inner % shape.heads:
        raise ConfigInvalidError(
            f"side {shape.side} must be a multiple of 4, width {shape.width} and inner "
            f"{shape.inner} of 8, inner also of heads {shape.heads}"
        )
    words = learn_words(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TinyVideoNetwork(shape, len(words))
    return TinyModel(network, words, fps)


def open_tiny(
    folder: Path, about: dict[str, Any], device: torch.device, **options: Any
) -> TinyModel:
    """A model that `TinyModel.save` wrote.

    Raises:
        CheckpointError: it is damaged.
        ConfigInvalidError: an option that it has not.
    """
    if options:
        raise ConfigInvalidError(f"a tiny model has no option {', '.join(options)}")
    try:
        shape, words = TinyShape(**about["shape"]), tuple(about["words"])
        fps, lead = float(about["fps"]), float(about["lead"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointFormatError(f"{folder}: the description is damaged: {error}") from error
    state = read_weights(folder / WEIGHTS)
    network = TinyVideoNetwork(shape, len(words))
    check_fit(state, network.state_dict())
    network.load_state_dict(state)
    return TinyModel(network.to(device).eval(), words, fps, lead)


def _over(levels_BT: Tensor) -> Tensor:
    """Levels of frames as [B, 1, T, 1, 1]."""
    return levels_BT[:, None, :, None, None]
