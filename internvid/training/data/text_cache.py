"""Texts on their way into the loss: embeddings kept in a file, or token ids.

A frozen text tower gives the same embedding each time. So every caption is embedded once, into a
file named after the tower's weights and the captions; training then neither tokenises nor runs
the tower. All processes share that work, block by block; blocks are kept as they are done, so a
run that is stopped goes on with those that are left.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from internvid.dataset.parts import committed, discard
from internvid.models.viclip.text import TextTower
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.training.data.order import IntArray
from internvid.training.run.distributed import rank, shared_work, wait_for_all

Products = Literal["float32", "tf32", "bfloat16"]

_AT_ONCE = 256
_BLOCKS, _SMALLEST_BLOCK, _LARGEST_BLOCK = 64, 8, 4096
_COPIED_BYTES = 1 << 24


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
        ids_BL = self._ids[texts_B].astype(np.int64)
        if self.trims:
            ids_BL = ids_BL[:, : int((ids_BL != 0).any(axis=0).sum())]
        return torch.from_numpy(ids_BL)


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
    *,
    products: Products = "float32",
) -> CachedTexts:
    """Embeds every caption, or takes the file in which they are. Every process must call it.

    Args:
        tower: frozen, in evaluation mode.
        tokenizer: makes its ids.
        captions: each once.
        folder: where the file is kept.
        device: where the tower is.
        products: numbers that the tower computes in; the file holds float32 whatever they are.

    Raises:
        StorageError: the file cannot be written.
        TrainingStoppedError: another process has ended.
    """
    shape = (len(captions), int(tower.text_projection.shape[1]))
    name = f"texts-{_key(tower, tokenizer, captions)}"
    name += "" if products == "float32" else f"-{products}"
    path, blocks = folder / f"{name}.f32", folder / f"{name}.blocks"
    size = block_size(len(captions))
    for block in shared_work(-(-len(captions) // size)):
        some = captions[block * size : (block + 1) * size]
        place = blocks / f"{block:06d}.f32"
        if path.is_file() or _is_whole(place, len(some) * shape[1]):
            continue
        with committed(place) as temporary:
            temporary.write_bytes(_embedded(tower, tokenizer, some, device, products))
    wait_for_all()
    if rank() == 0:
        if not path.is_file():
            _join(blocks, path)
        discard(blocks)
    wait_for_all()
    return CachedTexts(np.memmap(path, dtype=np.float32, mode="r", shape=shape))


def block_size(captions: int) -> int:
    """Captions of a block: a function of their number alone, so that any start finds them."""
    return min(_LARGEST_BLOCK, max(_SMALLEST_BLOCK, -(-captions // _BLOCKS)))


def _is_whole(block: Path, values: int) -> bool:
    return block.is_file() and block.stat().st_size == 4 * values


def _join(blocks: Path, path: Path) -> None:
    with committed(path) as temporary, temporary.open("wb") as whole:
        for block in sorted(blocks.glob("*.f32")):
            with block.open("rb") as file:
                shutil.copyfileobj(file, whole, _COPIED_BYTES)


@torch.no_grad()
def _embedded(
    tower: TextTower,
    tokenizer: Tokenizer,
    captions: Sequence[str],
    device: torch.device,
    products: Products,
) -> bytes:
    found = []
    with _computing_in(products, device):
        for start in range(0, len(captions), _AT_ONCE):
            ids = tokenizer(captions[start : start + _AT_ONCE]).to(device)
            found.append(tower(ids).float().cpu().numpy().tobytes())
    return b"".join(found)


@contextmanager
def _computing_in(products: Products, device: torch.device) -> Iterator[None]:
    """Products of matrices in bfloat16 (autocast) or TF32 (a GPU's) for a while."""
    before = torch.get_float32_matmul_precision()
    if products == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=products == "bfloat16"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _key(tower: nn.Module, tokenizer: Tokenizer, captions: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    digest.update(tokenizer.merges.fingerprint.encode())
    for name, value in sorted(tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    for caption in captions:
        digest.update(caption.encode() + b"\0")
    return digest.hexdigest()
