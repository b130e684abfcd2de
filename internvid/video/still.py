"""Tells pictures from videos by their first bytes: FFmpeg reads both in one way."""

from __future__ import annotations

import re
from pathlib import Path

from internvid.core.errors import VideoUnreadableError

_JPEG_START = b"\xff\xd8\xff"
# A picture begins where one ended, cameras fill up a little; thumbnails inside of one do not.
_NEXT_JPEG = re.compile(rb"\xff\xd9[\x00\xff\r\n]{0,64}\xff\xd8\xff")
_LONGEST_GAP = 80
_PNG_START = b"\x89PNG\r\n\x1a\n"
# Names of chunks stand behind the 4 bytes of their length; `acTL` says that an APNG follows.
_PNG_ANIMATION = b"acTL"
_STILLS = {b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_WEBP_ANIMATION = 0x02
_CHUNK = 1 << 20


def refuse_stills(head: bytes) -> None:
    """Refuse what is one picture, or an animation that no decoder reads.

    Args:
        head: first 256 bytes of a file.

    Raises:
        VideoUnreadableError: a picture (reason `not_media`) or an animated WebP (`no_decoder`).
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if head[12:16] == b"VP8X" and len(head) > 20 and head[20] & _WEBP_ANIMATION:
            raise VideoUnreadableError(
                "is an animated WebP, which FFmpeg cannot decode",
                reason="no_decoder",
                hint="convert it to GIF, APNG or MP4 first",
            )
        _refuse("WebP")
    if head.startswith(_PNG_START) and _PNG_ANIMATION not in head:
        _refuse("PNG")
    # Two letters alone may be a text's.
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        _refuse("BMP")
    for start, name in _STILLS.items():
        if head.startswith(start):
            _refuse(name)


def is_joined_jpeg(path: Path, head: bytes) -> bool:
    """Whether the file is motion JPEG without a container: pictures one behind the other.

    Raises:
        VideoUnreadableError: it is one picture (reason `not_media`).
    """
    if not head.startswith(_JPEG_START):
        return False
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(_CHUNK):
            if _NEXT_JPEG.search(before + chunk):
                return True
            before = chunk[-_LONGEST_GAP:]
    _refuse("JPEG")
    return False


def _refuse(kind: str) -> None:
    raise VideoUnreadableError(
        f"is one picture ({kind}), not a video",
        reason="not_media",
        hint="name the folders or patterns that hold videos",
    )
