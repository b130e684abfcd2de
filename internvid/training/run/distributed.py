"""What processes of one run tell each other. With one process each function is the identity.

Runs are started by `torchrun`, whose environment variables say who is who.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from internvid.training.run.heartbeat import Pulse

# Of one exchange of tensors, for which all are there.
_PATIENCE = timedelta(minutes=30)
# Without a sign of life, where one process waits for another's work.
_SILENCE = timedelta(minutes=5)

_PULSE: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Joins the processes that torchrun started; alone there is nothing to join.

    Args:
        device: decides the transport: nccl for CUDA, gloo elsewhere.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    # A connection of its own: torch's may be held by whoever waits in it.
    store = dist.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False,
        timeout=_PATIENCE, wait_for_workers=False,
    )  # fmt: skip
    pulse = Pulse(store, dist.get_rank(), dist.get_world_size(), _SILENCE)
    token = _PULSE.set(pulse)
    reason: str | None = None
    try:
        yield
    except BaseException as error:
        reason = str(error) or type(error).__name__
        raise
    finally:
        _PULSE.reset(token)
        pulse.leave(reason)
        dist.destroy_process_group()


def rank() -> int:
    """Which process this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes the run has."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_rank() -> int:
    """Which process of this machine this is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """How many processes of the run this machine has."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("WORLD_SIZE") or 1)


def all_sum(values: Tensor) -> Tensor:
    """The sum over processes, no gradient."""
    return _reduced(values, dist.ReduceOp.SUM)


def all_max(values: Tensor) -> Tensor:
    """The maximum over processes, no gradient."""
    return _reduced(values, dist.ReduceOp.MAX)


def gather_rows(rows_BX: Tensor) -> Tensor:
    """The rows of all processes in rank order, [world * B, X]; B must be equal. No gradient."""
    if world_size() == 1:
        return rows_BX
    rows_BX = rows_BX.contiguous()
    everyone = rows_BX.new_empty((world_size() * len(rows_BX), *rows_BX.shape[1:]))
    if rows_BX.device.type == "cpu":
        dist.all_gather(list(everyone.chunk(world_size())), rows_BX)
    else:
        dist.all_gather_into_tensor(everyone, rows_BX)
    return everyone


def sum_scattered(parts_NX: Tensor) -> Tensor:
    """Sums parts over processes and keeps this one's rows: the reverse of `gather_rows`."""
    if world_size() == 1:
        return parts_NX
    mine = len(parts_NX) // world_size()
    if parts_NX.device.type == "cpu":
        # Older gloo has no reduce-scatter.
        return all_sum(parts_NX)[rank() * mine : (rank() + 1) * mine]
    kept = parts_NX.new_empty((mine, *parts_NX.shape[1:]))
    dist.reduce_scatter_tensor(kept, parts_NX.contiguous())
    return kept


def wait_for_all() -> None:
    """Goes on once every process is here, however long that takes.

    Raises:
        TrainingStoppedError: one of them has ended, or gives no sign of life.
    """
    pulse = _PULSE.get()
    if pulse is not None:
        pulse.wait()
    elif world_size() > 1:
        dist.barrier()


def shared_work(count: int) -> Iterator[int]:
    """The numbers below `count`, each to one process; call `wait_for_all` for all to be done."""
    pulse = _PULSE.get()
    if pulse is not None:
        return pulse.shared(count)
    return iter(range(rank(), count, world_size()))


def _reduced(values: Tensor, how: Any) -> Tensor:
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total, how)
    return total
