"""`t2v_lora`: an open video transformer in diffusers' own pipeline, with low-rank adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from internvid.core.errors import (
    CheckpointError,
    CheckpointMismatchError,
    ConfigInvalidError,
)
from internvid.core.weights import require_weights, weights_identity
from internvid.models.generation.encoder_tokens import tokenise
from internvid.models.generation.noise_rules import DiffusionRule, FlowRule, NoisedByRule, find_rule
from internvid.models.generation.pipeline_folder import read_index, require
from internvid.models.generation.saved_model import Described, write_model
from internvid.models.generation.transformer_families import FAMILIES, Family
from internvid.models.generation.video_model import (
    Frames,
    Limits,
    TextInputs,
    Wish,
    to_pixels,
)

ADAPTER = "pytorch_lora_weights.safetensors"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True)
class LoraShape:
    """Adapters.

    Attributes:
        rank: of the added products.
        alpha: they are scaled by alpha / rank.
        targets: endings of the layers' names.
        seed: of fresh ones.
    """

    rank: int = 16
    alpha: float = 16.0
    targets: tuple[str, ...] = TARGETS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not self.targets:
            raise ConfigInvalidError(
                f"rank {self.rank} must be at least 1, alpha {self.alpha} above 0, and some layers "
                "be named in targets"
            )


@dataclass
class TransformerModel(NoisedByRule):
    """See the module; `VideoModel` says what each part does.

    Attributes:
        pipeline: of diffusers, with all its parts.
        family: its ways.
        base: the folder that it came from.
        rule: of the noise, from the scheduler's configuration.
        lora: the adapters, if it has some.
    """

    pipeline: Any
    family: Family
    base: str
    rule: DiffusionRule | FlowRule
    lora: LoraShape | None = None
    kind: str = "transformer"
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        family, pipeline = self.family, self.pipeline
        multiple, step = family.multiple(pipeline), family.frame_step(pipeline)
        height, width = (max(multiple, side // multiple * multiple) for side in family.size)
        self.limits = Limits(
            frames=(family.frames - 1) // step * step + 1,
            height=height,
            width=width,
            multiple=multiple,
            tokens=min(family.tokens, _most_tokens(pipeline)),
            step=step,
            offset=1,
            fps=family.fps,
            guidance=family.guidance,
        )
        for name in ("vae", "text_encoder", "transformer"):
            getattr(pipeline, name).requires_grad_(requires_grad=False).eval()
        if self.lora is not None:
            for name, each in self.network.named_parameters():
                if ".lora_" in name:
                    # Small steps would be lost in half precision.
                    each.data = each.data.float()
                    each.requires_grad_()

    @property
    def network(self) -> nn.Module:
        """See `VideoModel`."""
        transformer: nn.Module = self.pipeline.transformer
        return transformer

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device

    @torch.no_grad()
    def encode(self, clips: Frames) -> Tensor:
        """See `VideoModel`; the middle of what the VAE would draw from."""
        pixels = to_pixels(clips, self.device).to(self.pipeline.vae.dtype)
        latents = self.pipeline.vae.encode(pixels).latent_dist.mode()
        return self.family.normalise(self.pipeline, latents)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str], *, cuts: bool = False) -> TextInputs:
        """See `VideoModel`."""
        if not cuts:
            tokenise(self.pipeline.tokenizer, texts, self.limits.tokens)
        return self.family.encode_text(self.pipeline, texts)

    def predict(self, latents: Tensor, times: Tensor, text: TextInputs) -> Tensor:
        """See `VideoModel`."""
        dtype = self.pipeline.transformer.dtype
        given = {name: each.to(dtype) if each.is_floating_point() else each
                 for name, each in text.items()}  # fmt: skip
        return self.family.predict(self.pipeline, latents.to(dtype), times, given)

    @torch.no_grad()
    def sample(self, wish: Wish) -> Frames:
        """See `VideoModel`; by the pipeline's own loop."""
        self.encode_text([*wish.prompts, wish.negative])
        made = self.pipeline(
            prompt=list(wish.prompts),
            negative_prompt=[wish.negative] * len(wish.prompts),
            height=wish.height,
            width=wish.width,
            num_frames=wish.frames,
            num_inference_steps=wish.steps,
            guidance_scale=wish.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in wish.seeds],
            max_sequence_length=self.limits.tokens,
            output_type="pt",
        ).frames
        if not bool(torch.isfinite(made).all()):
            raise CheckpointError(
                "the model gave NaN in place of pixels",
                hint="use --dtype float32 or bfloat16; if that gives NaN too, weights are damaged",
            )
        scaled = made.float().clamp(0, 1).mul(255).round().to(torch.uint8)
        frames: Frames = scaled.permute(0, 1, 3, 4, 2).cpu().numpy()
        return frames

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """See `VideoModel`."""
        for name, each in self.network.named_parameters():
            if each.requires_grad:
                yield name, each

    def describe(self) -> dict[str, Any]:
        """See `VideoModel`."""
        lora = None if self.lora is None else {**vars(self.lora), "targets": [*self.lora.targets]}
        return {
            "pipeline": type(self.pipeline).__name__,
            "base": self.base,
            "base_weights": weights_identity(self.base),
            "lora": lora,
        }

    def save(self, folder: Path) -> None:
        """See `VideoModel`: the adapters, in diffusers' form; the base by its name.

        Raises:
            ConfigInvalidError: there are none.
        """
        if self.lora is None:
            raise ConfigInvalidError(
                "this pipeline has no adapters, there is nothing to save",
                hint=f"its own folder is {self.base}",
            )
        peft = require("peft")
        layers = peft.get_peft_model_state_dict(self.network)
        plain = {name: each.detach().cpu().contiguous() for name, each in layers.items()}
        metadata = self.pipeline.transformer.peft_config["default"].to_dict()

        def fill(place: Path) -> None:
            self.pipeline.save_lora_weights(
                place, transformer_lora_layers=plain, transformer_lora_adapter_metadata=metadata
            )

        write_model(folder, Described(self.kind, self.describe()), fill)


def open_transformer(
    folder: Path,
    about: dict[str, Any],
    device: torch.device,
    dtype: torch.dtype | None,
    *,
    lora: LoraShape | None = None,
) -> TransformerModel:
    """A pipeline from a diffusers folder, or adapters that `TransformerModel.save` wrote.

    Args:
        folder: of the pipeline, or of adapters.
        about: what was saved with adapters; empty for a pipeline.
        device: where it goes.
        dtype: of its weights; as they are when None.
        lora: fresh adapters for it.

    Raises:
        InternvidError: parts that are missing, damaged or do not fit together.
    """
    base = require_weights(str(about["base"])) if about else folder
    index = read_index(base)
    family = FAMILIES[index.pipeline]
    if "transformer_2" in index.parts:
        raise ConfigInvalidError(
            f"{base} has two transformers (Wan 2.2 A14B), which are not known here",
            hint="Wan 2.1 and Wan 2.2-5B have one",
        )
    opened = {name: index.open(name, dtype) for name in family.parts}
    kind = getattr(require("diffusers"), index.pipeline)
    pipeline = kind(**opened, **index.options(kind)).to(device)
    pipeline.set_progress_bar_config(disable=True)
    latents, wanted = family.latent_channels(pipeline), pipeline.transformer.config.in_channels
    if latents != wanted:
        raise CheckpointMismatchError(
            f"{base}: the VAE makes latents of {latents} channels, the transformer takes {wanted}",
            hint="take both of one model; those that start from a picture take further channels",
        )
    if about:
        lora = LoraShape(**{**about["lora"], "targets": tuple(about["lora"]["targets"])})
        _load_adapters(pipeline, folder)
    elif lora is not None:
        _add_adapters(pipeline, lora)
    return TransformerModel(pipeline, family, str(base), find_rule(pipeline.scheduler), lora)


def _add_adapters(pipeline: Any, lora: LoraShape) -> None:
    peft = require("peft")
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.targets),
        init_lora_weights="gaussian",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lora.seed)
        try:
            pipeline.transformer.add_adapter(config)
        except ValueError as error:
            raise ConfigInvalidError(
                f"adapters do not fit: {error}",
                hint=f"layers are named by their endings, such as {', '.join(TARGETS)}",
            ) from error


def _load_adapters(pipeline: Any, folder: Path) -> None:
    try:
        pipeline.load_lora_weights(folder, weight_name=ADAPTER, adapter_name="default")
    # Whatever the libraries raise for files that are damaged or of another model.
    except Exception as error:
        raise CheckpointMismatchError(
            f"{folder / ADAPTER} does not fit: {str(error).splitlines()[0]}"
        ) from error


def _most_tokens(pipeline: Any) -> int:
    own = int(pipeline.tokenizer.model_max_length)
    limit = getattr(pipeline.transformer.config, "max_text_seq_length", None)
    return min(own, int(limit)) if limit else own
