"""ViCLIP: a video tower and a text tower that map into one space (arXiv 2307.06942, §6).

`ViCLIP.from_pretrained("OpenGVLab/ViCLIP-L-14-hf").classify("film.mp4", ["cooking", "running"])`
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.core.errors import CheckpointMismatchError, ConfigInvalidError
from internvid.core.hub_upload import HubTarget, upload_folder
from internvid.models.devices import choose_device
from internvid.models.templates import ACTION_TEMPLATES, clean_text, fill_templates
from internvid.models.viclip.config import ViCLIPConfig, find_config
from internvid.models.viclip.initialise import initialise_text, initialise_vision
from internvid.models.viclip.inputs import Video, as_list, is_batch, load_clip, stack_clips
from internvid.models.viclip.merges import find_merges
from internvid.models.viclip.preprocess import Preprocessing, find_preprocessing
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.models.viclip.vision import VideoTower, check_pixels
from internvid.models.viclip.weights.checkpoint import (
    Checkpoint,
    Source,
    check_fit,
    read_checkpoint,
)
from internvid.models.viclip.weights.saving import export_public, save_folder

FIRST_TEMPERATURE = 0.01
CLASSIFY_SCALE = 100.0
_TEXTS_AT_ONCE = 256


class ViCLIP(nn.Module):
    """The model. Its `state_dict()` has the keys and shapes of the public release.

    A new one has random weights (see `from_pretrained` for others) and is in training mode.

    Args:
        config: shapes, or the name of one: `b16`, `l14`, `small`, `tiny`.
        preprocessing: how frames become pixels, or the name of one.

    Attributes:
        config: the shapes.
        preprocessing: how frames become pixels.
        vision_encoder: the video tower.
        text_encoder: the text tower.
        temp: the temperature, a learnable scalar: logits are cosine / temp.
        text_positions: what `from_pretrained` did to the text positions; empty for nothing.

    Raises:
        ConfigInvalidError: no config or preprocessing has that name.
    """

    def __init__(
        self,
        config: str | ViCLIPConfig = "l14",
        preprocessing: str | Preprocessing = "reference",
    ) -> None:
        super().__init__()
        self.config = find_config(config)
        self.preprocessing = find_preprocessing(preprocessing)
        self.merges_place: str | Path | None = None
        self.merges_folder: Path | None = None
        self.merges_fingerprint = ""
        self.loaded_tokenizer: Tokenizer | None = None
        self.text_positions = ""
        self.vision_encoder = VideoTower(self.config)
        self.text_encoder = TextTower(self.config)
        self.temp = nn.Parameter(torch.tensor(FIRST_TEMPERATURE))
        if self.temp.device.type != "meta":
            initialise_vision(self.vision_encoder)
            initialise_text(self.text_encoder)

    @classmethod
    def from_pretrained(
        cls,
        source: Source,
        *,
        frames: int | None = None,
        resolution: int | None = None,
        context: int | None = None,
        preprocessing: str | Preprocessing | None = None,
        merges: str | Path | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """A model with given weights, in evaluation mode.

        Args:
            source: a folder that `save_pretrained` wrote; a `.pth` of the public release or of
                training; a state dict, as a file or in memory; safetensors, one file, an index of
                several, or a folder; a hub name; or CLIP weights to start from (OpenAI,
                open_clip, transformers). Nothing in it is run.
            frames: per clip, if other than the weights': temporal positions are cut or
                linearly interpolated.
            resolution: in pixels, if other: spatial positions are interpolated (bicubic).
            context: tokens per text, if other: the file's own positions where it has so many (CLIP
                has 77), else stretched, the first 20 left alone.
            preprocessing: how frames become pixels; what the folder says, else `reference`.
            merges: file or folder of the tokenizer's merges, if not beside the weights (see
                `find_merges` for where they are looked for).
            device: where the model goes; `auto` takes a GPU if there is one.
            dtype: of its parameters.

        Raises:
            SourceMissingError: the source does not exist or cannot be fetched.
            CheckpointFormatError: it is truncated, damaged, or no file of weights.
            CheckpointMismatchError: it misses keys, or has others, or other shapes.
            ConfigInvalidError: an option has a value it cannot take.
        """
        checkpoint = read_checkpoint(source).resized(frames, resolution, context)
        with torch.device("meta"):
            model = cls(checkpoint.config, preprocessing or checkpoint.preprocessing or "reference")
        model.adopt(checkpoint)
        model.merges_place = merges
        model.text_positions = checkpoint.positions_rule
        place = choose_device(device) if isinstance(device, str) else device
        return model.to(device=place, dtype=dtype).eval()

    def adopt(self, checkpoint: Checkpoint) -> None:
        """Take the weights of a checkpoint that was read, each tensor copied.

        Raises:
            CheckpointMismatchError: keys or shapes are not this model's.
        """
        check_fit(checkpoint.state, self.state_dict())
        # A clone is the model's own memory; without it parameters could be a mapped file.
        own = {
            key: value.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
            for key, value in checkpoint.state.items()
        }
        self.load_state_dict(own, assign=True)
        self.merges_folder = checkpoint.folder
        self.merges_fingerprint = checkpoint.merges_fingerprint

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that `from_pretrained` reads: safetensors, JSON, the tokenizer's merges.

        Raises:
            OutputExistsError: the folder holds something else.
            StorageError: it cannot be written.
        """
        save_folder(self, Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool = False, **options: Any) -> str:
        """Upload what `save_pretrained` writes to a Hugging Face model repository.

        Args:
            repo_id: `owner/name`; made if it does not exist. `from_pretrained` then takes it.
            private: whether a repository that is made is private.
            options: `revision`, `token`, `message`, `endpoint` of `HubTarget`.

        Returns:
            The address of the commit.

        Raises:
            ServiceError: no network, no permission, or the hub refuses.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return upload_folder(Path(folder), "model", HubTarget(repo_id, private, **options))

    def export_public(self, path: str | Path) -> None:
        """Write a `.pth` as the public release has them: `{"model": state dict}`, float32.

        Raises:
            OutputExistsError: the file exists.
            StorageError: it cannot be written.
        """
        export_public(self, Path(path))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.temp.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the video tower's weights."""
        return self.vision_encoder.proj.dtype

    @property
    def logit_scale(self) -> Tensor:
        """What cosines are multiplied with to be logits: 1 / temp, not clamped."""
        return 1 / self.temp

    @property
    def tokenizer(self) -> Tokenizer:
        """Text -> ids; its merges are looked for when it is first used.

        Raises:
            SourceMissingError: they were not found; the hint says what to do.
            CheckpointMismatchError: they are not those that the model was trained with.
        """
        if self.loaded_tokenizer is None:
            merges = find_merges(self.merges_place, self.merges_folder)
            tokenizer = Tokenizer(merges, self.config.context)
            recorded = self.merges_fingerprint
            if tokenizer.vocabulary != self.config.vocabulary or (
                recorded and recorded != merges.fingerprint
            ):
                raise CheckpointMismatchError(
                    f"the merges of {merges.source} make {tokenizer.vocabulary} ids and have the "
                    f"fingerprint {merges.fingerprint}; the model has {self.config.vocabulary} "
                    f"and {recorded or 'none recorded'}",
                    hint="pass merges=PATH of the table that the model was trained with",
                )
            self.loaded_tokenizer = tokenizer
        return self.loaded_tokenizer

    def forward(
        self, pixels_BTCHW: Tensor, tokens_BL: Tensor, kept_BK: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both towers, for training: no checks, gradients as usual.

        Args:
            pixels_BTCHW: normalised pixels.
            tokens_BL: ids as the tokenizer makes them.
            kept_BK: which patches are embedded (see `draw_kept`); None for all.

        Returns:
            [B, E] of the videos and [B, E] of the texts, not normalised.
        """
        return self.vision_encoder(pixels_BTCHW, kept_BK), self.text_encoder(tokens_BL)

    @torch.no_grad()
    def encode_pixels(self, pixels_BTCHW: Tensor) -> Tensor:
        """Embeds normalised pixels.

        Args:
            pixels_BTCHW: float [B, T, 3, H, W]; T and the size may differ from the config's.

        Returns:
            float32 [B, E], NOT normalised to unit length.

        Raises:
            ConfigInvalidError: wrong dtype or shape, NaN or infinity.
        """
        check_pixels(pixels_BTCHW, self.config.patch)
        return self._embed(pixels_BTCHW)

    @torch.no_grad()
    def encode_video(
        self,
        video: Video | Sequence[Video],
        normalize: bool = True,  # noqa: FBT001
        *,
        frames: int | None = None,
        batch_size: int = 8,
    ) -> Tensor:
        """Embeds videos or images.

        Args:
            video: uint8 RGB [T, H, W, 3] (numpy or torch), a FrameBatch, a path to a video or
                an image, a PIL image or uint8 [H, W, 3]; or a batch: a list of those, or uint8
                [B, T, H, W, 3].
            normalize: whether embeddings get unit length.
            frames: taken from each video, by the rule of the preprocessing; None takes as many
                as the model is for, but one of an image or a single frame. Where there are
                fewer, the last is repeated.
            batch_size: clips per run of the tower.

        Returns:
            float32 [E] of one video, [B, E] of a batch.

        Raises:
            ConfigInvalidError: wrong type, dtype or shape.
            SourceMissingError: a path names nothing.
            VideoError: a file cannot be decoded.
        """
        if batch_size < 1:
            raise ConfigInvalidError(f"batch_size must be at least 1, got {batch_size}")
        rows: list[Tensor] = []
        videos = as_list(video)
        for start in range(0, len(videos), batch_size):
            rows += self._embed_clips(
                [
                    load_clip(item, self.preprocessing, frames, self.config.frames)
                    for item in videos[start : start + batch_size]
                ]
            )
        vectors_BE = torch.stack(rows)
        vectors_BE = functional.normalize(vectors_BE, dim=-1) if normalize else vectors_BE
        return vectors_BE if is_batch(video) else vectors_BE[0]

    @torch.no_grad()
    def encode_text(
        self,
        texts: str | Sequence[str],
        normalize: bool = True,  # noqa: FBT001
        *,
        clean: bool = False,
    ) -> Tensor:
        """Embeds texts as they are.

        Args:
            texts: one or several; empty ones are allowed.
            normalize: whether embeddings get unit length.
            clean: whether the reference's `pre_text` (here `clean_text`) is applied first.

        Returns:
            float32 [E] of one text, [N, E] of a list.

        Raises:
            ConfigInvalidError: something is not text.
        """
        rows = [texts] if isinstance(texts, str) else list(texts)
        vectors_BE = torch.empty(0, self.config.embedding, device=self.device)
        if rows:
            tokens = self.tokenizer([clean_text(row) for row in rows] if clean else rows)
            with self._inferring():
                parts = [
                    self.text_encoder(part.to(self.device)).float()
                    for part in torch.split(tokens, _TEXTS_AT_ONCE)
                ]
            vectors_BE = torch.cat(parts)
        vectors_BE = functional.normalize(vectors_BE, dim=-1) if normalize else vectors_BE
        return vectors_BE[0] if isinstance(texts, str) else vectors_BE

    def similarity(
        self, video: Video | Sequence[Video] | Tensor, texts: str | Sequence[str] | Tensor
    ) -> Tensor:
        """Cosines of videos and texts.

        Args:
            video: what `encode_video` takes, or embeddings of floats [..., E].
            texts: what `encode_text` takes, or embeddings.

        Returns:
            float32 [B, N]; an axis is missing where one video or one text was given.
        """
        videos = _embeddings(video)
        words = _embeddings(texts)
        if videos is None:
            videos = self.encode_video(video)
        if words is None:
            words = self.encode_text(texts)  # type: ignore[arg-type]
        return videos @ words.to(videos.device).movedim(-1, 0)

    def classify(
        self,
        video: Video | Sequence[Video],
        labels: Sequence[str],
        templates: Sequence[str] = ACTION_TEMPLATES,
        *,
        clean: bool = False,
    ) -> Any:
        """Which label fits, without training (paper §7.1).

        The score of a label is the mean of its templates' cosines; probabilities are
        softmax(100 score) over the labels.

        Args:
            video: what `encode_video` takes.
            labels: at least one, each once.
            templates: sentences with `{}` for the label; `("{}",)` takes labels as they are.
            clean: whether filled templates go through `clean_text`, as in the reference.

        Returns:
            dict label -> probability, the most probable first; a list of them for a batch.

        Raises:
            ConfigInvalidError: no label, one twice, or a template without `{}`.
        """
        prompts = self.encode_text(fill_templates(labels, templates), clean=clean)
        videos = self.encode_video(video)
        cosines = videos @ prompts.T
        scores = cosines.view(*cosines.shape[:-1], len(labels), len(templates)).mean(-1)
        chances = (CLASSIFY_SCALE * scores).softmax(-1).cpu()
        rows = [
            {labels[at]: float(row[at]) for at in row.argsort(descending=True, stable=True)}
            for row in chances.reshape(-1, len(labels))
        ]
        return rows if is_batch(video) else rows[0]

    def describe(self) -> Mapping[str, Any]:
        """What decides an embedding beside the weights, as plain JSON: to store with results."""
        rule = self.preprocessing
        return {
            "config": self.config.shapes(),
            "preprocessing": rule.describe() | {"fingerprint": rule.fingerprint},
            "dtype": str(self.dtype).removeprefix("torch."),
        }

    def _embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Embeddings in order; clips of equal length run together."""
        rows: list[Tensor | None] = [None] * len(clips)
        for length in {len(clip): None for clip in clips}:
            places = [at for at, clip in enumerate(clips) if len(clip) == length]
            moved = [clips[at].to(self.device, non_blocking=True) for at in places]
            pixels = stack_clips(moved, self.preprocessing, self.config.resolution)
            for at, row in zip(places, self._embed(pixels), strict=True):
                rows[at] = row
        return [row for row in rows if row is not None]

    def _embed(self, pixels_BTCHW: Tensor) -> Tensor:
        with self._inferring():
            return self.vision_encoder(pixels_BTCHW.to(self.device, self.dtype)).float()  # type: ignore[no-any-return]

    @contextmanager
    def _inferring(self) -> Iterator[None]:
        """Without drop path, whatever mode the model is in."""
        training = self.training
        if training:
            self.eval()
        try:
            yield
        finally:
            if training:
                self.train()


def _embeddings(value: Any) -> Tensor | None:
    return value if isinstance(value, Tensor) and value.is_floating_point() else None
