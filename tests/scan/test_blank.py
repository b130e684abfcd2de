"""Fades are found while frames pass by, whatever the pieces they come in."""

from __future__ import annotations

import numpy as np
import pytest

from internvid.scan.blank import Fade, FadeFinder

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
    assert finder.first_lit in range(30, 40)
    assert finder.last_lit in range(len(FILM) - 70, len(FILM) - 55)
