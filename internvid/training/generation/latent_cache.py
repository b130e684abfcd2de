"""Latents and text states of clips, computed once and kept; what is there is not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from av.error import FFmpegError
from torch import Tensor

from internvid.core.errors import CheckpointError, VideoError
from internvid.core.system.temporary import new_temporary
from internvid.dataset.parts import storage_errors
from internvid.models.generation.video_model import TextInputs, VideoModel
from internvid.models.viclip.weights.checkpoint import read_weights, save_tensors
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.generation.clip_shapes import ClipShapes, stacked
from internvid.training.run.distributed import rank, wait_for_all, world_size

LATENTS = "latents"
_EMPTY_TEXT = "no-text"
_A_FOLDER = 1000


@dataclass(frozen=True)
class CachedClip:
    """One clip as a model sees it.

    Attributes:
        latents: [C, T, H, W].
        text: what stands for its caption, each without an axis of samples.
    """

    latents: Tensor
    text: TextInputs


@dataclass(frozen=True)
class LatentCache:
    """A folder of latents, one file a clip; unreadable clips are noted with their reason.

    Attributes:
        folder: it; its name says for which model and which sizes.
    """

    folder: Path

    def fill(
        self,
        model: VideoModel,
        source: ClipSource,
        samples: Samples,
        shapes: ClipShapes,
        progress: Callable[[int, int], None],
    ) -> None:
        """Computes what is not there; the processes share the work.

        Args:
            model: encodes clips and texts.
            source: where clips are.
            samples: those that are trained on.
            shapes: what they are brought to.
            progress: called with how many are done, and of how many.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        for sample in range(rank(), len(samples), world_size()):
            place = self._place(sample)
            if not place.is_file() and not self._note(sample).is_file():
                self._make(sample, model, source, samples, shapes)
            progress(sample + 1, len(samples))
        empty = self.folder / f"{_EMPTY_TEXT}.safetensors"
        if rank() == 0 and not empty.is_file():
            _write(_first(model.encode_text([""])), empty)
        wait_for_all()

    def _make(
        self,
        sample: int,
        model: VideoModel,
        source: ClipSource,
        samples: Samples,
        shapes: ClipShapes,
    ) -> None:
        try:
            frames = shapes.read(source, int(samples.clips[sample]))
        except (VideoError, FFmpegError, OSError) as error:
            reason = error.reason if isinstance(error, VideoError) else type(error).__name__
            note = self._note(sample)
            with storage_errors(note):
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(json.dumps(reason), "utf-8")
            return
        latents = model.encode(stacked([frames]))[0]
        if not bool(torch.isfinite(latents).all()):
            raise CheckpointError(
                f"the VAE gives NaN for {samples.clip_ids[sample]}",
                hint="train with --set loop.dtype=float32 or bfloat16",
            )
        text = samples.captions[int(samples.texts[sample])]
        content = {"latents": latents, **_first(model.encode_text([text], cuts=True))}
        _write(content, self._place(sample))

    def read(self, sample: int) -> CachedClip:
        """A clip.

        Raises:
            VideoError: it could not be read when latents were made.
        """
        note = self._note(sample)
        if note.is_file():
            raise VideoError("no latents", reason=str(json.loads(note.read_text("utf-8"))))
        content = read_weights(self._place(sample))
        return CachedClip(content.pop("latents"), content)

    def no_text(self) -> TextInputs:
        """What stands for no text."""
        return read_weights(self.folder / f"{_EMPTY_TEXT}.safetensors")

    def _place(self, sample: int) -> Path:
        return self.folder / f"{sample // _A_FOLDER:06d}" / f"{sample:09d}.safetensors"

    def _note(self, sample: int) -> Path:
        return self._place(sample).with_suffix(".json")


def open_cache(cache: Path, model: VideoModel, samples: Samples, shapes: ClipShapes) -> LatentCache:
    """The cache of these clips, in these sizes, by this encoder.

    Args:
        cache: of the run.
        model: whose encoders.
        samples: those that are trained on.
        shapes: what they are brought to.
    """
    named = hashlib.blake2b(digest_size=8)
    about: dict[str, Any] = model.describe()
    encoder = {name: about.get(name) for name in ("pipeline", "base", "base_weights")}
    named.update(json.dumps([encoder, str(shapes)], sort_keys=True).encode())
    for sample in range(len(samples)):
        caption = samples.captions[int(samples.texts[sample])]
        named.update(f"{samples.clip_ids[sample]} {caption}\n".encode())
    return LatentCache(cache / LATENTS / named.hexdigest())


def _first(texts: TextInputs) -> TextInputs:
    return {name: each[0] for name, each in texts.items()}


def _write(content: TextInputs, place: Path) -> None:
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = new_temporary(place)
        save_tensors({name: each.cpu().contiguous() for name, each in content.items()}, beside)
        beside.replace(place)
