"""What the clips table of a whole build says about slideshows: detector, stitch, signals, filters.

A clip is true where more than half of it lies in a gallery, whichever way the detector cut it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flicker import write_pair
from benchmarks.galleries import STYLES, write_film
from benchmarks.tally import Tally
from internvid.core.types import TimeSpan
from internvid.pipeline.cutting import ScannedVideo, cut_video
from internvid.pipeline.recipe import Recipe
from internvid.scan.scan import scan_video
from internvid.signals.slideshow import SlideshowSignal
from internvid.synthetic.truth import World

FOOTAGE = "footage"


def new_tallies() -> dict[str, Tally]:
    """One tally for each style, one for clips outside of galleries."""
    return {style: Tally() for style in (*STYLES, FOOTAGE)}


def clips_of(path: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """The rows of the clips table that a build with that recipe makes of one file."""
    result = scan_video(path, recipe.complete_scan())
    video = {"source_id": path.name, "start_pts": 0}
    signals = recipe.cut.signal_components()
    scanned = ScannedVideo(video, result.timeline, result.picks)
    return cut_video(scanned, recipe.cut, signals)


def count_clips(
    rows: Iterable[dict[str, Any]],
    galleries: Sequence[tuple[int, int, str]],
    tallies: dict[str, Tally],
) -> list[str]:
    """Count the clips of one file; returns what was wrong, in words.

    Args:
        rows: of the clips table.
        galleries: true ones: first frame, first frame after, style.
        tallies: by style, counted on.
    """
    mistakes = []
    for row in rows:
        first, stop = row["start_frame"], row["end_frame"]
        styles = [
            style
            for start, end, style in galleries
            if min(stop, end) - max(first, start) > 0.5 * (stop - first)
        ]
        style = styles[0] if styles else FOOTAGE
        said = bool(row["is_slideshow"])
        tallies[style].add(bool(styles), said)
        if bool(styles) != said:
            mistakes.append(f"{'missed' if styles else 'false'} {style} {row['start_seconds']:.1f}")
    return mistakes


def score_world_clips(world: World, recipe: Recipe, tallies: dict[str, Tally]) -> list[str]:
    """Count the clips of every video of a world."""
    mistakes = []
    for video in world.videos:
        galleries = [(show.start_frame, show.end_frame, show.style) for show in video.slideshows]
        found = count_clips(clips_of(world.path(video.name), recipe), galleries, tallies)
        mistakes += [f"seed {world.seed} {video.name}: {line}" for line in found]
    return mistakes


def score_films(
    sources: Sequence[Path],
    films: int,
    folder: Path,
    recipe: Recipe,
    tallies: dict[str, Tally],
    seed: int,
) -> list[str]:
    """Count the clips of films made of real frames: galleries of each style, and none."""
    random = np.random.default_rng(seed)
    kinds = (*STYLES, STYLES[-1], "")
    mistakes = []
    for number in range(films):
        path = folder / "film.mp4"
        film = write_film(path, kinds[number % len(kinds)], sources, random)
        galleries = [(*film.gallery, film.style)] if film.style else []
        found = count_clips(clips_of(path, recipe), galleries, tallies)
        mistakes += [f"film {number}: {line}" for line in found]
    return mistakes


def score_light(
    sources: Sequence[Path], pairs: int, folder: Path, recipe: Recipe, tally: Tally, seed: int
) -> None:
    """Count the claim of flicker on real footage as it is and under light that flickers."""
    random = np.random.default_rng(seed)
    signal = SlideshowSignal()
    for _ in range(pairs):
        for path, flickers in write_pair(folder, sources, random):
            result = scan_video(path, recipe.complete_scan())
            span = TimeSpan(0.0, result.timeline.duration_seconds)
            tally.add(flickers, bool(signal.measure(result.timeline, span, ())["is_flickering"]))
