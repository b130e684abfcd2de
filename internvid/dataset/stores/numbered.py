"""Objects that are numbered: each is written once, and the highest number holds.

A writer states which one it has read. Of two that go on from the same one, one wins; the other
learns of it, and nothing of either is lost.
"""

from __future__ import annotations

from internvid.dataset.stores.store_path import StorePath

_DIGITS = 8
# Older ones are removed. A writer that read one of them looks for newer ones all the same.
_KEPT = 32


def newest(folder: StorePath) -> int:
    """The highest number in a folder, 0 where there is none.

    Lists may lag: the next numbers are looked for by their names.
    """
    numbers = [int(name[:_DIGITS]) for name in folder.remote.listed(folder.key)[0] if _is_one(name)]
    number = max(numbers, default=0)
    while folder.remote.fresh_facts(numbered(folder, number + 1).key) is not None:
        number += 1
    return number


def numbered(folder: StorePath, number: int) -> StorePath:
    """The object of a number."""
    return folder / f"{number:0{_DIGITS}d}.json"


def put_next(folder: StorePath, number: int, data: bytes) -> bool:
    """Write the object of a number; whether it is ours, and none is newer."""
    path = numbered(folder, number)
    if path.remote.put_if_absent(path.key, data) is None:
        return False
    if newest(folder) != number:
        return False
    for name in sorted(folder.remote.listed(folder.key)[0]):
        if _is_one(name) and int(name[:_DIGITS]) <= number - _KEPT:
            (folder / name).unlink(missing_ok=True)
    return True


def _is_one(name: str) -> bool:
    return name[:_DIGITS].isdecimal() and name[_DIGITS:] == ".json"
