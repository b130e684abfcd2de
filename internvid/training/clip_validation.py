"""Validation on clips that are held out of training, or on another list: real clips, not a world.

Held out are whole source videos, chosen by the hash of their names, so that no clip of theirs is
trained on. Measured is retrieval among the clips; with an action head, its accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from av.error import FFmpegError
from torch import Tensor

from internvid.core.errors import MisuseError, VideoError
from internvid.evaluation.benchmarks.retrieval import list_queries
from internvid.evaluation.metrics import VectorSimilarity, measure_retrieval
from internvid.models.templates import clean_text
from internvid.models.viclip.heads.base import Head
from internvid.models.viclip.heads.classifier_head import ActionHead
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.preprocess import sample_frames
from internvid.training.compare.held_out import choose_held_out, with_mean_recall
from internvid.training.data.clip_columns import as_strings, label
from internvid.training.data.order import IntArray
from internvid.training.data.samples import LEAST_WORDS, ClipSource, ClipTable, FramesArray
from internvid.training.heads.open_heads import ActionRecipe, head_of, least_words
from internvid.training.recipes.recipe import TrainRecipe

_AT_ONCE = 32
_READERS = 4


def held_out_rows(table: ClipTable, share: float) -> npt.NDArray[np.bool_] | None:
    """Which clips are of the source videos that are kept from training; None for none.

    Args:
        table: all clips.
        share: of the source videos.

    Raises:
        MisuseError: there is but one source video.
    """
    if not share:
        return None
    numbers, names = label(as_strings(table.sources))
    held = choose_held_out((str(name) for name in names), share)
    is_held = np.array([str(name) in held for name in names], dtype=np.bool_)
    return is_held[numbers]


@dataclass(frozen=True)
class ClipValidation:
    """Measures a model on some clips of a source; made by `make_validation`.

    Attributes:
        source: where they are.
        clips: int64 [N], their places in its table; each another video.
        texts: those of each clip, cleaned as in training.
        by_head: whether an action head is measured; else retrieval.
    """

    source: ClipSource
    clips: IntArray
    texts: tuple[tuple[str, ...], ...]
    by_head: bool = False

    def __call__(self, model: ViCLIP, head: Head | None = None) -> dict[str, float]:
        """Percentages, the one that decides which checkpoint is best first.

        Raises:
            MisuseError: fewer than two of the clips can be read.
        """
        found, vectors = self._vectors(model)
        texts = [self.texts[at] for at in found]
        counts = {"clips": float(len(found))}
        if self.by_head and isinstance(head, ActionHead):
            return {**_accuracy(head, vectors, [own[0] for own in texts]), **counts}
        queries, pairs = list_queries(texts, shared=True)
        normal = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        words = model.encode_text(queries).float().cpu().numpy()
        numbers = measure_retrieval(VectorSimilarity(normal, words), pairs)
        return {**with_mean_recall(numbers), **counts}

    def _vectors(self, model: ViCLIP) -> tuple[list[int], Tensor]:
        """Which clips can be read, and their embeddings."""
        found: list[int] = []
        vectors: list[Tensor] = []
        for places, clips in self._read(model.config.frames):
            found += places
            made = model.encode_video(clips, normalize=False, frames=model.config.frames)
            vectors.append(made.float())
        if len(found) < 2:
            raise MisuseError(f"{len(found)} of {len(self.clips)} clips to validate on can be read")
        return found, torch.cat(vectors)

    def _read(self, frames: int) -> Iterator[tuple[list[int], list[FramesArray]]]:
        """A part of the clips at a time: those that can be read."""

        def read(at: int) -> FramesArray | None:
            try:
                pictures = self.source.read(
                    int(self.clips[at]), lambda count: sample_frames(count, frames)
                )
                return np.stack(list(pictures))
            except (VideoError, FFmpegError, OSError, ValueError):
                return None

        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(self.clips), _AT_ONCE):
                places = range(start, min(start + _AT_ONCE, len(self.clips)))
                clips = zip(places, pool.map(read, places), strict=True)
                good = [(at, clip) for at, clip in clips if clip is not None]
                if good:
                    yield [at for at, _ in good], [clip for _, clip in good]


def _accuracy(head: ActionHead, vectors: Tensor, labels: list[str]) -> dict[str, float]:
    """Top-1 and top-5 of the clips whose class the head has; others count as wrong."""
    with torch.no_grad():
        best = head(vectors.to(head.out.weight)).topk(min(5, len(head.classes)), dim=1).indices
    known = {name: at for at, name in enumerate(head.classes)}
    truth = torch.tensor([known.get(name, -1) for name in labels], device=best.device)
    right = best == truth[:, None]
    return {
        "top1": 100.0 * float(right[:, 0].float().mean()),
        "top5": 100.0 * float(right.any(1).float().mean()),
    }


def make_validation(
    recipe: TrainRecipe, source: ClipSource, rows: npt.NDArray[np.bool_] | None = None
) -> ClipValidation:
    """What a model is validated on.

    Args:
        recipe: says how captions are cleaned, and how many videos there are at most.
        source: where the clips are.
        rows: which of them may be taken; None for all.

    Raises:
        MisuseError: fewer than two videos with captions.
    """
    table = source.table()
    least = least_words(recipe, LEAST_WORDS)
    videos = table.videos if table.videos is not None else table.clip_ids
    own: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for at, (video, caption) in enumerate(zip(videos, table.captions, strict=True)):
        if rows is not None and not rows[at]:
            continue
        text = clean_text(caption or "") if recipe.data.clean_captions else (caption or "").strip()
        if len(text.split()) >= least:
            first.setdefault(video, at)
            own.setdefault(video, []).append(text)
    chosen = sorted(own, key=_hash)[: recipe.data.validation.clips]
    chosen.sort(key=first.__getitem__)
    if len(chosen) < 2:
        raise MisuseError(
            f"{len(chosen)} videos with captions are there to validate on",
            hint="hold out more (--set data.validation.share=0.1), or name others: --validate DATA",
        )
    return ClipValidation(
        source,
        np.array([first[video] for video in chosen], dtype=np.int64),
        tuple(tuple(dict.fromkeys(own[video])) for video in chosen),
        by_head=isinstance(head_of(recipe), ActionRecipe),
    )


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
