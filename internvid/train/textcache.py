"""Texts on their way into the loss: embeddings kept in a file, or token ids.

A frozen text tower gives the same embedding each time. So every caption is embedded once, into a
file named after the tower's weights and the captions; training then neither tokenises nor runs
the tower.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from internvid.dataset.parts import committed
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.train.order import IntArray
from internvid.train.processes import rank, wait_for_all

_AT_ONCE = 256


class Texts(Protocol):
    """The captions of a run by number."""

    def rows(self, texts_B: IntArray) -> Tensor:
        """What stands for these captions, on the CPU: embeddings [B, E] or ids [B, L]."""
        ...


@dataclass
class TokenTexts:
    """Ids, made when a caption is first needed.

    Attributes:
        captions: all of them.
        tokenizer: makes ids.
        trims: whether columns that are empty in the whole batch are left out; saves work where
            shapes may change freely.
    """

    captions: Sequence[str]
    tokenizer: Tokenizer
    trims: bool = False

    def __post_init__(self) -> None:
        shape = (len(self.captions), self.tokenizer.context)
        self._ids = np.zeros(shape, dtype=np.int32)

    def rows(self, texts_B: IntArray) -> Tensor:
        """int64 [B, L]."""
        missing = texts_B[self._ids[texts_B, 0] == 0]
        if len(missing):
            self._ids[missing] = self.tokenizer([self.captions[at] for at in missing]).numpy()
        found = self._ids[texts_B].astype(np.int64)
        if self.trims:
            found = found[:, : int((found != 0).any(axis=0).sum())]
        return torch.from_numpy(found)


@dataclass(frozen=True)
class CachedTexts:
    """Embeddings in a mapped file.

    Attributes:
        vectors: float32 [captions, E].
    """

    vectors: npt.NDArray[np.float32]

    def rows(self, texts_B: IntArray) -> Tensor:
        """float32 [B, E]."""
        return torch.from_numpy(np.asarray(self.vectors[texts_B]))


def cache_texts(
    tower: TextTower,
    tokenizer: Tokenizer,
    captions: Sequence[str],
    folder: Path,
    device: torch.device,
) -> CachedTexts:
    """Embeds every caption, or finds the file in which they are.

    Args:
        tower: frozen, in evaluation mode.
        tokenizer: makes its ids.
        captions: each once.
        folder: where the file is kept.
        device: where the tower is.

    Raises:
        StorageError: the file cannot be written.
    """
    shape = (len(captions), int(tower.text_projection.shape[1]))
    path = folder / f"texts-{_key(tower, tokenizer, captions)}.f32"
    if rank() == 0 and not path.is_file():
        with committed(path) as temporary:
            _embed(tower, tokenizer, captions, temporary, device)
    wait_for_all()
    return CachedTexts(np.memmap(path, dtype=np.float32, mode="r", shape=shape))


@torch.no_grad()
def _embed(
    tower: TextTower,
    tokenizer: Tokenizer,
    captions: Sequence[str],
    path: Path,
    device: torch.device,
) -> None:
    with path.open("wb") as file:
        for start in range(0, len(captions), _AT_ONCE):
            ids = tokenizer(captions[start : start + _AT_ONCE]).to(device)
            file.write(tower(ids).float().cpu().numpy().tobytes())
        file.flush()
        os.fsync(file.fileno())


def _key(tower: nn.Module, tokenizer: Tokenizer, captions: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    digest.update(tokenizer.merges.fingerprint.encode())
    for name, value in sorted(tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    for caption in captions:
        digest.update(caption.encode() + b"\0")
    return digest.hexdigest()
