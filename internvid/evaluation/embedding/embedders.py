"""What is measured: anything that maps videos and texts into one space, as unit vectors."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from internvid.models.dual_encoder import DualEncoder
    from internvid.models.viclip import ViCLIP

Frames: TypeAlias = npt.NDArray[np.uint8]
"""uint8 [T, H, W, 3], RGB, of any size: the frames that stand for a clip, already chosen."""

Vectors: TypeAlias = npt.NDArray[np.float32]

_MEAN = "mean of unit vectors"
_TEXTS = 256


@dataclass(frozen=True)
class Identity:
    """Which model, and how it takes its inputs.

    Attributes:
        name: for people.
        weights: digest of the weights: the same wherever they lie.
        preprocessing: from frames to pixels, as words.
        frames: frames per clip that the model is for.
        text_tokens: tokens per text, marks included; None where that makes no sense.
        resolution: side of the square input in pixels; None where any size will do.
        frame_aggregation: how frames become one vector; empty where the model sees them all.
        wise_ft: share of the trained weights in a blend; None where nothing says so.
        head: `action` or `matching` where fine-tuning put a head on the towers.
        text_positions: what was done to read longer or shorter texts than the weights are for;
            empty for nothing.
    """

    name: str
    weights: str
    preprocessing: str
    frames: int
    text_tokens: int | None = None
    resolution: int | None = None
    frame_aggregation: str = ""
    wise_ft: float | None = None
    head: str = ""
    text_positions: str = ""

    def describe(self) -> dict[str, Any]:
        """The identity as plain JSON; what is not set since it came later is left out."""
        described = dataclasses.asdict(self)
        if not self.text_positions:
            del described["text_positions"]
        return described

    @property
    def position_details(self) -> dict[str, str]:
        """What a protocol says of text positions: nothing where they are the weights' own."""
        return {"text_positions": self.text_positions} if self.text_positions else {}

    @property
    def digest(self) -> str:
        """16 hex digits of what decides a vector: everything but the name."""
        values = self.describe() | {"name": "", "wise_ft": None}
        text = json.dumps(values, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@runtime_checkable
class Embedder(Protocol):
    """Maps videos and texts into one space."""

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        """float32 [N, D] of unit length, from N clips with as many frames each."""
        ...

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """float32 [M, D] of unit length; texts are taken as they are."""
        ...

    def identity(self) -> Identity:
        """Which model this is."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """A model that was fine-tuned for a list of classes."""

    def class_names(self) -> tuple[str, ...]:
        """Its classes, in the order of its scores."""
        ...

    def class_scores(self, videos: Sequence[Frames]) -> Vectors:
        """float32 [N, C] logits of N clips with as many frames each."""
        ...

    def identity(self) -> Identity:
        """Which model this is."""
        ...


@dataclass(frozen=True)
class ViCLIPEmbedder:
    """A ViCLIP.

    Attributes:
        model: in evaluation mode or not; drop path is off while it embeds.
        name: for people.
        wise_ft: see `Identity`.
        batch: clips per run of the tower.
    """

    model: ViCLIP
    name: str = "viclip"
    wise_ft: float | None = None
    batch: int = 8

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        """See `Embedder`."""
        batches: list[Vectors] = []
        for start in range(0, len(videos), self.batch):
            part = list(videos[start : start + self.batch])
            vectors = self.model.encode_video(part, frames=len(part[0]), batch_size=self.batch)
            batches.append(vectors.cpu().numpy().astype(np.float32))
        return np.concatenate(batches)

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self.model.encode_text(list(texts)).cpu().numpy().astype(np.float32)

    def cut_texts(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the model reads; see `count_texts`."""
        tokenizer = self.model.tokenizer
        return sum(len(tokenizer.encode(text)) + 2 > tokenizer.context for text in texts)

    def identity(self) -> Identity:
        """See `Embedder`."""
        config, described = self.model.config, self.model.describe()
        rule = described["preprocessing"]
        words = f"{rule['name']}@{rule['fingerprint']}, {config.resolution} px, {rule['fit']}, "
        return Identity(
            name=self.name,
            weights=digest_state(self.model.state_dict()),
            preprocessing=words + f"{rule['interpolation']}, {described['dtype']}",
            frames=config.frames,
            text_tokens=config.context,
            resolution=config.resolution,
            wise_ft=self.wise_ft,
            text_positions=self.model.text_positions,
        )


@dataclass(frozen=True)
class DualEncoderEmbedder:
    """A CLIP or SigLIP of transformers: each frame alone, then the mean of their unit vectors.

    Attributes:
        encoder: the model.
        name: for people.
        weights: digest of its files.
        frames: taken of a clip where nothing else is set; the paper's 8.
    """

    encoder: DualEncoder
    name: str
    weights: str
    frames: int = 8

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        """See `Embedder`."""
        from PIL import Image

        clips = [[Image.fromarray(frame) for frame in video] for video in videos]
        return unit(self.encoder.clip_features(clips))

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        parts = [
            self.encoder.text_features(list(texts[start : start + _TEXTS]))
            for start in range(0, len(texts), _TEXTS)
        ]
        return unit(np.concatenate(parts))

    def cut_texts(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the model reads; see `count_texts`."""
        return self.encoder.cut_texts(texts)

    def identity(self) -> Identity:
        """See `Embedder`."""
        described = self.encoder.describe()
        rule = json.dumps(described, sort_keys=True, default=str)
        digest = hashlib.blake2b(rule.encode(), digest_size=8).hexdigest()
        return Identity(
            name=self.name,
            weights=self.weights,
            preprocessing=f"its own@{digest}, {described['dtype']}",
            frames=self.frames,
            frame_aggregation=_MEAN,
        )


@dataclass(frozen=True)
class FrameMeanEmbedder:
    """Each frame alone, then the mean of their unit vectors: how CLIP is measured on video.

    The paper's CLIP rows average frame embeddings (§7.2). CLIP's own weights, read as a ViCLIP,
    are CLIP where there is one frame, since their temporal positions are zero.

    Attributes:
        inner: embeds single frames.
    """

    inner: Embedder

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        """See `Embedder`."""
        singles = [frame[None] for video in videos for frame in video]
        vectors = self.inner.video_vectors(singles)
        grouped = vectors.reshape(len(videos), -1, vectors.shape[-1])
        return unit(grouped.mean(axis=1))

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self.inner.text_vectors(texts)

    def cut_texts(self, texts: Sequence[str]) -> int | None:
        """How many texts are longer than the model reads; see `count_texts`."""
        return count_texts(self.inner, texts).get("cut")

    def identity(self) -> Identity:
        """See `Embedder`."""
        return dataclasses.replace(self.inner.identity(), frame_aggregation=_MEAN)


@dataclass(frozen=True)
class FakeEmbedder:
    """Needs no weights: hashed words and pooled colours, through a fixed random matrix.

    Deterministic and quick; its numbers mean nothing.

    Attributes:
        size: D.
    """

    size: int = 32

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        """See `Embedder`."""
        rows = []
        for video in videos:
            quarter = np.array_split(video.astype(np.float32) / 255, 4, axis=1)
            cells = [np.array_split(part, 4, axis=2) for part in quarter]
            pooled = np.array([[cell.mean((1, 2)) for cell in row] for row in cells])
            change = np.abs(np.diff(pooled, axis=2)).sum(2) / max(1, len(video) - 1)
            rows.append(np.concatenate([pooled.mean(2).ravel() - 0.5, change.ravel()]))
        matrix = np.random.default_rng(7).normal(size=(96, self.size))
        return unit(np.stack(rows) @ matrix)

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        rows = np.zeros((len(texts), self.size))
        for at, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
                rows[at] += np.random.default_rng(seed).normal(size=self.size)
        return unit(rows)

    def cut_texts(self, texts: Sequence[str]) -> int:
        """None: every word counts."""
        del texts
        return 0

    def identity(self) -> Identity:
        """See `Embedder`."""
        return Identity("fake", f"fake-{self.size}", "4 x 4 means", frames=8)


def count_texts(subject: object, texts: Sequence[str]) -> dict[str, int]:
    """How many texts there are, and how many the model cuts where it can say that.

    Args:
        subject: an embedder; one with a method `cut_texts(texts)` says how many are too long.
        texts: as they are embedded.

    Returns:
        `texts`, and perhaps `cut`.
    """
    counts = {"texts": len(texts)}
    count_cut = getattr(subject, "cut_texts", None)
    cut = count_cut(texts) if callable(count_cut) else None
    return counts if cut is None else counts | {"cut": int(cut)}


def unit(vectors: npt.NDArray[np.floating[Any]]) -> Vectors:
    """The vectors with unit length, float32; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def digest_state(state: Mapping[str, Any]) -> str:
    """16 hex digits of a state dict: names, shapes, dtypes and bytes, on any device."""
    import torch

    digest = hashlib.blake2b(digest_size=8)
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}:{tensor.dtype}:{list(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
