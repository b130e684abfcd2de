"""What goes to a chat server: the body of a request, and the key that its answer is kept under."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from internvid.core.contracts import Pick
from internvid.video.pictures import decode_picture

SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "caption",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"caption": {"type": "string"}},
            "required": ["caption"],
            "additionalProperties": False,
        },
    },
}
# A picture of a few hundred pixels a side is a few hundred tokens.
_TOKENS_OF_A_PICTURE = 300
_LETTERS_OF_A_TOKEN = 3


def content_of(prompt: str, picks: Sequence[Pick]) -> bytes:
    """The messages of a request, as JSON."""
    if not picks:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        return json.dumps(messages).encode()
    # Base64 needs no escaping, so the pictures are put in as they are.
    pictures = b"".join(
        b'{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,'
        + base64.b64encode(pick.jpeg)
        + b'"}},'
        for pick in picks
    )
    words = json.dumps({"type": "text", "text": prompt}).encode()
    return b'[{"role":"user","content":[' + pictures + words + b"]}]"


def cache_key(prompt: str, picks: Sequence[Pick], sampling: dict[str, Any], revision: str) -> bytes:
    """Hash of everything that decides an answer: pictures, words, model, revision, sampling."""
    digest = hashlib.blake2b(digest_size=24)
    described = json.dumps([sampling, revision], sort_keys=True).encode()
    for item in (described, prompt.encode(), *(pick.jpeg for pick in picks)):
        digest.update(len(item).to_bytes(8, "big"))
        digest.update(item)
    return digest.digest()


def prompt_tokens_of(prompt: str, picks: Sequence[Pick]) -> int:
    """A guess of what a question costs, for as long as the server has counted none."""
    return len(prompt) // _LETTERS_OF_A_TOKEN + _TOKENS_OF_A_PICTURE * len(picks)


def answer_tokens_of(text: str) -> int:
    """A guess of what an answer cost, for servers that do not count."""
    return len(text) // _LETTERS_OF_A_TOKEN + 1


def looks_whole(jpeg: bytes) -> bool:
    """Whether a picture begins and ends as one; decoded where that is in doubt."""
    if jpeg[:3] == b"\xff\xd8\xff" and jpeg[-2:] == b"\xff\xd9":
        return True
    return decode_picture(jpeg) is not None


def one_line(text: str) -> str:
    """A text without line breaks and characters that cannot be shown."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
