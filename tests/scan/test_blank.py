"""Fades are found while frames pass by, whatever the pieces they come in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvid.scan.scan import ScanRecipe, scan_video
from internvid.scan.transitions.fades import Fade, FadeFinder
from internvid.shots.default import DefaultDetector
from internvid.shots.stitch import Stitch
from internvid.synthetic.encode import VideoFormat, write_video

FPS = 25


def trace(parts: list[tuple[float, float, int]]) -> np.ndarray:
    """Spread of frames: lines from one value to another over so many frames."""
    return np.concatenate([np.linspace(*part) for part in parts]).astype(np.float32)


PICTURE, BLACK = 40.0, 0.5
FILM = trace(
    [
        (BLACK, BLACK, 30),
        (BLACK, PICTURE, 25),  # opens the video: no boundary
        (PICTURE, PICTURE, 200),
        (PICTURE, BLACK, 20),
        (BLACK, BLACK, 8),  # a short hold: one boundary
        (BLACK, PICTURE, 20),
        (PICTURE, PICTURE, 150),
        (PICTURE, BLACK, 20),
        (BLACK, BLACK, 600),  # a long one is a shot of its own
        (BLACK, PICTURE, 20),
        (PICTURE, PICTURE, 150),
        (PICTURE, BLACK, 20),
        (BLACK, BLACK, 60),  # ends the video
    ]
)


def find(piece: int) -> tuple[list[Fade], FadeFinder]:
    finder = FadeFinder()
    seconds = np.arange(len(FILM)) / FPS
    for start in range(0, len(FILM), piece):
        part = slice(start, start + piece)
        spread = FILM[part]
        traces = {
            "spread": spread,
            "luma": np.where(spread < 3, 20, 90).astype(np.float32),
            "ncc": np.ones(len(spread), np.float32),
        }
        finder.append(seconds[part], traces)
        assert len(finder._seconds) < 8 * FPS + piece
    return finder.finish(), finder


@pytest.mark.parametrize("piece", [1, 7, 64, len(FILM)])
def test_fades_do_not_depend_on_the_pieces(piece: int) -> None:
    found, finder = find(piece)
    assert found == find(len(FILM))[0]
    frames = [fade.frame for fade in found]
    short, into, out = 275 + 4, 453 + 10, 1073 + 10
    assert np.abs(np.subtract(frames, [short, into, out])).max() <= 4
    assert finder.opening is not None
    assert finder.closing is not None
    # From the last blank frame, or to the first one; the faint end of a fade counts as blank.
    assert finder.opening.frame == 30 + 1
    assert finder.opening.length_seconds == pytest.approx(25 / FPS, abs=0.17)
    assert finder.closing.frame == len(FILM) - 60 - 2
    assert finder.closing.length_seconds == pytest.approx(20 / FPS, abs=0.17)
    assert finder.first_lit in range(30, 40)
    assert finder.last_lit in range(len(FILM) - 70, len(FILM) - 55)


@pytest.mark.parametrize("hold", [1, 10, 80])
def test_clips_hold_no_fade_that_opens_or_ends_the_video(hold: int, tmp_path: Path) -> None:
    """Faded in for a second, shown for four, faded out for a second, black for a while."""
    rng = np.random.default_rng(1)
    cells = rng.integers(30, 220, (12, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    ramp = np.linspace(0, 1, FPS)
    levels = np.concatenate([np.zeros(hold), ramp, np.ones(4 * FPS), ramp[::-1], np.zeros(hold)])
    moves = (np.roll(cells, at, axis=1) for at in range(len(levels)))
    pictures = (np.uint8(level * picture) for level, picture in zip(levels, moves, strict=True))
    path = tmp_path / "v.mp4"
    write_video(path, pictures, VideoFormat("h264", 128, 96, Fraction(FPS)))
    recipe = ScanRecipe(observers=("transitions",), audio=False)
    timeline = scan_video(path, recipe).timeline
    shots = DefaultDetector().detect(timeline)
    # Neither is a boundary; a fade into one black frame may look like a dissolve into it.
    assert len(shots) == 1 or hold == 1
    clip, *rests = Stitch().stitch(timeline, shots)
    assert all(rest.span.duration_seconds < 0.5 for rest in rests)
    shown = hold / FPS + 1, hold / FPS + 5
    assert clip.span.start_seconds == pytest.approx(shown[0], abs=0.2)
    assert clip.span.end_seconds == pytest.approx(shown[1], abs=0.2)


def test_a_take_that_is_all_fade_is_kept(tmp_path: Path) -> None:
    cells = np.random.default_rng(1).integers(30, 220, (96, 128, 3))
    pictures = (np.uint8(level * cells) for level in np.linspace(1, 0, 30))
    write_video(tmp_path / "v.mp4", pictures, VideoFormat("h264", 128, 96, Fraction(FPS)))
    recipe = ScanRecipe(observers=("transitions",), audio=False)
    timeline = scan_video(tmp_path / "v.mp4", recipe).timeline
    assert len(Stitch().stitch(timeline, DefaultDetector().detect(timeline))) == 1
