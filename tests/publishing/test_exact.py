"""What a scan saw is published frame for frame, or stands in `missing` with a reason."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import internvid
from internvid.cli.app import main
from internvid.core.contracts import Exporter
from internvid.core.sequences import spread
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing import source_files as publishing
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.video.reader import SpanReader
from tests.numbered import Numbered, number_of, write_numbered, write_packed
from tests.pipeline.annotators import Narrator

PYRAMID = {"x264-params": "b-pyramid=normal:open-gop=1"}
# 120 frames: some clips begin more than a second into the file, so that seeking would be tried.
HOW = Numbered(frames=120, cuts=(33, 70, 92), options=PYRAMID)
FILES = {
    "b.avi": HOW,
    "b.mxf": dataclasses.replace(HOW, container="mxf"),
    "b.asf": dataclasses.replace(HOW, container="asf"),
    "raw.h264": dataclasses.replace(HOW, container="h264"),
    "raw.hevc": dataclasses.replace(HOW, codec="libx265", container="hevc"),
    "mpeg4.avi": dataclasses.replace(HOW, codec="mpeg4", b_frames=2, options={}),
    "mpeg2.vob": dataclasses.replace(
        HOW, codec="mpeg2video", container="vob", b_frames=2, options={}
    ),
    "b.ts": dataclasses.replace(HOW, container="mpegts"),
    "b.mkv": HOW,
    "b.mp4": HOW,
    "b.flv": HOW,
}
JOINED = ("joined.ts", "joined.vob")


def write_all(folder: Path) -> None:
    for name, how in FILES.items():
        write_numbered(folder / name, how)
    write_packed(folder / "packed.avi", 120)
    # Other bytes than those of the parts, though the pictures repeat.
    for name, part in zip(JOINED, ("b.ts", "mpeg2.vob"), strict=True):
        (folder / name).write_bytes((folder / part).read_bytes() * 2)


def build_all(folder: Path, data: Path, mode: str = "full") -> Dataset:
    cut = CutRecipe(ContentDetector(), signals=(), filters=())
    recipe = Recipe("all", cut, ScanRecipe(mode=mode, audio=False))
    build([str(folder / "*")], data, recipe, workers=2)
    return internvid.open(data)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("exact")
    write_all(root / "files")
    return build_all(root / "files", root / "data")


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of a fast scan, which is a full one of the last file."""
    root = tmp_path_factory.mktemp("thin")
    for name in ("b.mp4", "b.ts", "b.avi"):
        write_numbered(root / "files" / name, FILES[name])
    return build_all(root / "files", root / "data", "fast")


def read_mp4(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def members(folder: Path) -> Iterator[tuple[str, bytes]]:
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for entry in tar:
                file = tar.extractfile(entry)
                assert file is not None
                yield entry.name, file.read()


def frames_of(row: dict[str, object]) -> list[int]:
    """Numbers that the frames of a clip show; joined files and long ones begin again."""
    first, stop = int(str(row["start_frame"])), int(str(row["end_frame"]))
    return [number % 120 for number in range(first, stop)]


def source_names(dataset: Dataset) -> dict[str, str]:
    return {row["video_id"]: Path(row["uri"]).name for row in dataset.videos().to_pylist()}


def test_the_scan_saw_every_frame_and_cut(odd: Dataset) -> None:
    names = source_names(odd)
    assert sorted(names.values()) == sorted([*FILES, *JOINED, "packed.avi"])
    for name in FILES:
        rows = [row for row in odd.clips().to_pylist() if names[row["video_id"]] == name]
        edges = [(row["start_frame"], row["end_frame"]) for row in rows]
        assert edges == [(0, 33), (33, 70), (70, 92), (92, 120)], name


def test_every_frame_of_every_clip_is_written(odd: Dataset, tmp_path: Path) -> None:
    manifest = publish(odd, tmp_path / "out", WebDatasetExporter())
    assert manifest["missing"] == []
    names = source_names(odd)
    written = dict(members(tmp_path / "out"))
    for row in odd.clips().to_pylist():
        shown = [number_of(image) for image in read_mp4(written[f"{row['clip_id']}.mp4"])]
        assert shown == frames_of(row), names[row["video_id"]]


def test_the_chosen_frames_are_written(odd: Dataset, tmp_path: Path) -> None:
    manifest = publish(odd, tmp_path / "out", FramesExporter(frames=8))
    assert manifest["missing"] == []
    names = source_names(odd)
    shards = FrameShards(tmp_path / "out")
    rows = {row["clip_id"]: row for row in odd.clips().to_pylist()}
    ids = shards.rows()["clip_id"].to_pylist()
    assert sorted(ids) == sorted(rows)
    for place, clip_id in enumerate(ids):
        every = frames_of(rows[clip_id])
        wanted = spread(every, 8)
        shown = [number_of(image) for image in shards.read(place, lambda n: list(range(n)))]
        assert shown == wanted, names[rows[clip_id]["video_id"]]


@pytest.mark.parametrize(
    "exporter", [WebDatasetExporter(), FramesExporter(frames=500)], ids=["webdataset", "frames"]
)
def test_clips_of_a_fast_scan_are_written_whole(
    thin: Dataset, exporter: Exporter, tmp_path: Path
) -> None:
    assert publish(thin, tmp_path / "out", exporter)["missing"] == []
    written = dict(members(tmp_path / "out"))
    rows = thin.clips().to_pylist()
    assert len(rows) >= 6
    for row in rows:
        images = read_mp4(written[f"{row['clip_id']}.mp4"])
        first, stop = round(row["start_seconds"] * 25), round(row["end_seconds"] * 25)
        assert [number_of(image) for image in images] == list(range(first, stop))


def test_more_pictures_of_a_clip_are_frames_of_it(odd: Dataset, tmp_path: Path) -> None:
    """What captioners are shown is decoded again, and is what the scan numbered."""
    data = tmp_path / "data"
    shutil.copytree(odd.root, data)
    annotate(data, Narrator(more_frames=12), "told")
    names = source_names(odd)
    rows = {row["clip_id"]: row for row in odd.clips().to_pylist()}
    seen = set()
    for path in data.glob("scans/*/pick_sets/*/*.parquet"):
        for pick in pq.read_table(path).to_pylist():
            with Image.open(io.BytesIO(pick["jpeg"])) as image:
                shown = number_of(np.asarray(image.convert("RGB")))
            assert shown == pick["frame"] % 120, names[pick["video_id"]]
            seen.add(pick["clip_id"])
    assert seen == set(rows)


def test_a_source_is_read_once_for_all_its_clips(
    odd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be sought is not read from its start for each clip."""
    begun: list[str] = []
    begin = SpanReader._begun

    def counting(self: SpanReader) -> object:
        if self._opened is None:
            begun.append(self.path.name)
        return begin(self)

    monkeypatch.setattr(SpanReader, "_begun", counting)
    publish(odd, tmp_path / "out", WebDatasetExporter())
    assert sorted(begun) == sorted(source_names(odd).values())


def other_pictures(path: Path) -> None:
    """Other frames under the old name, size and times, as a tool that keeps these leaves them."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    part = len(data) // 2
    data[part:] = data[part:][::-1]
    path.write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Clips of a.mkv, of b.mp4, and of c.ts, of which d.ts is a copy."""
    root = tmp_path_factory.mktemp("three")
    for name in ("a.mkv", "b.mp4", "c.ts"):
        write_numbered(root / "files" / name, dataclasses.replace(HOW, container=None))
    shutil.copy(root / "files" / "c.ts", root / "files" / "d.ts")
    return build_all(root / "files", root / "data")


@pytest.fixture
def files(three: Dataset) -> Iterator[Path]:
    """The folder of the sources, which are as before at the end."""
    folder = three.root.parent / "files"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path, data in before.items():
        path.write_bytes(data)


@pytest.mark.parametrize(
    "exporter", [WebDatasetExporter(), FramesExporter(frames=8)], ids=["webdataset", "frames"]
)
def test_a_source_with_other_bytes_is_refused(
    three: Dataset,
    files: Path,
    exporter: Exporter,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other_pictures(files / "a.mkv")
    other_pictures(files / "c.ts")  # its copy stands in
    manifest = publish(three, tmp_path / "out", exporter)
    assert manifest["clips"] == 8
    assert {(row["uri"], row["reason"]) for row in manifest["missing"]} == {
        ("a.mkv", "source_changed")
    }
    assert [row["start_seconds"] for row in manifest["missing"]] == pytest.approx(
        [0, 33 / 25, 70 / 25, 92 / 25], abs=1e-3
    )
    words = ["publish", str(three.root), str(tmp_path / "again"), "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "4 clips could not be written (4 source_changed)" in said.err
    assert json.loads(said.out)["missing"] == manifest["missing"]


def test_a_source_that_changes_while_it_is_read_is_left_out(
    three: Dataset, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = publishing.ClipReader.of

    def change_after(self: publishing.ClipReader, item: object) -> SpanReader:
        reader = given(self, item)  # type: ignore[arg-type]
        if reader.path == files / "a.mkv":
            reader.path.write_bytes(reader.path.read_bytes() + b"more")
        return reader

    monkeypatch.setattr(publishing.ClipReader, "of", change_after)
    manifest = publish(three, tmp_path / "out", WebDatasetExporter())
    assert manifest["clips"] == 8
    reasons = {(Path(row["uri"]).name, row["reason"]) for row in manifest["missing"]}
    assert reasons == {("a.mkv", "source_changed")}
    missing = {row["clip_id"] for row in manifest["missing"]}
    assert not missing & {name.split(".")[0] for name, _data in members(tmp_path / "out")}


def test_a_source_that_never_rests_does_not_keep_an_export_for_ever(
    three: Dataset, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = publishing.ClipReader.of
    touched = iter(range(1, 1000))

    def touch_after(self: publishing.ClipReader, item: object) -> SpanReader:
        reader = given(self, item)  # type: ignore[arg-type]
        if reader.path == files / "a.mkv":
            os.utime(reader.path, ns=(0, next(touched)))
        return reader

    monkeypatch.setattr(publishing.ClipReader, "of", touch_after)
    manifest = publish(three, tmp_path / "out", WebDatasetExporter())
    reasons = {(Path(row["uri"]).name, row["reason"]) for row in manifest["missing"]}
    assert reasons == {("a.mkv", "changing")}
    assert manifest["clips"] == 8


def test_one_clip_never_ends_an_export(
    odd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = publishing.span_of

    def one_breaks(item: object) -> object:
        span = given(item)  # type: ignore[arg-type]
        if span.first == 33:
            raise ZeroDivisionError("no such thing")
        return span

    monkeypatch.setattr("internvid.publishing.cut_exporter.span_of", one_breaks)
    manifest = publish(odd, tmp_path / "out", WebDatasetExporter())
    assert {row["reason"] for row in manifest["missing"]} == {"bug"}
    assert {row["error"] for row in manifest["missing"]} == {"ZeroDivisionError: no such thing"}
    assert manifest["clips"] + len(manifest["missing"]) == odd.clips().num_rows


def _refusing(*_: object) -> None:
    raise ValueError("no such size")


def test_pictures_that_no_encoder_takes_are_not_called_unreadable(
    three: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internvid.video.cutting.window_file.WindowFile._mux", _refusing)
    manifest = publish(three, tmp_path / "out", WebDatasetExporter())
    assert {row["reason"] for row in manifest["missing"]} == {"not_encodable"}
    assert manifest["clips"] == 0


def test_a_length_below_one_frame_a_second_is_written(tmp_path: Path) -> None:
    """A rate that headers state as almost none is no rate for an encoder."""
    how = Numbered(
        "ffv1", frames=4, times=[0, 3000, 9000, 40000], time_base=Fraction(1, 1000), cuts=()
    )
    write_numbered(tmp_path / "files" / "slow.mkv", how)
    dataset = build_all(tmp_path / "files", tmp_path / "data")
    manifest = publish(dataset, tmp_path / "out", WebDatasetExporter())
    assert manifest["missing"] == []
    ((_name, data),) = [pair for pair in members(tmp_path / "out") if pair[0].endswith(".mp4")]
    assert [number_of(image) for image in read_mp4(data)] == [0, 1, 2, 3]
