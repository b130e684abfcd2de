"""Videos that were unpacked into numbered pictures, and benchmarks that read them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.benchmarks.probes import NearestNeighbours
from internvid.evaluation.benchmarks.recognition import SomethingSomething
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.training.data.clip_sources import FileClip, FileSource
from internvid.video.frame_folder import list_pictures, read_pictures
from tests.evaluation.colours import COLOURS, ColourEmbedder, film


def unpack(folder: Path, colour: str, count: int = 12, size: tuple[int, int] = (32, 24)) -> Path:
    """Frames 1.jpg, 2.jpg, ..., 12.jpg: a sort of their names as text would mix them up."""
    folder.mkdir(parents=True)
    for at in range(count):
        picture = np.full((size[1], size[0], 3), COLOURS[colour], np.uint8)
        picture[:2] = at * 20
        Image.fromarray(picture).save(folder / f"{at + 1}.jpg", quality=95)
    (folder / ".thumb.jpg").touch()
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def ssv2(tmp_path: Path) -> Path:
    """A list as Something-Something v2 has it, and frames by its ids."""
    rows = []
    for at, colour in enumerate(COLOURS):
        unpack(tmp_path / "frames" / str(100 + at), colour)
        rows.append({"id": str(100 + at), "label": f"a {colour} thing", "template": f"[{colour}]"})
    (tmp_path / "list.json").write_text(json.dumps(rows))
    return tmp_path


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "7", "red")
    assert [path.name for path in list_pictures(folder)] == [f"{at}.jpg" for at in range(1, 13)]
    found = read_pictures(folder, lambda count: [0, count - 1, 0], short_side=12)
    assert found.shape == (3, 12, 16, 3)
    assert (found[0] == found[2]).all()
    # The band above grows lighter from frame to frame.
    whole = read_pictures(folder, range)
    assert (np.diff(whole[:, 0].mean((1, 2))) > 5).all()


def test_folders_of_frames_are_clips(ssv2: Path) -> None:
    fields = ((str(ssv2 / "list.json"),), str(ssv2 / "frames"))
    result = SomethingSomething(*fields).evaluate(ColourEmbedder(), Run())
    assert (result.metrics["top1"], result.protocol.found) == (100.0, 4)
    # The probes and classifiers read the same list.
    pair = (fields[0] * 2, fields[1])
    assert NearestNeighbours(*pair).evaluate(ColourEmbedder(), Run()).metrics["top1"] == 100.0


def test_views_of_a_folder_are_those_of_its_frames(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "7", "blue")
    views = ViewPlan(frames=2, segments=2, crops=3).read(folder, None, 8)
    assert [view.shape for view in views] == [(2, 24, 24, 3)] * 6
    whole = read_pictures(folder, range)
    for at, frames in enumerate(([1, 7], [4, 10])):
        assert (views[3 * at] == whole[frames, :, :24]).all()
    with pytest.raises(VideoUnreadableError, match="without times"):
        ViewPlan().read(folder, TimeSpan(0, 1), 8)


def test_training_reads_folders_of_frames(tmp_path: Path) -> None:
    source = FileSource([FileClip(unpack(tmp_path / "7", "green"), "green")], short_side=12)
    assert source.read(0, lambda count: range(0, count, 4)).shape == (3, 12, 16, 3)


def test_a_video_comes_before_a_folder_of_its_frames(tmp_path: Path) -> None:
    unpack(tmp_path / "frames" / "7", "red")
    unpack(tmp_path / "frames" / "8.mp4", "red")
    unpack(tmp_path / "twice" / "9", "red")
    unpack(tmp_path / "again" / "9", "red")
    film(tmp_path / "videos" / "7.mp4", "red")
    folder = VideoFolder.scan(tmp_path)
    assert folder.find(["7"]) == tmp_path / "videos" / "7.mp4"
    assert folder.find(["frames/7"]) == tmp_path / "frames" / "7"
    assert folder.find(["8.mp4"]) == folder.find(["8"]) == tmp_path / "frames" / "8.mp4"
    assert folder.find(["9"]) == "ambiguous"
    assert folder.find(["again/9"]) == tmp_path / "again" / "9"
    # Pictures beside the videos are no clip.
    assert folder.find(["1"]) == "not_found"


def test_bad_folders_are_reported_and_not_replaced(ssv2: Path) -> None:
    (ssv2 / "frames" / "100" / "5.jpg").write_bytes(b"no picture")
    Image.new("RGB", (8, 8)).save(ssv2 / "frames" / "101" / "2.jpg")
    fields = ((str(ssv2 / "list.json"),), str(ssv2 / "frames"))
    result = SomethingSomething(*fields).evaluate(ColourEmbedder(), Run())
    assert {one.clip: one.reason for one in result.missing} == {
        "100": "unreadable",
        "101": "sizes_differ",
    }
    with pytest.raises(VideoUnreadableError, match="holds no pictures"):
        read_pictures(ssv2, range)


def test_frames_are_embedded_once_and_anew_when_they_change(ssv2: Path) -> None:
    model, store = ColourEmbedder(), EmbeddingStore(ssv2 / "kept")
    benchmark = SomethingSomething((str(ssv2 / "list.json"),), str(ssv2 / "frames"))
    benchmark.evaluate(model, Run(store=store))
    os.rename(ssv2 / "frames", ssv2 / "moved")
    benchmark = SomethingSomething((str(ssv2 / "list.json"),), str(ssv2 / "moved"))
    benchmark.evaluate(model, Run(store=EmbeddingStore(ssv2 / "kept")))
    assert len(model.seen) == 4
    Image.new("RGB", (32, 24)).save(ssv2 / "moved" / "103" / "12.jpg")
    benchmark.evaluate(model, Run(store=EmbeddingStore(ssv2 / "kept")))
    assert len(model.seen) == 5
