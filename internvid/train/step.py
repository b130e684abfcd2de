"""One optimiser step's gradients: the whole batch at once, or in parts with cached gradients.

With parts, embeddings of all of them are computed without gradients, the loss of the whole batch
gives each embedding's gradient, and every part is computed once more to carry its gradient on
(GradCache, arXiv 2101.06983). The negatives are those of the whole batch either way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from internvid.train.processes import world_size

Encode = Callable[[int], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


def accumulate_gradients(
    encode: Encode,
    loss: Loss,
    parts: int = 1,
    unsynchronised: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Tensor:
    """Adds the gradients of one batch to the parameters.

    Args:
        encode: part number -> (video, text) embeddings [b, E] of that part; called twice per part
            where there are several, so its random numbers must depend on the part alone.
        loss: (video, text) embeddings of this process's batch -> loss of the global batch.
        parts: how many; 1 needs no second pass.
        unsynchronised: a context in which processes do not exchange gradients; entered for every
            part but the last.

    Returns:
        The loss, detached. Gradients are multiplied by the number of processes, since DDP and
        FSDP take means over them.
    """
    if parts == 1:
        value = loss(*encode(0))
        (value * world_size()).backward()  # type: ignore[no-untyped-call]
        return value.detach()
    with torch.no_grad():
        found = [encode(part) for part in range(parts)]
    videos, texts = (torch.cat(side).float().requires_grad_() for side in zip(*found, strict=True))
    value = loss(videos, texts)
    (value * world_size()).backward()  # type: ignore[no-untyped-call]
    assert videos.grad is not None
    assert texts.grad is not None
    start = 0
    for part in range(parts):
        with nullcontext() if part == parts - 1 else unsynchronised():
            pair = encode(part)
            rows = slice(start, start + len(pair[0]))
            start = rows.stop
            gradients = (videos.grad[rows], texts.grad[rows])
            wanted = [
                (side, gradient.to(side.dtype))
                for side, gradient in zip(pair, gradients, strict=True)
                if side.requires_grad
            ]
            torch.autograd.backward([side for side, _ in wanted], [grad for _, grad in wanted])
    return value.detach()
