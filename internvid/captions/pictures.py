"""Stored pictures, decoded."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from internvid.core.contracts import Pick
from internvid.core.timings import count, stage

if TYPE_CHECKING:
    from PIL import Image


def decode_picks(picks: Sequence[Pick]) -> list[Image.Image] | None:
    """RGB pictures of the picks, in order; None where one of them cannot be decoded.

    Thread-safe; Pillow lets other threads run while it decodes.
    """
    with stage("decode"):
        pictures = [decode_jpeg(pick.jpeg) for pick in picks]
    count("decoded", len(pictures))
    whole = [picture for picture in pictures if picture is not None]
    return whole if len(whole) == len(pictures) else None


def decode_jpeg(jpeg: bytes) -> Image.Image | None:
    """One picture in RGB, or None where it cannot be decoded whole."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG", "PNG", "WEBP")) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        # Everything that Pillow's parsers raise for damaged files.
        return None
