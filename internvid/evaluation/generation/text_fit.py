"""How well generated videos fit their prompts: CLIPSIM, and the same by a ViCLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.embedding.embed_clips import FramePlan, Run, embed_texts
from internvid.evaluation.embedding.embedders import (
    DualEncoderEmbedder,
    Embedder,
    Frames,
    Vectors,
    count_texts,
)
from internvid.evaluation.generation.feature_rows import FrameColumns, Measured, measure
from internvid.evaluation.generation.video_sets import VideoItem
from internvid.evaluation.generation.windows import Change

_TEXTS = 1024


def frame_vectors(embedder: DualEncoderEmbedder, videos: Sequence[Frames]) -> Vectors:
    """Unit vectors of every frame alone, in one row a video. float32 [N, T * D]."""
    from PIL import Image

    rows = []
    for video in videos:
        pictures = [Image.fromarray(frame) for frame in video]
        rows.append(embedder.encoder.image_features(pictures).reshape(-1))
    return np.stack(rows)


def measure_clipsim(
    items: Sequence[VideoItem],
    embedder: DualEncoderEmbedder,
    plan: FramePlan,
    frames: int,
    run: Run,
) -> tuple[dict[str, float], dict[str, int]]:
    """The mean over frames of the cosine of frame and prompt, and over videos.

    Args:
        items: videos with prompts.
        embedder: a CLIP of transformers.
        plan: which frames.
        frames: of a window.
        run: how.

    Returns:
        `clipsim`; `clipsim_other`, with another video's prompt; `clipsim_reversed`, which is the
        same since each frame is seen alone; `clipsim_frozen`. And how many texts were cut.
    """
    about = {"embedder": embedder.identity().digest, "rows": "frames"}
    rows = measure(items, lambda v: frame_vectors(embedder, v), plan, run, about)

    def changed(change: Change) -> Measured:
        return rows.shaped(FrameColumns(frames, 0, None, change))

    return _numbers("clipsim", embedder, changed, run)


def measure_viclip(
    items: Sequence[VideoItem], embedder: Embedder, plan: FramePlan, run: Run
) -> tuple[dict[str, float], dict[str, int]]:
    """The cosine of a whole video and its prompt, by a model that sees time; see above."""
    usual = embedder.identity().frames
    about = {"embedder": embedder.identity().digest}

    def changed(change: Change) -> Measured:
        return measure(items, embedder.video_vectors, plan, run, about, change=change, usual=usual)

    return _numbers("viclip_sim", embedder, changed, run)


def _numbers(
    name: str, embedder: Embedder, changed: Any, run: Run
) -> tuple[dict[str, float], dict[str, int]]:
    plain: Measured = changed("")
    prompts = [item.prompt or "" for item in plain.items]
    numbers = {name: _mean_cosine(plain, prompts, embedder, run)}
    if len(set(prompts)) > 1:
        numbers[f"{name}_other"] = _mean_cosine(plain, _others(prompts), embedder, run)
    for change in ("reversed", "frozen"):
        numbers[f"{name}_{change}"] = _mean_cosine(changed(change), prompts, embedder, run)
    return numbers, count_texts(embedder, prompts)


def _others(prompts: Sequence[str]) -> list[str]:
    """The next different prompt, for each video."""
    distinct = sorted(set(prompts))
    following = dict(zip(distinct, [*distinct[1:], distinct[0]], strict=True))
    return [following[prompt] for prompt in prompts]


def _mean_cosine(rows: Measured, prompts: Sequence[str], embedder: Embedder, run: Run) -> float:
    """Mean over videos of the mean over their samples of the cosine with the prompt."""
    total = 0.0
    for start in range(0, len(rows), _TEXTS):
        part = rows.part(range(start, min(start + _TEXTS, len(rows))))
        texts = embed_texts(prompts[start : start + _TEXTS], embedder, run).astype(np.float64)
        features = np.concatenate(list(part.blocks())).astype(np.float64)
        features = features.reshape(len(part), -1, features.shape[-1])
        if features.shape[-1] != texts.shape[-1]:
            raise ConfigInvalidError(
                f"frames have {features.shape[-1]} numbers and texts {texts.shape[-1]}"
            )
        total += float(np.einsum("nsd,nd->ns", features, texts).mean(axis=1).sum())
    return total / len(rows)
