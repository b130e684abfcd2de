"""Edits MP4 files box by box: the way to make headers that no encoder would write.

Only files whose `moov` box comes after the media data are edited, so that growing a box moves no
sample. Paths are four-letter names from the top, such as ("moov", "trak", "tkhd"); the first
match counts.
"""

import struct

from internvid.core.errors import InternvidError

Path4 = tuple[str, ...]


def find_box(data: bytes, path: Path4) -> tuple[int, int]:
    """Return (offset, size) of a box, header included.

    Raises:
        InternvidError: there is no such box.
    """
    first, last = 0, len(data)
    offset, size = 0, 0
    for name in path:
        matches = [box for box in _boxes(data, first, last) if box[2] == name]
        if not matches:
            raise InternvidError(f"no {'/'.join(path)} box in the file")
        offset, size, _ = matches[0]
        first, last = offset + 8, offset + size
    return offset, size


def _boxes(data: bytes, first: int, last: int) -> list[tuple[int, int, str]]:
    boxes = []
    while first + 8 <= last:
        size, kind = struct.unpack_from(">I4s", data, first)
        if size < 8:
            break
        boxes.append((first, size, kind.decode("latin-1")))
        first += size
    return boxes


def body(data: bytes, path: Path4) -> bytes:
    """Return the content of a box, without its 8-byte header."""
    offset, size = find_box(data, path)
    return data[offset + 8 : offset + size]


def with_body(data: bytes, path: Path4, content: bytes) -> bytes:
    """Return the file with another content of a box; the boxes around it are resized.

    Raises:
        InternvidError: the box is missing, or media data come after the index and would move.
    """
    offset, size = find_box(data, path)
    growth = len(content) + 8 - size
    if growth and find_box(data, ("mdat",))[0] > find_box(data, ("moov",))[0]:
        raise InternvidError(
            "cannot grow a box before the media data", hint="write the file without faststart"
        )
    edited = bytearray(data[:offset] + _box(path[-1], content) + data[offset + size :])
    for depth in range(1, len(path)):
        outer, outer_size = find_box(data, path[:depth])
        struct.pack_into(">I", edited, outer, outer_size + growth)
    return bytes(edited)


def _box(kind: str, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind.encode("latin-1")) + content


def turned(data: bytes, clockwise_degrees: int, width: int, height: int) -> bytes:
    """Return the file with a matrix that turns the picture clockwise by 90, 180 or 270 degrees."""
    one = 1 << 16
    matrices = {
        90: (0, one, 0, -one, 0, 0, height * one, 0, 1 << 30),
        180: (-one, 0, 0, 0, -one, 0, width * one, height * one, 1 << 30),
        270: (0, -one, 0, one, 0, 0, 0, width * one, 1 << 30),
    }
    path = ("moov", "trak", "tkhd")
    content = bytearray(body(data, path))
    struct.pack_into(">9i", content, 40, *matrices[clockwise_degrees])
    return with_body(data, path, bytes(content))


def with_edits(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    """Return the file with another edit list in its first track.

    Args:
        data: the file.
        edits: (duration in movie ticks, media time in track ticks; -1 = empty) entries.
    """
    entries = b"".join(struct.pack(">IiI", duration, start, 1 << 16) for duration, start in edits)
    return with_body(
        data, ("moov", "trak", "edts", "elst"), struct.pack(">II", 0, len(edits)) + entries
    )


def edit_of(data: bytes) -> tuple[int, int]:
    """Return (duration in movie ticks, media time in track ticks) of the first edit."""
    duration, start = struct.unpack_from(">Ii", body(data, ("moov", "trak", "edts", "elst")), 8)
    return duration, start


def timescales(data: bytes) -> tuple[int, int]:
    """Return ticks per second of the movie and of the first track's media."""
    movie = struct.unpack_from(">I", body(data, ("moov", "mvhd")), 12)[0]
    media = struct.unpack_from(">I", body(data, ("moov", "trak", "mdia", "mdhd")), 12)[0]
    return movie, media


def claiming_seconds(data: bytes, seconds: int) -> bytes:
    """Return the file with headers that claim another duration; its samples stay as they are."""
    movie, media = timescales(data)
    claims = (
        (("moov", "mvhd"), 16, seconds * movie),
        (("moov", "trak", "tkhd"), 20, seconds * movie),
        (("moov", "trak", "mdia", "mdhd"), 16, seconds * media),
    )
    for path, place, ticks in claims:
        content = bytearray(body(data, path))
        struct.pack_into(">I", content, place, min(ticks, 2**32 - 2))
        data = with_body(data, path, bytes(content))
    return with_edits(data, [(min(seconds * movie, 2**32 - 2), edit_of(data)[1])])


def claiming_size(data: bytes, width: int, height: int) -> bytes:
    """Return the file with headers that claim another picture size than the codec's data."""
    path: Path4 = ("moov", "trak", "tkhd")
    content = bytearray(body(data, path))
    struct.pack_into(">II", content, 76, width << 16, height << 16)
    data = with_body(data, path, bytes(content))
    path = ("moov", "trak", "mdia", "minf", "stbl", "stsd")
    content = bytearray(body(data, path))
    struct.pack_into(">HH", content, 8 + 8 + 24, width, height)
    return with_body(data, path, bytes(content))


def pointing_elsewhere(data: bytes, target: str) -> bytes:
    """Return the file with a data reference (QuickTime alias) to another file."""
    name = target.encode("utf-8")
    alias = bytes(6) + struct.pack(">HH", 0, 2) + bytes(40)
    alias += bytes([min(len(name), 63)]) + name[:63].ljust(63, b"\0")
    alias += bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    padded = name + b"\0" * (len(name) % 2)
    alias += struct.pack(">HH", 2, len(name)) + padded + struct.pack(">HH", 0xFFFF, 0)
    entry = _box("alis", struct.pack(">I", 0) + alias)
    return with_body(
        data, ("moov", "trak", "mdia", "minf", "dinf", "dref"), struct.pack(">II", 0, 1) + entry
    )
