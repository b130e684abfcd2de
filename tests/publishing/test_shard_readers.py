"""Tars of samples, read by the programs that they are written for."""

from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

import av
import datasets
import pytest
import webdataset

from internvid.core.errors import ConfigInvalidError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan
from tests.publishing.test_members import spoiled

SMALL = CutPlan(size="48")


@pytest.fixture(scope="module")
def shards(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Shards of clips some of which lack a caption or a direction."""
    root = tmp_path_factory.mktemp("shards")
    data = spoiled(dataset, root / "data")
    return root / "out", publish(data, root / "out", WebDatasetExporter(cut=SMALL))


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_datasets_loads_all_samples(
    shards: tuple[Path, Any], tmp_path: Path, *, streaming: bool
) -> None:
    folder, manifest = shards
    loaded = datasets.load_dataset(
        "webdataset",
        data_files=str(folder / "*.tar"),
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    assert loaded.features["mp4"] == datasets.Video()
    rows = list(loaded.cast_column("mp4", datasets.Video(decode=False)))
    assert len(rows) == manifest["clips"] == len(manifest["samples"])
    by_clip = {each["clip_id"]: each for each in manifest["samples"]}
    for row in rows:
        sample = by_clip[row["__key__"].rpartition("/")[2]]
        assert row["json"]["video_id"] == sample["video_id"]
        with av.open(io.BytesIO(row["mp4"]["bytes"])) as container:
            frames = sum(1 for _ in container.decode(video=0))
            assert [frames] == sample["frames"] == [row["json"]["frames"]]
            heard = "kept" if container.streams.audio else "none"
            assert heard == row["json"]["sound"]
    assert {row["txt"] for row in rows} > {""}
    assert manifest["sound"]["kept"] > 0


# It leaves the tars that it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdataset_reads_every_window_as_a_sample(dataset: Dataset, tmp_path: Path) -> None:
    cut = CutPlan(fps=8, maximum_frames=9, windows="slide", size="64x48")
    exporter = WebDatasetExporter(trigger="sks", cut=cut, clips_per_shard=4)
    manifest = publish(dataset, tmp_path / "out", exporter)
    urls = [str(tmp_path / "out" / name) for name in manifest["files"]]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    gc.collect()
    assert len(samples) == manifest["windows"] > manifest["clips"]
    for sample in samples:
        clip_id, _, number = sample["__key__"].partition("_w")
        assert (sample["json"]["clip_id"], sample["json"]["window"]) == (clip_id, int(number))
        assert sample["txt"].startswith("sks ")
        assert sample["json"]["fps"] == 8
        with av.open(io.BytesIO(sample["mp4"])) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (64, 48)
    files = {name for each in manifest["samples"] for name in each["files"]}
    assert sorted(files) == manifest["files"]


def test_clips_that_are_too_short_are_counted_and_no_sample(
    dataset: Dataset, tmp_path: Path
) -> None:
    longest = max(row["duration_seconds"] for row in dataset.clips().to_pylist())
    cut = CutPlan(fps=8, frames=str(int(longest * 8) - 2), size="48")
    manifest = publish(dataset, tmp_path / "out", WebDatasetExporter(cut=cut))
    assert manifest["dropped"]["too_short_for_grid"] > 0
    assert manifest["clips"] + sum(manifest["dropped"].values()) == len(dataset)


def test_a_shard_holds_at_least_one_clip() -> None:
    with pytest.raises(ConfigInvalidError, match="clips_per_shard must be at least 1"):
        WebDatasetExporter(clips_per_shard=0)
