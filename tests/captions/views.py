"""Clips made by hand: pictures in, nothing measured."""

from __future__ import annotations

import hashlib

from internvid.core.contracts import ClipView, Pick
from internvid.core.types import Clip, TimeSpan
from tests.models.pretrained.pictures import jpeg


def view(name: str, picks: list[Pick] | None = None, seconds: float = 4.0) -> ClipView:
    """A clip of that name; two pictures a second that no other clip has, unless given."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    if picks is None:
        picks = [Pick(12 * at, at / 2, jpeg(seed + at)) for at in range(int(2 * seconds))]
    clip_id = hashlib.md5(name.encode()).hexdigest()
    clip = Clip(clip_id, "0" * 32, TimeSpan(0.0, seconds), 0, int(seconds * 30))
    return ClipView(clip, {}, picks)


def views(number: int, seconds: float = 2.0) -> list[ClipView]:
    """Clips with pictures of their own."""
    return [view(f"clip {at}", seconds=seconds) for at in range(number)]
