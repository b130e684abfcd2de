"""Whether two names mean one source: ids in names of files, of clips and in addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

_YOUTUBE_ID = r"[A-Za-z0-9_-]{11}"
_EXACT = re.compile(_YOUTUBE_ID)
# A clip of a video: its id and two times in seconds, or the number of the clip.
_CLIP = re.compile(rf"(?:v_)?({_YOUTUBE_ID})(?:_\d+(?:\.\d+)?_\d+(?:\.\d+)?|[._]\d{{1,6}})?")
_ADDRESS = re.compile(rf"/(?:embed|shorts|live|v)/({_YOUTUBE_ID})(?![A-Za-z0-9_-])")
_SUFFIX = re.compile(r"\.(?:mp4|m4v|mov|mkv|webm|avi|flv|wmv|mpe?g|ts|3gp|gif|ogv)$", re.IGNORECASE)


def source_names(text: str) -> frozenset[str]:
    """All that a source may be called that somebody calls `text`.

    The text itself, the name of the file in it without its suffix, and `youtube:ID` where it is
    an id of YouTube or holds one as usual: in an address, after `v_` (ActivityNet), before two
    times (`ID_000010_000020` of Kinetics, `ID_210.0_360.0` of QVHighlights), before the number of
    a clip (`ID.15` of Panda-70M).
    """
    whole = text.strip()
    if not whole:
        return frozenset()
    bare = whole.removeprefix("youtube:")
    names = {whole}
    is_address = "://" in bare or bare.startswith("www.")
    if is_address:
        names |= {f"youtube:{found}" for found in _of_address(bare)}
        bare = urlsplit(bare).path
    stem = _SUFFIX.sub("", unquote(bare).rstrip("/").rpartition("/")[2])
    if stem and not (is_address and stem == "watch"):
        names.add(stem)
        found = _CLIP.fullmatch(stem)
        if found:
            names.add(f"youtube:{found[1]}")
    return frozenset(names)


def _of_address(address: str) -> Iterable[str]:
    parts = urlsplit(address if "://" in address else f"https://{address}")
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be":
        return _EXACT.findall(parts.path[1:12])
    if not host.endswith(("youtube.com", "youtube-nocookie.com")):
        return ()
    asked = parse_qs(parts.query).get("v", [""])[0]
    return _EXACT.findall(asked[:11]) or _ADDRESS.findall(parts.path)
