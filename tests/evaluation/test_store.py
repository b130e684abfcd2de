"""Vectors are made once; a killed run loses little; damage costs work and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from internvid.core.errors import ConfigInvalidError, DatasetError, StorageError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.records import CaptionedClip
from internvid.evaluation.embedding.embed_clips import Run, embed_clips, embed_texts
from internvid.evaluation.embedding.embedders import Frames, Vectors
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.vector_store import EmbeddingStore, Shelf, make_key
from tests.evaluation.colours import ColourEmbedder, change, film

ROOT = Path(__file__).resolve().parents[2]


def rows(shelf: Shelf, count: int, first: int = 0) -> list[bytes]:
    keys = [make_key("k", first + n) for n in range(count)]
    shelf.add(keys, np.arange(first, first + count, dtype=np.float32)[:, None])
    return keys


def test_rows_come_back_by_key(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    keys = rows(store.shelf("x", a=1), 5) + rows(store.shelf("x", a=1), 4, first=5)
    again = EmbeddingStore(tmp_path).shelf("x", a=1)
    assert len(again) == 9
    assert again.get(keys[::-1]).ravel().tolist() == list(range(9))[::-1]
    assert make_key("k", 99) not in again
    assert len(EmbeddingStore(tmp_path).shelf("x", a=2)) == 0
    assert len(EmbeddingStore(None).shelf("x", a=1)) == 0


def test_damaged_parts_count_as_missing(tmp_path: Path) -> None:
    shelf = EmbeddingStore(tmp_path).shelf("x")
    rows(shelf, 3)
    (part,) = tmp_path.rglob("part-*.npy")
    part.write_bytes(part.read_bytes()[:-2])
    (part.parent / "part-x.npy").write_bytes(b"")
    (part.parent / "part-y.npy.12.writing").write_bytes(b"half")
    assert len(EmbeddingStore(tmp_path).shelf("x")) == 0


def test_rows_of_another_shape_are_refused() -> None:
    shelf = EmbeddingStore().shelf("x")
    rows(shelf, 2)
    with pytest.raises(ConfigInvalidError):
        shelf.add([make_key("z")], np.zeros((1, 7), np.float32))
    with pytest.raises(ConfigInvalidError):
        shelf.add([make_key("z")], np.zeros((2, 1), np.float32))


def captioned(*names: str, span: TimeSpan | None = None) -> list[CaptionedClip]:
    return [CaptionedClip(name, ("x",), (name,), span) for name in names]


def test_what_cannot_be_read_is_reported_and_never_replaced(tmp_path: Path) -> None:
    film(tmp_path / "v" / "a.mp4", "red")
    (tmp_path / "v" / "bad.mp4").write_bytes(b"no video" * 50)
    film(tmp_path / "v" / "x" / "twice.mp4", "red")
    film(tmp_path / "v" / "y" / "twice.mp4", "blue")
    clips = captioned("a", "bad", "gone", "twice")
    folder, model = VideoFolder.scan(tmp_path / "v"), ColourEmbedder()
    found = embed_clips(clips, folder, model, ViewPlan(), Run())
    assert found.indices == (0,)
    assert found.listed == 4
    assert found.vectors.shape == (1, 1, 3)
    reasons = {one.clip: one.reason for one in found.missing}
    assert reasons["gone"] == "not_found"
    assert reasons["twice"] == "ambiguous"
    assert reasons["bad"]
    with pytest.raises(DatasetError, match="none of the 1 listed"):
        embed_clips(captioned("gone"), folder, model, ViewPlan(), Run())


def test_a_file_is_embedded_once_for_all_benchmarks(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        film(tmp_path / "v" / f"{name}.mp4", colour)
    film(tmp_path / "w" / "other name.mp4", "red")
    store = EmbeddingStore(tmp_path / "store")
    model = ColourEmbedder()

    def embed(folder: str, names: tuple[str, ...], plan: ViewPlan, model: ColourEmbedder) -> int:
        before = len(model.seen)
        embed_clips(
            captioned(*names), VideoFolder.scan(tmp_path / folder), model, plan, Run(store=store)
        )
        return len(model.seen) - before

    assert embed("v", ("a",), ViewPlan(), model) == 1
    assert embed("v", ("a", "b"), ViewPlan(), model) == 1
    assert embed("w", ("other name",), ViewPlan(), model) == 0
    assert embed("v", ("a",), ViewPlan(), ColourEmbedder()) == 0
    assert embed("v", ("a",), ViewPlan(segments=2), model) == 2
    assert embed("v", ("a",), ViewPlan(), ColourEmbedder(weights="others")) == 1
    # The same path with other bytes is another video.
    film(tmp_path / "v" / "a.mp4", "green", frames=9)
    assert embed("v", ("a",), ViewPlan(), model) == 1
    embed_texts(["red", "blue", "red"], model, Run(store=store))
    embed_texts(["blue", "red"], model, Run(store=store))
    assert model.read == ["red", "blue"]


def test_spans_are_read_and_kept_apart(tmp_path: Path) -> None:
    change(tmp_path / "v.mp4", "red", "blue")
    store = EmbeddingStore(tmp_path / "store")
    folder, model = VideoFolder.scan(tmp_path), ColourEmbedder()
    found = [
        embed_clips(captioned("v", span=span), folder, model, ViewPlan(), Run(store=store))
        for span in (TimeSpan(0, 2), TimeSpan(2, 4), None)
    ]
    first, last, whole = (one.vectors[0, 0] for one in found)
    assert first[0] > 0.9 > 0.2 > first[2]
    assert last[2] > 0.9 > 0.2 > last[0]
    assert abs(whole[0] - whole[2]) < 0.2


@pytest.mark.parametrize("bad", [np.full((1, 3), np.nan), np.zeros((2, 3)), np.zeros(3)])
def test_what_is_no_vector_is_not_kept(tmp_path: Path, bad: np.ndarray) -> None:
    class Broken(ColourEmbedder):
        def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
            return bad.astype(np.float32)

        def text_vectors(self, texts: Sequence[str]) -> Vectors:
            return bad.astype(np.float32)

    film(tmp_path / "v" / "a.mp4", "red")
    run = Run(store=EmbeddingStore(tmp_path / "store"))
    folder = VideoFolder.scan(tmp_path / "v")
    with pytest.raises(ConfigInvalidError, match="the model made"):
        embed_clips(captioned("a"), folder, Broken(), ViewPlan(), run)
    with pytest.raises(ConfigInvalidError, match="the model made"):
        embed_texts(["red"], Broken(), run)
    assert not list((tmp_path / "store").glob("videos@*"))


@dataclass(frozen=True)
class DeadlyPlan(ViewPlan):
    """Kills the process that reads one of the files."""

    def read(self, path: Path, span: TimeSpan | None, usual: int) -> list[Frames]:
        if path.stem == "deadly":
            os._exit(11)
        return super().read(path, span, usual)


def test_a_file_that_kills_its_reader_costs_itself_only(tmp_path: Path) -> None:
    names = ["a", "deadly", "b", "c"]
    for at, name in enumerate(names):
        film(tmp_path / f"{name}.mp4", "red", shade=1 - at / 10)
    folder = VideoFolder.scan(tmp_path)
    run = Run(workers=2)
    found = embed_clips(captioned(*names), folder, ColourEmbedder(), DeadlyPlan(), run)
    assert [(one.clip, one.reason) for one in found.missing] == [("deadly", "crashed")]
    alone = embed_clips(captioned("a", "b", "c"), folder, ColourEmbedder(), ViewPlan(), Run())
    assert np.array_equal(found.vectors, alone.vectors)


KILLED = """
import sys, time
from pathlib import Path
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.embedding.embed_clips import Run, embed_clips
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.embedding.frame_views import ViewPlan
from tests.evaluation.colours import ColourEmbedder
from tests.evaluation.test_store import captioned

class Slow(ColourEmbedder):
    def video_vectors(self, videos):
        time.sleep(0.3)
        print("batch", flush=True)
        return super().video_vectors(videos)

root = Path(sys.argv[1])
run = Run(store=EmbeddingStore(root / "store"), part_clips=2)
names = [f"v{n}" for n in range(12)]
embed_clips(captioned(*names), VideoFolder.scan(root / "v"), Slow(), ViewPlan(), run)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    for n in range(12):
        film(tmp_path / "v" / f"v{n}.mp4", "red", shade=1 - n / 20)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "batch\n"
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    model = ColourEmbedder()
    run = Run(store=EmbeddingStore(tmp_path / "store"))
    names = [f"v{n}" for n in range(12)]
    folder = VideoFolder.scan(tmp_path / "v")
    found = embed_clips(captioned(*names), folder, model, ViewPlan(), run)
    assert 4 <= len(model.seen) <= 8
    fresh = embed_clips(captioned(*names), folder, ColourEmbedder(), ViewPlan(), Run())
    assert np.array_equal(found.vectors, fresh.vectors)


def test_many_parts_hold_no_file_open_and_no_rows(tmp_path: Path) -> None:
    """A run of a million videos has tens of thousands of parts."""
    shelf = EmbeddingStore(tmp_path).shelf("features")
    open_before = len(os.listdir("/dev/fd"))
    for at in range(60):
        shelf.add([make_key(at, part) for part in range(2)], np.full((2, 3), at, np.float32))
    again = EmbeddingStore(tmp_path).shelf("features")
    assert len(os.listdir("/dev/fd")) == open_before
    for each in (shelf, again):
        rows = each.get([make_key(at, 1) for at in (59, 0, 30, 30)])
        assert rows.tolist() == [[59] * 3, [0] * 3, [30] * 3, [30] * 3]
    for path in tmp_path.rglob("part-*.npy"):
        path.unlink()
    with pytest.raises(StorageError, match="removed or damaged while it was in use"):
        again.get([make_key(5, 1)])
