"""The towers over several processes: whole on each (DDP) or shared (FSDP2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.blocks import ResidualBlock
from internvid.training.run.distributed import world_size

NoSync = Callable[[], AbstractContextManager[None]]


def wrap_distributed(tower: nn.Module, sharding: str, device: torch.device) -> nn.Module:
    """A tower whose gradients are means over the processes after each backward pass.

    Args:
        tower: all its parameters want gradients.
        sharding: `ddp` or `fsdp`.
        device: where it is.

    Returns:
        What to call in its place; the tower itself keeps the parameters' names.

    Raises:
        ConfigInvalidError: `fsdp` on a CPU with a PyTorch that cannot.
    """
    if world_size() == 1:
        return tower
    if sharding == "ddp":
        ids = [device] if device.type == "cuda" else None
        return DistributedDataParallel(tower, device_ids=ids, broadcast_buffers=False)
    if device.type == "cpu" and not shards_on_cpu():
        raise ConfigInvalidError(
            f"PyTorch {torch.__version__} shares weights on GPUs only",
            hint="--set loop.sharding=ddp, or install a newer PyTorch",
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (world_size(),))
    for block in tower.modules():
        if isinstance(block, ResidualBlock):
            fully_shard(block, mesh=mesh)
    fully_shard(tower, mesh=mesh)
    return tower


def shards_on_cpu() -> bool:
    """Whether this PyTorch can run FSDP2 without a GPU; 2.6 cannot: its CPU stream lacks events."""
    return hasattr(torch.cpu.current_stream(), "record_event")


def no_sync(towers: Sequence[nn.Module]) -> NoSync:
    """A context in which their gradients are added up but not exchanged."""
    if world_size() == 1:
        return nullcontext

    @contextmanager
    def context() -> Iterator[None]:
        with ExitStack() as stack:
            for tower in towers:
                stack.enter_context(_no_sync(tower))
            yield

    return context


@contextmanager
def _no_sync(tower: nn.Module) -> Iterator[None]:
    if isinstance(tower, DistributedDataParallel):
        with tower.no_sync():
            yield
        return
    set_sync: Any = getattr(tower, "set_requires_gradient_sync", None)
    if set_sync is not None:
        set_sync(False)
    try:
        yield
    finally:
        if set_sync is not None:
            set_sync(True)


def mean_gradient(parameter: nn.Parameter) -> None:
    """The mean over processes of a parameter that belongs to no shared tower."""
    if world_size() > 1 and parameter.grad is not None:
        dist.all_reduce(parameter.grad)
        parameter.grad /= world_size()


def whole(tensor: Tensor) -> Tensor:
    """The tensor of all processes together; every process must call it."""
    full = getattr(tensor, "full_tensor", None)
    return tensor if full is None else full()


def is_shared(tensor: Tensor) -> bool:
    """Whether each process holds a part of it."""
    return hasattr(tensor, "full_tensor")


def local(tensor: Tensor) -> Tensor:
    """The part of a shared tensor that is here; a view."""
    here: Any = getattr(tensor, "to_local", None)
    return tensor if here is None else here()


def local_like(value: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor placed as a parameter is: on its device, shared as it is."""
    placed = value.to(parameter.device, copy=True)
    mesh = getattr(parameter, "device_mesh", None)
    if mesh is None:
        return placed
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(placed, mesh, getattr(parameter, "placements"))  # noqa: B009
