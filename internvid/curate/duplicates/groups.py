"""Groups of clips that show the same pictures, and which clip stands for each group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.curate.duplicates.clip_pairs import KINDS, ClipPair


@dataclass(frozen=True)
class Membership:
    """The place of one clip in its group.

    Attributes:
        group: name of the group: the lowest clip_id in it.
        of: clip_id of the clip that stands for the group; None for that clip itself.
        kind: how it is the same as the clip of its group that is nearest to it.
    """

    group: str
    of: str | None
    kind: str


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """For each of `count` things the lowest number it is joined with, itself where with none."""
    parents = list(range(count))

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for first, second in pairs:
        one, two = root(first), root(second)
        parents[max(one, two)] = min(one, two)
    return np.array([root(at) for at in range(count)], np.int64)


def group_clips(clips: pa.Table, pairs: Sequence[ClipPair]) -> dict[str, Membership]:
    """clip_id -> its group, of all clips that are the same as another one.

    The clip that stands for a group is the one with the largest picture (inside its bars), of
    these the longest, of these the least damaged, of these the one with the lowest clip_id.

    Args:
        clips: a row each: `clip_id`, `pixels`, `duration_seconds`, `damage`.
        pairs: of rows of `clips`.
    """
    # Most clips are alone: what is known of them is not looked at.
    rows = sorted({clip for pair in pairs for clip in (pair.first, pair.second)})
    place = {row: at for at, row in enumerate(rows)}
    some = clips.take(pa.array(rows, pa.int64()))
    ids = some["clip_id"].to_pylist()
    roots = joined(len(rows), ((place[pair.first], place[pair.second]) for pair in pairs))
    nearest: dict[int, ClipPair] = {}
    for pair in pairs:
        for clip in (place[pair.first], place[pair.second]):
            known = nearest.get(clip)
            if known is None or _nearness(pair) < _nearness(known):
                nearest[clip] = pair
    members: dict[int, list[int]] = {}
    for clip in range(len(rows)):
        members.setdefault(int(roots[clip]), []).append(clip)
    names = ("pixels", "duration_seconds", "damage")
    worth = list(zip(*(some[name].to_pylist() for name in names), strict=True))
    found: dict[str, Membership] = {}
    for group in members.values():
        best = min(group, key=lambda at: (-worth[at][0], -worth[at][1], worth[at][2], ids[at]))
        name = min(ids[at] for at in group)
        for at in group:
            of = None if at == best else ids[best]
            found[ids[at]] = Membership(name, of, nearest[at].kind)
    return found


def _nearness(pair: ClipPair) -> tuple[int, float, int, int]:
    return KINDS.index(pair.kind), pair.distance, pair.first, pair.second
