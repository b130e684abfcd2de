"""Proof that an answer belongs to its clip: digests of what it was made from.

`origin_of` is called before a model is prompted, with the picks it will be shown. The origin
travels with the request. What is stored beside the value (`seal_of`) covers the clip's id, the
picks'
bytes, the prompt and the value: whoever moves a text to another row, or the text alone, breaks it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from internvid.core.contracts import Annotation, Origin, Pick

DIGEST_BYTES = 16


def origin_of(clip_id: str, picks: Sequence[Pick] = (), prompt: str = "") -> Origin:
    """What an answer about a clip will be made from.

    Args:
        clip_id: the clip.
        picks: the picks whose pictures the model is shown, in that order.
        prompt: the whole of the words sent with them.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for item in (clip_id.encode("ascii"), *(pick.jpeg for pick in picks), prompt.encode("utf-8")):
        digest.update(len(item).to_bytes(8, "big"))
        digest.update(item)
    return Origin(tuple(pick.frame for pick in picks), prompt, digest.digest())


def seal_of(annotation: Annotation) -> bytes:
    """Digest of an answer together with what it was made from."""
    origin = annotation.origin or origin_of(annotation.clip_id)
    return seal(origin.digest, annotation.status, annotation.value, annotation.extras)


def seal(origin_digest: bytes, status: str, value: Any, extras: Mapping[str, Any]) -> bytes:
    """The seal of an answer from its pieces, as they are read back from a column."""
    text = json.dumps(
        [status, value, dict(sorted(extras.items()))],
        ensure_ascii=False,
        separators=(",", ":"),
        default=_listed,
    )
    digest = hashlib.blake2b(origin_digest, digest_size=DIGEST_BYTES)
    digest.update(text.encode("utf-8", errors="surrogatepass"))
    return digest.digest()


def _listed(value: Any) -> Any:
    # Arrays and tuples of numbers; anything else json refuses is a fault of the component.
    return value.tolist()
