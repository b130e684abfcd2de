"""From pictures to pairs of clips: candidates, runs at a constant offset, a second look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from internvid.curate.duplicates.alignment import RunRule, find_runs, windows
from internvid.curate.duplicates.candidates import Candidates, find_candidates
from internvid.curate.duplicates.looking import LookRule, Sighting, confirmed
from internvid.curate.duplicates.picture_views import CROPS, INNER, WHOLE
from internvid.curate.duplicates.track_pictures import Gathered

KINDS = ("same", "part", "speed", "bars", "cropped", "mirrored", "vector")
"""How a pair of clips is the same. One run is called by the last that fits (a mirrored crop is
`mirrored`); of several runs of a pair the first of these counts."""
_WHOLE_SHARE = 0.8
_AT_ONCE = 100_000


@dataclass(frozen=True)
class MatchRule:
    """How pictures are compared.

    Attributes:
        run: when two clips show the same pictures.
        look: when they hold at a second look.
        neighbours: with how many of those that follow it under its key a picture is compared.
    """

    run: RunRule = field(default_factory=RunRule)
    look: LookRule = field(default_factory=LookRule)
    neighbours: int = 32


@dataclass(frozen=True)
class ClipPair:
    """Two clips that are the same.

    Attributes:
        first, second: rows of the clips.
        kind: one of `KINDS`.
        distance: mean, in bits of 64; 0 of pairs by vectors.
        seconds: how long both show the same.
    """

    first: int
    second: int
    kind: str
    distance: float = 0.0
    seconds: float = 0.0


@dataclass
class Matches:
    """Pairs of clips that show the same pictures, and what it took.

    Attributes:
        pairs: each once.
        compared: pairs of videos whose pictures were laid side by side.
        refused: pairs of clips that did not hold at the second look.
        crowded: keys under which so many pictures lay that some were not compared.
        passed_over: pairs of pictures that were not compared for that.
    """

    pairs: list[ClipPair]
    compared: int = 0
    refused: int = 0
    crowded: int = 0
    passed_over: int = 0


def match_clips(
    gathered: Gathered,
    rule: MatchRule,
    *,
    first_videos: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Matches:
    """Pairs of clips of different videos that show the same pictures.

    Args:
        gathered: the clips and pictures.
        rule: what counts.
        first_videos: only pairs of one of the first so many videos with a later one; all when None.
        progress: called with how many pairs of videos are compared, and of how many.
    """
    candidates = find_candidates(
        gathered.pictures, distance=rule.run.distance, neighbours=rule.neighbours
    )
    keep = _are_worth_it(gathered, candidates, first_videos)
    matches = Matches([], int(keep.sum()), 0, candidates.crowded, candidates.passed_over)
    found: dict[tuple[int, int], ClipPair] = {}
    places = np.flatnonzero(keep)
    for start in range(0, len(places), _AT_ONCE):
        sightings = list(_sightings(gathered, candidates, places[start : start + _AT_ONCE], rule))
        holds = confirmed(gathered, sightings, rule.look)
        matches.refused += int((~holds).sum())
        for sighting, is_same in zip(sightings, holds, strict=True):
            if is_same:
                pair = _clip_pair(gathered, sighting)
                known = found.get((pair.first, pair.second))
                if known is None or KINDS.index(pair.kind) < KINDS.index(known.kind):
                    found[pair.first, pair.second] = pair
        if progress is not None:
            progress(min(start + _AT_ONCE, len(places)), len(places))
    matches.pairs = [found[key] for key in sorted(found)]
    return matches


def _are_worth_it(
    gathered: Gathered, candidates: Candidates, first_videos: int | None
) -> npt.NDArray[np.bool_]:
    one, two = gathered.video_of[candidates.first], gathered.video_of[candidates.second]
    views = gathered.view[candidates.first], gathered.view[candidates.second]
    # Two pictures without their rims agree where the whole ones do.
    crops = np.isin(views[0], CROPS) & np.isin(views[1], CROPS)
    keep = (one != two) & ~crops
    if first_videos is not None:
        keep &= (np.minimum(one, two) < first_videos) & (np.maximum(one, two) >= first_videos)
    return np.asarray(keep)


def _sightings(
    gathered: Gathered, candidates: Candidates, places: npt.NDArray[np.int64], rule: MatchRule
) -> Iterator[Sighting]:
    for at in places:
        first, second = int(candidates.first[at]), int(candidates.second[at])
        is_mirrored = bool(candidates.is_mirrored[at])
        one, two = gathered.track(first), gathered.track(second)
        for own, near, clip, other in windows(one, two, float(candidates.offsets[at])):
            for pair in find_runs(own, near, rule.run, is_mirrored=is_mirrored):
                placed = replace(pair, first=pair.first + clip, second=pair.second + other)
                yield Sighting(first, second, is_mirrored, placed)


def _clip_pair(gathered: Gathered, sighting: Sighting) -> ClipPair:
    videos = [int(gathered.video_of[track]) for track in (sighting.first, sighting.second)]
    pair = sighting.pair
    first = int(gathered.first_clip[videos[0]]) + pair.first
    second = int(gathered.first_clip[videos[1]]) + pair.second
    kind = _kind(gathered, sighting, gathered.seconds_of(first), gathered.seconds_of(second))
    first, second = min(first, second), max(first, second)
    return ClipPair(first, second, kind, round(pair.distance, 3), round(pair.seconds, 3))


def _kind(gathered: Gathered, sighting: Sighting, first: float, second: float) -> str:
    views = {int(gathered.view[track]) for track in (sighting.first, sighting.second)}
    if sighting.is_mirrored:
        return "mirrored"
    if views & set(CROPS):
        return "cropped"
    if views == {WHOLE, INNER}:
        return "bars"
    if sighting.pair.speed != 1.0:
        return "speed"
    return "same" if sighting.pair.seconds >= _WHOLE_SHARE * max(first, second) else "part"
