"""Galleries of stills: pictures that do not live, one after another; and flicker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.contracts import PickFacts
from internvid.core.sequences import list_runs
from internvid.core.types import FloatArray, Timeline, TimeSpan
from internvid.signals.flicker import light_course, reversals
from internvid.signals.gallery import (
    RunLimits,
    SlideLimits,
    find_galleries,
    glide_likeness,
    is_similar_picture,
    rest_likeness,
)
from internvid.signals.path import (
    GRID_SECONDS,
    CameraPath,
    camera_path,
    rolling_mean,
    rolling_median,
)
from internvid.signals.stillness import still_moments


@dataclass(frozen=True)
class SlideshowSignal:
    """Tells a browse of stills, with hard or soft changes and with or without a slow camera.

    A moment is lifeless if nothing moves, or if the whole picture moves slowly and evenly, as a
    camera over a photograph does. A slideshow is made of lifeless stretches with changes of the
    picture between them; a single still picture is none (see `is_still`). Where a detector cut a
    gallery at every change of the picture, each clip is one picture: three or more of them in a
    row, at rest or under a machine's glide, are a slideshow too, and each of them part of it.
    `slideshow_pictures` and `slideshow_confidence` belong to the whole run.
    `flicker_per_second` counts strong back-and-forth jumps of the light.

    Attributes:
        object_levels: see StillnessSignal.
        faint_levels: unexplained change that a single step may show in between.
        glide_widths: fastest camera over a photograph, widths per second.
        glide_levels: unexplained change allowed while it glides.
        stretch_seconds, glide_seconds: shortest stretch that counts as a picture, at rest and
            under a gliding camera.
        change_seconds: longest change between two pictures.
        change_levels: mean luma change, summed over it, that a change of picture makes.
        turn_widths: change of the camera's velocity that a change of picture makes.
        mixed_doubt: doubt (1 - confidence) about the camera's motion while two pictures mix.
        alike_bits: pictures whose hashes differ in no more bits are the same one.
        least_share: share of the clip that lifeless stretches and changes must cover.
        flicker_levels: jump of the mean brightness that counts, in levels.
        flickering_per_second: jumps a second from which the clip flickers.
        slide: what one picture of a gallery may show.
        run: what makes clips in a row a gallery.
    """

    version: ClassVar[int] = 5
    columns: ClassVar[Mapping[str, str]] = {
        "is_slideshow": "bool",
        "slideshow_pictures": "int32",
        "slideshow_confidence": "double",
        "picture_changes": "int32",
        "lifeless_share": "double",
        "rest_likeness": "double",
        "glide_likeness": "double",
        "is_flickering": "bool",
        "flicker_per_second": "double",
    }
    object_levels: float = 0.5
    faint_levels: float = 3.0
    glide_widths: float = 0.12
    glide_levels: float = 9.0
    stretch_seconds: float = 0.45
    glide_seconds: float = 0.6
    change_seconds: float = 2.2
    change_levels: float = 9.0
    turn_widths: float = 0.03
    mixed_doubt: float = 0.05
    alike_bits: int = 12
    least_share: float = 0.8
    flicker_levels: float = 6.0
    flickering_per_second: float = 4.0
    slide: SlideLimits = field(default_factory=SlideLimits)
    run: RunLimits = field(default_factory=RunLimits)

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]:
        """The columns of one clip."""
        flicker = self._flicker(timeline, span)
        path = camera_path(timeline, span)
        changes, share, still = (0, 1.0, 1.0) if path is None else self._changes(path, picks)
        # One slow move after another is also what a calm film looks like: then two changes.
        least = 1 if still >= 0.5 * share else 2
        is_slideshow = changes >= least and share >= self.least_share
        is_shown = not _is_black(timeline, span)
        shown = path if is_shown else None
        # A picture that is coded once, and held, is at rest.
        rest = rest_likeness(shown, self.slide) if shown else float(is_shown and path is None)
        return {
            "is_slideshow": is_slideshow,
            "slideshow_pictures": changes + 1 if is_slideshow else 0,
            "slideshow_confidence": share if is_slideshow else 0.0,
            "picture_changes": changes,
            "lifeless_share": share,
            "rest_likeness": rest,
            "glide_likeness": glide_likeness(shown, self.slide) if shown else 0.0,
            "is_flickering": flicker >= self.flickering_per_second,
            "flicker_per_second": flicker,
        }

    def relate(
        self, rows: Sequence[Mapping[str, Any]], picks: Sequence[PickFacts]
    ) -> list[dict[str, Any]]:
        """What the neighbours change: every clip of a gallery is part of a slideshow."""
        changed: list[dict[str, Any]] = [{} for _ in rows]
        for gallery in find_galleries(rows, picks, self.run):
            for at in range(gallery.first, gallery.stop):
                changed[at] = {
                    "is_slideshow": True,
                    "slideshow_pictures": gallery.pictures,
                    "slideshow_confidence": gallery.confidence,
                }
        return changed

    def _changes(self, path: CameraPath, picks: Sequence[PickFacts]) -> tuple[int, float, float]:
        """Changes of the picture, the share of lifeless stretches with them, the still share."""
        still = still_moments(path, self.object_levels)
        # A single faint step between lifeless ones is a key frame that refreshes the picture.
        is_faint = path.object_motion <= self.faint_levels
        lifeless = _without_gaps(still | self._glides(path), is_faint)
        stretches = [
            (start, end)
            for start, end in list_runs(lifeless)
            if (end - start) * GRID_SECONDS
            >= (self.stretch_seconds if still[start:end].mean() > 0.8 else self.glide_seconds)
        ]
        covered = sum(b - a for a, b in stretches)
        changes = 0
        for (first, end), (start, last) in pairwise(stretches):
            if (start - end) * GRID_SECONDS > self.change_seconds:
                continue
            # What the stretches' own motion would have made in that time is no change.
            usual = np.median(np.concatenate([path.change[first:end], path.change[start:last]]))
            # A cut may fall into the grid point beside the one whose step saw it.
            changed = (path.change[end - 1 : start + 1] - usual).sum() * GRID_SECONDS
            turned = np.abs(_course(path, first, end) - _course(path, start, last)).max()
            at = path.seconds
            sides = float(at[first]), float(at[end - 1]), float(at[start]), float(at[last - 1])
            # A dissolve between pictures that glide alike shows in neither: no motion explains it.
            doubt = 1 - path.confidence[end:start]
            mixed = len(doubt) >= 3 and doubt.mean() >= self.mixed_doubt
            differs = mixed or changed >= self.change_levels or turned >= self.turn_widths
            if differs and not _are_similar(picks, sides, self.alike_bits):
                changes += 1
            covered += start - end
        return changes, covered / len(lifeless), float(still.mean())

    def _glides(self, path: CameraPath) -> npt.NDArray[np.bool_]:
        """Where the whole picture moves slowly, evenly and as one: bool [N]."""
        reach = max(1, round(0.4 / GRID_SECONDS))
        uneven = np.abs(path.velocity - rolling_mean(path.velocity, reach)).max(axis=1)
        # A dissolve under a gliding camera: for a moment no one motion explains the picture.
        doubt = 1 - path.confidence
        usual = rolling_median(doubt[:, None], round(1.5 / GRID_SECONDS))[:, 0]
        blurred = rolling_mean(doubt[:, None], 1)[:, 0] > 0.015 + 2 * usual
        glides = (
            ~blurred
            & (path.speed > 0.008)
            & (path.speed <= self.glide_widths)
            & (uneven <= 0.05)
            & (path.object_motion <= self.glide_levels)
            & (path.confidence >= 0.6)
        )
        return np.asarray(glides)

    def _flicker(self, timeline: Timeline, span: TimeSpan) -> float:
        frames = timeline.frames_in(span)
        if frames.stop - frames.start < 3 or span.duration_seconds <= 0:
            return 0.0
        mean, motion = (timeline.column(name)[frames] for name in ("luma_mean", "motion"))
        return reversals(light_course(mean, motion), self.flicker_levels) / span.duration_seconds


def _is_black(timeline: Timeline, span: TimeSpan) -> bool:
    """Whether a span shows hardly anything but black: no picture of a gallery."""
    black = timeline.column("black_share")[timeline.frames_in(span)]
    return bool(len(black) and np.median(black) >= 0.98)


def _without_gaps(
    mask: npt.NDArray[np.bool_], allowed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """The mask with single false points between true ones filled where that is allowed."""
    filled = mask.copy()
    filled[1:-1] |= mask[:-2] & mask[2:] & allowed[1:-1]
    return filled


def _course(path: CameraPath, start: int, end: int) -> FloatArray:
    """Typical velocity [3] of a stretch."""
    return np.asarray(np.median(path.velocity[start:end], axis=0))


def _are_similar(
    picks: Sequence[PickFacts], sides: tuple[float, float, float, float], bits: int
) -> bool:
    """Whether the last pick of one stretch and the first of the next show the same picture.

    Args:
        picks: of the clip, in time order.
        sides: start and end of both stretches, in seconds.
        bits: most differing bits of a hash for the same picture.
    """
    before = [pick for pick in picks if sides[0] <= pick.pts_seconds <= sides[1]]
    after = [pick for pick in picks if sides[2] <= pick.pts_seconds <= sides[3]]
    if not before or not after:
        return False
    return is_similar_picture(before[-1], after[0], bits, 0.2)
