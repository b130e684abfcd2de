"""Evaluation on several devices: processes that torchrun starts share reading and embedding.

Each takes every N-th item; what they make is exchanged over gloo, in host memory, so that every
process has all of it. Metrics are cheap and each computes them; one of them shows them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")

# Who has nothing left to embed waits for who still reads: torchrun ends all if one ends.
_LONGEST_WAIT = timedelta(days=7)
_BYTES_AT_ONCE = 2**26


@dataclass(frozen=True)
class Team:
    """The processes of one evaluation; alone there is nothing to exchange.

    Attributes:
        rank: which of them this is, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of the items that are this process's to do."""
        return items if self.size == 1 else items[self.rank :: self.size]

    def gather(self, value: Any) -> list[Any]:
        """A value of every process, by rank; small and picklable."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def exchange(
        self, keys: Sequence[bytes], rows: npt.NDArray[Any] | None
    ) -> Iterator[tuple[list[bytes], npt.NDArray[Any]]]:
        """Keys and rows of the other processes, a bounded number of bytes at a time.

        Args:
            keys: of this process's rows.
            rows: [len(keys), ...]; None where there are none.
        """
        size = 1 if rows is None else max(1, _BYTES_AT_ONCE // max(1, rows[0].nbytes))
        count = -(-len(keys) // size)
        for at in range(max(self.gather(count))):
            part = slice(at * size, (at + 1) * size)
            mine = (list(keys[part]), None if rows is None else rows[part])
            for rank, (names, values) in enumerate(self.gather(mine)):
                if rank != self.rank and names:
                    yield names, values

    def spread(
        self, items: Sequence[Item], work: Callable[[Sequence[Item]], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """What `work` makes of all items, a row an item, each process doing its share.

        Args:
            items: at least one.
            work: items -> rows [len(items), ...]; not called without an item.
        """
        if self.size == 1:
            return work(items)
        mine = self.share(items)
        rows = work(mine) if len(mine) else None
        # Eight bytes that say where a row belongs.
        places = [at.to_bytes(8) for at in self.share(range(len(items)))]
        found: npt.NDArray[Any] | None = None
        for names, values in [(places, rows), *self.exchange(places, rows)]:
            if values is None:
                continue
            if found is None:
                found = np.empty((len(items), *values.shape[1:]), values.dtype)
            found[[int.from_bytes(name) for name in names]] = values
        assert found is not None
        return found


ALONE = Team()
"""One process."""


@contextmanager
def joined() -> Iterator[Team]:
    """The team that torchrun's environment variables describe, each process on a GPU of its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(local % torch.cuda.device_count())
    if dist.is_initialized():
        yield Team(dist.get_rank(), dist.get_world_size())
        return
    dist.init_process_group("gloo", timeout=_LONGEST_WAIT)
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
