"""Reads tensors out of files that torch.save wrote, and runs nothing that they name.

A pickle can call any function it names. Public ViCLIP files name classes that are not installed
(paper §6.6), so torch's own safe loader refuses them. Here only tensors, plain containers and
numbers are rebuilt; every other name becomes an inert object that remembers what it was given.
"""

from __future__ import annotations

import collections
import io
import mmap
import pickle
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from internvid.core.errors import CheckpointFormatError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LOCAL_HEADER = 30
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Inert(dict[Any, Any]):
    """Stands for an object of a class that is not wanted. It accepts everything and does nothing.

    Attributes set on it are kept, because TorchScript files hold their tensors that way.
    """

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        super().__init__()

    def __call__(self, *_arguments: Any, **_named: Any) -> Inert:
        """Itself: what looked like a call was none."""
        return self

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def append(self, item: Any) -> None:
        """Ignored."""

    def extend(self, items: Any) -> None:
        """Ignored."""

    def add(self, item: Any) -> None:
        """Ignored."""


@dataclass(frozen=True)
class Storage:
    """One stored run of numbers: which, of what kind, how many."""

    key: str
    dtype: torch.dtype
    length: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that was not read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self, fetch: Callable[[Storage], Tensor]) -> Tensor:
        """Its numbers, as a view of the stored run.

        Raises:
            CheckpointFormatError: it reaches beyond its run.
        """
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)
        )
        fits = min((self.offset, *self.shape, *self.stride), default=0) >= 0
        if not fits or (0 not in self.shape and last >= self.storage.length):
            raise CheckpointFormatError(
                f"a tensor of shape {list(self.shape)} reaches beyond its stored numbers"
            )
        return fetch(self.storage).as_strided(self.shape, self.stride, self.offset)


def _stored_tensor(
    storage: Any, offset: Any, shape: Sequence[int], stride: Sequence[int], *_rest: Any
) -> Any:
    if not isinstance(storage, Storage):
        return Inert()
    return StoredTensor(storage, int(offset), tuple(shape), tuple(stride))


def _first(value: Any, *_rest: Any) -> Any:
    return value


def _subclass_tensor(function: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    return function(*arguments) if function is _stored_tensor else Inert()


class _Scalar:
    """Names a dtype where a pickle refers to a storage class."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _stored_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _stored_tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _subclass_tensor,
    ("torch.jit._pickle", "build_intlist"): list,
}


class TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors and plain containers; the rest becomes `Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for; nothing is ever imported."""
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _Scalar(_DTYPES[name])
        return _ALLOWED.get((module, name), Inert)

    def persistent_load(self, pid: Any) -> Any:
        """The stored run that a tensor refers to."""
        if not isinstance(pid, tuple) or len(pid) < 5 or not isinstance(pid[1], _Scalar):
            return Inert()
        return Storage(str(pid[2]), pid[1].dtype, int(pid[4]))


def read_pickled(path: Path) -> tuple[Any, Callable[[Storage], Tensor]]:
    """What a file of torch.save holds, its tensors not read yet.

    Args:
        path: a zip archive (torch 1.6 and later, TorchScript too) or the older format.

    Returns:
        The object, with `StoredTensor` where tensors are, and what fetches their numbers.

    Raises:
        CheckpointFormatError: the file is truncated, damaged or another kind of file.
    """
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head[:2] == b"PK":
            return _read_archive(path, file)
        return _read_legacy(path, file)


def _load(path: Path, stream: BinaryIO) -> Any:
    try:
        return TensorUnpickler(stream).load()
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise CheckpointFormatError(
            f"{path.name} is truncated or damaged: its index cannot be read "
            f"({type(error).__name__})",
            hint="fetch the file again and compare its size or hash",
        ) from error


def _read_archive(path: Path, file: BinaryIO) -> tuple[Any, Callable[[Storage], Tensor]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            index = [name for name in members if name.split("/", 1)[-1] == "data.pkl"]
            if not index:
                raise CheckpointFormatError(f"{path.name} is a zip file, but not of torch.save")
            root = index[0][: -len("data.pkl")]
            order = archive.read(root + "byteorder") if root + "byteorder" in members else b"little"
            pickled = archive.read(index[0])
    except (zipfile.BadZipFile, EOFError, OSError, struct.error) as error:
        raise CheckpointFormatError(
            f"{path.name} is truncated or damaged: {path.stat().st_size} bytes, and the list of "
            f"its parts, which stands at the end, is missing",
            hint="fetch the file again and compare its size or hash",
        ) from error
    if order != b"little":
        raise CheckpointFormatError(f"{path.name} was written by a big-endian machine")
    # Copy on write: tensors may be written to, the file stays as it is.
    with path.open("rb") as again:
        memory = mmap.mmap(again.fileno(), 0, access=mmap.ACCESS_COPY)

    def fetch(storage: Storage) -> Tensor:
        info = members.get(f"{root}data/{storage.key}")
        size = storage.length * storage.dtype.itemsize
        if storage.length == 0:
            return torch.empty(0, dtype=storage.dtype)
        if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size < size:
            raise CheckpointFormatError(
                f"{path.name} is damaged: the numbers {storage.key!r} are missing or too few"
            )
        name, extra = struct.unpack_from("<HH", memory, info.header_offset + 26)
        start = info.header_offset + _LOCAL_HEADER + name + extra
        return torch.frombuffer(memory, dtype=storage.dtype, count=storage.length, offset=start)

    return _load(path, io.BytesIO(pickled)), fetch


def _read_legacy(path: Path, file: BinaryIO) -> tuple[Any, Callable[[Storage], Tensor]]:
    if _load(path, file) != _LEGACY_MAGIC:
        raise CheckpointFormatError(f"{path.name} was not written by torch.save")
    _load(path, file)
    _load(path, file)
    content = _load(path, file)
    keys = _load(path, file)
    starts: dict[str, int] = {}
    lengths: dict[str, int] = {}
    sizes = {storage.key: storage.dtype.itemsize for storage in _storages(content)}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        starts[str(key)], lengths[str(key)] = file.tell(), count
        # A run that nothing wanted refers to has an unknown size, and none can come after it.
        if str(key) not in sizes:
            break
        file.seek(count * sizes[str(key)], io.SEEK_CUR)
    total = path.stat().st_size

    def fetch(storage: Storage) -> Tensor:
        start, size = starts.get(storage.key), storage.length * storage.dtype.itemsize
        if start is None or lengths[storage.key] < storage.length or start + size > total:
            raise CheckpointFormatError(
                f"{path.name} is truncated or damaged: it ends before the numbers {storage.key!r}",
                hint="fetch the file again and compare its size or hash",
            )
        with path.open("rb") as again:
            again.seek(start)
            data = bytearray(again.read(size))
        return torch.frombuffer(data, dtype=storage.dtype) if data else torch.empty(0)

    return content, fetch


def _storages(value: Any) -> list[Storage]:
    storages: list[Storage] = []
    waiting, seen = [value], set[int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, StoredTensor):
            storages.append(item.storage)
        elif isinstance(item, (dict, list, tuple)) and id(item) not in seen:
            seen.add(id(item))
            waiting += item.values() if isinstance(item, dict) else item
            waiting += vars(item).values() if isinstance(item, Inert) else ()
    return storages


def flatten_attributes(value: Any, prefix: str = "") -> dict[str, StoredTensor]:
    """The tensors of a TorchScript object and of the objects in it, by dotted name."""
    tensors: dict[str, StoredTensor] = {}
    for name, item in vars(value).items():
        if isinstance(item, StoredTensor):
            tensors[prefix + name] = item
        elif isinstance(item, Inert):
            tensors |= flatten_attributes(item, f"{prefix}{name}.")
    return tensors
