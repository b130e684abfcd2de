"""Runs: where two tracks show the same pictures one after another, at a constant offset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from internvid.curate.duplicates.difference_hashes import Hashes, distances, mirrored

_BINS_PER_SECOND = 4
_MOST_OFFSETS = 16
_SLACK_AT_ENDS = 0.25
# Television shows a film faster; others change the speed so that copies are not found.
_SPEEDS = (0.96, 1.04, 0.8, 0.85, 0.9, 1.1, 1.15, 1.2, 1.25)
_LEAST_AT_SPEED = 4
_LEAST_SCENES_AT_SPEED = 2
_MOST_PLACES = 6
_MOST_COMPARED = 64
_MOST_CELLS = 1 << 23
_WINDOW_SECONDS = 600.0
_WINDOW_MARGIN = 60.0


@dataclass(frozen=True)
class RunRule:
    """When two clips show the same pictures.

    Attributes:
        distance: two pictures agree that differ in so many of 64 bits at most.
        agreement: least share of the pictures in a run that agree.
        coverage: least share of the shorter clip that the run covers.
        slack_seconds: pictures are taken for simultaneous that are no further apart.
    """

    distance: int = 10
    agreement: float = 0.6
    coverage: float = 0.5
    slack_seconds: float = 0.6


@dataclass(frozen=True)
class Track:
    """One video as a row of pictures, and its clips in it.

    Attributes:
        seconds: float [n], when each picture is shown; grows.
        hashes: uint64 [n].
        is_informative: bool [n].
        starts, ends: float [c], the clips in the order of their starts, in seconds.
        first_picture: number of the first of these pictures in the video, for a piece of one.
    """

    seconds: npt.NDArray[np.float32]
    hashes: Hashes
    is_informative: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    first_picture: int = 0


@dataclass(frozen=True)
class SamePictures:
    """Two clips that show the same pictures.

    Attributes:
        first, second: numbers of the clips in their tracks.
        offset: seconds that the second track is ahead.
        pictures: how many pictures agree.
        scenes: how many of them are so different that none is taken for another.
        distance: mean, in bits.
        seconds: length of the run inside both clips.
        places: of some pictures that agree, spread over the run: numbers in the tracks.
        speed: by which times of the second are multiplied to be those of the first.
    """

    first: int
    second: int
    offset: float
    pictures: int
    scenes: int
    distance: float
    seconds: float
    places: tuple[tuple[int, int], ...] = ()
    speed: float = 1.0


def find_runs(
    first: Track, second: Track, rule: RunRule, *, is_mirrored: bool = False
) -> list[SamePictures]:
    """Clips of two tracks that show the same pictures, the second at another speed if need be.

    Another speed is tried where nothing is found at the same one, and has to explain more
    pictures, which differ: with so many speeds to choose from, some fit by chance.

    Args:
        first, second: the tracks.
        rule: what counts.
        is_mirrored: whether the second is looked at in a mirror.
    """
    apart = _apart(first, second, is_mirrored=is_mirrored)
    found = _at_constant_offset(first, second, apart, rule)
    if found or int((apart <= rule.distance).any(axis=1).sum()) < _LEAST_AT_SPEED:
        return found
    for speed in _SPEEDS:
        slower = replace(
            second,
            seconds=second.seconds * np.float32(speed),
            starts=second.starts * speed,
            ends=second.ends * speed,
        )
        pairs = _at_constant_offset(first, slower, apart, rule)
        pairs = [
            replace(pair, speed=speed)
            for pair in pairs
            if pair.pictures >= _LEAST_AT_SPEED and pair.scenes >= _LEAST_SCENES_AT_SPEED
        ]
        found = max(found, pairs, key=lambda each: sum(pair.pictures for pair in each))
    return found


def windows(first: Track, second: Track, offset: float) -> Iterator[tuple[Track, Track, int, int]]:
    """Two tracks in pieces that fit into memory, with the numbers of their first clips.

    Short tracks are one piece. Of long ones (hours of video) each clip of the first is laid beside
    what the second shows near the offset at which most pictures agree.

    Args:
        first, second: the tracks.
        offset: seconds that the second is ahead.
    """
    if len(first.seconds) * len(second.seconds) <= _MOST_CELLS:
        yield first, second, 0, 0
        return
    start = 0
    while start < len(first.starts):
        reach = first.starts[start] + _WINDOW_SECONDS
        stop = max(start + 1, int(np.searchsorted(first.starts, reach)))
        low, high = first.starts[start], float(first.ends[start:stop].max())
        near = _piece(second, low + offset - _WINDOW_MARGIN, high + offset + _WINDOW_MARGIN)
        if near is not None:
            own = _piece(first, low, high)
            assert own is not None  # it has the clip it was made for
            yield own[0], near[0], own[1], near[1]
        start = stop


def _piece(track: Track, low: float, high: float) -> tuple[Track, int] | None:
    """The clips of a track that begin between two times, and its pictures around them."""
    clips = np.flatnonzero((track.starts >= low) & (track.starts < high))
    if not len(clips):
        return None
    one, two = int(clips[0]), int(clips[-1]) + 1
    first, last = np.searchsorted(track.seconds, [low, max(high, float(track.ends[one:two].max()))])
    here = slice(int(first), int(last))
    piece = Track(
        track.seconds[here],
        track.hashes[here],
        track.is_informative[here],
        track.starts[one:two],
        track.ends[one:two],
        int(first) + track.first_picture,
    )
    return piece, one


def _at_constant_offset(
    first: Track, second: Track, apart: npt.NDArray[np.uint8], rule: RunRule
) -> list[SamePictures]:
    """Clips of two tracks that show the same pictures.

    The offset at which most pictures agree is taken first. Pictures of the first track that were
    found at one offset are not looked for at others, so that a scene that is shown twice is found
    twice, and a camera that stands still is found once.

    """
    agree = apart <= rule.distance
    agree &= first.is_informative[:, None] & second.is_informative[None]
    found: dict[tuple[int, int], SamePictures] = {}
    free = np.ones(len(first.seconds), np.bool_)
    for _ in range(_MOST_OFFSETS):
        offset = _best_offset(first, second, apart, agree & free[:, None])
        if offset is None:
            break
        seen = _nearest(first, second, apart, offset, rule)
        used = np.zeros(len(free), np.bool_)
        for pair, inside in _clips_in_run(first, second, seen, offset, rule):
            found.setdefault((pair.first, pair.second), pair)
            used |= inside
        free &= ~(used | (seen[0] <= rule.distance))
    return list(found.values())


def _apart(first: Track, second: Track, *, is_mirrored: bool) -> npt.NDArray[np.uint8]:
    others = mirrored(second.hashes) if is_mirrored else second.hashes
    return distances(first.hashes[:, None], others[None])


def _best_offset(
    first: Track,
    second: Track,
    apart: npt.NDArray[np.uint8],
    agree: npt.NDArray[np.bool_],
) -> float | None:
    """The offset at which most pictures of the first track agree; None where fewer than two do."""
    one, two = np.nonzero(agree)
    if len(one) < 2:
        return None
    offsets = second.seconds[two] - first.seconds[one]
    bins = np.round(offsets * _BINS_PER_SECOND).astype(np.int64)
    low = int(bins.min())
    # A picture that stands still agrees with many: it votes once for each offset.
    voted = np.unique((bins - low) * len(first.seconds) + one)
    votes = np.bincount(voted // len(first.seconds))
    nearness = 1 - apart[one, two] / 64
    weights = np.bincount(bins - low, nearness) / np.maximum(np.bincount(bins - low), 1)
    padded = np.pad(votes, 1)
    score = padded[1:-1] + (padded[:-2] + padded[2:]) / 2 + weights / 4
    best = int(np.argmax(score))
    if padded[best : best + 3].sum() < 2:
        return None
    inside = np.abs(bins - low - best) <= 1
    return float(np.average(offsets[inside], weights=nearness[inside] ** 8))


def _nearest(
    first: Track,
    second: Track,
    apart: npt.NDArray[np.uint8],
    offset: float,
    rule: RunRule,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """How far each picture of the first is from what the second shows then, and which that is.

    NaN: there is nothing to compare.
    """
    wanted = first.seconds + offset
    low = np.searchsorted(second.seconds, wanted - rule.slack_seconds)
    high = np.searchsorted(second.seconds, wanted + rule.slack_seconds, side="right")
    nearest = np.full(len(wanted), np.nan, np.float32)
    which = np.zeros(len(wanted), np.int64)
    for step in range(int((high - low).max(initial=0))):
        at = np.flatnonzero((low + step < high) & first.is_informative)
        other = low[at] + step
        seen = second.is_informative[other]
        at, other = at[seen], other[seen]
        closer = ~(apart[at, other] >= nearest[at])
        nearest[at[closer]] = apart[at, other][closer]
        which[at[closer]] = other[closer]
    return nearest, which


def _clips_in_run(
    first: Track,
    second: Track,
    seen: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]],
    offset: float,
    rule: RunRule,
) -> Iterator[tuple[SamePictures, npt.NDArray[np.bool_]]]:
    """Pairs of clips that the pictures at one offset join, and which pictures those are."""
    nearest, which = seen
    starts, ends = second.starts - offset, second.ends - offset
    for clip, (start, end) in enumerate(zip(first.starts, first.ends, strict=True)):
        for other in np.flatnonzero((starts < end) & (ends > start)):
            low, high = max(start, starts[other]), min(end, ends[other])
            shorter = min(end - start, ends[other] - starts[other])
            if high - low < rule.coverage * shorter:
                continue
            inside = (first.seconds > low - _SLACK_AT_ENDS) & (
                first.seconds < high + _SLACK_AT_ENDS
            )
            inside &= ~np.isnan(nearest)
            hits = np.flatnonzero(inside & (nearest <= rule.distance))
            if len(hits) < 2 or len(hits) < rule.agreement * int(inside.sum()):
                continue
            shown = hits[np.unique(np.linspace(0, len(hits) - 1, _MOST_PLACES).astype(int))]
            pair = SamePictures(
                clip,
                int(other),
                offset,
                len(hits),
                _scenes(first.hashes[hits], rule.distance),
                float(nearest[hits].mean()),
                float(high - low),
                tuple(
                    (first.first_picture + int(at), second.first_picture + int(which[at]))
                    for at in shown
                ),
            )
            yield pair, inside


def _scenes(hashes: Hashes, distance: int) -> int:
    """How many pictures of a row are so different that none of them agrees with another."""
    kept: list[np.uint64] = []
    for each in hashes[np.unique(np.linspace(0, len(hashes) - 1, _MOST_COMPARED).astype(int))]:
        if all(int(each ^ other).bit_count() > distance for other in kept):
            kept.append(each)
    return len(kept)
