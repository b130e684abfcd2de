"""Draws that depend on a seed and on names alone, never on an order; and texts in one line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_STEPS = 1 << 64


def drawn_number(seed: int, *names: str) -> int:
    """A number from 0 to 2^64 - 1: the same for the same seed and names, on every machine."""
    text = "\0".join([str(seed), *names]).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def drawn_share(seed: int, *names: str) -> float:
    """A number from 0 up to, but without, 1."""
    return drawn_number(seed, *names) / _STEPS


def drawn_choice(choices: Sequence[T], seed: int, *names: str) -> T:
    """One of some things."""
    return choices[drawn_number(seed, *names) % len(choices)]


def name_of(*parts: str) -> str:
    """32 hex digits that stand for texts in their order."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def one_line(value: Any) -> str:
    """A text in one line; empty for none."""
    return " ".join(str(value or "").split())
