"""Whether the rim of the picture moves with what moves inside: a camera, or a body."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from internvid.scan.tiles import ACROSS, DOWN, TILES, tile_sums

Float = npt.NDArray[np.float32]

# The outermost tiles, and what makes one of them stand still or move along: cells seen of 48, mean
# squared change that shows, and the share of the other change that is much less.
_RIM = np.asarray([
    at for at in range(TILES)
    if at // ACROSS in (0, DOWN - 1) or at % ACROSS in (0, ACROSS - 1)
])  # fmt: skip
_LEAST_CELLS, _SHOWN, _MUCH_LESS = 16, np.float32(0.16), np.float32(0.5)
# Cells a step: slower motion shows nowhere, faster motion must show in this share of the rim.
_SLOW_CELLS, _FAST_CELLS, _LEAST_RIM = 0.1, 0.5, 0.4


def change_at_rest(smooth: Float, inside: tuple[Float, Float]) -> tuple[Float, Float]:
    """Sums of squared change [K, 48] of tiles that are not moved, and of how many cells.

    Args:
        smooth: pictures [K + 1, H, W].
        inside: masks [K, H] and [K, W], 1 where both pictures of a pair show something.
    """
    mask = inside[0][:, :, None] * inside[1][:, None, :]
    mask[:, [0, -1]] = 0
    mask[:, :, [0, -1]] = 0
    change = (smooth[1:] - smooth[:-1]) * mask
    total = np.maximum(mask.sum(axis=(1, 2)), 1)
    change -= (change.sum(axis=(1, 2)) / total)[:, None, None] * mask  # the light alone
    return tile_sums(np.square(change, out=change)), tile_sums(mask)


def rim_share(rest: tuple[Float, Float], moved: tuple[Float, Float], motion: Float) -> Float:
    """How much [K] of the rim moves along: see `Motion.rim` of the registration.

    Whatever the camera does shows at the rim of the picture. Things that pass before a camera at
    rest, or wheat that sways, leave it where it is.

    Args:
        rest: change [K, 48] of tiles at rest, cells.
        moved: the same under the motion.
        motion: [K, 3].
    """
    seen = np.minimum(rest[1], moved[1])[:, _RIM]
    at_rest, along = (
        change[:, _RIM] / np.maximum(cells[:, _RIM], 1) for change, cells in (rest, moved)
    )
    is_seen = seen >= _LEAST_CELLS
    shows = is_seen & (np.abs(at_rest - along) > _SHOWN)
    moves = (shows & (along < _MUCH_LESS * at_rest)).sum(axis=1)
    rests = (shows & (at_rest < _MUCH_LESS * along)).sum(axis=1)
    cells = np.hypot(motion[:, 0] * 64, motion[:, 1] * 36) + np.abs(motion[:, 2]) * 20
    # A motion that is fast enough has to show somewhere, unless all of the rim is plain.
    least = np.where(cells >= _FAST_CELLS, _LEAST_RIM * is_seen.sum(axis=1), 0)
    whole = np.maximum(moves + rests, least)
    share = np.where(whole > 0, moves / np.maximum(whole, 1), 1)
    return np.where(cells >= _SLOW_CELLS, share, 1).astype(np.float32)
