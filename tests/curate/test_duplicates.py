"""dedup on real videos: which clips are joined, and the column that says so."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest

import internvid
from internvid.browse.column_facts import clip_columns
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.curate.duplicates.duplicates import Duplicates, find_duplicates
from internvid.curate.duplicates.source_groups import source_groups
from internvid.curate.selectors import Where
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.audit import audit
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.truth import World
from tests.trees import digest_tree


@dataclass(frozen=True)
class TwoVectors:
    """Gives every clip one of two vectors."""

    version: ClassVar[int] = 1
    value_type: ClassVar[str] = "vector"

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            side = int(view.clip.clip_id, 16) % 2
            yield Annotation(view.clip.clip_id, [1.0, 0.01] if side else [0.01, 1.0])


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write_changed(source: Path, target: Path, change, every: int = 1) -> None:
    pictures = [change(picture) for picture in frames_of(source)[::every]]
    height, width = pictures[0].shape[:2]
    with av.open(str(source)) as container:
        rate = container.streams.video[0].average_rate
    how = VideoFormat("h264", width, height, rate / every, options={"crf": "30"})
    write_video(target, (np.ascontiguousarray(each) for each in pictures), how)


@pytest.fixture(scope="module")
def copied(world: World, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two videos, and copies of one in a mirror, with bars, cropped, at half the rate."""
    folder = tmp_path_factory.mktemp("copied")
    source = world.path(world.videos[0].name)
    write_changed(source, folder / "mirror.mp4", lambda picture: picture[:, ::-1])
    write_changed(
        source, folder / "bars.mp4", lambda picture: np.pad(picture, ((40, 40), (0, 0), (0, 0)))
    )
    write_changed(source, folder / "crop.mp4", lambda picture: picture[8:-8, 16:-16])
    write_changed(source, folder / "slow.mp4", lambda picture: picture, every=2)
    originals = [str(world.path(video.name)) for video in world.videos]
    internvid.build([*originals, str(folder)], folder / "data", workers=2)
    return internvid.open(folder / "data")


def names_of(dataset: Dataset) -> dict[str, str]:
    rows = dataset.sql("select video_id, uri from videos where status = 'ok'").fetchall()
    return {video_id: Path(uri).name for video_id, uri in rows}


def pairs_of(dataset: Dataset, rule: Duplicates) -> dict[frozenset[str], str]:
    found, names = find_duplicates(dataset, rule), names_of(dataset)
    owners = [names[video_id] for video_id in found.clips["video_id"].to_pylist()]
    return {frozenset((owners[pair.first], owners[pair.second])): pair.kind for pair in found.pairs}


def test_every_kind_of_copy_is_found_and_nothing_else(copied: Dataset, world: World) -> None:
    first, second = (video.name for video in world.videos)
    pairs = pairs_of(copied, Duplicates())
    kinds = {name: pairs.get(frozenset((first, name))) for name in names_of(copied).values()}
    assert kinds["slow.mp4"] == "same"
    assert kinds["mirror.mp4"] == "mirrored"
    assert kinds["bars.mp4"] == "bars"
    assert kinds["crop.mp4"] in ("same", "cropped")
    assert kinds[second] is None
    assert not any(second in pair for pair in pairs)


@pytest.fixture
def mine(dataset: Dataset, tmp_path: Path) -> Dataset:
    """The built world, to be written to."""
    shutil.copytree(dataset.root, tmp_path / "data")
    return internvid.open(tmp_path / "data")


def test_the_column_names_groups_and_who_stands_for_them(mine: Dataset) -> None:
    done = internvid.dedup(mine)
    assert done.groups > 0
    assert (done.column, done.known) == ("duplicate", False)
    rows = mine.clips().to_pylist()
    groups: dict[str, list[dict]] = {}
    for row in rows:
        if row["duplicate_group"] is None:
            assert (row["duplicate"], row["duplicate_of"]) == (False, None)
        else:
            groups.setdefault(row["duplicate_group"], []).append(row)
    assert len(groups) == done.groups
    assert sum(map(len, groups.values())) == done.clips_in_groups
    sizes = {
        video_id: width * height
        for video_id, width, height in mine.sql(
            "select video_id, width, height from videos where status = 'ok'"
        ).fetchall()
    }
    for name, group in groups.items():
        assert len(group) > 1
        assert name == min(row["clip_id"] for row in group)
        (best,) = [row for row in group if not row["duplicate"]]
        assert {row["duplicate_of"] for row in group} == {None, best["clip_id"]}
        largest = max(sizes[row["video_id"]] for row in group)
        assert sizes[best["video_id"]] == largest
        assert best["duration_seconds"] == max(
            row["duration_seconds"] for row in group if sizes[row["video_id"]] == largest
        )
    kept = internvid.select(
        mine, Where("duplicate_group is null or duplicate_of is null"), "unique"
    )
    assert kept.clips == len(rows) - done.duplicates
    # Ids are no captions and no words, in the report and in what describe counts.
    kinds = {column.name: column.kind for column in clip_columns(mine)}
    assert kinds["duplicate"] == "flag"
    assert {"duplicate_group", "duplicate_of"}.isdisjoint(kinds)
    words = {row["column"] for row in internvid.describe(mine, captions=0)["words"]}
    assert {"duplicate", "duplicate_kind"} <= words
    assert {"duplicate_group", "duplicate_of"}.isdisjoint(words)
    (audited,) = audit(mine.root, ["duplicate"])
    assert (audited.rows, audited.sealed, audited.broken) == (len(rows), len(rows), [])


def test_again_does_nothing_and_another_rule_is_a_column_beside_the_old(mine: Dataset) -> None:
    first = internvid.dedup(mine)
    before = digest_tree(mine.root)
    again = internvid.dedup(mine)
    assert (again.key, again.known, again.groups) == (first.key, True, first.groups)
    assert digest_tree(mine.root) == before
    second = internvid.dedup(mine, coverage=0.9)
    assert second.key != first.key
    dropped = internvid.drop_column(mine, "duplicate")
    assert (dropped.key, dropped.others) == (second.key, (first.key,))
    back = internvid.dedup(mine)
    assert (back.key, back.known) == (first.key, True)


def test_videos_that_come_later_are_pending_until_it_is_run_again(
    mine: Dataset, world: World, tmp_path: Path
) -> None:
    first = internvid.dedup(mine)
    write_changed(
        world.path(world.videos[1].name), tmp_path / "later.mp4", lambda picture: picture[::2, ::2]
    )
    internvid.build([str(tmp_path / "later.mp4")], mine.root)
    mine.refresh()
    (column,) = [row for row in internvid.status(mine)["columns"] if row["column"] == "duplicate"]
    assert column["pending"] > 0
    second = internvid.dedup(mine)
    assert second.key != first.key
    assert second.clips == first.clips + column["pending"]
    assert second.clips_in_groups > first.clips_in_groups
    (column,) = [row for row in internvid.status(mine)["columns"] if row["column"] == "duplicate"]
    assert (column["ok"], column["pending"]) == (second.clips, 0)


def test_vectors_join_clips_that_pictures_do_not(mine: Dataset) -> None:
    internvid.score(mine, TwoVectors(), name="vec")
    done = internvid.dedup(mine, vectors="vec", similarity=0.99)
    assert done.kinds["vector"] > 0
    assert done.groups <= 2
    assert done.clips_in_groups == done.clips
    with pytest.raises(MisuseError, match="no column of vectors 'measured'"):
        internvid.dedup(mine, vectors="measured")


def test_sources_that_share_clips_are_one_group(mine: Dataset) -> None:
    with pytest.raises(MisuseError, match="no column of duplicates"):
        source_groups(mine)
    internvid.dedup(mine)
    table = source_groups(mine)
    groups = dict(zip(table["source_id"].to_pylist(), table["group"].to_pylist(), strict=True))
    source = {Path(row["uri"]).name: row["source_id"] for row in mine.videos().to_pylist()}
    joined = [
        {groups[source[name]] for name in names}
        for names in (
            ("00-travel.mp4", "copy-reencoded.mp4"),
            ("01-nature.mkv", "copy-subclip.mp4"),
        )
    ]
    assert [len(each) for each in joined] == [1, 1]
    assert joined[0] != joined[1]
    apart = source_groups(mine, least_share=1.01)
    assert apart["group"].to_pylist() == apart["source_id"].to_pylist()


@pytest.mark.parametrize(
    ("field", "value"),
    [("distance", 17), ("coverage", 0.0), ("similarity", 1.5), ("neighbours", 0)],
)
def test_a_value_out_of_range_is_refused(mine: Dataset, field: str, value: float) -> None:
    with pytest.raises(ConfigInvalidError, match=field):
        internvid.dedup(mine, **{field: value})


@pytest.mark.parametrize("name", ["../x", "kept", "measured", "rejection", "Row_Key", "diff_name"])
def test_a_name_that_is_taken_or_none_is_refused(mine: Dataset, name: str) -> None:
    before = digest_tree(mine.root)
    with pytest.raises(MisuseError):
        internvid.dedup(mine, name=name)
    assert digest_tree(mine.root) == before


def test_the_command_prints_two_names_that_programs_read(mine: Dataset) -> None:
    command = [sys.executable, "-m", "internvid", "dedup", str(mine.root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["groups"] > 0
    assert told["clips_in_groups"] >= 2 * told["groups"]


@pytest.mark.slow
def test_killed_on_the_way_it_ends_in_the_same_bytes(mine: Dataset, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(mine.root, twin)
    internvid.dedup(mine)
    command = [sys.executable, "-m", "internvid", "dedup", str(twin), "--json"]
    killed = 0
    for wait in itertools.count(start=1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.25 * wait)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        if process.wait() == 0:
            break
    assert killed
    key = mine.record.columns[mine.record.cut or ""]["duplicate"]
    for part in mine.parts:
        paths = [
            internvid.open(root).layout.column(mine.record.cut or "", key, part)
            for root in (mine.root, twin)
        ]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_picture_with_bars_is_found_in_them() -> None:
    from internvid.curate.duplicates.picture_views import picture_box

    draw = np.random.default_rng(0)
    pictures = []
    for _ in range(4):
        picture = draw.integers(0, 6, (144, 256)).astype(np.uint8)
        picture[20:124, 32:224] = draw.integers(0, 255, (104, 192))
        pictures.append(picture)
    rows, columns = picture_box(pictures)
    assert (rows.start, rows.stop) == (21, 123)
    assert (columns.start, columns.stop) == (33, 223)
    dark = [np.full((144, 256), 20, np.uint8)]
    assert picture_box(dark) == (slice(0, 144), slice(0, 256))


@pytest.mark.slow
def test_real_videos_and_no_others_are_joined(media: Path, tmp_path: Path) -> None:
    folders = [str(media / "videos"), str(media / "odd")]
    internvid.build(folders, tmp_path / "data", workers=2)
    pairs = set(pairs_of(internvid.open(tmp_path / "data"), Duplicates()))
    with (media / "dedup_groups.csv").open() as file:
        groups = {Path(row["file"]).name: row["group"] for row in csv.DictReader(file)}
    # The list does not name this one: the opening of the same film.
    groups["exo__sample_h265.mp4"] = "big_buck_bunny_open"
    listed = {
        frozenset(pair)
        for pair in itertools.combinations(groups, 2)
        if groups[pair[0]] == groups[pair[1]] and "exo__sample_h265.mp4" not in pair
    }
    assert len(listed & pairs) >= 0.9 * len(listed)
    for pair in pairs:
        assert len({groups.get(name, name) for name in pair}) == 1, pair
