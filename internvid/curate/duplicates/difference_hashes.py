"""What can be done with difference hashes alone: mirror them, tell the empty ones, compare them.

A hash has eight bytes, one a row of the picture from the top. The bits of a byte say from left to
right whether a cell is brighter than its left neighbour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

LEAST_BITS = 8
"""Pictures with fewer bits set, or with fewer bits not set, show next to nothing."""
LEAST_ROW_CHANGES = 5
"""Pictures whose rows differ in fewer bits are made of upright bars: a test card, a gradient."""
LEAST_SHARPNESS = 1.0
"""Pictures below are flat: their hash is made of the noise of the encoder."""

_LOW_BYTES = np.uint64(0x00FFFFFFFFFFFFFF)


def mirror_bytes(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The rows of hashes of the same pictures with left and right swapped.

    A cell that is brighter than its left neighbour is darker than it in the mirror. Equal cells
    are lost by this, which costs a bit each in flat places.
    """
    return _MIRRORED[rows]


def mirrored(hashes: Hashes) -> Hashes:
    """The hashes that the pictures have in a mirror; see `mirror_bytes`."""
    swapped = mirror_bytes(np.ascontiguousarray(hashes).view(np.uint8))
    return np.asarray(swapped.view(np.uint64))


def distances(first: Hashes, second: Hashes) -> npt.NDArray[np.uint8]:
    """In how many of 64 bits hashes differ, elementwise; shapes are broadcast."""
    return np.asarray(np.bitwise_count(first ^ second), np.uint8)


def are_informative(
    hashes: Hashes, sharpness: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.bool_]:
    """Which pictures show enough to be recognised by their hash.

    Black, white and single-coloured pictures, gradients, test cards and titles on a plain ground
    have hashes which collide with one another.

    Args:
        hashes: uint64 [n].
        sharpness: of the pictures, levels squared; not looked at when None.
    """
    bits = np.bitwise_count(hashes)
    changes = np.bitwise_count((hashes ^ (hashes >> np.uint64(8))) & _LOW_BYTES)
    good = (bits >= LEAST_BITS) & (bits <= 64 - LEAST_BITS) & (changes >= LEAST_ROW_CHANGES)
    if sharpness is not None:
        good &= sharpness >= LEAST_SHARPNESS
    return np.asarray(good)


def _mirror_table() -> npt.NDArray[np.uint8]:
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return np.packbits(1 - bits[:, ::-1], axis=1)[:, 0]


_MIRRORED = _mirror_table()
