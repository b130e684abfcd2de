"""Clips from picks, shards, files and the world; what makes a usable sample."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import internvid
from internvid.core.errors import (
    DatasetFormatError,
    MisuseError,
    StorageError,
    VideoUnreadableError,
)
from internvid.core.sequences import spread
from internvid.core.types import TimeSpan
from internvid.curate.selectors import Random
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.frames import FramesExporter, encode_clip
from internvid.publishing.publish import publish
from internvid.synthetic.truth import World
from internvid.training.data.clip_sources import (
    ArraySource,
    FileClip,
    FileSource,
    ShardSource,
    WorldSource,
)
from internvid.training.data.samples import ClipSource, ClipTable, FrameChoice, make_samples
from internvid.training.data.stored_picks import PickSource, pack_picks
from internvid.training.views import jpegs
from internvid.video.decode import Picture, open_video
from internvid.video.display.picture import Painter, decode_jpeg, encode_jpeg
from internvid.video.reader import FrameSpan, SpanReader, read_chosen
from internvid.video.span import read_span


def all_of(available: int) -> list[int]:
    return list(range(available))


@pytest.fixture(scope="module")
def packed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> PickSource:
    return pack_picks(dataset, "measured", None, tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def shards(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> FrameShards:
    folder = tmp_path_factory.mktemp("shards") / "out"
    publish(dataset, folder, FramesExporter(clips_per_shard=4, frames=16, short_side=64))
    return FrameShards(folder)


def frames_of(source: ClipSource, clip: int, choose: FrameChoice = all_of) -> np.ndarray:
    return np.stack(list(source.read(clip, choose)))


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise."""
    error = np.mean((a.astype(float) - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def luma(pixels: np.ndarray) -> np.ndarray:
    weights = np.array([0.299, 0.587, 0.114])
    return pixels @ weights


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return float(np.abs(a.astype(int) - b.astype(int)).mean()) < 4


# Picks


def test_packed_picks_are_those_of_the_clips(dataset: Dataset, packed: PickSource) -> None:
    table = packed.table()
    assert list(table.clip_ids) == dataset.clips()["clip_id"].to_pylist()
    assert list(table.captions) == dataset.clips()["measured"].to_pylist()
    for at, clip_id in enumerate(table.clip_ids):
        stored = [np.asarray(picture) for _, picture in dataset.pictures(clip_id)]
        read = frames_of(packed, at)
        assert len(read) == len(stored)
        for ours, theirs in zip(read, stored, strict=True):
            # Colour is stored at half the resolution; it is repeated here, Pillow smoothes it.
            assert decibels(luma(ours), luma(theirs)) >= 40
            assert decibels(ours, theirs) >= 28


def test_a_pack_is_made_once(dataset: Dataset, packed: PickSource) -> None:
    before = (packed.folder / "picks.bin").stat().st_mtime_ns
    again = pack_picks(dataset, "measured", None, packed.folder)
    assert (packed.folder / "picks.bin").stat().st_mtime_ns == before
    assert again.table() == packed.table()


@pytest.mark.parametrize("lost", ["picks.bin", "picks.npy"])
def test_a_pack_that_lost_a_file_is_made_again(dataset: Dataset, tmp_path: Path, lost: str) -> None:
    first = frames_of(pack_picks(dataset, "measured", None, tmp_path / "pack"), 0)
    (tmp_path / "pack" / lost).write_bytes(b"")
    again = pack_picks(dataset, "measured", None, tmp_path / "pack")
    assert (frames_of(again, 0) == first).all()


def test_a_subset_is_packed_alone(dataset: Dataset, tmp_path: Path) -> None:
    internvid.select(dataset, Random(count=3), "three-to-train")
    source = pack_picks(dataset, "measured", "three-to-train", tmp_path)
    assert len(source.table().clip_ids) == 3
    assert frames_of(source, 2).ndim == 4


def test_only_chosen_picks_are_decoded_and_each_once(
    packed: PickSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(
        "internvid.training.data.stored_picks.decode_jpeg_fast",
        lambda file: decoded.append(file) or decode_jpeg(file),
    )
    reading = packed.read(0, lambda n: [0, 0, 0, n - 1, n - 1])
    first = next(reading)
    assert len(decoded) == 1
    rest = list(reading)
    assert rest[0] is first
    assert rest[1] is first
    assert rest[2] is rest[3]
    assert len(decoded) == 2


def test_frames_of_a_clip_have_one_size_where_its_video_changes(
    packed: PickSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([(48, 64), (64, 48)])
    monkeypatch.setattr(
        "internvid.training.data.stored_picks.decode_jpeg_fast",
        lambda _file: np.full((*next(sizes), 3), 200, np.uint8),
    )
    first, second = packed.read(0, lambda n: [0, n - 1])
    assert first.shape == second.shape == (48, 64, 3)
    # 36 of 64 columns, in the middle: its aspect is kept.
    assert second[:, 14:50].min() == 200
    assert max(second[:, :13].max(), second[:, 51:].max()) == 0


def test_a_wrong_column_is_refused_with_those_there_are(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(
        MisuseError, match=r"column 'blip' .* is not there; columns of text: .*measured"
    ):
        pack_picks(dataset, "blip", None, tmp_path)
    with pytest.raises(MisuseError, match=r"column 'duration_seconds' .* is DOUBLE, not text"):
        pack_picks(dataset, "duration_seconds", None, tmp_path)


def test_jpegs_are_decoded_as_by_pillow() -> None:
    rng = np.random.default_rng(0)
    from PIL import Image

    small = Image.fromarray(rng.integers(0, 255, (2, 3, 3), dtype=np.uint8))
    image = small.resize((97, 61), Image.Resampling.BICUBIC)
    colour = encode_jpeg(image, 90)
    grey = encode_jpeg(image.convert("L"), 90)
    first = jpegs.decode_jpeg_fast(colour)
    kept = first.copy()
    assert decibels(luma(first), luma(decode_jpeg(colour))) >= 40
    assert (jpegs.decode_jpeg_fast(grey) == decode_jpeg(grey)).all()
    with pytest.raises(VideoUnreadableError, match="damaged"):
        jpegs.decode_jpeg_fast(b"\xff\xd8 no picture")
    assert (jpegs.decode_jpeg_fast(colour) == kept).all()
    assert (first == kept).all()  # a later picture does not use its memory


# Spans


def test_spans_hold_the_frames_of_a_full_decode(world: World) -> None:
    path = world.folder / world.videos[0].name
    with open_video(path) as opened:
        pictures = [item for item in opened.read() if isinstance(item, Picture)]
        painter = Painter(opened.facts)
        tick = float(opened.facts.time_base)
        for first, last in ((0, 12), (len(pictures) // 2, len(pictures) // 2 + 9)):
            span = TimeSpan(pictures[first].ticks * tick, pictures[last].ticks * tick)
            found = read_span(path, lambda n: [0, n // 2, n - 1], span=span)
            wanted = [first, (first + last) // 2, last - 1]
            for ours, at in zip(found.frames, wanted, strict=True):
                assert (ours == painter.paint(pictures[at].frame)).all()
            assert found.pts_seconds[0] == pytest.approx(span.start_seconds, abs=2e-3)


def test_a_span_without_frames_is_unreadable(world: World) -> None:
    path = world.folder / world.videos[0].name
    with pytest.raises(VideoUnreadableError, match="shows no frame of the span"):
        read_span(path, all_of, span=TimeSpan(1e4, 1e4 + 1))


def test_files_are_decoded_when_they_are_shown(world: World) -> None:
    path = world.folder / world.videos[0].name
    source = FileSource([FileClip(path, "a clip of a file", TimeSpan(1.0, 2.0))], short_side=48)
    assert source.table().sources == [str(path)]
    frames = source.read(0, lambda n: [0, n - 1])
    assert frames.shape[0] == 2
    assert min(frames.shape[1:3]) == 48


# Shards


def test_shards_hold_the_frames_of_the_clips(dataset: Dataset, shards: FrameShards) -> None:
    rows = dataset.clips().to_pylist()
    ids = shards.rows()["clip_id"].to_pylist()
    assert ids == [row["clip_id"] for row in rows]
    sources = {row["video_id"]: row for row in dataset.videos().to_pylist()}
    for at, row in list(enumerate(rows))[:4]:
        reader = SpanReader(Path(sources[row["video_id"]]["uri"]))
        edges = (row[name] for name in ("start_pts", "end_pts", "start_frame", "end_frame"))
        truth = read_chosen(reader, FrameSpan(*edges), lambda n: spread(range(n), 16), 64)
        read = np.stack(list(shards.read(at, all_of)))
        even = [side - side % 2 for side in truth.shape[1:3]]
        truth = truth[:, : even[0], : even[1]]
        assert read.shape == truth.shape
        assert float(np.abs(read.astype(int) - truth).mean()) < 8


def test_any_frame_can_be_read_alone(shards: FrameShards) -> None:
    whole = list(shards.read(0, all_of))
    for at in (15, 3, 4, 0):
        (alone,) = shards.read(0, lambda _, at=at: [at])  # type: ignore[misc]
        assert (alone == whole[at]).all()
    first, again, last = shards.read(0, lambda _: [1, 1, 9])
    assert first is again
    assert (last == whole[9]).all()


def test_clips_of_shards_can_be_read_in_turn(shards: FrameShards) -> None:
    both = zip(shards.read(0, all_of), shards.read(1, all_of), strict=True)
    apart = zip(list(shards.read(0, all_of)), list(shards.read(1, all_of)), strict=True)
    for (a, b), (c, d) in zip(both, apart, strict=True):
        assert (a == c).all()
        assert (b == d).all()


def test_shards_are_played_by_others(shards: FrameShards, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(shards.folder / "shard-000000.tar") as tar:
        tar.extractall(tmp_path, filter="data")
    played = read_span(next(tmp_path.glob("*.mp4")), all_of).frames
    assert len(played) == 16


def test_key_frames_stand_at_the_sampling_intervals() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (32, 32, 48, 3), dtype=np.uint8)
    made = encode_clip(frames, gop=4, crf=23)
    sizes = np.array(made.facts["packet_bytes"]).reshape(8, 4)
    assert made.facts["frames"] == 32
    assert (sizes[:, 0] >= sizes[:, 1:].max(axis=1) * 0.5).all()


def test_damaged_shards_are_unreadable_clips(shards: FrameShards, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(shards.folder, copy)
    with (copy / "shard-000000.tar").open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(VideoUnreadableError, match="cut short"):
        list(FrameShards(copy).read(0, all_of))
    (copy / "shard-000001.tar").unlink()
    with pytest.raises(VideoUnreadableError, match="cannot be read"):
        list(FrameShards(copy).read(5, all_of))
    with pytest.raises(DatasetFormatError, match="no frame shards"):
        FrameShards(tmp_path)


def test_texts_of_shards_are_chosen_by_name(shards: FrameShards, dataset: Dataset) -> None:
    table = ShardSource(shards, "measured").table()
    assert list(table.captions) == dataset.clips()["measured"].to_pylist()
    assert list(table.sources) == dataset.clips()["source_id"].to_pylist()
    with pytest.raises(MisuseError, match=r"has no text 'blip'; it has: .*measured"):
        ShardSource(shards, "blip").table()


# The world, and arrays


def test_the_world_is_rendered_once_and_the_same(tmp_path: Path) -> None:
    kept = WorldSource(seed=3, count=6, frames=4, size=32, cache=tmp_path)
    fresh = WorldSource(seed=3, count=6, frames=4, size=32)
    assert (kept.read(2, all_of) == fresh.read(2, all_of)).all()
    again = pickle.loads(pickle.dumps(kept))
    assert (again.read(2, all_of) == fresh.read(2, all_of)).all()
    assert again.table() == fresh.table()


def test_a_world_that_the_disk_has_no_room_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(StorageError, match=r"\.frames: no space left"):
        WorldSource(count=2, frames=2, size=16, cache=tmp_path).read(0, all_of)


def test_hard_neighbours_of_the_world_differ_in_motion() -> None:
    table = WorldSource(seed=1, count=600).table()
    assert table.hard_negative_groups is not None
    group = [
        at
        for at, label in enumerate(table.hard_negative_groups)
        if label == table.hard_negative_groups[0]
    ]
    words = {str(table.captions[at]).split(" on ")[0].rsplit(" ", 3)[0][:12] for at in group}
    assert len(words) == 1


@pytest.mark.parametrize(
    "source",
    [
        ArraySource([np.zeros((2, 8, 8, 3), np.uint8)], ["a text"]),
        WorldSource(count=1),
        FileSource([]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_sources_keep_the_contract(source: object) -> None:
    assert isinstance(source, ClipSource)
    assert isinstance(pickle.loads(pickle.dumps(source)), ClipSource)


# Samples


def test_captions_are_cleaned_and_short_ones_dropped() -> None:
    table = ClipTable(
        list("abcde"),
        ["A dog, running!", None, "Dog.", "a dog running", "it turns LEFT"],
        ["v1", "v1", "v2", "v1", "v3"],
    )
    samples = make_samples(table)
    assert samples.clips.tolist() == [0, 3, 4]
    assert samples.captions == ["a dog running", "it turns left"]
    assert samples.texts.tolist() == [0, 0, 1]
    assert samples.sources.tolist() == [0, 0, 1]
    assert samples.mentions_direction.tolist() == [False, False, True]
    assert samples.dropped == {"no_caption": 1, "short_caption": 1}
    assert make_samples(table, clean=False).captions[0] == "A dog, running!"
