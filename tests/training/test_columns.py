"""Millions of clips are columns that processes map; what they say is what lists would say."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.core.types import TimeSpan
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.store import Dataset
from internvid.models.templates import clean_text
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.publish import publish
from internvid.training.data import file_list
from internvid.training.data import stored_picks as stored
from internvid.training.data.clip_columns import MappedTable, Strings, as_strings, label
from internvid.training.data.clip_sources import FileSource
from internvid.training.data.file_list import FileClip, FileList
from internvid.training.data.opening import open_source
from internvid.training.data.samples import ClipTable, make_samples
from internvid.training.data.stored_picks import pack_picks
from internvid.training.recipes.pretraining import viclip_tiny

VALUES = ["b", "a", None, "b", "", "c", None, "a", "ü"]


def strings() -> Strings:
    """The values in three arrays, one of them empty."""
    cuts = (VALUES[:4], [], VALUES[4:])
    return Strings([pa.array(cut, pa.large_string()) for cut in cuts])


def test_columns_are_sequences_as_lists_are() -> None:
    found = strings()
    assert list(found) == VALUES
    assert found == VALUES
    assert found != VALUES[:-1]
    assert found != [*VALUES[:-1], "u"]
    assert [found[at] for at in range(-9, 9)] == VALUES + VALUES
    assert found[2:7:2] == VALUES[2:7:2]
    assert found[-3:] == VALUES[-3:]
    for outside in (9, -10):
        with pytest.raises(IndexError):
            found[outside]
    places = np.array([0, 3, 4, 8])
    assert found.taken(places) == [VALUES[at] for at in places]
    assert found.taken(np.arange(9)) is found
    assert len(Strings([])) == 0
    assert as_strings(tuple(VALUES)) == VALUES


def test_labels_are_numbers_in_order_of_first_appearance() -> None:
    numbers, names = label(strings())
    seen: dict[str | None, int] = {}
    assert numbers.tolist() == [seen.setdefault(value, len(seen)) for value in VALUES]
    assert names == list(seen)
    assert numbers.dtype == np.int64


def test_samples_of_columns_are_those_of_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    words = ["red", "ball", "left", "rolls", ""]
    captions: list[str | None] = [
        None if rng.random() < 0.1 else " ".join(rng.choice(words, 3)) for _ in range(500)
    ]
    sources = [f"video-{at}" for at in rng.integers(0, 40, 500)]
    ids = [f"clip-{at}" for at in range(500)]
    monkeypatch.setattr("internvid.training.data.clip_columns.ROWS", 64)
    plain = make_samples(ClipTable(ids, captions, sources, sources, sources))
    columns = [Strings.of(each) for each in (ids, captions, sources)]
    mapped = make_samples(ClipTable(*columns, columns[2], columns[2]))
    # What 0.1.0 made of them, in words.
    cleaned = [clean_text(text or "") for text in captions]
    kept = [at for at, text in enumerate(cleaned) if len(text.split()) >= 2]
    names = list(dict.fromkeys(cleaned[at] for at in kept))
    firsts = list(dict.fromkeys(sources[at] for at in kept))
    for found in (plain, mapped):
        assert found.clips.tolist() == kept
        assert found.clip_ids == [ids[at] for at in kept]
        assert found.captions == names
        assert found.texts.tolist() == [names.index(cleaned[at]) for at in kept]
        expected = [firsts.index(sources[at]) for at in kept]
        for numbers in (found.sources, found.hard_negative_groups, found.videos):
            assert numbers is not None
            assert numbers.tolist() == expected
        assert found.mentions_direction.tolist() == ["left" in cleaned[at] for at in kept]
        missing = sum(not text for text in cleaned)
        assert found.dropped == {
            "no_caption": missing, "short_caption": 500 - missing - len(kept)
        }  # fmt: skip


CLIPS = [
    FileClip(Path("a/one.mp4"), "the first", TimeSpan(1.0, 2.5), "film"),
    FileClip(Path("a/one.mp4"), "another text", TimeSpan(1.0, 2.5)),
    FileClip(Path("a/one.mp4"), "a later part", TimeSpan(2.0, 3.0)),
    FileClip(Path(os.fsdecode(b"b/\xff.mp4")), "a name that is no text"),
]


@pytest.mark.parametrize("mapped", [False, True])
def test_files_come_back_as_they_were(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "list.arrow"
    made = FileList.written(CLIPS, path) if mapped else FileList.of(CLIPS)
    for clips in (made, pickle.loads(pickle.dumps(made))):
        assert list(clips) == CLIPS
        assert clips[-1] == CLIPS[-1]
        assert clips[1:3] == CLIPS[1:3]
    table = made.table()
    assert table.clip_ids == ["one.mp4#0", "one.mp4#1", "one.mp4#2", "\\xff.mp4#3"]
    assert table.sources == ["film", "a/one.mp4", "a/one.mp4", "b/\\xff.mp4"]
    assert table.videos is not None
    # One file and span is one video, whatever the source is called.
    assert label(as_strings(table.videos))[0].tolist() == [0, 0, 1, 2]


def test_a_list_is_sent_to_workers_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.jsonl"

    def write(count: int) -> None:
        rows = [{"path": f"{at}.mp4", "caption": f"clip {at}"} for at in range(count)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write(2000)
    source = open_source(str(path), viclip_tiny(), tmp_path)
    assert isinstance(source, FileSource)
    assert len(pickle.dumps(source)) < 1000
    (made,) = tmp_path.glob("list-*.arrow")
    clip = pickle.loads(pickle.dumps(source)).clips[1234]
    assert clip == FileClip(tmp_path / "1234.mp4", "clip 1234")
    # Read once; another list is another file.
    monkeypatch.setattr(file_list, "_built", None)
    again = open_source(str(path), viclip_tiny(), tmp_path)
    assert again.table() == source.table()
    monkeypatch.undo()
    write(3)
    assert len(open_source(str(path), viclip_tiny(), tmp_path).table().clip_ids) == 3
    assert made.is_file()


def test_half_a_character_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(
        '{"path": "a.mp4", "caption": "a b"}\n{"path": "b.mp4", "caption": "\\ud800 c"}'
    )
    with pytest.raises(MisuseError, match=r"clip 2: .* is half of a character"):
        open_source(str(path), viclip_tiny(), tmp_path)


def test_a_mapped_table_is_pickled_as_its_path(tmp_path: Path) -> None:
    FileList.written(CLIPS, tmp_path / "list.arrow")
    table = MappedTable(tmp_path / "list.arrow")
    assert len(table) == 4
    assert pickle.loads(pickle.dumps(table)).strings("caption")[1] == "another text"


def test_places_of_shards_are_mapped(dataset: Dataset, tmp_path: Path) -> None:
    publish(dataset, tmp_path / "shards", FramesExporter(frames=4, short_side=32))
    plain = FrameShards(tmp_path / "shards")
    mapped = plain.map_places(tmp_path / "places.arrow")
    for shards in (mapped, pickle.loads(pickle.dumps(mapped))):
        for clip in (0, len(plain) - 1):
            ours, theirs = (np.stack(list(each.read(clip, range))) for each in (shards, plain))
            assert (ours == theirs).all()


# Picks of datasets of several parts


@pytest.fixture(scope="module")
def parted(world_videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset to which a video was added later."""
    root = tmp_path_factory.mktemp("parted") / "data"
    for count in (1, 2):
        internvid.build(world_videos[:count], root, workers=1)
    found = internvid.open(root)
    assert len(found.parts) == 2
    return found


def frames(source: stored.PickSource) -> list[np.ndarray]:
    return [np.stack(list(source.read(at, range))) for at in range(len(source.table().clip_ids))]


def test_a_plan_packs_the_pictures_of_some_videos(parted: Dataset, tmp_path: Path) -> None:
    some = pack_picks(parted, "measured", None, tmp_path, most_videos=1)
    rows = parted.clips()
    videos = rows["video_id"].to_pylist()
    assert some.packed is not None
    assert {videos[at] for at in some.packed} == {min(videos)}
    assert len(some.table().clip_ids) == rows.num_rows
    assert len(np.stack(list(some.read(int(some.packed[0]), range))))
    # A run packs them all.
    whole = pack_picks(parted, "measured", None, tmp_path)
    assert whole.packed is None
    assert len(frames(whole)) == rows.num_rows


def test_packs_are_kept_as_they_are_done(
    parted: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = stored._write, []

    class Stopped(Exception):
        pass

    def write(dataset: Dataset, parts: list[str], wanted: object, path: Path) -> None:
        if len(written) == 1:
            raise Stopped
        written.append(path.name)
        real(dataset, parts, wanted, path)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "_write", write)
    with pytest.raises(Stopped):
        pack_picks(parted, "measured", None, tmp_path)
    monkeypatch.setattr(stored, "_write", lambda *args: (written.append("again"), real(*args)))
    source = pack_picks(parted, "measured", None, tmp_path)
    assert written == ["picks-000.bin", "again"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"picks-000.bin", "picks-001.bin", "picks.npy", "picks.json"}
    found = frames(source)
    for at, clip_id in enumerate(source.table().clip_ids):
        assert len(found[at]) == len(list(parted.pictures(clip_id)))
    assert len(pickle.dumps(source)) < 1000
    # Packs of 0.1.0 are one file; they are read as they are.
    whole = b"".join((tmp_path / name).read_bytes() for name in sorted(names) if ".bin" in name)
    for name in ("picks-000.bin", "picks-001.bin"):
        (tmp_path / name).unlink()
    (tmp_path / "picks.bin").write_bytes(whole)
    what = json.loads((tmp_path / "picks.json").read_text())
    del what["packs"]
    (tmp_path / "picks.json").write_text(json.dumps(what))
    monkeypatch.setattr(stored, "_write", None)
    old = frames(pack_picks(parted, "measured", None, tmp_path))
    assert all((ours == theirs).all() for ours, theirs in zip(old, found, strict=True))
