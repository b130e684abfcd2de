"""Precision and recall of the claims that signals make about clips.

    python -m benchmarks.signals [--seeds 100,101] [--media FOLDER] [--json FILE]

Two sources of truth: rendered worlds (unseen seeds), and real frames that the benchmark moves
itself (see `benchmarks.moved`). Spans are true shots, so that no detector takes part. Slideshows
are counted once more in the clips of a whole build, where a detector cut them, and flicker on real
footage with and without light that flickers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.moved import KINDS, draw_move, load_varied, write_clip
from benchmarks.slideshows import new_tallies, score_films, score_light, score_world_clips
from benchmarks.tally import Tally
from internvid import recipes
from internvid.core import registry
from internvid.core.types import TimeSpan
from internvid.scan.scan import ScanRecipe, ScanResult, scan_video
from internvid.synthetic.truth import VideoTruth, World
from internvid.synthetic.world import render_world

CLAIMS = ("still", "slideshow", "static", "pan", "tilt", "zoom", "shake")
SHORTEST_SECONDS = 1.0
_RECIPE = ScanRecipe(observers=("luma", "camera"), audio=False)
_SIGNALS = ("camera", "stillness", "slideshow")


@dataclass
class Score:
    """Tallies of all claims, and of directions of moves that were named rightly."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in CLAIMS})
    directions_right: int = 0
    directions_wrong: int = 0
    mistakes: list[str] = field(default_factory=list)

    def add(self, name: str, truth: bool, said: bool, where: str) -> None:
        """Count one claim on one clip."""
        self.tallies[name].add(truth, said)
        if truth != said:
            self.mistakes.append(f"{'missed' if truth else 'false'} {name}: {where}")

    def add_camera(self, kind: str, direction: str, row: Mapping[str, Any], where: str) -> None:
        """Count every camera claim on one clip."""
        said = row["camera_move"]
        for name in CLAIMS[2:]:
            self.add(name, kind == name, said == name, f"{where}, said {said}")
        if said == kind and direction in ("left", "right", "up", "down", "in", "out"):
            same = row["camera_direction"] == direction
            self.directions_right += same
            self.directions_wrong += not same

    def report(self) -> dict[str, dict[str, float]]:
        """Plain numbers by claim."""
        return {
            name: {
                "precision": round(tally.precision, 4),
                "recall": round(tally.recall, 4),
                "count": tally.right + tally.missed,
            }
            for name, tally in self.tallies.items()
        }


def measure_span(result: ScanResult, span: TimeSpan) -> dict[str, Any]:
    """The columns of the benchmarked signals on one span."""
    picks = [pick for pick in result.picks if span.contains(pick.pts_seconds)]
    row: dict[str, Any] = {}
    for name in _SIGNALS:
        row.update(registry.create("signal", name).measure(result.timeline, span, picks))
    return row


def score_world(world: World, score: Score) -> None:
    """Count the claims on every video of a world."""
    for video in world.videos:
        result = scan_video(world.path(video.name), _RECIPE)
        where = f"seed {world.seed} {video.name}"
        _score_shots(video, result, score, where)
        for start, end, is_slideshow in _longer_spans(video):
            span = TimeSpan(start / float(video.fps), end / float(video.fps))
            said = measure_span(result, span)["is_slideshow"]
            score.add("slideshow", is_slideshow, said, f"{where} {span.start_seconds:.1f} s")


def _score_shots(video: VideoTruth, result: ScanResult, score: Score, where: str) -> None:
    fps = float(video.fps)
    for shot in video.shots:
        span = TimeSpan(shot.clean_start_frame / fps, shot.clean_end_frame / fps)
        if span.duration_seconds < SHORTEST_SECONDS:
            continue
        row = measure_span(result, span)
        place = f"{where} shot {shot.index} ({shot.kind}, {shot.camera}, {shot.backdrop})"
        score.add_camera(shot.camera.kind, shot.camera.direction, row, place)
        score.add("still", shot.is_still, row["is_still"], place)
        score.add("slideshow", False, row["is_slideshow"], place)


def _longer_spans(video: VideoTruth) -> Iterator[tuple[int, int, bool]]:
    """(start frame, end frame, is a slideshow): whole slideshows, and runs of four live shots."""
    for show in video.slideshows:
        yield show.start_frame, show.end_frame, True
    for first in range(0, len(video.shots) - 3, 2):
        four = video.shots[first : first + 4]
        if all(shot.kind == "scene" for shot in four):
            yield four[0].start_frame, four[-1].end_frame, False


def score_media(paths: Sequence[Path], clips: int, folder: Path, score: Score, seed: int) -> None:
    """Count the claims on real frames that are moved here.

    Args:
        paths: real videos.
        clips: how many clips are made.
        folder: for the clip in hand.
        score: counts on.
        seed: draws the moves.
    """
    random = np.random.default_rng(seed)
    for number in range(clips):
        kind = KINDS[number % len(KINDS)]
        move = draw_move(random, kind)
        needed = 4 if kind == "slideshow" else 2
        chosen = [paths[int(at)] for at in random.choice(len(paths), needed, replace=False)]
        pictures = [load_varied(path, random) for path in chosen]
        path = folder / "moved.mp4"
        write_clip(path, move, pictures, seed=int(random.integers(2**31)))
        result = scan_video(path, _RECIPE)
        row = measure_span(result, TimeSpan(0.0, result.timeline.duration_seconds))
        place = f"clip {number} {chosen[0].name} {move}"
        if kind != "slideshow":
            still = kind == "still"
            score.add_camera("static" if still else kind, move.direction, row, place)
            score.add("still", still, row["is_still"], place)
        score.add("slideshow", kind == "slideshow", row["is_slideshow"], place)


def media_half(folder: Path, half: str) -> list[Path]:
    """Real videos of one half: `tune`, `verify` or `all`. Clips of one source stay together."""
    names: dict[str, list[Path]] = {}
    inside = folder / "videos"
    for path in sorted((inside if inside.is_dir() else folder).iterdir()):
        if path.suffix in (".mp4", ".webm", ".mkv", ".mov"):
            source = path.stem.split("__")[-1].split(".")[0].split("_")[-1]
            names.setdefault(source, []).append(path)
    groups = [names[name] for name in sorted(names)]
    chosen = {"tune": groups[::2], "verify": groups[1::2], "all": groups}[half]
    return [path for group in chosen for path in group]


def print_score(title: str, score: Score) -> None:
    """A table on stdout."""
    print(f"{title:24} precision  recall  count")
    for name, entry in score.report().items():
        print(f"  {name:22} {entry['precision']:9.3f} {entry['recall']:7.3f} {entry['count']:6.0f}")
    right, wrong = score.directions_right, score.directions_wrong
    print(f"  directions             {right} right, {wrong} wrong")


def score_builds(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Tally]]:
    """What whole builds say: title -> class -> tally."""
    recipe = recipes.get(options.recipe)
    found: dict[str, dict[str, Tally]] = {}
    mistakes: list[str] = []
    if options.seeds:
        tallies = found[f"clips of worlds, {recipe.name}"] = new_tallies()
        for seed in options.seeds.split(","):
            mistakes += score_world_clips(World.load(folder / seed), recipe, tallies)
    if options.media:
        paths = media_half(options.media, options.half)
        tallies = found[f"clips of films, {recipe.name}"] = new_tallies()
        mistakes += score_films(paths, options.films, folder, recipe, tallies, options.seed)
        light = found["real footage, unsteady light"] = {"flicker": Tally()}
        score_light(paths, options.films, folder, recipe, light["flicker"], options.seed)
    if options.mistakes:
        print("\n".join(mistakes))
    return found


def print_builds(found: Mapping[str, Mapping[str, Tally]]) -> None:
    """A table on stdout: recall of each class, and the precision of all together."""
    for title, tallies in found.items():
        print(f"{title:32} recall  count  false")
        for name, tally in tallies.items():
            count = tally.right + tally.missed
            print(f"  {name:30} {tally.recall:6.3f} {count:6} {tally.wrong:6}")
        total = Tally(*(sum(getattr(t, part) for t in tallies.values())
                        for part in ("right", "wrong", "missed")))  # fmt: skip
        print(f"  all: precision {total.precision:.3f}, recall {total.recall:.3f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", default="100,101", help="worlds to render, or none")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a world's videos")
    parser.add_argument("--media", type=Path, help="folder of real videos")
    parser.add_argument("--half", default="verify", choices=("tune", "verify", "all"))
    parser.add_argument("--clips", type=int, default=200, help="clips made of real frames")
    parser.add_argument("--films", type=int, default=40, help="films, and pairs of clips in light")
    parser.add_argument("--recipe", default="default", help="of the builds")
    parser.add_argument("--seed", type=int, default=7, help="draws those clips")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--mistakes", action="store_true", help="print every mistake")
    options = parser.parse_args(arguments)
    scores: dict[str, Score] = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.seeds:
            scores["rendered worlds"] = Score()
            for seed in options.seeds.split(","):
                world = render_world(
                    Path(folder) / seed, int(seed), seconds=options.seconds, copies=False
                )
                score_world(world, scores["rendered worlds"])
        if options.media:
            paths = media_half(options.media, options.half)
            scores["moved real frames"] = Score()
            made = Path(folder)
            score_media(paths, options.clips, made, scores["moved real frames"], options.seed)
        builds = score_builds(options, Path(folder))
    for title, score in scores.items():
        print_score(title, score)
        if options.mistakes:
            print("\n".join(score.mistakes))
    print_builds(builds)
    if options.json:
        plain: dict[str, Any] = {title: score.report() for title, score in scores.items()}
        for title, tallies in builds.items():
            plain[title] = {name: asdict(tally) for name, tally in tallies.items()}
        options.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
