"""How many clips a device takes at once, from a count of bytes and the memory that it has.

A contrastive loss needs the whole batch, but not at once: `step.accumulate_gradients` takes it in
parts with the same loss. The largest part that fits is reckoned here for every device, those that
are not on this machine included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.config import ViCLIPConfig
from internvid.training.heads.open_heads import ActionRecipe, MatchingRecipe, head_of
from internvid.training.plan.flops import StepCost, parameter_counts
from internvid.training.recipes.recipe import Stage, TrainRecipe
from internvid.training.views.views import ViewShape

GIGA = 1e9
# Of a device's memory: what allocators lose between tensors of different sizes.
_USABLE = 0.88
# A CUDA context, its libraries' workspaces, the buffers of NCCL.
_RESERVED_BYTES = 2.5 * GIGA
# A device of which more than this is free has no other program on it.
_IDLE = 0.95
# On a CPU the memory belongs to the loader and the system too.
_CPU_USABLE = 0.6


@dataclass(frozen=True)
class KnownDevice:
    """A device as its maker's data sheet describes it.

    Attributes:
        memory_gigabytes: of 10^9 bytes.
        peak_teraflops: bfloat16, dense, per second.
        source: where both are printed.
    """

    memory_gigabytes: float
    peak_teraflops: float
    source: str


KNOWN_DEVICES: Mapping[str, KnownDevice] = MappingProxyType(
    {
        "a100-40gb": KnownDevice(40, 312, "NVIDIA A100 data sheet, SXM"),
        "a100": KnownDevice(80, 312, "NVIDIA A100 data sheet, SXM 80 GB"),
        "h100-pcie": KnownDevice(80, 756, "NVIDIA H100 data sheet, PCIe, dense"),
        "h100": KnownDevice(80, 989, "NVIDIA H100 data sheet, SXM, dense"),
        "h200": KnownDevice(141, 989, "NVIDIA H200 data sheet, SXM, dense"),
        "b200": KnownDevice(180, 2250, "NVIDIA DGX B200 data sheet, one of eight, dense"),
        "l4": KnownDevice(24, 121, "NVIDIA L4 data sheet, dense"),
        "l40s": KnownDevice(48, 362, "NVIDIA L40S data sheet, dense"),
        "a10": KnownDevice(24, 125, "NVIDIA A10 data sheet, dense"),
        "rtx3090": KnownDevice(24, 71, "NVIDIA GA102 white paper, float32 sums"),
        "rtx4090": KnownDevice(24, 165, "NVIDIA Ada white paper, float32 sums"),
        "mi250x": KnownDevice(64, 191, "AMD MI250X data sheet, one of two dies"),
        "mi300x": KnownDevice(192, 1307, "AMD MI300X data sheet, dense"),
    }
)
"""Devices that a run can be planned for without having one."""


def known_device(name: str) -> KnownDevice:
    """The device of that name.

    Raises:
        ConfigInvalidError: it is not in the table.
    """
    if name.lower() not in KNOWN_DEVICES:
        raise ConfigInvalidError(
            f"no device {name!r} is known to plan for; known: {', '.join(KNOWN_DEVICES)}",
            hint="name the one nearest in speed, and its memory with --device-memory GIGABYTES",
        )
    return KNOWN_DEVICES[name.lower()]


@dataclass(frozen=True)
class Hardware:
    """What a run shares its batches over.

    Attributes:
        processes: one for each device.
        memory_bytes: that one process may fill on its device; None where that is not known: a
            batch is then taken at once unless the recipe says otherwise.
        bfloat16: whether the step computes in it.
        sharded: whether the processes share weights, gradients and moments (FSDP).
        chosen: stage -> clips at once of an earlier start of the run; never exceeded.
    """

    processes: int = 1
    memory_bytes: float | None = None
    bfloat16: bool = False
    sharded: bool = False
    chosen: Mapping[str, int] = field(default_factory=dict)


def usable_memory(device: torch.device, processes_here: int = 1) -> float | None:
    """Bytes of a device that one process may fill; None where nobody says how many it has.

    Args:
        device: on this machine.
        processes_here: that share a CPU's memory.
    """
    if device.type == "cuda":
        free, whole = torch.cuda.mem_get_info(device)
        # What others have left, if they have any; else the same number at every start.
        return usable_of(float(whole if free > _IDLE * whole else free))
    if device.type == "cpu":
        return _CPU_USABLE * _cpu_bytes() / processes_here
    return None


def usable_of(memory_bytes: float) -> float:
    """What a run may fill of a device's memory."""
    return _USABLE * memory_bytes - _RESERVED_BYTES


def _cpu_bytes() -> float:
    """Memory of this machine, or of the container that we are in."""
    whole = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = (Path("/sys/fs/cgroup") / name).read_text("ascii").strip()
        except OSError:
            continue
        if limit.isdigit():
            whole = min(whole, float(limit))
    return whole


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a step takes on one device.

    Attributes:
        fixed: whatever the part: parameters, the share's patches, embeddings and tiles.
        per_clip: of a part, at the backward pass's peak.
    """

    fixed: float
    per_clip: float

    def of(self, clips: int) -> float:
        """With so many clips at once."""
        return self.fixed + clips * self.per_clip

    def most_clips(self, memory_bytes: float) -> int:
        """The largest part that fits; 0 if not one clip does."""
        return max(0, int((memory_bytes - self.fixed) / self.per_clip))


def step_memory(
    recipe: TrainRecipe, stage: Stage, shape: ViewShape, cost: StepCost, hardware: Hardware
) -> StepMemory:
    """What a step of a stage takes on one device.

    Args:
        recipe: whose model, loss and head count.
        stage: its batch.
        shape: of a view.
        cost: of a clip.
        hardware: what shares the batch.
    """
    config = recipe.model.config
    share = -(-stage.batch // hardware.processes)
    parameters = cost.parameter_bytes
    if hardware.bfloat16:
        # Autocast keeps a copy in 16 bits of every weight that it has used.
        parameters += 2.0 * sum(parameter_counts(config))
    if hardware.processes > 1:
        if hardware.sharded:
            parameters /= hardware.processes
        else:
            parameters += cost.parameter_bytes / 4  # DDP's buckets of gradients
    patches = share * shape.kept * (3.0 * shape.patch**2 + (8 if shape.mask_ratio else 0))
    vectors = 4.0 * config.embedding * (4 * stage.batch + 6 * share)
    tile = min(recipe.loss.tile, stage.batch)
    return StepMemory(
        fixed=parameters + patches + vectors + 6 * 4.0 * tile**2,
        per_clip=_clip_bytes(recipe, shape, cost, config),
    )


def _clip_bytes(
    recipe: TrainRecipe, shape: ViewShape, cost: StepCost, config: ViCLIPConfig
) -> float:
    head = head_of(recipe)
    if isinstance(head, ActionRecipe) and head.frozen:
        return 2 * cost.transient_bytes
    both = cost.activation_bytes + cost.transient_bytes
    if isinstance(head, MatchingRecipe):
        # The last block computes all tokens; of each clip the head's keys and values, in three
        # pairs, in float32 to be safe.
        both += cost.transient_bytes
        both += 3.0 * (shape.kept + 1) * config.text_width * 4 * (2 * head.layers + 2)
    return both


def choose_micro_batch(
    stage: Stage, share: int, memory: StepMemory, hardware: Hardware, *, least: int = 1
) -> int:
    """Clips that one device takes at once.

    Args:
        stage: its `micro_batch` is taken as it is, if there is one.
        share: of the batch, of one process.
        memory: what a step takes.
        hardware: how much there is.
        least: that a part needs, where its clips are compared with one another.
    """
    if stage.micro_batch:
        return min(share, stage.micro_batch)
    if hardware.memory_bytes is None:
        most = share
    else:
        most = min(share, max(least, memory.most_clips(hardware.memory_bytes)))
    most = min(most, hardware.chosen.get(stage.name, most))
    # Parts of nearly equal size, as many as there must be.
    return -(-share // -(-share // most))
