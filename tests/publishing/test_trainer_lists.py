"""Lists of videos for FastVideo, Open-Sora Plan and Open-Sora: read by their documented rules."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import av
import pandas as pd
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.captions_json import CaptionsJsonExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.exporters.open_sora import OpenSoraExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan

CUT = CutPlan(fps=16, frames="29,45", windows="slide", size="80x48", sound="none")


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> str:
    """A subset of clips of two seconds and more."""
    internvid.select(
        dataset, "where", "few-for-lists", "duration_seconds > 2", then=["random 5 seed=2"]
    )
    return "few-for-lists"


@pytest.fixture(scope="module")
def captions_json(
    dataset: Dataset, few: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A folder that FastVideo and Open-Sora Plan read, and its manifest."""
    folder = tmp_path_factory.mktemp("captions") / "out"
    return folder, publish(dataset, folder, CaptionsJsonExporter(trigger="sks", cut=CUT), few)


@pytest.fixture(scope="module")
def open_sora(
    dataset: Dataset, few: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A folder that Open-Sora reads from the folder above it, and its manifest."""
    folder = tmp_path_factory.mktemp("sora") / "out"
    return folder, publish(dataset, folder, OpenSoraExporter(base_path="out", cut=CUT), few)


def facts_of(path: Path) -> tuple[int, int, int, float]:
    """Frames, height, width and rate of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        frames = sum(1 for _ in container.decode(video=0))
        return frames, stream.height, stream.width, float(stream.average_rate)


def fastvideo_samples(folder: Path, num_frames: int, train_fps: float) -> list[dict[str, Any]]:
    """What its `merged` datasets and validators keep: `videos/` and `videos2caption.json`."""
    kept = []
    for row in json.loads((folder / "videos2caption.json").read_text("utf-8")):
        item = {"caption": row["cap"], **row, "video": folder / "videos" / row["path"]}
        assert item["caption"]
        assert item["fps"] > 0
        assert item["num_frames"] > 0
        height, width = item["resolution"]["height"], item["resolution"]["width"]
        if not 8 / 16 <= height / width <= 17 / 16:
            continue
        if item["num_frames"] / item["fps"] > 5.0 * num_frames / train_fps:
            continue
        kept.append(item)
    return kept


def open_sora_plan_samples(data: Path, num_frames: int, train_fps: float) -> list[dict[str, Any]]:
    """What its `T2V_dataset` keeps of a file of lines `root,list`; paths are from where it runs."""
    kept = []
    for line in data.read_text("utf-8").splitlines():
        root, listed = line.strip().split(",")
        for row in json.loads(Path(listed).read_text("utf-8")):
            path = os.path.join(root, row["path"])
            assert path.endswith(".mp4")
            assert row["cap"] is not None
            assert row["num_frames"] <= 5.0 * num_frames * row["fps"] / train_fps
            start = row.get("cut", [0])[0]
            step = row["fps"] / train_fps
            indices = [int(start + at * step) for at in range(int(row["num_frames"] / step))]
            usable = [
                count
                for count in range(len(indices), 28, -1)
                if (count - 1) % 4 == 0 and ((count - 1) // 4 + 1) % 4 == 0
            ]
            if usable:
                left, right, top, bottom = row["crop"]
                kept.append({**row, "path": path, "frames": usable[0]})
                assert (right - left, bottom - top) == (
                    row["resolution"]["width"],
                    row["resolution"]["height"],
                )
    return kept


def test_one_folder_is_read_by_fastvideo_and_by_open_sora_plan(
    captions_json: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest = captions_json
    samples = fastvideo_samples(folder, 45, 16)
    assert len(samples) == manifest["windows"] > 0
    assert {item["video"] for item in samples} == set((folder / "videos").iterdir())
    for item in samples:
        frames, height, width, rate = facts_of(item["video"])
        assert (frames, rate) == (item["num_frames"], item["fps"])
        assert item["resolution"] == {"height": height, "width": width}
        assert item["duration"] == pytest.approx(frames / rate)
        assert item["caption"].startswith("sks ")
    monkeypatch.chdir(folder)
    planned = open_sora_plan_samples(Path("data.txt"), 45, 16)
    assert [each["frames"] for each in planned] == [each["num_frames"] for each in samples]
    assert all(Path(each["path"]).is_file() for each in planned)
    assert manifest["indexes"] == [
        {
            "file": "videos2caption.json", "form": "json", "path_field": "path",
            "root": "videos/", "base": "",
        }
    ]  # fmt: skip
    assert {"data.txt", "videos2caption.json"} <= set(manifest["files"])
    assert internvid.verify(folder).ok


def test_a_base_path_stands_in_the_lines_alone(
    dataset: Dataset, few: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = CaptionsJsonExporter(base_path="set/out", cut=CUT)
    publish(dataset, tmp_path / "set" / "out", exporter, few)
    monkeypatch.chdir(tmp_path)
    samples = open_sora_plan_samples(Path("set/out/data.txt"), 45, 16)
    assert samples
    assert all(Path(each["path"]).is_file() for each in samples)
    assert fastvideo_samples(tmp_path / "set" / "out", 45, 16)
    with pytest.raises(ConfigInvalidError, match="has a comma"):
        CaptionsJsonExporter(base_path="a,b")


def open_sora_bucket(row: dict[str, Any], frames: list[int], fps_max: float) -> int | None:
    """The bucket of a row, by the rules of its `map_target_fps` and `get_bucket_id`."""
    interval = 1 if row["fps"] < fps_max else -(-row["fps"] // fps_max)
    available = row["num_frames"] // interval
    return max((count for count in frames if count <= available), default=None)


def test_open_sora_finds_every_video_and_its_bucket(
    open_sora: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest = open_sora
    monkeypatch.chdir(folder.parent)
    tables = [pd.read_csv("out/dataset.csv"), pd.read_parquet("out/dataset.parquet")]
    needed = ["path", "text", "num_frames", "height", "width", "aspect_ratio", "resolution", "fps"]
    for table in tables:
        assert list(table.columns)[:8] == needed
        assert len(table) == manifest["windows"] > 0
        for row in table.to_dict("records"):
            frames, height, width, rate = facts_of(Path(row["path"]))
            assert (row["num_frames"], row["height"], row["width"]) == (frames, height, width)
            assert row["aspect_ratio"] == pytest.approx(height / width)
            assert (row["resolution"], row["fps"]) == (height * width, rate)
            assert row["text"].strip()
            assert open_sora_bucket(row, [5, 29, 45], 16) == frames
    with Path("out/dataset.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["path"] for line in lines] == list(tables[1]["path"])
    assert [(index["file"], index["base"]) for index in manifest["indexes"]] == [
        ("dataset.csv", "out/"),
        ("dataset.parquet", "out/"),
    ]


def test_rows_and_samples_have_the_licence_and_the_uri_of_their_source(
    world_videos: list[Path], tmp_path: Path
) -> None:
    video = next(path for path in world_videos if path.suffix == ".mp4")
    table = tmp_path / "sources.csv"
    table.write_text(f"uri,License\n{video},CC-BY-4.0\n", "utf-8")
    internvid.build([table], tmp_path / "data", workers=1)
    dataset = internvid.open(tmp_path / "data")
    internvid.select(dataset, "random", "two", 2, seed=1)
    cut = CutPlan(fps=8, maximum_frames=9, size="48")
    for exporter, name in (
        (JsonListExporter(cut=cut), "dataset.json"),
        (CaptionsJsonExporter(cut=cut), "videos2caption.json"),
        (OpenSoraExporter(cut=cut), "dataset.parquet"),
    ):
        folder = tmp_path / name
        manifest = publish(dataset, folder, exporter, "two")
        assert [each["licence"] for each in manifest["samples"]] == ["CC-BY-4.0"] * 2
        if name.endswith(".json"):
            rows = json.loads((folder / name).read_text("utf-8"))
        else:
            rows = pq.read_table(folder / name).to_pylist()
        assert [list(row)[-2:] for row in rows] == [["licence", "source"]] * 2
        assert {(row["licence"], row["source"]) for row in rows} == {("CC-BY-4.0", video.name)}
