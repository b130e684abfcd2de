"""Which samples stand in which batch, and the numbers that decide how each is shown.

Nothing here has state: the order of an epoch is a function of (seed, epoch), a sample's draws one
of (seed, epoch, sample). So a batch can be made again by anyone who knows its number, whatever the
number of workers, processes or restarts.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError

IntArray = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.uint64]
Sampling = Literal["separate", "mask", "reference"]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def mixed(values: KeyArray) -> KeyArray:
    """A 64-bit hash of each value (the finaliser of SplitMix64); the same everywhere, for ever."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def key_of(*numbers: int) -> int:
    """One 64-bit key of several numbers, order counts."""
    key = np.zeros(1, dtype=np.uint64)
    for number in numbers:
        key = mixed(key ^ np.uint64(number & _WORD))
    return int(key[0])


def shuffled(count: int, *key: int) -> IntArray:
    """The numbers 0 to count - 1 in an order that the key decides."""
    tags = mixed(np.arange(count, dtype=np.uint64) ^ np.uint64(key_of(*key)))
    return np.argsort(tags, kind="stable").astype(np.int64)


def generator(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """The random numbers of one showing of one sample."""
    return np.random.Generator(np.random.PCG64(key_of(seed, epoch, sample, 1)))


@dataclass(frozen=True)
class SamplePlan:
    """The batches of a stage.

    Attributes:
        count: samples there are.
        batch: samples of a global batch.
        seed: another seed gives other batches.
        sampling: `separate` keeps clips of one source in different batches as far as that can
            be; `mask` and `reference` take a plain random order (what the loss does about clips
            of one source is the loss's own rule).
        sources: int64 label of each sample's source video; needed to separate.
        hard_negative_groups: with `neighbours`: int64 label of what hard neighbours share.
        texts: with `neighbours`: int64 label of each sample's caption.
        neighbours: batches are made of runs of so many samples with an equal `alike` label and,
            as far as there are any, different captions; 0 for none. Wins over `sampling`.
        neighbour_share: share of the batches that are made so; the others are in plain random
            order. Below 1 a sample may come twice in an epoch, or not at all.
    """

    count: int
    batch: int
    seed: int = 0
    sampling: Sampling = "separate"
    sources: IntArray | None = None
    hard_negative_groups: IntArray | None = None
    texts: IntArray | None = None
    neighbours: int = 0
    neighbour_share: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.count:
            raise ConfigInvalidError(
                f"a batch of {self.batch} cannot be drawn from {self.count} samples",
                hint="lower the stage's batch, or take a larger subset",
            )
        if self.sampling not in ("separate", "mask", "reference"):
            raise ConfigInvalidError(
                f"sampling is one of separate, mask, reference, not {self.sampling!r}"
            )
        if self.neighbours < 0 or (self.neighbours and self.hard_negative_groups is None):
            raise ConfigInvalidError(
                f"neighbours={self.neighbours}: these samples have no label that says who is alike",
                hint="hard neighbours exist in the synthetic world; set neighbours=0",
            )

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches of an epoch; the samples left over differ from epoch to epoch."""
        return self.count // self.batch

    def epoch_of(self, step: int) -> int:
        """The epoch that a step of the stage belongs to."""
        return step // self.batches_per_epoch

    def samples(self, step: int) -> IntArray:
        """The samples of a step's global batch."""
        epoch, at = divmod(step, self.batches_per_epoch)
        return self._order(epoch)[at * self.batch : (at + 1) * self.batch]

    def _order(self, epoch: int) -> IntArray:
        # One epoch is kept: steps come in order.
        order = self._kept.get(epoch)
        if order is None:
            self._kept.clear()
            order = self._kept[epoch] = self._make(epoch)
        return order

    @functools.cached_property
    def _kept(self) -> dict[int, IntArray]:
        return {}

    def _make(self, epoch: int) -> IntArray:
        order = shuffled(self.count, self.seed, epoch)
        if self.neighbours and self.hard_negative_groups is not None:
            texts = self.texts if self.texts is not None else np.arange(self.count)
            runs = _runs(
                order,
                self.hard_negative_groups,
                texts,
                self.neighbours,
                key_of(self.seed, epoch, 2),
            )
            return self._mixed(order, runs, key_of(self.seed, epoch, 4))
        order = order[: self.batches_per_epoch * self.batch]
        if self.sampling != "separate" or self.sources is None or self.batches_per_epoch == 1:
            return order
        return _separated(order, self.sources, self.batches_per_epoch, key_of(self.seed, epoch, 3))

    def _mixed(self, plain: IntArray, runs: IntArray, key: int) -> IntArray:
        """Whole batches of the one or the other, by a draw of each batch's own."""
        batches = self.batches_per_epoch
        draws = mixed(np.arange(batches, dtype=np.uint64) ^ np.uint64(key))
        near = draws.astype(np.float64) < self.neighbour_share * 2.0**64
        shape = (batches, self.batch)
        both = (each[: batches * self.batch].reshape(shape) for each in (runs, plain))
        return np.where(near[:, None], *both).reshape(-1)


def _separated(order: IntArray, sources: IntArray, batches: int, key: int) -> IntArray:
    """Deals the samples out so that clips of one source go to different batches.

    Sorted by source, in an order of sources that the key decides, each next sample goes to the
    next batch: a source fills no batch twice before it has been in all of them.
    """
    labels = sources[order]
    tags = mixed(labels.astype(np.uint64) ^ np.uint64(key))
    dealt = order[np.lexsort((labels, tags))]
    # Column k of the deal is batch k; batches come in an order of their own.
    columns = dealt.reshape(-1, batches).T
    return columns[shuffled(batches, key)].reshape(-1)


def _runs(
    order: IntArray, hard_negative_groups: IntArray, texts: IntArray, length: int, key: int
) -> IntArray:
    """Runs of `length` samples with an equal label, different captions first, in random order."""
    # Rank of a sample among those of its label and caption, in the shuffled order.
    turn = _rank_within(np.stack([hard_negative_groups[order], texts[order]], axis=1))
    by_label = np.lexsort((turn, hard_negative_groups[order]))
    dealt = order[by_label]
    place = _rank_within(hard_negative_groups[dealt][:, None])
    run = np.cumsum(place % length == 0) - 1
    tags = mixed(run.astype(np.uint64) ^ np.uint64(key))
    return dealt[np.lexsort((run, tags))]


def _rank_within(labels_NK: IntArray) -> IntArray:
    """How many rows before each row are equal to it."""
    _, group = np.unique(labels_NK, axis=0, return_inverse=True)
    group = group.reshape(-1)
    sorted_rows = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.empty(len(group), dtype=np.int64)
    ranks[sorted_rows] = np.arange(len(group)) - starts
    return ranks


def process_share(samples_N: IntArray, rank: int, world: int) -> IntArray:
    """The part of a global batch that one process shows.

    Raises:
        ConfigInvalidError: the batch cannot be shared equally.
    """
    if len(samples_N) % world:
        raise ConfigInvalidError(
            f"a batch of {len(samples_N)} cannot be shared equally by {world} processes",
            hint=f"set the stage's batch to a multiple of {world}",
        )
    share = len(samples_N) // world
    return samples_N[rank * share : (rank + 1) * share]


def random_frames(rng: np.random.Generator, available: int, wanted: int) -> list[int]:
    """A random frame of each of `wanted` equal intervals (paper §6.3).

    With fewer frames than intervals all are taken and the last is repeated.

    Args:
        rng: one number of it is used per frame, however many there are.
        available: frames there are, at least 1.
        wanted: frames requested.
    """
    draws = rng.random(wanted)
    if available < wanted:
        return [min(at, available - 1) for at in range(wanted)]
    edges = np.linspace(0, available, wanted + 1).astype(np.int64)
    chosen = edges[:-1] + (draws * np.diff(edges)).astype(np.int64)
    return [int(at) for at in chosen]


def random_crop(
    rng: np.random.Generator,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> tuple[int, int, int, int]:
    """A box of random area and aspect, as torchvision's RandomResizedCrop draws it.

    Args:
        rng: where the numbers come from.
        height, width: of the frame, in pixels.
        scale: least and largest share of the area.
        ratio: least and largest width over height.

    Returns:
        (top, left, height, width) in pixels.
    """
    for _ in range(10):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * rng.random())
        low, high = np.log(ratio[0]), np.log(ratio[1])
        aspect = float(np.exp(low + (high - low) * rng.random()))
        wide, tall = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < wide <= width and 0 < tall <= height:
            top = int(rng.random() * (height - tall + 1))
            left = int(rng.random() * (width - wide + 1))
            return top, left, tall, wide
    # Too narrow a frame for any: the largest centred box within the ratios.
    aspect = min(max(width / height, ratio[0]), ratio[1])
    wide, tall = min(width, round(height * aspect)), min(height, round(width / aspect))
    return (height - tall) // 2, (width - wide) // 2, tall, wide
