"""Stored pictures, decoded."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from internvid.core.timings import count, stage

if TYPE_CHECKING:
    from PIL import Image


def decode_pictures(files: Iterable[bytes]) -> list[Image.Image | None]:
    """Pictures in RGB, in order; None for each that cannot be decoded whole.

    Thread-safe; Pillow lets other threads run while it decodes.
    """
    with stage("decode"):
        pictures = [decode_picture(file) for file in files]
    count("decoded", len(pictures))
    return pictures


def decode_picture(file: bytes) -> Image.Image | None:
    """One picture in RGB, from JPEG, PNG or WebP; None where it cannot be decoded whole."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(file), formats=("JPEG", "PNG", "WEBP")) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        # Everything that Pillow's parsers raise for damaged files.
        return None
