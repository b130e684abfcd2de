"""Which of the processes that a launcher started this one is, without importing torch."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Whether this process speaks for all that torchrun started; alone it does.

    `RANK` by itself says nothing: schedulers and other programs set it too.
    """
    return int(os.environ.get("WORLD_SIZE", "1")) == 1 or int(os.environ.get("RANK", "0")) == 0
