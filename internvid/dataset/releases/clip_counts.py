"""Counts of an export as they are once clips are taken out: made from what is left."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from internvid.dataset.releases.clip_samples import DROPPED_CLIPS, SAMPLES

_HOUR = 3600
# Count in a manifest -> the list of a sample with one value for each window.
_BY_WINDOW = {"frames": "frames", "sound": "sounds"}
COUNTS = ("clips", "windows", "hours")
"""Counts that a change of a release is described by."""


def counts_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a manifest with `samples`, made anew; only those that it has.

    They are added up in the order of the export, as they were when it was published, so that sums
    of seconds are the same to the last digit.
    """
    samples = manifest[SAMPLES]
    counts: dict[str, Any] = {
        "clips": len(samples),
        "windows": sum(len(each.get("seconds", ())) for each in samples),
        "hours": hours_of(sum(sum(each.get("seconds", ())) for each in samples)),
        "unused_hours": hours_of(sum(each.get("unused_seconds", 0.0) for each in samples)),
    }
    for name, listed in _BY_WINDOW.items():
        if any(listed in each for each in samples) or not samples:
            found = Counter(_key(value) for each in samples for value in each.get(listed, ()))
            counts[name] = dict(found)
    counts |= _of_texts(samples, manifest)
    if "buckets" in manifest:
        counts["buckets"] = _buckets(samples)
    if DROPPED_CLIPS in manifest:
        clips: Counter[str] = Counter()
        seconds: defaultdict[str, float] = defaultdict(float)
        for row in manifest[DROPPED_CLIPS]:
            clips[row["reason"]] += 1
            seconds[row["reason"]] += row["seconds"]
        counts["dropped"] = dict(clips)
        counts["dropped_hours"] = {reason: hours_of(each) for reason, each in seconds.items()}
    return {name: value for name, value in counts.items() if name in manifest}


def _of_texts(samples: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of the texts of clips."""
    columns = Counter(each["column"] for each in samples if each.get("column"))
    counts: dict[str, Any] = {"captions": dict(sorted(columns.items()))}
    if "tokens" in manifest:
        limit = manifest["tokens"]["limit"]
        tokens = [each["tokens"] for each in samples if each.get("tokens") is not None]
        over = sum(each > limit for each in tokens)
        longest = max(tokens, default=0)
        counts["tokens"] = {**manifest["tokens"], "texts_over_limit": over, "longest": longest}
    return counts


def _buckets(samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many windows have which frames and size."""
    windows: Counter[tuple[int, int | None, int | None]] = Counter()
    seconds: defaultdict[tuple[int, int | None, int | None], float] = defaultdict(float)
    for each in samples:
        # All windows of a clip have the size of the first, as they are counted when published.
        width, height = (each.get("sizes") or [(None, None)])[0]
        for frames, length in zip(each["frames"], each["seconds"], strict=True):
            windows[frames, width, height] += 1
            seconds[frames, width, height] += length
    order = sorted(windows, key=lambda each: (each[0], each[1] or 0, each[2] or 0))
    return [
        {
            "frames": bucket[0],
            "width": bucket[1],
            "height": bucket[2],
            "windows": windows[bucket],
            "hours": hours_of(seconds[bucket]),
        }
        for bucket in order
    ]


def hours_of(seconds: float) -> float:
    """Seconds as a manifest states them, in hours."""
    return round(seconds / _HOUR, 6)


def _key(value: Any) -> str:
    """A value as a key of JSON; a size is width x height."""
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
