"""Which videos may share pictures: hashes that agree in half of their rows, found by sorting.

Multi-index hashing. A key is made of the same four of a hash's eight rows; hashes with equal keys
lie side by side once they are sorted. There are several choices of four rows, and two pictures
that differ in few bits agree in one of them. A key and its mirror image are one key. Work and
memory grow with the number of hashes, not with its square: of hashes with one key each is compared
with a few that follow it, so that a picture which a hundred thousand videos share (an intro, a
test card) makes a chain of neighbours and not all their pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from internvid.curate.duplicates.difference_hashes import Hashes, distances, mirror_bytes, mirrored

ROWS: tuple[tuple[int, int, int, int], ...] = (
    (0, 2, 4, 6),
    (1, 3, 5, 7),
    (0, 1, 4, 5),
    (2, 3, 6, 7),
    (0, 3, 4, 7),
    (1, 2, 5, 6),
    (0, 1, 2, 3),
    (4, 5, 6, 7),
)
"""The rows of each key. Neighbouring rows are alike, so that most keys take distant ones."""

BIN_SECONDS = 1.0
SORTED_AT_ONCE = 1 << 24
_FEW_SCENES = 3
_GATHERED = 1 << 22


@dataclass(frozen=True)
class Pictures:
    """Pictures of tracks (a video, or another view of one), in the order of tracks and times.

    Attributes:
        track: int32 [n], grows.
        seconds: float32 [n], when each is shown; grows inside a track.
        hashes: uint64 [n].
        is_informative: bool [n], which show enough to be recognised.
        tracks: how many tracks there are.
    """

    track: npt.NDArray[np.int32]
    seconds: npt.NDArray[np.float32]
    hashes: Hashes
    is_informative: npt.NDArray[np.bool_]
    tracks: int

    def __len__(self) -> int:
        return len(self.track)


@dataclass
class Candidates:
    """Pairs of tracks that may share pictures.

    Attributes:
        first, second: int32 [n], numbers of tracks, first < second.
        is_mirrored: bool [n], whether one has left and right swapped.
        offsets: float32 [n], seconds that the second is ahead where most agree.
        crowded: keys under which so many pictures lay that some pairs were not compared.
        passed_over: pairs of pictures that were not compared for that.
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    is_mirrored: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.float32]
    crowded: int = 0
    passed_over: int = 0

    def __len__(self) -> int:
        return len(self.first)


_Near = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.bool_]]
"""Places of pictures, of others under the same key, and whether many lie there."""


@dataclass
class _Matches:
    """Pictures that agree, packed in two numbers each.

    Attributes:
        pairs: first track, second track, mirrored (31, 31 and 1 bits).
        places: bin of the offset, first track's picture (32 bits each).
    """

    pairs: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    places: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    waiting: int = 0

    def add(self, pairs: npt.NDArray[np.uint64], places: npt.NDArray[np.uint64]) -> None:
        self.pairs.append(pairs)
        self.places.append(places)
        self.waiting += len(pairs)
        # In proportion to what is settled, so that it is not sorted over and over.
        if self.waiting > max(_GATHERED, len(self.pairs[0]) // 2):
            self.settle()

    def settle(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """All matches, each once, by pair, offset and picture."""
        pairs = np.concatenate([*self.pairs, np.empty(0, np.uint64)])
        places = np.concatenate([*self.places, np.empty(0, np.uint64)])
        order = np.lexsort((places, pairs))
        pairs, places = pairs[order], places[order]
        new = np.ones(len(pairs), np.bool_)
        new[1:] = (pairs[1:] != pairs[:-1]) | (places[1:] != places[:-1])
        self.pairs, self.places = [pairs[new]], [places[new]]
        self.waiting = 0
        return self.pairs[0], self.places[0]


def find_candidates(
    pictures: Pictures,
    *,
    distance: int,
    neighbours: int,
    with_mirrored: bool = True,
) -> Candidates:
    """Pairs of tracks that share two pictures at one offset, or that have few scenes.

    Pictures that are shown one after another and agree are one scene. Where more pictures lie
    under a key than are compared, those of one scene count as one: a still that many videos share
    says nothing of any two of them, however long it is shown.

    Args:
        pictures: of all tracks.
        distance: two pictures agree that differ in so many of 64 bits at most.
        neighbours: with how many of those that follow it under its key a picture is compared.
        with_mirrored: whether a picture also agrees with the mirror image of another one.
    """
    chosen = _worth_comparing(pictures)
    if not len(chosen):
        nothing = np.empty(0, np.int32)
        return Candidates(nothing, nothing, nothing.astype(np.bool_), nothing.astype(np.float32))
    scenes = _scenes(pictures, distance)
    hashes = pictures.hashes[chosen]
    view = np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8)
    neighbours = min(neighbours, 2 * len(view))  # each may lie there with its mirror image
    matches = _Matches()
    crowded = passed_over = 0
    for rows in ROWS:
        for keys, places in _sorted_keys(view, rows, with_mirrored=with_mirrored):
            sizes = _sizes_of_equal(keys)
            for first, second, is_crowded in _neighbours(keys, places, sizes, neighbours):
                near = first, second, is_crowded
                _match(pictures, (chosen, scenes, hashes), near, matches, (distance, with_mirrored))
            more, over = _crowd(keys, sizes, neighbours)
            crowded += more
            passed_over += over
    return _voted(_scenes_of_tracks(pictures, scenes), *matches.settle(), (crowded, passed_over))


def _worth_comparing(pictures: Pictures) -> npt.NDArray[np.int64]:
    """Pictures that show something, without those that repeat the one before."""
    fresh = np.ones(len(pictures), np.bool_)
    same = pictures.track[1:] == pictures.track[:-1]
    fresh[1:] = ~same | (pictures.hashes[1:] != pictures.hashes[:-1])
    return np.flatnonzero(fresh & pictures.is_informative)


def _scenes(pictures: Pictures, distance: int) -> npt.NDArray[np.int64]:
    """For each picture the number of the first one of its scene."""
    fresh = np.ones(len(pictures), np.bool_)
    fresh[1:] = pictures.track[1:] != pictures.track[:-1]
    fresh[1:] |= distances(pictures.hashes[1:], pictures.hashes[:-1]) > distance
    starts = np.flatnonzero(fresh)
    return np.repeat(starts, np.diff(np.append(starts, len(pictures))))


def _scenes_of_tracks(pictures: Pictures, scenes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many scenes with something to see each track has."""
    seen = np.unique(scenes[pictures.is_informative])
    return np.bincount(pictures.track[seen], minlength=pictures.tracks)


def _sorted_keys(
    view: npt.NDArray[np.uint8], rows: tuple[int, ...], *, with_mirrored: bool
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]]:
    """Keys in order and whose they are; in several portions, where there are many hashes."""
    # The bytes of a little-endian number stand from the lowest: the last row first.
    chosen = np.ascontiguousarray(view[:, list(rows)])
    keys = chosen.view(np.uint32)[:, 0]
    if with_mirrored:
        keys = np.minimum(keys, mirror_bytes(chosen).view(np.uint32)[:, 0])
    portions = max(1, -(-len(keys) // SORTED_AT_ONCE))
    edges = np.quantile(
        keys[:: max(1, len(keys) // 100_000)], np.linspace(0, 1, portions + 1)[1:-1]
    )
    bounds = [0, *(int(edge) + 1 for edge in edges), 1 << 32]
    for low, high in itertools.pairwise(bounds):
        inside = slice(None) if portions < 2 else (keys >= low) & (keys <= high - 1)
        places = np.arange(len(keys), dtype=np.uint32)[inside]
        # One number to sort instead of an order to follow: five times as fast.
        packed = (keys[places].astype(np.uint64) << np.uint64(32)) | places.astype(np.uint64)
        packed.sort()
        yield (packed >> np.uint64(32)).astype(np.uint32), packed.astype(np.uint32)


def _sizes_of_equal(keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """For each of some sorted keys how many are equal to it."""
    if not len(keys):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    return np.repeat(sizes, sizes)


def _neighbours(
    keys: npt.NDArray[np.uint32],
    places: npt.NDArray[np.uint32],
    sizes: npt.NDArray[np.int64],
    neighbours: int,
) -> Iterator[_Near]:
    """Pictures with equal keys: each with the next, with the one after, and so on."""
    at = np.flatnonzero(sizes > 1)
    for step in range(1, neighbours + 1):
        at = at[at < len(keys) - step]
        at = at[keys[at] == keys[at + step]]
        if not len(at):
            return
        yield places[at], places[at + step], sizes[at] > neighbours + 1


def _crowd(
    keys: npt.NDArray[np.uint32], sizes: npt.NDArray[np.int64], neighbours: int
) -> tuple[int, int]:
    """(keys with more pictures than are compared with each other, pairs that are not compared)."""
    crowds = np.flatnonzero(sizes > neighbours + 1)
    rest = sizes[crowds[np.unique(keys[crowds], return_index=True)[1]]] - 1 - neighbours
    return len(rest), int((rest * (rest + 1) // 2).sum())


def _match(
    pictures: Pictures,
    compared: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Hashes],
    near: _Near,
    matches: _Matches,
    rule: tuple[int, bool],
) -> None:
    """Keep those of neighbouring pictures that agree, and are of different tracks."""
    distance, with_mirrored = rule
    chosen, scenes, hashes = compared
    first, second, is_crowded = near
    differ = pictures.track[chosen[first]] != pictures.track[chosen[second]]
    first, second, is_crowded = first[differ], second[differ], is_crowded[differ]
    for is_mirrored in (False, True)[: 1 + with_mirrored]:
        others = mirrored(hashes[second]) if is_mirrored else hashes[second]
        agree = distances(hashes[first], others) <= distance
        one, two = chosen[first[agree]], chosen[second[agree]]
        # Where many share a picture, those of one scene are one vote.
        votes = [
            np.where(is_crowded[agree], scenes[each], each).astype(np.uint64) for each in (one, two)
        ]
        swap = pictures.track[one] > pictures.track[two]
        one, two = np.where(swap, two, one), np.where(swap, one, two)
        offset = np.floor((pictures.seconds[two] - pictures.seconds[one]) / BIN_SECONDS)
        bins = (offset.astype(np.int64) + (1 << 31)).astype(np.uint64)
        pairs = (
            (pictures.track[one].astype(np.uint64) << np.uint64(32))
            | (pictures.track[two].astype(np.uint64) << np.uint64(1))
            | np.uint64(is_mirrored)
        )
        matches.add(pairs, (bins << np.uint64(32)) | np.where(swap, votes[1], votes[0]))


def _voted(
    scenes: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.uint64],
    places: npt.NDArray[np.uint64],
    passed_over: tuple[int, int],
) -> Candidates:
    """Pairs with enough matches at one offset. A bin and the next count together.

    Args:
        scenes: how many each track has.
        pairs, places: the matches.
        passed_over: keys and pairs of pictures.
    """
    total = _distinct_of_equal(pairs, places & np.uint64(0xFFFFFFFF))
    bins = (places >> np.uint64(32)).astype(np.int64)
    new = np.ones(len(pairs), np.bool_)
    new[1:] = (pairs[1:] != pairs[:-1]) | (bins[1:] != bins[:-1])
    starts = np.flatnonzero(new)
    votes = np.diff(np.append(starts, len(pairs)))
    pairs, bins, total = pairs[starts], bins[starts], total[starts]
    with_next = votes.copy()
    joins = (pairs[1:] == pairs[:-1]) & (bins[1:] == bins[:-1] + 1)
    with_next[:-1] += np.where(joins, votes[1:], 0)
    with_next = np.minimum(with_next, total)  # one may lie in both
    # The best offset of each pair: its most votes, the first of equal ones.
    order = np.lexsort((bins, -with_next, pairs))
    new = np.ones(len(pairs), np.bool_)
    new[1:] = pairs[order][1:] != pairs[order][:-1]
    best = order[new]
    first = (pairs >> np.uint64(32)).astype(np.int32)
    second = ((pairs & np.uint64(0xFFFFFFFF)) >> np.uint64(1)).astype(np.int32)
    few = np.minimum(scenes[first], scenes[second]) <= _FEW_SCENES
    # At another speed, pictures agree at offsets that grow.
    keep = best[((with_next >= 2) | (total >= 3) | few)[best]]
    return Candidates(
        first[keep],
        second[keep],
        (pairs[keep] & np.uint64(1)) == 1,
        ((bins[keep] - (1 << 31)) * BIN_SECONDS).astype(np.float32),
        *passed_over,
    )


def _distinct_of_equal(
    keys: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """For each of some sorted keys how many different values equal keys have."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((values, keys))  # leaves the keys in their order
    fresh = np.ones(len(keys), np.int64)
    same = (keys[1:] == keys[:-1]) & (values[order][1:] == values[order][:-1])
    fresh[1:] = ~same
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    return np.repeat(np.add.reduceat(fresh, starts), sizes)
