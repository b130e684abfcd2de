"""Pictures without their bars or rims: what a copy may have cut off or put around them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from internvid.dataset.parts import reading_part, row_group_owners
from internvid.scan.picks import difference_hash

Grey = npt.NDArray[np.uint8]
Box = tuple[slice, slice]

WHOLE, INNER, MIDDLE, RESHAPED = range(4)
"""Views: the whole picture, inside its bars, without a rim, cut to the other usual shape."""
CROPS = (MIDDLE, RESHAPED)

_BLACK = 36
"""Bars are black, and JPEG and the encoder put noise into them."""
_LEAST_SHARE = 0.02
_LEAST_SIDE = 32
_RIM = 0.05
_SHAPES = (4 / 3, 16 / 9)


def picture_box(pictures: Sequence[Grey]) -> Box:
    """Rows and columns that are not bars in any of several pictures of one size.

    Bars hold for a whole clip, so that what is brightest of each place is looked at. Where nothing
    but darkness is found, or next to nothing is left, it is the whole picture.
    """
    if not pictures or len({picture.shape for picture in pictures}) != 1:
        return slice(None), slice(None)
    brightest = np.max(np.stack(pictures), axis=0)
    rows = _lit(np.percentile(brightest, 98, axis=1))
    return rows, _lit(np.percentile(brightest[rows], 98, axis=0))


def view_box(shape: tuple[int, int], view: int) -> Box:
    """Rows and columns of a picture [H, W] that a view of `CROPS` shows."""
    height, width = shape
    if view == MIDDLE:
        return _middle(height, 1 - 2 * _RIM), _middle(width, 1 - 2 * _RIM)
    ratio = width / height
    narrow, wide = _SHAPES
    if ratio < (narrow + wide) / 2:
        return _middle(height, min(1.0, ratio / wide)), slice(0, width)
    return slice(0, height), _middle(width, min(1.0, narrow / ratio))


def pictures_of(
    path: Path, frames: Mapping[str, frozenset[int] | None]
) -> Iterator[tuple[str, dict[int, Grey]]]:
    """Stored pictures of some videos in grey, by frame; those of one video in memory at a time.

    Args:
        path: the picks of a part.
        frames: video_id -> which of its pictures; all when None.

    Raises:
        DatasetFormatError: the part is missing or damaged.
    """
    if not frames:
        return
    with reading_part(path):
        file = pq.ParquetFile(path)
    with file:
        groups: dict[str, list[int]] = {}
        for group, owner in enumerate(row_group_owners(file)):
            groups.setdefault(owner, []).append(group)
        for video_id in sorted(frames):
            wanted = frames[video_id]
            pictures: dict[int, Grey] = {}
            for group in groups.get(video_id, ()):
                with reading_part(path):
                    table = file.read_row_group(group, columns=["frame", "jpeg"])
                for at, frame in enumerate(table["frame"].to_pylist()):
                    if wanted is None or frame in wanted:
                        pictures[frame] = grey_picture(table["jpeg"][at].as_py())
            yield video_id, pictures


def hash_inside(picture: Grey, box: Box) -> int:
    """The difference hash of a part of a picture."""
    return difference_hash(picture[box])


def grey_picture(jpeg: bytes) -> Grey:
    """The luma of a stored picture, [H, W]."""
    import PIL.Image

    with PIL.Image.open(io.BytesIO(jpeg)) as image:
        image.draft("L", image.size)
        return np.asarray(image.convert("L"))


def _lit(levels: npt.NDArray[np.float64]) -> slice:
    lit = np.flatnonzero(levels > _BLACK)
    if not len(lit) or lit[-1] - lit[0] < _LEAST_SIDE:
        return slice(0, len(levels))
    low, high = int(lit[0]), int(lit[-1]) + 1
    # A dark edge of a pixel or two is no bar; the rim of a bar is blurred into the picture.
    least = _LEAST_SHARE * len(levels)
    return slice(
        low + 1 if low >= least else 0, high - 1 if len(levels) - high >= least else len(levels)
    )


def _middle(length: int, share: float) -> slice:
    rim = round(length * (1 - share) / 2)
    return slice(rim, length - rim)
