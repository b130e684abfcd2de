"""Features of a set of videos, kept on disk and read in blocks: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import DatasetError
from internvid.evaluation.embedding.embed_clips import Encoder, FramePlan, Run, encode_files
from internvid.evaluation.embedding.vector_store import Shelf
from internvid.evaluation.generation.feature_moments import Moments
from internvid.evaluation.generation.video_sets import VideoItem
from internvid.evaluation.generation.windows import Change, ChangedPlan
from internvid.evaluation.results.protocol import MissingClip

Rows = npt.NDArray[Any]
_BLOCK = 256


@dataclass(frozen=True)
class Measured:
    """Rows of the videos that could be read.

    Attributes:
        shelf: holds them.
        keys: of the rows, in the order of the videos.
        items: those videos.
        missing: the others, with reasons.
        reshape: from rows [N, W, K] to features [M, D]: a window, or a frame, is a sample.
    """

    shelf: Shelf
    keys: tuple[bytes, ...]
    items: tuple[VideoItem, ...]
    missing: tuple[MissingClip, ...]
    reshape: Callable[[Rows], Rows]

    def __len__(self) -> int:
        return len(self.keys)

    def blocks(self) -> Iterator[Rows]:
        """Features in blocks, float [M, D], in the order of the videos."""
        for start in range(0, len(self.keys), _BLOCK):
            yield self.reshape(self.shelf.get(self.keys[start : start + _BLOCK]))

    def moments(self) -> Moments:
        """Mean and covariance."""
        return Moments.of(self.blocks())

    def part(self, indices: Sequence[int]) -> Measured:
        """Some of the videos, in that order."""
        return replace(
            self,
            keys=tuple(self.keys[at] for at in indices),
            items=tuple(self.items[at] for at in indices),
        )

    def shaped(self, reshape: Callable[[Rows], Rows]) -> Measured:
        """These rows, read another way."""
        return replace(self, reshape=reshape)


def measure(
    items: Sequence[VideoItem],
    encode: Encoder,
    plan: FramePlan,
    run: Run,
    about: dict[str, Any],
    *,
    change: Change = "",
    usual: int = 0,
) -> Measured:
    """Rows of videos, each file and span encoded once per store.

    Args:
        items: the videos.
        encode: stacks of frames -> float32 [N, K].
        plan: which frames.
        run: store, progress, workers.
        about: what decides a row beside the plan, as plain JSON.
        change: what is done to the frames first.
        usual: frames where the plan leaves them open.

    Raises:
        DatasetError: not one video could be read.
    """
    changed = ChangedPlan(plan, change)
    shelf = run.store.shelf("features", plan=repr(changed), usual=usual, network=repr(about))
    places = [(item.path, item.span) for item in items]
    keys = encode_files(places, encode, (changed, usual, shelf), run)
    good = [at for at, key in enumerate(keys) if isinstance(key, bytes)]
    missing = tuple(
        MissingClip(items[at].name, key) for at, key in enumerate(keys) if isinstance(key, str)
    )
    if not good:
        reasons = ", ".join(sorted({one.reason for one in missing}))
        raise DatasetError(
            f"none of {len(items)} videos can be measured: {reasons}",
            hint="too_few_frames: take fewer (--set frames=N) or another rate (--set fps=N)",
        )
    return Measured(
        shelf,
        tuple(key for key in keys if isinstance(key, bytes)),
        tuple(items[at] for at in good),
        missing,
        windows_as_samples,
    )


def windows_as_samples(rows: Rows) -> Rows:
    """[N, W, D] -> [N * W, D]."""
    return rows.reshape(-1, rows.shape[-1])


@dataclass(frozen=True)
class FrameColumns:
    """Frames as samples: rows [N, W, T * K] -> [N * W * T, columns].

    Attributes:
        frames: T.
        first, last: columns of the K that are taken; None for the end.
        change: `frozen` repeats the middle frame. Order makes no difference to what sees frames
            alone, so `reversed` changes nothing.
    """

    frames: int
    first: int
    last: int | None
    change: Change = ""

    def __call__(self, rows: Rows) -> Rows:
        """See above."""
        single = rows.reshape(-1, self.frames, rows.shape[-1] // self.frames)
        if self.change == "frozen":
            at = self.frames // 2
            single = np.repeat(single[:, at : at + 1], self.frames, axis=1)
        return single[:, :, self.first : self.last].reshape(single.shape[0] * self.frames, -1)
