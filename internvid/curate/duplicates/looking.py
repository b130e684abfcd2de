"""A second look: the stored pictures of two clips side by side, where hashes cannot tell enough.

A camera that stands still records many clips with nearly one hash. Where all pictures of a run
resemble each other, another recording of the same scene would agree just as well. A copy is then
known by what moves: at equal times it differs less than the clip itself does from one picture to
the next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image

from internvid.curate.duplicates.alignment import SamePictures
from internvid.curate.duplicates.picture_views import INNER, WHOLE, Grey, pictures_of, view_box
from internvid.curate.duplicates.track_pictures import Gathered

_SIDE = 32
_STORED_SIDE = 64
_LEAST_SPREAD = 4.0
_TINY = 0.05
_COVERED = 0.03
_WHOLE_SHARE = (1.0, 1.0)
# How much of each side of the first, or the second, may be what the other one shows.
_SHARES = (
    *((share, share) for share in (1.0, 0.975, 0.95, 0.925, 0.9)),
    *((0.75, 1.0), (1.0, 0.75)),
)

Thumbnail = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float32]
Share = tuple[float, float]


@dataclass(frozen=True)
class LookRule:
    """When two clips are the same at a second look. Differences are in spreads of the picture.

    Attributes:
        scenes: a run with so many different pictures needs no second look.
        difference: clips that differ no more are the same.
        most_difference: clips that differ more are not.
        motion_share: between the two, clips are the same that differ by no more than this share of
            what the first one changes from a picture to the next.
    """

    scenes: int = 3
    difference: float = 0.14
    most_difference: float = 0.4
    motion_share: float = 0.7


@dataclass(frozen=True)
class Sighting:
    """Two clips that show the same pictures, in their tracks.

    Attributes:
        first, second: numbers of the tracks.
        is_mirrored: whether the second is seen in a mirror.
        pair: the clips.
    """

    first: int
    second: int
    is_mirrored: bool
    pair: SamePictures


def confirmed(
    gathered: Gathered, sightings: Sequence[Sighting], rule: LookRule
) -> npt.NDArray[np.bool_]:
    """Which of some sightings hold, [n]. Each stored picture is read once at most."""
    doubtful = [each for each in sightings if each.pair.scenes < rule.scenes]
    thumbnails = _thumbnails(gathered, doubtful)
    return np.array(
        [each.pair.scenes >= rule.scenes or _is_same(thumbnails, each, rule) for each in sightings],
        np.bool_,
    )


def _is_same(
    thumbnails: Mapping[tuple[int, int], Thumbnail], sighting: Sighting, rule: LookRule
) -> bool:
    @functools.cache
    def levels(track: int, place: int, share: tuple[float, float]) -> Levels | None:
        picture = thumbnails.get((track, place))
        if picture is None:
            return None
        turned = sighting.is_mirrored and track == sighting.second
        return _levels(picture[:, ::-1] if turned else picture, share)

    def apart(one: int, two: int, first: Share, second: Share) -> float:
        """From a picture of the first to the nearest of the second's at that time."""
        here = levels(sighting.first, one, first)
        near = (levels(sighting.second, at, second) for at in (two - 1, two, two + 1))
        return _nearest(here, near)

    moves = []
    for one, _ in sighting.pair.places:
        here = levels(sighting.first, one, _WHOLE_SHARE)
        beside = (levels(sighting.first, at, _WHOLE_SHARE) for at in (one - 1, one + 1))
        moves.append(_nearest(here, beside))
    own = np.where(np.isfinite(moves), moves, 0.0) + _TINY
    for share in _SHARES:
        for first, second in dict.fromkeys(((share, _WHOLE_SHARE), (_WHOLE_SHARE, share))):
            gaps = np.array([apart(*place, first, second) for place in sighting.pair.places])
            middle, moved = float(np.median(gaps)), float(np.median(gaps / own))
            if middle <= rule.difference:
                return True
            if middle <= rule.most_difference and moved <= rule.motion_share:
                return True
    return False


def _nearest(here: Levels | None, others: Iterable[Levels | None]) -> float:
    """How far a picture is from the nearest of some; infinity where there is none."""
    if here is None:
        return math.inf
    return min((_difference(here, each) for each in others if each is not None), default=math.inf)


def _levels(picture: Thumbnail, share: Share) -> Levels:
    """The middle of a thumbnail at [32, 32], of mean 0 and spread 1."""
    height, width = picture.shape
    top, left = height * (1 - share[0]) / 2, width * (1 - share[1]) / 2
    small = PIL.Image.fromarray(np.ascontiguousarray(picture)).resize(
        (_SIDE, _SIDE), PIL.Image.Resampling.BOX, (left, top, width - left, height - top)
    )
    levels = np.asarray(small, np.float32)
    return np.asarray((levels - levels.mean()) / max(float(levels.std()), _LEAST_SPREAD))


def _difference(first: Levels, second: Levels) -> float:
    """Root of the mean square, without the few cells that a logo may cover."""
    squares = np.square(first - second).reshape(-1)
    kept = len(squares) - int(len(squares) * _COVERED)
    return float(np.sqrt(np.partition(squares, kept - 1)[:kept].mean()))


def _thumbnails(
    gathered: Gathered, sightings: Iterable[Sighting]
) -> dict[tuple[int, int], Thumbnail]:
    """(track, picture) -> what it shows, of all pictures that a look needs."""
    wanted: dict[int, set[int]] = {}
    for each in sightings:
        for one, two in each.pair.places:
            wanted.setdefault(each.first, set()).update((one - 1, one, one + 1))
            wanted.setdefault(each.second, set()).update((two - 1, two, two + 1))
    tracks_of: dict[int, list[int]] = {}
    for track in wanted:
        tracks_of.setdefault(int(gathered.video_of[track]), []).append(track)
    of_file: dict[int, list[int]] = {}
    for video in tracks_of:
        of_file.setdefault(int(gathered.file_of[video]), []).append(video)
    found: dict[tuple[int, int], Thumbnail] = {}
    for number in sorted(of_file):
        found |= _of_file(gathered, number, {v: tracks_of[v] for v in of_file[number]}, wanted)
    return found


def _of_file(
    gathered: Gathered,
    number: int,
    tracks_of: Mapping[int, Sequence[int]],
    wanted: Mapping[int, set[int]],
) -> dict[tuple[int, int], Thumbnail]:
    frames: dict[str, dict[int, list[tuple[int, int]]]] = {}
    videos = {gathered.video_id(video): video for video in tracks_of}
    for video_id, video in videos.items():
        for track in tracks_of[video]:
            low, high = gathered.first_picture[track : track + 2]
            for place in wanted[track]:
                if 0 <= place < high - low:
                    frame = int(gathered.frames[low + place])
                    frames.setdefault(video_id, {}).setdefault(frame, []).append((track, place))
    found: dict[tuple[int, int], Thumbnail] = {}
    chosen = {video_id: frozenset(each) for video_id, each in frames.items()}
    for video_id, pictures in pictures_of(gathered.files[number], chosen):
        for frame, grey in pictures.items():
            for track, place in frames[video_id][frame]:
                found[track, place] = _thumbnail(gathered, track, frame, grey)
    return found


def _thumbnail(gathered: Gathered, track: int, frame: int, grey: Grey) -> Thumbnail:
    view = int(gathered.view[track])
    box = (slice(None), slice(None))
    if view == INNER:
        boxes = gathered.boxes.get(int(gathered.video_of[track]), ())
        box = next((each for start, end, each in boxes if start <= frame < end), box)
    elif view != WHOLE:
        box = view_box((grey.shape[0], grey.shape[1]), view)
    image = PIL.Image.fromarray(np.ascontiguousarray(grey[box]))
    return np.asarray(image.resize((_STORED_SIDE, _STORED_SIDE), PIL.Image.Resampling.BOX))
