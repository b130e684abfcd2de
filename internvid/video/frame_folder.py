"""A video that was unpacked: a folder of numbered pictures, as Something-Something v2 is shared."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from internvid.core.errors import VideoUnreadableError
from internvid.video.display.picture import RGBArray, fitted_size

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_NUMBER = re.compile(r"(\d+)")


def is_picture(name: str) -> bool:
    """Whether a file of that name can be a frame."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names: 2 before 10."""
    names = [name for name in os.listdir(folder) if is_picture(name)]
    return [folder / name for name in sorted(names, key=_by_numbers)]


def _by_numbers(name: str) -> tuple[list[tuple[int, str]], str]:
    # Text and numbers take turns, so that like is compared with like.
    parts = _NUMBER.split(name)
    return [(int(part), "") if at % 2 else (0, part) for at, part in enumerate(parts)], name


def read_pictures(
    folder: Path, choose: Callable[[int], Sequence[int]], short_side: int | None = None
) -> RGBArray:
    """Frames of a folder, chosen by their number in it.

    Args:
        folder: of pictures of one size.
        choose: given how many there are, which are wanted; repeats allowed.
        short_side: pixels of the shorter side; None, or a smaller picture, keeps the size.

    Returns:
        uint8 RGB [T, H, W, 3].

    Raises:
        VideoUnreadableError: no picture, a damaged one, or several sizes.
    """
    try:
        paths = list_pictures(folder)
    except OSError as error:
        raise VideoUnreadableError(f"{folder.name}: {error.strerror or error}") from error
    if not paths:
        raise VideoUnreadableError(f"{folder.name} holds no pictures", reason="no_frames")
    wanted = [paths[at] for at in choose(len(paths))]
    pictures = {path: _open(path, short_side) for path in dict.fromkeys(wanted)}
    if len({picture.shape for picture in pictures.values()}) != 1:
        raise VideoUnreadableError(
            f"pictures of {folder.name} differ in size", reason="sizes_differ"
        )
    return np.stack([pictures[path] for path in wanted])


def _open(path: Path, short_side: int | None) -> RGBArray:
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise VideoUnreadableError(
            f"{path.parent.name}/{path.name} is no picture: {error}"
        ) from error
    if short_side is not None:
        picture = picture.resize(
            fitted_size(picture.width, picture.height, short_side), Image.Resampling.BOX
        )
    return np.asarray(picture)
