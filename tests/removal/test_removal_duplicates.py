"""Removals beside a column of duplicates, whose rows name other clips, and recorded rejections."""

from __future__ import annotations

from pathlib import Path

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
