"""Pictures that people bring to search by: read with bounds, known by their bytes, kept in memory.

Nothing of them is written anywhere; the oldest go first, and all when the server ends.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from internvid.browse.server.conditions import AddressUnreadableError

if TYPE_CHECKING:
    import PIL.Image

MOST_PIXELS = 50_000_000
MOST_PICTURES = 32
_LONGEST_SIDE = 640
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


class UploadedPictures:
    """The pictures of one run, by hash."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, PIL.Image.Image] = OrderedDict()
        self._lock = threading.Lock()
        # A large one takes 150 MB while it is decoded: one at a time.
        self._decoding = threading.Lock()

    def add(self, data: bytes) -> str:
        """Keep a picture; returns its hash, 32 hexadecimal digits.

        Raises:
            AddressUnreadableError: it is none, is broken, or has too many pixels.
        """
        name = hashlib.blake2b(data, digest_size=16).hexdigest()
        with self._decoding:
            picture = read_picture(data)
        with self._lock:
            self._pictures[name] = picture
            self._pictures.move_to_end(name)
            while len(self._pictures) > MOST_PICTURES:
                self._pictures.popitem(last=False)
        return name

    def get(self, name: str) -> PIL.Image.Image:
        """A picture, RGB, its longer side at most 640 pixels.

        Raises:
            AddressUnreadableError: it is not there.
        """
        with self._lock:
            found = self._pictures.get(name)
            if found is None:
                raise AddressUnreadableError(
                    "that picture is not here any more: the server keeps the last "
                    f"{MOST_PICTURES} of one run; choose it again"
                )
            self._pictures.move_to_end(name)
            return found

    def jpeg(self, name: str) -> bytes:
        """A picture as JPEG.

        Raises:
            AddressUnreadableError: it is not there.
        """
        buffer = io.BytesIO()
        self.get(name).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()


def read_picture(data: bytes) -> PIL.Image.Image:
    """A picture that a stranger may have made, RGB, as it is meant to be seen.

    Raises:
        AddressUnreadableError: it is none, is broken, or has too many pixels.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        opened = PIL.Image.open(io.BytesIO(data), formats=_FORMATS)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except Exception as error:
        raise AddressUnreadableError(
            f"the file is no picture that can be read ({', '.join(_FORMATS).lower()})"
        ) from error
    # Known from the first bytes, before anything is unpacked.
    if opened.width * opened.height > MOST_PIXELS:
        raise _too_large()
    try:
        opened.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
        picture = PIL.ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    except Exception as error:
        # Decoders of damaged files raise whatever they happen to raise.
        raise AddressUnreadableError("the picture is broken and cannot be decoded") from error
    return picture


def _too_large() -> AddressUnreadableError:
    return AddressUnreadableError(
        f"the picture has more than {MOST_PIXELS // 1_000_000} million pixels"
    )
