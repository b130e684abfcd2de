"""Draws: a uniform 64-bit number for each key, the same in SQL and in NumPy.

A draw depends on a seed and on a key and on nothing else: not on the order of rows, on other rows,
on threads or on a version of DuckDB, whose own `hash()` may change. Rows ordered by their draw are
shuffled; rows whose draw is below `share * 2**64` are a random share that only grows with `share`.

The function is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, with the constants of
variant 13 of Stafford) over the key xor a number made of the seed. It is a bijection: two keys
never have one draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ONES = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def draw(seed: int, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A uniform number for each key.

    Args:
        seed: any whole number; seeds that are equal modulo 2**64 are one seed.
        keys: [N].

    Returns:
        [N], from 0 to 2**64 - 1; distinct keys have distinct draws.
    """
    return mix(keys ^ np.uint64(_salt(seed)))


def draw_sql(seed: int, key: str) -> str:
    """`draw` as a DuckDB expression.

    Args:
        seed: any whole number.
        key: an expression of type UBIGINT. The result names it eight times, which DuckDB computes
            once; a column's name keeps the statement short.

    Returns:
        An expression of type UBIGINT; null where the key is.
    """
    return mix_sql(f"xor({key}, {_salt(seed)}::ubigint)")


def mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64-bit numbers: each bit of the input changes each bit of the output half the time.

    Args:
        numbers: [N].

    Returns:
        [N]; a bijection.
    """
    mixed = numbers.astype(np.uint64)
    for shift, factor in _ROUNDS:
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(_LAST_SHIFT))


def mix_sql(number: str) -> str:
    """`mix` as a DuckDB expression over one of type UBIGINT, which it names eight times."""
    mixed = number
    for shift, factor in _ROUNDS:
        # A product of UBIGINT is refused where it overflows: it is taken with 128 bits, and cut.
        product = f"{_folded(mixed, shift)}::uhugeint * {factor}::uhugeint"
        mixed = f"(({product}) & {_ONES}::uhugeint)::ubigint"
    return _folded(mixed, _LAST_SHIFT)


def _folded(number: str, shift: int) -> str:
    return f"xor({number}, ({number}) >> {shift})"


def _salt(seed: int) -> int:
    """A number made of the seed, so that neighbouring seeds differ in half of their bits."""
    return int(mix(np.array([(seed * _GOLDEN + _GOLDEN) & _ONES], np.uint64))[0])
