"""Batches ahead of need: read by processes, by threads or in line, the same whoever reads them."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import torch
from av.error import FFmpegError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from internvid.core.errors import (
    ConfigInvalidError,
    InternvidError,
    TrainingStoppedError,
    VideoError,
)
from internvid.core.system.imports import SafeStart
from internvid.training.data.order import IntArray, SamplePlan, process_share
from internvid.training.data.samples import ClipSource, Samples
from internvid.training.loss import EMPTY
from internvid.training.run.distributed import local_world_size, rank, world_size
from internvid.training.views.views import View, ViewRecipe, ViewShape, show

Workers = Literal["processes", "threads"]

_WORKER_GONE = "DataLoader worker (pid"
SHARED_MEMORY = Path("/dev/shm")
_GIGA = 1e9


@dataclass(frozen=True)
class Order:
    """What a reader is given: this process's part of one step.

    Attributes:
        step: of the stage.
        epoch: it belongs to.
        samples: numbers of the samples.
        clips: their places in the source's table.
        may_flip: whether each may be mirrored.
    """

    step: int
    epoch: int
    samples: IntArray
    clips: IntArray
    may_flip: Sequence[bool]


@dataclass(frozen=True)
class Batch:
    """One step's clips of this process.

    A clip that could not be read leaves its place empty: zeros, and `EMPTY` for its sample. So
    shapes never change, the loss passes over it, and no other sample's fate depends on it.

    Attributes:
        step: of the stage.
        epoch: it belongs to.
        patches: uint8 [B, K, 3 * patch * patch].
        kept: int64 [B, K]; None where all patches are shown.
        samples: int64 [B].
        unreadable: (sample, reason) of the empty places.
    """

    step: int
    epoch: int
    patches: Tensor
    kept: Tensor | None
    samples: Tensor
    unreadable: tuple[tuple[int, str], ...] = ()

    def tensors(self) -> tuple[Tensor, ...]:
        """Those that there are."""
        return tuple(x for x in (self.patches, self.kept, self.samples) if x is not None)

    def pin_memory(self) -> Batch:
        """In pages that a GPU can read by itself; called by the loader."""
        return replace(
            self,
            patches=self.patches.pin_memory(),
            kept=None if self.kept is None else self.kept.pin_memory(),
        )


class ReadBatch(Protocol):
    """A batch of any kind of model, as loaders pass it on."""

    def tensors(self) -> tuple[Tensor, ...]:
        """What goes through shared memory."""
        ...


ReadType = TypeVar("ReadType", bound=ReadBatch)


@dataclass(frozen=True)
class BatchReader(Dataset[Batch]):
    """Orders in, batches out; pickled into workers.

    Attributes:
        source: where clips are.
        shape: sizes of a view.
        view: what is random in a view.
        seed: of the run.
    """

    source: ClipSource
    shape: ViewShape
    view: ViewRecipe = field(default_factory=ViewRecipe)
    seed: int = 0

    def __getitem__(self, order: Order) -> Batch:
        unreadable: list[tuple[int, str]] = []
        views: list[View] = []
        samples = torch.from_numpy(order.samples.copy())
        for at, (sample, clip) in enumerate(zip(order.samples, order.clips, strict=True)):
            key = (self.seed, order.epoch, int(sample))
            try:
                view = show(
                    self.source,
                    int(clip),
                    key,
                    self.shape,
                    self.view,
                    may_flip=order.may_flip[at],
                )
            except (VideoError, FFmpegError, OSError) as error:
                unreadable.append((int(sample), _reason(error)))
                samples[at] = EMPTY
                view = self._nothing()
            views.append(view)
        return Batch(
            step=order.step,
            epoch=order.epoch,
            patches=torch.stack([view.patches for view in views]),
            kept=torch.stack([view.kept for view in views]) if self.shape.mask_ratio else None,
            samples=samples,
            unreadable=tuple(unreadable),
        )

    def _nothing(self) -> View:
        channels = 3 * self.shape.patch**2
        return View(
            torch.zeros(self.shape.kept, channels, dtype=torch.uint8),
            torch.arange(self.shape.kept),
        )


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, VideoError) else type(error).__name__


def make_order(plan: SamplePlan, samples: Samples, step: int, flip: str) -> Order:
    """This process's part of a step of a stage."""
    chosen = process_share(plan.samples(step), rank(), world_size())
    mentions_direction = samples.mentions_direction[chosen]
    return Order(
        step=step,
        epoch=plan.epoch_of(step),
        samples=chosen,
        clips=samples.clips[chosen],
        may_flip=[flip == "always" or not bool(each) for each in mentions_direction],
    )


@dataclass(frozen=True)
class Orders:
    """The orders of a stage's steps, made when they are requested.

    Attributes:
        plan: which samples stand in which batch.
        samples: what is known of them.
        start, end: steps of the stage, half-open.
        flip: as in `ViewRecipe`.
    """

    plan: SamplePlan
    samples: Samples
    start: int
    end: int
    flip: str

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[Order]:
        for step in range(self.start, self.end):
            yield make_order(self.plan, self.samples, step, self.flip)


@dataclass(frozen=True)
class LoaderRecipe:
    """How batches are read; settings that change speed and nothing else.

    Attributes:
        workers: processes or threads beside the training process; 0 reads in line.
        kind: `processes` (each its own interpreter; scripts need the usual main guard) or
            `threads` (decoding and resizing run outside Python's lock).
        ahead: batches that each worker has under way or ready.
    """

    workers: int = 0
    kind: Workers = "processes"
    ahead: int = 2

    def __post_init__(self) -> None:
        if self.workers < 0 or self.ahead < 1:
            raise ConfigInvalidError(
                f"workers {self.workers} must be at least 0 and ahead {self.ahead} at least 1"
            )


def shared_memory_bytes(shape: ViewShape, share: int, how: LoaderRecipe) -> int:
    """Shared memory that the loader of one process fills.

    Args:
        shape: of a view.
        share: clips of a batch of one process.
        how: who reads.

    Returns:
        Bytes of the batches that lie ready or are being made, and of the one in use.
    """
    if not how.workers or how.kind != "processes":
        return 0
    clip = shape.kept * (3 * shape.patch**2 + (8 if shape.mask_ratio else 0)) + 8
    return share * clip * (how.workers * how.ahead + 1)


def check_shared_memory(
    shape: ViewShape, share: int, how: LoaderRecipe, processes_here: int
) -> None:
    """Refuses a loader that will fill shared memory before it has a batch to spare.

    Args:
        shape: of a view.
        share: clips of a batch of one process.
        how: who reads.
        processes_here: of the run, on this machine; all fill the same.

    Raises:
        ConfigInvalidError: there is less room than the batches take.
    """
    if not SHARED_MEMORY.is_dir():
        return
    need = processes_here * shared_memory_bytes(shape, share, how)
    room = shutil.disk_usage(SHARED_MEMORY).free
    if need > room:
        raise ConfigInvalidError(
            f"{processes_here} x {how.workers} loader processes with {how.ahead} batches each "
            f"ahead fill {need / _GIGA:.3g} GB of shared memory; {SHARED_MEMORY} has "
            f"{room / _GIGA:.3g} GB left",
            hint=_more_shared_memory(need),
        )


def _more_shared_memory(need_bytes: float) -> str:
    gigabytes = max(1, -(-int(need_bytes) // 2**30))
    return (
        f"give {SHARED_MEMORY} {gigabytes} GiB or more (docker run --shm-size={gigabytes}g), read "
        "fewer batches ahead (--set data.loader.ahead=1 or fewer data.loader.workers), or take "
        "--set data.loader.kind=threads"
    )


def _bytes_of(batch: ReadBatch) -> int:
    return sum(each.nbytes for each in batch.tensors())


def _shared_memory_hint(batch_bytes: int, how: LoaderRecipe) -> str:
    """What to do about shared memory that batches of this size do not fit in."""
    need = local_world_size() * batch_bytes * (how.workers * how.ahead + 1)
    return f"shared memory is full or limited: {_more_shared_memory(need)}"


def batches(
    reader: Dataset[ReadType], orders: Orders, how: LoaderRecipe, *, pin: bool = False
) -> Iterator[ReadType]:
    """The batches of the orders, in order.

    Args:
        reader: makes a batch of an order.
        orders: what to read.
        how: by whom.
        pin: whether batches lie in pinned memory.
    """
    if how.workers and how.kind == "threads":
        yield from _by_threads(reader, orders, how)
        return
    if how.workers:
        yield from _by_processes(reader, orders, how, pin=pin)
        return
    yield from DataLoader(
        reader,
        batch_size=None,
        sampler=orders,
        pin_memory=pin,
        # Its own numbers: the loader must not move the model's.
        generator=torch.Generator(),
    )


@dataclass(frozen=True)
class _InWorker(Dataset["ReadType | InternvidError"], Generic[ReadType]):
    """The reader as a worker has it: what goes wrong is sent in place of the batch."""

    reader: Dataset[ReadType]
    how: LoaderRecipe

    def __getitem__(self, order: Any) -> ReadType | InternvidError:
        try:
            return _shared(self.reader[order], self.how)
        except InternvidError as error:
            return error


def _shared(batch: ReadType, how: LoaderRecipe) -> ReadType:
    """The batch in shared memory: left to the loader, a failure there loses it without a word."""
    try:
        for each in batch.tensors():
            each.share_memory_()  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError) as error:
        raise TrainingStoppedError(
            f"a loader process cannot hand its batch over: {error}",
            hint=_shared_memory_hint(_bytes_of(batch), how),
        ) from error
    return batch


def _by_processes(
    reader: Dataset[ReadType], orders: Orders, how: LoaderRecipe, *, pin: bool
) -> Iterator[ReadType]:
    with SafeStart():
        loader = iter(
            DataLoader(
                _InWorker(reader, how),
                batch_size=None,
                sampler=orders,
                num_workers=how.workers,
                prefetch_factor=how.ahead,
                multiprocessing_context="spawn",
                pin_memory=pin,
                generator=torch.Generator(),
            )
        )
    size = 0
    while True:
        try:
            batch = next(loader)
        except StopIteration:
            return
        except RuntimeError as error:
            if not str(error).startswith(_WORKER_GONE):
                raise
            raise TrainingStoppedError(
                f"a loader process ended: {error}",
                hint=f"it was killed, ran out of memory, or {_shared_memory_hint(size, how)}",
            ) from error
        if isinstance(batch, InternvidError):
            raise batch
        size = _bytes_of(batch)
        yield batch


def _by_threads(reader: Dataset[ReadType], orders: Orders, how: LoaderRecipe) -> Iterator[ReadType]:
    with ThreadPoolExecutor(how.workers) as pool:
        pending: deque[Future[ReadType]] = deque()
        for order in orders:
            pending.append(pool.submit(reader.__getitem__, order))
            if len(pending) > how.workers * how.ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
