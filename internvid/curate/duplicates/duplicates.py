"""The duplicates of a dataset: a rule, what it finds, and the column that keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from internvid.core.errors import ConfigInvalidError
from internvid.curate.duplicates.alignment import RunRule
from internvid.curate.duplicates.clip_pairs import ClipPair, Matches, MatchRule, match_clips
from internvid.curate.duplicates.groups import Membership, group_clips, joined
from internvid.curate.duplicates.looking import LookRule
from internvid.curate.duplicates.track_pictures import gather
from internvid.curate.duplicates.vector_pairs import read_vectors, vector_pairs
from internvid.dataset.given import refuse_no_number
from internvid.dataset.store import Dataset


@dataclass(frozen=True)
class Duplicates:
    """When two clips are duplicates of each other.

    Attributes:
        distance: two pictures agree whose hashes differ in so many of 64 bits at most.
        agreement: least share of the pictures of a run that agree.
        coverage: least share of the shorter clip that the run covers.
        crops: also compare pictures without their rims (some 5 % on each side), and cut to the
            other usual shape (4:3, 16:9). Every stored picture is decoded for that.
        neighbours: with how many of those that follow it under a key a picture is compared.
        vectors: name of a column of vectors; clips are duplicates too whose vectors are near.
        similarity: least cosine of such vectors.
    """

    version: ClassVar[int] = 1
    distance: int = 10
    agreement: float = 0.6
    coverage: float = 0.5
    crops: bool = True
    neighbours: int = 32
    vectors: str = ""
    similarity: float = 0.95

    def __post_init__(self) -> None:
        for name in ("distance", "agreement", "coverage", "similarity", "neighbours"):
            is_whole = name in ("distance", "neighbours")
            refuse_no_number(getattr(self, name), name, is_whole=is_whole)
        if not 0 <= self.distance <= 16:
            raise ConfigInvalidError(f"distance must lie in 0 to 16 bits, got {self.distance}")
        for name in ("agreement", "coverage", "similarity"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigInvalidError(
                    f"{name} must be above 0 and at most 1, got {getattr(self, name)}"
                )
        if self.neighbours < 1:
            raise ConfigInvalidError(f"neighbours must be at least 1, got {self.neighbours}")

    @property
    def match_rule(self) -> MatchRule:
        """The part that is about pictures."""
        run = RunRule(self.distance, self.agreement, self.coverage)
        return MatchRule(run, LookRule(), self.neighbours)


@dataclass(frozen=True)
class DuplicateClips:
    """The duplicates among the kept clips of a dataset.

    Attributes:
        clips: a row each, by video and start.
        pairs: of rows of `clips`.
        members: clip_id -> its group, of clips that have duplicates.
        matches: what comparing the pictures took.
    """

    clips: pa.Table
    pairs: Sequence[ClipPair]
    members: Mapping[str, Membership]
    matches: Matches

    def summary(self) -> dict[str, Any]:
        """Counts for people and programs.

        Returns:
            `groups`, `clips_in_groups`, `duplicates` (clips that another one stands for), `clips`,
            `kinds` (pairs by kind), `largest_group`, `video_groups`, `videos_in_groups` (videos
            half of which another one shows), `refused`, `crowded_keys`, `pairs_passed_over`.
        """
        sizes = Counter(member.group for member in self.members.values())
        videos = Counter(same_videos(self.clips, self.pairs).values())
        kinds = Counter(pair.kind for pair in self.pairs)
        return {
            "groups": len(sizes),
            "clips_in_groups": len(self.members),
            "duplicates": sum(member.of is not None for member in self.members.values()),
            "clips": self.clips.num_rows,
            "kinds": dict(sorted(kinds.items())),
            "largest_group": max(sizes.values(), default=0),
            "video_groups": len(videos),
            "videos_in_groups": sum(videos.values()),
            "refused": self.matches.refused,
            "crowded_keys": self.matches.crowded,
            "pairs_passed_over": self.matches.passed_over,
        }


def find_duplicates(
    dataset: Dataset,
    rule: Duplicates,
    progress: Callable[[str, int, int], None] | None = None,
) -> DuplicateClips:
    """The duplicates among the kept clips of a dataset. Nothing is written.

    Args:
        dataset: with a finished build.
        rule: what counts.
        progress: called with what is done now, how far it is, and of how much.

    Raises:
        MisuseError: there is no such column of vectors.
        DatasetFormatError: the dataset is not finished, or damaged.
    """

    def shown(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, of: progress(what, done, of)

    gathered = gather(dataset, with_crops=rule.crops, progress=shown("reading pictures"))
    matches = match_clips(gathered, rule.match_rule, progress=shown("comparing videos"))
    pairs = {(pair.first, pair.second): pair for pair in matches.pairs}
    if rule.vectors:
        rows = {clip_id: row for row, clip_id in enumerate(gathered.clips["clip_id"].to_pylist())}
        vectors, places = read_vectors(dataset, rule.vectors, rows)
        for pair in vector_pairs(vectors, places, rule.similarity):
            pairs.setdefault((pair.first, pair.second), pair)
    ordered = [pairs[key] for key in sorted(pairs)]
    members = group_clips(gathered.clips, ordered)
    return DuplicateClips(gathered.clips, ordered, members, matches)


def same_videos(clips: pa.Table, pairs: Sequence[ClipPair], share: float = 0.5) -> dict[str, str]:
    """video_id -> the lowest video_id that it is joined with, of videos that are the same.

    Two videos are joined where their clips show the same for at least that share of the shorter
    one's clips: a logo or an intro in both does not make them one.

    Args:
        clips: `video_id`, `duration_seconds` of each row.
        pairs: of rows of `clips`.
        share: least share.
    """
    rows = sorted({clip for pair in pairs for clip in (pair.first, pair.second)})
    some = clips.take(pa.array(rows, pa.int64()))
    ids = dict(zip(rows, some["video_id"].to_pylist(), strict=True))
    seconds = dict(zip(rows, some["duration_seconds"].to_pylist(), strict=True))
    sums = clips.group_by("video_id").aggregate([("duration_seconds", "sum")])
    sums = sums.filter(pc.is_in(sums["video_id"], some["video_id"].combine_chunks()))
    lengths = sums["duration_seconds_sum"].to_pylist()
    total = dict(zip(sums["video_id"].to_pylist(), lengths, strict=True))
    common: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for pair in pairs:
        one, two = sorted((pair.first, pair.second), key=lambda row: ids[row])
        if ids[one] == ids[two]:
            continue
        sides = common.setdefault((ids[one], ids[two]), {ids[one]: {}, ids[two]: {}})
        shown = pair.seconds or min(seconds[one], seconds[two])
        for row in (one, two):
            known = sides[ids[row]]
            known[row] = min(known.get(row, 0.0) + shown, seconds[row])
    joins = []
    for (first, second), sides in common.items():
        shorter = min((first, second), key=lambda video_id: (total[video_id], video_id))
        if sum(sides[shorter].values()) >= share * total[shorter]:
            joins.append((first, second))
    known_ids = sorted({video_id for join in joins for video_id in join})
    number = {video_id: at for at, video_id in enumerate(known_ids)}
    roots = joined(len(known_ids), ((number[one], number[two]) for one, two in joins))
    return {video_id: known_ids[int(roots[at])] for video_id, at in number.items()}
