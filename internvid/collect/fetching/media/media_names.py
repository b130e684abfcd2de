"""Names of fetched files: made here from ids and addresses, never from what a server says."""

from __future__ import annotations

import hashlib
import re

_MOST_CHARACTERS = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
SUFFIXES = {
    "mov": ".mp4",
    "mp4": ".mp4",
    "matroska": ".mkv",
    "webm": ".webm",
    "mpegts": ".ts",
    "avi": ".avi",
    "flv": ".flv",
    "ogg": ".ogv",
    "asf": ".wmv",
    "mpeg": ".mpg",
    "gif": ".gif",
}
"""A format's first name in FFmpeg -> suffix of a file."""
ALL_SUFFIXES = tuple(sorted({*SUFFIXES.values(), ".video"}))
"""Suffixes that files of items may have."""
_WEBM = frozenset({"vp8", "vp9", "av1"})


def media_name(source_id: str, uri: str) -> str:
    """`xx/ID-HASH` of an item, without a suffix: the same for the same item on every machine.

    Characters that are no letter, digit, `_` or `-` become one `_`; the hash (of id and address)
    keeps apart what that makes equal, and what differs in capitals only. `xx` are the hash's first
    two digits: no folder has too many files.
    """
    key = f"{source_id}\0{uri}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(key, digest_size=8).hexdigest()
    readable = _UNSAFE.sub("_", source_id)[:_MOST_CHARACTERS].strip("_") or "video"
    # A name that begins with a dash would be an option of many programs.
    return f"{digest[:2]}/{readable.lstrip('-') or 'video'}-{digest}"


def suffix_of(container: str, codec: str = "") -> str:
    """The suffix of a file in one of FFmpeg's formats, such as `mov,mp4,m4a,3gp,3g2,mj2`."""
    first = container.partition(",")[0]
    if first == "matroska" and codec in _WEBM:
        return ".webm"
    return SUFFIXES.get(first, ".video")
