"""Clips of a dataset that show the pictures of other videos."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from internvid.core.errors import SourceMissingError, VideoError
from internvid.curate.duplicates.clip_pairs import MatchRule, match_clips
from internvid.curate.duplicates.duplicates import Duplicates
from internvid.curate.duplicates.track_pictures import Gathered, gather, gather_picks
from internvid.dataset.layout import RECORD
from internvid.dataset.parts import part_writer
from internvid.dataset.store import Dataset, open_dataset
from internvid.dataset.tables import PICK_SCHEMA
from internvid.scan.picks import StoredPick
from internvid.scan.scan import ScanRecipe, scan_video

_CLIPS = {
    "clip_id": pa.string(),
    "video_id": pa.string(),
    "start_seconds": pa.float64(),
    "end_seconds": pa.float64(),
    "start_frame": pa.int64(),
    "end_frame": pa.int64(),
    "has_bars": pa.bool_(),
    "uri": pa.string(),
}


def clips_in_videos(
    dataset: Dataset, videos: str | Path, rule: MatchRule | None = None
) -> dict[str, str]:
    """clip_id -> the video that shows the same pictures, of the kept clips of a dataset.

    Args:
        dataset: whose clips are looked at.
        videos: another dataset, or a folder of videos, which are read one after another: make a
            dataset of more than a few hundred.
        rule: what counts; that of `Duplicates` when None.

    Raises:
        SourceMissingError: there is no such folder, or no video in it that can be read.
        DatasetFormatError: a dataset is not finished, or damaged.
    """
    folder = Path(videos)
    if not folder.is_dir():
        raise SourceMissingError(f"there is no dataset and no folder {str(videos)!r}")
    own = gather(dataset, with_crops=True)
    if (folder / RECORD).exists():
        return _matched(own, gather(open_dataset(folder), with_crops=True), rule)
    with tempfile.TemporaryDirectory(prefix="internvid-") as temporary:
        other = gather_folder(folder, Path(temporary) / "picks.parquet")
        return _matched(own, other, rule)


def _matched(own: Gathered, other: Gathered, rule: MatchRule | None) -> dict[str, str]:
    both = own.with_other(other)
    matches = match_clips(both, rule or Duplicates().match_rule, first_videos=own.videos)
    ids, uris = both.clips["clip_id"].to_pylist(), both.clips["uri"].to_pylist()
    found: dict[str, str] = {}
    for pair in sorted(matches.pairs, key=lambda each: (each.distance, each.second)):
        found.setdefault(ids[pair.first], uris[pair.second])
    return found


def gather_folder(folder: Path, picks: Path) -> Gathered:
    """The pictures of all videos in a folder, each of which is one clip.

    Args:
        folder: searched with all below it, in the order of names; what is no video is left out.
        picks: where the pictures are kept meanwhile.

    Raises:
        SourceMissingError: not one video could be read.
    """
    recipe = ScanRecipe(observers=(), audio=False)
    rows: list[dict[str, object]] = []
    with part_writer(picks, PICK_SCHEMA) as writer:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            kept: list[StoredPick] = []
            try:
                result = scan_video(path, recipe, kept.append)
            except VideoError:
                continue
            # Two files of the same bytes have one id.
            if kept and all(row["video_id"] != result.video_id for row in rows):
                writer.write_table(_pick_table(result.video_id, kept))
                rows.append(_whole(result.video_id, path, result.timeline.duration_seconds))
    if not rows:
        raise SourceMissingError(f"no video in {folder} can be read")
    rows.sort(key=lambda row: str(row["video_id"]))
    return gather_picks(pa.Table.from_pylist(rows, pa.schema(_CLIPS)), [picks], with_crops=True)


def _whole(video_id: str, path: Path, seconds: float) -> dict[str, object]:
    return {
        "clip_id": video_id,
        "video_id": video_id,
        "start_seconds": 0.0,
        "end_seconds": seconds,
        "start_frame": 0,
        "end_frame": 1 << 62,
        "has_bars": True,
        "uri": str(path),
    }


def _pick_table(video_id: str, picks: Sequence[StoredPick]) -> pa.Table:
    rows = [
        {
            "video_id": video_id,
            "frame": pick.facts.frame,
            "ticks": pick.ticks,
            "pts_seconds": pick.facts.pts_seconds,
            "width": pick.width,
            "height": pick.height,
            "sharpness": pick.facts.sharpness,
            "picture_hash": pick.facts.picture_hash & ((1 << 64) - 1),
            "colours": list(pick.facts.colours),
            "jpeg": pick.jpeg,
        }
        for pick in picks
    ]
    return pa.Table.from_pylist(rows, PICK_SCHEMA)
