"""Clips of a dataset in anyone's PyTorch loop."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import internvid
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.dataset.store import Dataset
from internvid.training.data.clip_dataset import ClipItem


@pytest.fixture(scope="module")
def clips(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> internvid.ClipDataset:
    return internvid.ClipDataset(dataset, frames=4, cache=tmp_path_factory.mktemp("pack"))


def test_every_kept_clip_comes_once_with_its_caption(
    clips: internvid.ClipDataset, dataset: Dataset
) -> None:
    rows = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    items = [clips[at] for at in range(len(clips))]
    assert len(clips) == len(dataset) == len(rows)
    assert {item.clip_id: item.text for item in items} == {
        name: row["measured"] for name, row in rows.items()
    }


def test_frames_are_the_stored_pictures_of_the_clip(
    clips: internvid.ClipDataset, dataset: Dataset
) -> None:
    item = clips[-1]
    pictures = dataset.pictures(item.clip_id)
    stored = [torch.from_numpy(np.array(image)).reshape(-1, 3) for _, image in pictures]
    assert item.frames.dtype == torch.uint8
    assert item.frames.shape[0] == 4
    first = item.frames[0].reshape(-1, 3).float()
    # Two decoders of one JPEG differ by rounding.
    nearest = min(float((first - picture).abs().mean()) for picture in stored)
    assert nearest < 2


def test_a_loader_with_worker_processes_gives_the_same(clips: internvid.ClipDataset) -> None:
    plain = [clips[at].frames for at in range(len(clips))]
    loader = DataLoader(clips, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    loaded: list[ClipItem] = list(loader)
    assert all(torch.equal(a, b.frames) for a, b in zip(plain, loaded, strict=True))


def test_a_transform_makes_what_the_model_wants(dataset: Dataset, tmp_path: Path) -> None:
    small = internvid.ClipDataset(
        dataset.root, frames=2, cache=tmp_path, transform=lambda frames: frames[:, ::2, ::2] / 255
    )
    assert small[0].frames.is_floating_point()
    with pytest.raises(IndexError):
        small[len(small)]


def test_what_cannot_be_asked_for_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="frames must be at least 1"):
        internvid.ClipDataset(dataset, frames=0, cache=tmp_path)
    with pytest.raises(MisuseError, match="no_such_text"):
        internvid.ClipDataset(dataset, "no_such_text", cache=tmp_path)


def test_a_dataset_is_a_sized_iterable_of_clips(dataset: Dataset) -> None:
    listed = list(dataset)
    assert len(listed) == len(dataset) > 0
    rows = dataset.clips().to_pylist()
    assert [clip.clip_id for clip in listed] == [row["clip_id"] for row in rows]
    assert [clip.span.end_seconds for clip in listed] == [row["end_seconds"] for row in rows]


def test_a_loader_puts_captioned_clips_together(dataset: Dataset, tmp_path: Path) -> None:
    opened = internvid.open_dataset(shutil.copytree(dataset.root, tmp_path / "data"))
    internvid.caption(opened, "echo", workers=1)
    internvid.select(opened, internvid.Where("echo is not null"), "captioned")
    pack = tmp_path / "pack"
    clips = internvid.ClipDataset(opened, "echo", subset="captioned", frames=2, cache=pack)
    (batch, *_) = DataLoader(clips, batch_size=2)
    assert isinstance(batch, ClipItem)
    assert batch.frames.shape[:2] == (2, 2)
    assert list(batch.text) == [clips[at].text for at in range(2)]
