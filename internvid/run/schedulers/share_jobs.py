"""What a scheduler shall start: one command for each share, with what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from internvid.core.errors import ConfigInvalidError

NOT_DONE_EXIT = 3


@dataclass(frozen=True)
class JobNeeds:
    """What each share gets of a machine.

    Attributes:
        cpus: cores, and so many worker processes.
        memory_gb: gigabytes of memory; 0 leaves it to the scheduler.
        gpus: GPUs.
        hours: after which a share is stopped; what it did is kept.
    """

    cpus: int = 8
    memory_gb: int = 0
    gpus: int = 0
    hours: float = 24.0

    def __post_init__(self) -> None:
        wrong = {
            "cpus": self.cpus < 1,
            "memory_gb": self.memory_gb < 0,
            "gpus": self.gpus < 0,
            "hours": not 0 < self.hours <= 10_000,
        }
        for name in (name for name, bad in wrong.items() if bad):
            raise ConfigInvalidError(f"{name} cannot be {getattr(self, name)}")

    @property
    def minutes(self) -> int:
        """`hours` in whole minutes, at least one."""
        return max(1, round(60 * self.hours))


@dataclass(frozen=True)
class ShareJobs:
    """The shares of a dataset's planned work.

    Attributes:
        dataset: its folder or address, as all machines know it.
        shares: how many.
        at_once: how many of them run at the same time at most; None for all.
        passes: how often each is started: parts are sealed when all sources before them are
            scanned, by whichever share, so that a first pass scans and a second one does the rest.
        needs: of each share.
        name: of the jobs.
    """

    dataset: str
    shares: int
    at_once: int | None = None
    passes: int = 2
    needs: JobNeeds = JobNeeds()
    name: str = "internvid"

    def __post_init__(self) -> None:
        for name, value in (("shares", self.shares), ("passes", self.passes)):
            if value < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {value}")
        if self.at_once is not None and self.at_once < 1:
            raise ConfigInvalidError(f"at most {self.at_once} shares at once: none would run")

    def command(self, program: Sequence[str]) -> list[str]:
        """What a share runs; which one it is says the scheduler's environment.

        Args:
            program: how internvid is called there.
        """
        return [*program, "work", self.dataset, "--workers", str(self.needs.cpus)]
