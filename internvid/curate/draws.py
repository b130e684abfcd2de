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


def drawn_query(query: str, seed: int, key: str, name: str) -> str:
    """A DuckDB query with `draw` as one more column.

    Args:
        query: a SELECT.
        seed: any whole number.
        key: an expression of type UBIGINT over its columns.
        name: of the new column, UBIGINT; null where the key is.
    """
    return mixed_query(query, f"xor({key}, {_salt(seed)}::ubigint)", name)


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


def mixed_query(query: str, number: str, name: str) -> str:
    """A DuckDB query with `mix` as one more column.

    Each step is a SELECT of its own: as one expression it would name the number eight times, and
    expressions over such expressions take DuckDB longer to plan than to run.

    Args:
        query: a SELECT.
        number: an expression of type UBIGINT over its columns.
        name: of the new column, UBIGINT; null where the number is.
    """
    steps = [f"{name}_{step}" for step in range(len(_ROUNDS) + 1)]
    query = f"select *, {number} as {steps[0]} from ({query})"
    for at, (shift, factor) in enumerate(_ROUNDS):
        folded = f"xor({steps[at]}, {steps[at]} >> {shift})::uhugeint"
        # A product of two UBIGINT that overflows is refused: it is taken with 128 bits, and cut.
        product = f"(({folded} * {factor}::uhugeint) & {_ONES}::uhugeint)::ubigint"
        query = f"select * exclude ({steps[at]}), {product} as {steps[at + 1]} from ({query})"
    last = steps[-1]
    folded = f"xor({last}, {last} >> {_LAST_SHIFT})"
    return f"select * exclude ({last}), {folded} as {name} from ({query})"


def _salt(seed: int) -> int:
    """A number made of the seed, so that neighbouring seeds differ in half of their bits."""
    return int(mix(np.array([(int(seed) * _GOLDEN + _GOLDEN) & _ONES], np.uint64))[0])
