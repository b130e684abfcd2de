"""Damaged files, things that are no video, and pointers to other files."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from internvid.synthetic.odd import boxes
from internvid.synthetic.odd.media import WHOLE
from internvid.synthetic.odd.oddity import OddFile
from internvid.synthetic.odd.reel import FRAMES, render_reel, write_reel

UNREADABLE = ("unreadable", "not_media", "no_frames")
FOREIGN = ("foreign_reference",)


def write_broken_files(folder: Path, seed: int) -> list[OddFile]:
    """Write files of which nothing or only a part can be read."""
    return [*_damaged(folder, seed), *_not_media(folder, seed), *_pointers(folder, seed)]


def _refused(name: str, oddity: str, reasons: tuple[str, ...]) -> OddFile:
    return OddFile(name=name, oddity=oddity, expected="refused", reasons=reasons)


def _damaged(folder: Path, seed: int) -> list[OddFile]:
    reel = render_reel(seed)
    part = replace(WHOLE, expected="partial", frames=None, duration_seconds=None)
    data = write_reel(folder / "index-cut-off.mp4", reel)
    (folder / "index-cut-off.mp4").write_bytes(data[: len(data) * 6 // 10])
    matroska = write_reel(folder / "cut-off.mkv", reel)
    (folder / "cut-off.mkv").write_bytes(matroska[: len(matroska) * 6 // 10])
    rng = np.random.default_rng((seed, 21))
    flipped = bytearray(data)
    offset, size = boxes.find_box(data, ("mdat",))
    for place in rng.integers(offset + size // 3, offset + size // 2, size=60):
        flipped[int(place)] ^= int(rng.integers(1, 256))
    (folder / "flipped-bytes.mp4").write_bytes(bytes(flipped))
    return [
        _refused(
            "index-cut-off.mp4", "the last 40 % are missing and with them the index", UNREADABLE
        ),
        replace(
            part, name="cut-off.mkv", oddity="the last 40 % are missing", least_frames=FRAMES // 4
        ),
        replace(
            part,
            name="flipped-bytes.mp4",
            oddity="60 damaged bytes in the middle",
            least_frames=FRAMES // 2,
        ),
    ]


def _not_media(folder: Path, seed: int) -> list[OddFile]:
    rng = np.random.default_rng((seed, 22))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "random-bytes.mp4").write_bytes(rng.integers(0, 256, 20000, dtype=np.uint8).tobytes())
    (folder / "picture-named.mp4").write_bytes(_png(render_reel(seed, 1)[0]))
    (folder / "text-named.mp4").write_text(
        "This is a shopping list:\nbread, milk, apples.\n" * 20, encoding="utf-8"
    )
    (folder / "web-page-named.mp4").write_text(
        "<!DOCTYPE html><html><body>404 Not Found</body></html>\n", encoding="utf-8"
    )
    (folder / "huge-claim.y4m").write_bytes(
        b"YUV4MPEG2 W24000 H24000 F25:1 Ip C420\nFRAME\n" + bytes(4096)
    )
    return [
        _refused("empty.mp4", "zero bytes", ("empty",)),
        _refused("random-bytes.mp4", "random bytes", UNREADABLE),
        _refused("picture-named.mp4", "a PNG picture with a video's name", (*UNREADABLE, *FOREIGN)),
        _refused("text-named.mp4", "a text with a video's name", (*UNREADABLE, *FOREIGN)),
        _refused("web-page-named.mp4", "an error page saved as a video", (*UNREADABLE, *FOREIGN)),
        _refused(
            "huge-claim.y4m",
            "claims 24000 x 24000 pixels and holds 4 KiB",
            ("too_large", *UNREADABLE),
        ),
    ]


def _png(picture: np.typing.NDArray[np.uint8]) -> bytes:
    """Write an RGB picture (H, W, 3) as PNG, with plain zlib."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + picture[row].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 6))
        + chunk(b"IEND", b"")
    )


def _pointers(folder: Path, seed: int) -> list[OddFile]:
    """Files that name other files; a reader must not reach `pointed-at.mp4` through them."""
    data = write_reel(folder / "pointed-at.mp4", render_reel(seed))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\npointed-at.mp4\n#EXT-X-ENDLIST\n"
    concat = "ffconcat version 1.0\nfile pointed-at.mp4\nfile pointed-at.mp4\n"
    manifest = '<?xml version="1.0"?>\n<MPD type="static"><BaseURL>pointed-at.mp4</BaseURL></MPD>\n'
    texts = (
        ("playlist.m3u8", "an HLS playlist", playlist),
        ("playlist-named.mp4", "an HLS playlist with a video's name", playlist),
        ("list.ffconcat", "a list of files to be joined", concat),
        ("list-named.mp4", "a list of files with a video's name", concat),
        ("manifest.mpd", "a DASH manifest", manifest),
        (
            "large-file-pointer.mp4",
            "a Git LFS pointer",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        ),
    )
    made = [replace(WHOLE, name="pointed-at.mp4", oddity="nothing: other files name it")]
    for name, oddity, text in texts:
        (folder / name).write_text(text, encoding="utf-8")
        made.append(_refused(name, oddity, (*FOREIGN, *UNREADABLE)))
    target = str((folder / "pointed-at.mp4").name)
    (folder / "reference-movie.mp4").write_bytes(boxes.pointing_elsewhere(data, target))
    made.append(
        _refused(
            "reference-movie.mp4",
            "its samples are said to lie in another file",
            (*FOREIGN, *UNREADABLE),
        )
    )
    return made
