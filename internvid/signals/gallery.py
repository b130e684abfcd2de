"""A clip as one picture of a gallery, and galleries as runs of such clips."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from internvid.core.contracts import PickFacts
from internvid.core.types import FloatArray
from internvid.signals.path import AXIS_WIDTHS, GRID_SECONDS, CameraPath
from internvid.signals.stillness import still_moments

# What a machine's glide is, at most: its course is a curve of the third order (even, or eased at
# both ends), a hand's or a tripod's wanders about it.
_ORDER = 3


@dataclass(frozen=True)
class SlideLimits:
    """What one picture of a gallery may show; at a limit the likeness is 0.5, at half of it 0.75.

    Attributes:
        rest_levels: unexplained change of a picture at rest (its still share must be two thirds).
        glide_levels, glide_share: unexplained change under a gliding camera, nine tenths of the
            time: so much, and so much of all change in a second (fine detail, sampled anew).
        uneven_levels: how much of that comes and goes: a thing that moves does, sampling does not.
        wander_widths, wander_share: deviation of the camera from a smooth course: so much, and so
            much of its way (an eased glide is no exact curve of the third order).
        least_widths, most_widths: mean speed of a glide, widths per second.
        least_confidence: how far one motion must explain the whole picture.
    """

    rest_levels: float = 0.3
    glide_levels: float = 5.0
    glide_share: float = 0.05
    uneven_levels: float = 2.5
    wander_widths: float = 0.0009
    wander_share: float = 0.003
    least_widths: float = 0.0065
    most_widths: float = 0.13
    least_confidence: float = 0.9


def rest_likeness(path: CameraPath, limits: SlideLimits) -> float:
    """How much a path looks like a picture at rest, 0 to 1."""
    moving = 1 - float(still_moments(path, limits.rest_levels).mean())
    way = np.abs(path.position - path.position[0]).max(axis=0) * AXIS_WIDTHS
    jump = float(np.percentile(path.object_motion, 95))
    return _likeness(moving / 0.35, float(way.max()) / 0.012, jump / 4.0)


def glide_likeness(path: CameraPath, limits: SlideLimits) -> float:
    """How much a path looks like that of a slow machine over one picture, 0 to 1."""
    course = path.velocity * AXIS_WIDTHS
    speed = float(np.sqrt((course.mean(axis=0) ** 2).sum()))
    if len(course) < 3 or speed < limits.least_widths:
        return 0.0
    way = speed * GRID_SECONDS * len(course)
    usual, most = np.percentile(path.object_motion, (50, 90))
    sampled = limits.glide_levels + limits.glide_share * float(np.median(path.change))
    doubt = 1 - float(np.percentile(path.confidence, 10))
    return _likeness(
        speed / limits.most_widths,
        float(most) / sampled,
        float(most - usual) / limits.uneven_levels,
        wander(path) / (limits.wander_widths + limits.wander_share * way),
        doubt / (1 - limits.least_confidence),
    )


def wander(path: CameraPath) -> float:
    """Deviation of a camera from its own smooth course, in widths."""
    position = path.position * AXIS_WIDTHS
    time = np.linspace(-1, 1, len(position))
    order = min(_ORDER, len(position) - 2)
    if order < 1:
        return 0.0
    powers = np.stack([time**power for power in range(order + 1)], axis=1)
    off: FloatArray = position - powers @ np.linalg.lstsq(powers, position, rcond=None)[0]
    return float(np.sqrt((off**2).sum(axis=1).mean()))


def _likeness(*parts: float) -> float:
    """From shares of limits: 1 well inside all of them, 0.5 where one is just reached."""
    return float(np.clip(1 - 0.5 * max(parts), 0.0, 1.0))


@dataclass(frozen=True)
class RunLimits:
    """What makes clips that stand in a row a gallery.

    Attributes:
        least_pictures: fewest different pictures.
        least_seconds, most_seconds: how long one picture is shown.
        gap_seconds: longest transition between two pictures, with what is left of it as a clip.
        least_share: of a clip that shows several pictures, covered by them and their changes.
        alike_bits, alike_colours: see `look_alike`.
        least_likeness: of each clip: its neighbours may speak for a doubtful one.
        least_confidence: of all of them on average.
    """

    least_pictures: int = 3
    least_seconds: float = 0.5
    most_seconds: float = 15.0
    gap_seconds: float = 2.2
    least_share: float = 0.9
    alike_bits: int = 12
    alike_colours: float = 0.2
    least_likeness: float = 0.4
    least_confidence: float = 0.55


@dataclass(frozen=True)
class Gallery:
    """One run: clips [first, stop) of a video, how many pictures they show, how sure that is."""

    first: int
    stop: int
    pictures: int
    confidence: float


def find_galleries(
    rows: Sequence[Mapping[str, Any]], picks: Sequence[PickFacts], limits: RunLimits
) -> Iterator[Gallery]:
    """Galleries among the clips of one video.

    Args:
        rows: of all clips in time order, with `rest_likeness`, `glide_likeness`, the inner
            `is_slideshow` and `picture_changes`.
        picks: of the video, in time order.
        limits: what makes a gallery.
    """
    for run in _rows_of_slides(rows, limits):
        for part in _parts(rows, run, limits):
            sure = float(np.mean([_slide_likeness(rows[at], limits) for at in part]))
            count = _count_pictures(rows, part, picks, limits)
            # A calm shot may seem to change its picture once: that alone makes no clip two.
            is_row = len(part) >= limits.least_pictures
            is_shown_by_pictures = is_row or any(rows[at]["is_slideshow"] for at in part)
            if (
                is_shown_by_pictures
                and count >= limits.least_pictures
                and sure >= limits.least_confidence
            ):
                yield Gallery(part[0], part[-1] + 1, count, sure)


def _rows_of_slides(rows: Sequence[Mapping[str, Any]], limits: RunLimits) -> Iterator[list[int]]:
    """Runs of clips that are slides, as places of rows; what is left of a transition is passed."""
    run: list[int] = []
    passed = 0.0
    for at, row in enumerate(rows):
        is_slide = _is_slide(row, limits)
        passed = 0.0 if is_slide else passed + row["end_seconds"] - row["start_seconds"]
        far = bool(run) and row["start_seconds"] - rows[run[-1]]["end_seconds"] > limits.gap_seconds
        if run and (far or passed > limits.least_seconds):
            yield run
            run = []
        if is_slide:
            run.append(at)
    if run:
        yield run


def _is_slide(row: Mapping[str, Any], limits: RunLimits) -> bool:
    if _shows_several(row, limits):
        return True
    lasts = row["end_seconds"] - row["start_seconds"]
    is_like = _slide_likeness(row, limits) >= limits.least_likeness
    return limits.least_seconds <= lasts <= limits.most_seconds and is_like


def _shows_several(row: Mapping[str, Any], limits: RunLimits) -> bool:
    """Whether a clip shows two pictures of a gallery, or more, that no detector parted."""
    is_lifeless = row["picture_changes"] and row["lifeless_share"] >= limits.least_share
    return bool(row["is_slideshow"] or is_lifeless)


def _slide_likeness(row: Mapping[str, Any], limits: RunLimits) -> float:
    within = row["lifeless_share"] if _shows_several(row, limits) else 0.0
    return float(max(row["rest_likeness"], row["glide_likeness"], within))


def _parts(
    rows: Sequence[Mapping[str, Any]], run: Sequence[int], limits: RunLimits
) -> list[list[int]]:
    """A run in parts of one kind: stills, glides.

    Each kind has to make a gallery by itself: calm shots of a film stand beside and between stills,
    but seldom three in a row, and no slideshow glides over some of its pictures only. What shows
    several pictures goes with the clips before it.
    """
    parts: list[list[int]] = []
    kind: bool | None = None
    for at in run:
        row = rows[at]
        glides = (
            None if _shows_several(row, limits) else row["glide_likeness"] > row["rest_likeness"]
        )
        if parts and (glides is None or kind is None or glides == kind):
            parts[-1].append(at)
        else:
            parts.append([at])
        kind = kind if glides is None else glides
    return parts


def _count_pictures(
    rows: Sequence[Mapping[str, Any]],
    run: Sequence[int],
    picks: Sequence[PickFacts],
    limits: RunLimits,
) -> int:
    """Different pictures that a run shows: a false cut and the next part of one make none."""
    count = 1 + sum(int(rows[at]["picture_changes"]) for at in run)
    frames = [pick.frame for pick in picks]
    for before, after in pairwise(run):
        if rows[after]["transition"] == "split":
            continue
        first, second = rows[before], rows[after]
        old = bisect_left(frames, first["end_frame"]) - 1
        new = bisect_left(frames, second["start_frame"])
        has_old = old >= 0 and frames[old] >= first["start_frame"]
        if has_old and new < len(frames) and frames[new] < second["end_frame"]:
            count += not is_similar_picture(
                picks[old], picks[new], limits.alike_bits, limits.alike_colours
            )
        else:
            count += 1
    return count


def is_similar_picture(first: PickFacts, second: PickFacts, bits: int, colours: float) -> bool:
    """Whether two picks show the same picture.

    Args:
        first, second: the picks.
        bits: most differing bits of their hashes.
        colours: largest share of the picture that changed its colour name.
    """
    apart = (first.picture_hash ^ second.picture_hash) & (2**64 - 1)
    shares = [np.frombuffer(pick.colours, np.uint8).astype(np.float64) for pick in (first, second)]
    changed = float(np.abs(shares[0] - shares[1]).sum() / 510)
    return apart.bit_count() <= bits and changed <= colours
