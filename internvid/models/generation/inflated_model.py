"""`t2v_inflated`: a Stable-Diffusion-type image model with temporal attention, as in paper §9.1."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointMismatchError, ConfigInvalidError
from internvid.models.generation.encoder_tokens import tokenise
from internvid.models.generation.guidance import guided
from internvid.models.generation.inflate import InflatedUNet, KeyFrames
from internvid.models.generation.noise_rules import DiffusionRule, FlowRule, NoisedByRule, find_rule
from internvid.models.generation.pipeline_folder import PipelineFolder, read_index
from internvid.models.generation.saved_model import TEMPORAL, Described, write_model
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

Trained = Literal["temporal", "queries", "all"]
_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_FRAMES = 16


@dataclass
class InflatedModel(NoisedByRule):
    """See the module; `VideoModel` says what each part does.

    Attributes:
        source: the diffusers folder that the image weights come from.
        network: U-Net and temporal attention.
        vae: frozen.
        text_encoder: frozen.
        tokenizer: its.
        scheduler: that samples.
        rule: of the noise, from the scheduler's configuration.
        trained: which parameters are: `temporal` (image weights stay as they are), `queries` (also
            those of spatial and cross-attention), or `all` of the U-Net.
        frames: where nothing is chosen.
    """

    source: PipelineFolder
    network: InflatedUNet
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    rule: DiffusionRule | FlowRule
    trained: Trained = "temporal"
    frames: int = _FRAMES
    fps: float = 8.0
    kind: str = "inflated"
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        if self.trained not in ("temporal", "queries", "all"):
            raise ConfigInvalidError(f"trained is temporal, queries or all, not {self.trained!r}")
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        side = int(self.network.unet.config.sample_size or 64) * factor
        self.limits = Limits(
            frames=self.frames,
            height=side,
            width=side,
            multiple=factor,
            tokens=int(self.tokenizer.model_max_length),
            fps=self.fps,
        )
        for frozen in (self.vae, self.text_encoder):
            frozen.requires_grad_(requires_grad=False).eval()
        for name, each in self.network.named_parameters():
            each.requires_grad_(self._is_trained(name))

    def _is_trained(self, name: str) -> bool:
        if self.trained == "all" or name.startswith("temporal."):
            return True
        return self.trained == "queries" and name.endswith("to_q.weight")

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device

    @torch.no_grad()
    def encode(self, clips: Frames) -> Tensor:
        """See `VideoModel`."""
        pixels = to_pixels(clips, self.device).to(self.vae.dtype)
        pictures = pixels.transpose(1, 2).flatten(0, 1)
        means = [self.vae.encode(part).latent_dist.mode() for part in torch.split(pictures, 8)]
        latents = torch.cat(means) * self.vae.config.scaling_factor
        return _unfolded(latents, len(clips))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pixels [B, C, T, H, W] from -1 to 1."""
        pictures = latents.transpose(1, 2).flatten(0, 1) / self.vae.config.scaling_factor
        shown = torch.cat([self.vae.decode(part).sample for part in torch.split(pictures, 8)])
        return _unfolded(shown, len(latents))

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str], *, cuts: bool = False) -> TextInputs:
        """See `VideoModel`."""
        ids = tokenise(self.tokenizer, texts, self.limits.tokens, cuts=cuts)["input_ids"]
        return {"text": self.text_encoder(ids.to(self.device))[0]}

    def predict(self, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `VideoModel`."""
        predicted: Tensor = self.network(latents, times, text["text"])
        return predicted

    @torch.no_grad()
    def sample(self, wish: Wish) -> Frames:
        """See `VideoModel`."""
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        scheduler.set_timesteps(wish.steps, device=self.device)
        factor = self.limits.multiple
        channels = self.network.unet.config.in_channels
        shape = channels, wish.frames, wish.height // factor, wish.width // factor
        latents = draw_noise(wish.seeds, shape).to(self.device, self.network.unet.dtype)
        latents = latents * float(getattr(scheduler, "init_noise_sigma", 1.0))
        text = self.encode_text(wish.prompts)
        other = self.encode_text([wish.negative] * len(wish.prompts))
        # Schedulers that draw noise take it from here, each sample's apart in neither place.
        generators = [torch.Generator().manual_seed(seed) for seed in wish.seeds]
        options = {"generator": generators} if _draws(scheduler) else {}
        for time in scheduler.timesteps:
            shown = latents
            if hasattr(scheduler, "scale_model_input"):
                shown = scheduler.scale_model_input(latents, time)
            times = time.expand(len(latents)).to(self.device)
            predicted = guided(self.predict, shown, times, (text, other), wish.guidance)
            latents = scheduler.step(predicted, time, latents, **options, return_dict=False)[0]
        return to_frames(self.decode(latents))

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `VideoModel`."""
        for name, each in self.network.named_parameters():
            if each.requires_grad:
                yield name, each

    def describe(self) -> dict[str, Any]:
        """See `VideoModel`."""
        return {
            "pipeline": self.source.pipeline,
            "keys": self.network.keys,
            "trained": self.trained,
            "frames": self.frames,
            "fps": self.fps,
        }

    def save(self, folder: Path) -> None:
        """See `VideoModel`; parts that were not trained are copied byte by byte."""

        def fill(place: Path) -> None:
            for name in _PARTS:
                if name == "unet" and self.trained != "temporal":
                    self.network.unet.save_pretrained(place / name)
                else:
                    shutil.copytree(self.source.folder / name, place / name)
            shutil.copy2(self.source.folder / "model_index.json", place)
            temporal = {
                name: value.detach().cpu().contiguous()
                for name, value in self.network.temporal.state_dict().items()
            }
            save_tensors(temporal, place / TEMPORAL)

        write_model(folder, Described(self.kind, self.describe()), fill)


def open_inflated(
    folder: Path,
    about: dict[str, Any],
    device: torch.device,
    dtype: torch.dtype | None,
    **options: Any,
) -> InflatedModel:
    """An image model from a diffusers folder, or one that `InflatedModel.save` wrote.

    Args:
        folder: of the parts.
        about: what was saved with them; empty for a folder of pictures.
        device: where it goes.
        dtype: of its weights; as they are when None.
        options: `keys`, `trained`, `frames`, `fps`, in place of what was saved.

    Raises:
        InternvidError: parts that are missing, damaged or do not fit together.
    """
    index = read_index(folder)
    unet = index.open("unet", dtype).to(device)
    vae = index.open("vae", dtype).to(device)
    text_encoder = index.open("text_encoder", dtype).to(device)
    scheduler = index.open("scheduler")
    _check_together(unet, vae, text_encoder, folder)
    keys: KeyFrames = options.pop("keys", None) or about.get("keys", "previous")
    network = InflatedUNet(unet, keys).to(device)
    saved = folder / TEMPORAL
    if about:
        state = read_weights(saved)
        check_fit(state, network.temporal.state_dict())
        network.temporal.load_state_dict(state)
    chosen: dict[str, Any] = {
        name: about[name] for name in ("trained", "frames", "fps") if name in about
    }
    chosen |= {name: value for name, value in options.items() if value is not None}
    return InflatedModel(
        index, network.eval(), vae, text_encoder, index.open("tokenizer"), scheduler,
        find_rule(scheduler), **chosen,
    )  # fmt: skip


def _check_together(unet: Any, vae: Any, text_encoder: Any, folder: Path) -> None:
    latents = int(vae.config.latent_channels)
    if (unet.config.in_channels, unet.config.out_channels) != (latents, latents):
        raise CheckpointMismatchError(
            f"{folder}: the VAE makes latents of {latents} channels, the U-Net takes "
            f"{unet.config.in_channels} and gives {unet.config.out_channels}",
            hint="take VAE and U-Net of one model; those for inpainting take further channels",
        )
    width, wanted = int(text_encoder.config.hidden_size), unet.config.cross_attention_dim
    if width != wanted:
        raise CheckpointMismatchError(
            f"{folder}: the text encoder is {width} wide, the U-Net reads {wanted}",
            hint="take text encoder and U-Net of one model",
        )


def _unfolded(pictures: Tensor, count: int) -> Tensor:
    """Pictures [B * T, C, H, W] as clips [B, C, T, H, W]."""
    return pictures.reshape(count, -1, *pictures.shape[1:]).transpose(1, 2)


def _draws(scheduler: Any) -> bool:
    return "generator" in inspect.signature(scheduler.step).parameters
