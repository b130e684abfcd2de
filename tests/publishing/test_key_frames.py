"""Tars of pictures with texts, read the way open_clip reads them."""

from __future__ import annotations

import gc
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import webdataset

import internvid
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.key_frames import KeyFramesExporter
from internvid.publishing.publish import publish
from tests.publishing.test_members import spoiled
from tests.publishing.test_webdataset import read_shards

pytestmark = [
    # It leaves the tars that it has read to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def pairs_in(folder: Path, files: list[str]) -> list[dict[str, Any]]:
    """Samples as open_clip's pipeline makes them, up to its transforms."""
    shards = [str(folder / name) for name in files]
    pipeline = webdataset.DataPipeline(
        webdataset.SimpleShardList(shards),
        webdataset.tarfile_to_samples(),
        webdataset.select(lambda sample: "txt" in sample and "jpg" in sample),
        webdataset.decode("pilrgb"),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
    )
    found = list(pipeline)
    gc.collect()
    return found


def test_open_clip_reads_a_picture_and_a_text_of_each_clip_with_a_caption(
    dataset: Dataset, tmp_path: Path
) -> None:
    data = spoiled(dataset, tmp_path / "data")
    manifest = publish(data, tmp_path / "out", KeyFramesExporter(prefix="A frame: "))
    pairs = pairs_in(tmp_path / "out", manifest["files"])
    rows = {row["clip_id"]: row for row in data.clips().to_pylist() if row["measured"]}
    assert {pair["__key__"] for pair in pairs} == set(rows)
    assert manifest["dropped"] == {"no_caption": len(data) - len(rows)} != {"no_caption": 0}
    for pair in pairs:
        row = rows[pair["__key__"]]
        assert pair["text"] == f"A frame: {row['measured']}"
        assert pair["json"]["video_id"] == row["video_id"]
        assert pair["image"].size == (pair["json"]["width"], pair["json"]["height"])
        stored = [picture for _, picture in data.pictures(pair["__key__"])]
        middle = stored[len(stored) // 2]
        assert np.array_equal(np.asarray(pair["image"]), np.asarray(middle))


def test_stored_pictures_need_no_source(dataset: Dataset, tmp_path: Path) -> None:
    gone = tmp_path / "data"
    shutil.copytree(dataset.root, gone)
    opened = internvid.open(gone)
    uris = [Path(uri) for (uri,) in opened.sql("select uri from videos").fetchall()]
    hidden = {path: path.with_suffix(".hidden") for path in uris}
    for path, other in hidden.items():
        path.rename(other)
    try:
        manifest = publish(opened, tmp_path / "stored", KeyFramesExporter())
        lacking = publish(opened, tmp_path / "decoded", KeyFramesExporter(short_side=32))
    finally:
        for path, other in hidden.items():
            other.rename(path)
    assert manifest["clips"] == len(opened)
    assert {row["reason"] for row in lacking["missing"]} == {"source_gone"}


def test_pictures_of_a_wished_size_are_read_from_the_sources(
    dataset: Dataset, tmp_path: Path
) -> None:
    exporter = KeyFramesExporter(frames=3, short_side=40, clips_per_shard=4)
    manifest = publish(dataset, tmp_path / "out", exporter)
    files = read_shards(tmp_path / "out")
    names = {name for name in files if name.endswith(".jpg")}
    assert len(names) == 3 * manifest["clips"] == 3 * len(dataset)
    assert {sample["pictures"] for sample in manifest["samples"]} == {3}
    assert names == {
        f"{sample['clip_id']}_k{number:02d}.jpg"
        for sample in manifest["samples"]
        for number in range(3)
    }
    for name in names:
        assert min(PIL.Image.open(io.BytesIO(files[name])).size) == 40
        assert files[name.replace(".jpg", ".txt")]


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"short_side": 0}, {"quality": 101}, {"clips_per_shard": 0}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigInvalidError, match=next(iter(wrong))):
        KeyFramesExporter(**wrong)  # type: ignore[arg-type]
