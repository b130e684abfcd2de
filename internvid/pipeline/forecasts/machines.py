"""How long a build takes on many machines, what bounds it, and what it costs.

Sources are shared out whole, so four things bound a build: all cores together, the longest source
on the one core that has it, the rows of all sources that every process reads once, and the storage.
The constants are results of `benchmarks.cluster`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from internvid.core.errors import ConfigInvalidError
from internvid.pipeline.forecast import Forecast

CUT_AND_SEAL = 0.065
"""CPU time of sealing and cutting, as a share of that of scanning."""
READ_SECONDS = 15e-6
"""Seconds in which a process reads the row of one source: its part, whether it is a copy."""
TIMES_WRITTEN = 2
"""Pictures are staged, and copied once into their part."""


@dataclass(frozen=True)
class Machines:
    """What a build may use.

    Attributes:
        count: of machines. cores: of each.
        price: of one machine for an hour, in any currency; None when nobody wants to know.
        storage_mb: megabytes a second that the storage reads or writes for all of them together;
            None when it is not known, and then it bounds nothing.
    """

    count: int
    cores: int
    price: float | None = None
    storage_mb: float | None = None

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigInvalidError: a number that is not positive.
        """
        numbers = {"machines": self.count, "cores": self.cores, "storage": self.storage_mb}
        for name, value in numbers.items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigInvalidError(f"--{name} is a positive number, not {value}")
        if self.price is not None and not (math.isfinite(self.price) and self.price >= 0):
            raise ConfigInvalidError(f"--price is what an hour costs, not {self.price}")


@dataclass(frozen=True)
class MachinesForecast:
    """A build on so many machines.

    Attributes:
        machines, cores: as stated; cores of each machine.
        gpus: that scanning and cutting need: none.
        hours: wall time, with every machine at work from the beginning.
        bottleneck: what bounds it: `cores`, `longest source`, `rows` or `storage`.
        bounds: hours that each of these needs by itself.
        useful_machines: with more than these, something other than cores bounds it.
        machine_hours: of all machines together.
        price: of them; None where no price was stated.
        disk_bytes: the dataset at its end.
        peak_disk_bytes: the most at a time, with parts that are staged and not sealed yet.
        gpu_columns: captioners of the recipe that load models: these want GPUs, a process for each,
            and their time is not here.
    """

    machines: int
    cores: int
    gpus: int
    hours: float
    bottleneck: str
    bounds: dict[str, float]
    useful_machines: int
    machine_hours: float
    price: float | None
    disk_bytes: float
    peak_disk_bytes: float
    gpu_columns: tuple[str, ...]


def forecast_machines(
    cost: Forecast, machines: Machines, gpu_columns: tuple[str, ...] = ()
) -> MachinesForecast:
    """What the build of a forecast is on many machines.

    Args:
        cost: measured on this machine; cores there are taken to be as fast.
        machines: what there is.
        gpu_columns: captioners of the recipe that load models.

    Raises:
        ConfigInvalidError: machines that cannot be.
    """
    machines.check()
    cpu_hours = cost.cpu_seconds_per_hour * cost.video_hours * (1 + CUT_AND_SEAL) / 3600
    slots = max(1, min(machines.count * machines.cores, cost.sources))
    bounds = {
        "cores": cpu_hours / slots,
        "longest source": cost.cpu_seconds_per_hour * cost.longest_hours / 3600,
        "rows": READ_SECONDS * cost.sources / 3600,
    }
    if machines.storage_mb is not None:
        # Staged files are read once again to be copied.
        moved = cost.source_bytes + (2 * TIMES_WRITTEN - 1) * cost.expected_bytes
        bounds["storage"] = moved / (machines.storage_mb * 1e6) / 3600
    other = max(hours for name, hours in bounds.items() if name != "cores")
    # Every process reads the rows before it has its first source.
    hours = max(each for name, each in bounds.items() if name != "rows") + bounds["rows"]
    useful = math.ceil(cpu_hours / (machines.cores * other)) if other else machines.count
    return MachinesForecast(
        machines=machines.count,
        cores=machines.cores,
        gpus=0,
        hours=hours,
        bottleneck=max(bounds, key=lambda name: bounds[name]),
        bounds=bounds,
        useful_machines=max(1, min(useful, math.ceil(max(1, cost.sources) / machines.cores))),
        machine_hours=hours * machines.count,
        price=None if machines.price is None else hours * machines.count * machines.price,
        disk_bytes=cost.expected_bytes,
        peak_disk_bytes=TIMES_WRITTEN * cost.expected_bytes,
        gpu_columns=gpu_columns,
    )
