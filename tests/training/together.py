"""Runs a function in two processes that know of each other (gloo on this machine)."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from internvid.training.run.distributed import process_group
from internvid.training.run.sharding import shards_on_cpu

needs_fsdp = pytest.mark.skipif(not shards_on_cpu(), reason="this PyTorch runs FSDP2 on GPUs only")


def run_together(
    function: Callable[..., None],
    *arguments: Any,
    world: int = 2,
    before: Callable[[], None] | None = None,
    codes: tuple[int, ...] = (),
) -> None:
    """Calls `function(*arguments)` in each; fails if any of them does.

    Args:
        function: of a module, to be called in every process.
        arguments: of it.
        world: how many processes.
        before: called in each before they meet.
        codes: with which the processes end; 0 where empty.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_run, args=(at, world, port, before, function, arguments))
        for at in range(world)
    ]
    deadline = time.monotonic() + 270
    for process in started:
        process.start()
    for process in started:
        # Under the limit of a test, long enough for a machine that is full of others.
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
    assert [process.exitcode for process in started] == list(codes or [0] * world)


def _run(
    rank: int,
    world: int,
    port: int,
    before: Callable[[], None] | None,
    function: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    if before is not None:
        before()
    with process_group(torch.device("cpu")):
        function(*arguments)
