"""Removals beside a column of duplicates, whose rows name other clips, and recorded rejections."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

import internvid
from internvid.curate.selectors import Where
from internvid.synthetic.truth import World
from tests.removal.bytes import traces


def test_rows_that_name_a_removed_clip_go_with_it(world: World, tmp_path: Path) -> None:
    original, copy = (world.path(name) for name in (world.videos[0].name, "copy-reencoded.mp4"))
    internvid.build([str(original), str(copy)], tmp_path / "data", workers=1)
    data = internvid.open(tmp_path / "data")
    internvid.select(
        data, Where("duration_seconds < 0.1 or uri like '%copy%'"), "some", with_rejected=True
    )
    assert internvid.dedup(data).groups > 0
    rows = data.sql("select duplicate_group, duplicate_of from clips").fetchall()
    named = {one for row in rows for one in row if one}
    gone = data.sql(f"select source_id, video_id from videos where uri = '{original}'").fetchall()[
        0
    ]
    clips = {
        row[0]
        for row in data.sql(
            f"select clip_id from all_clips where video_id = '{gone[1]}'"
        ).fetchall()
    }
    assert named & clips, "the copy's rows name the original's"
    internvid.remove(data, gone[1])
    assert traces(tmp_path / "data", [gone[1], *clips]) == []
    left = internvid.open(tmp_path / "data")
    assert left.sql("select count(*) from clips where duplicate_group is not null").fetchall() == [
        (0,)
    ]
    assert internvid.dedup(left).groups == 0


def test_the_counts_of_subsets_are_those_of_the_clips_that_are_left(
    world: World, tmp_path: Path
) -> None:
    files = [str(world.path(video.name)) for video in world.videos]
    internvid.build(files, tmp_path / "data", workers=1)
    data = internvid.open(tmp_path / "data")
    whole = internvid.select(data, Where("duration_seconds > 0"), "whole")
    for name, kept in (("noted", True), ("unknown", False)):
        internvid.select(data, "where", name, "shot > 0", then=["cap 1"], with_rejected=kept)
    internvid.select(data, "cap", "one_reason", 1)
    internvid.select(data, "random", "inner", 1, subset="one_reason")
    video = data.sql("select video_id from clips join (from videos where uri = $$"
                     f"{files[0]}$$) using (video_id)").fetchall()[0][0]  # fmt: skip
    internvid.select(data, "where", "elsewhere", f"video_id <> '{video}' and shot = 0")
    before = data.clips("elsewhere").num_rows
    internvid.remove(data, video)
    left = len(data)
    assert 0 < left < whole.of
    assert data.clips("elsewhere").num_rows == before
    counts = {
        name: json.loads((data.root / "subsets" / f"{name}.json").read_text())
        for name in ("whole", "noted", "unknown", "one_reason", "inner", "elsewhere")
        if name in data.subsets()
    }
    for name in ("whole", "noted", "one_reason", "elsewhere"):
        facts = counts[name]
        assert facts["of"] == left
        assert facts["clips"] == data.clips(name).num_rows
        assert facts["clips"] + sum(facts["reasons"].values()) == left
    rejected = data.root / "subsets" / "rejected" / "noted.parquet"
    reasons = Counter(pq.read_table(rejected)["reason"].to_pylist())
    assert counts["noted"]["reasons"] == reasons
    assert counts["unknown"]["reasons"] == {}
    assert counts["inner"]["of"] in (1, 2)
