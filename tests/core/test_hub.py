"""Uploads to a hub: the files that a reader needs, and nothing of this machine."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from internvid.core.errors import MisuseError, ServiceError
from internvid.dataset.store import Dataset
from internvid.models.viclip import ViCLIP
from internvid.models.viclip.config import ViCLIPConfig
from tests.core.hub_server import serving_hub

SMALL = ViCLIPConfig(
    frames=2, resolution=32, patch=16, vision_width=64, vision_layers=1, vision_heads=1,
    text_width=64, text_layers=1, text_heads=1, embedding=16,
)  # fmt: skip


def test_a_model_that_was_uploaded_loads_again(tmp_path: Path) -> None:
    model = ViCLIP(SMALL)
    with serving_hub() as hub:
        address = model.push_to_hub("me/small", private=True, token="t", endpoint=hub.endpoint)
    assert address == f"{hub.endpoint}/me/small/commit/abc"
    assert hub.repositories[0]["name"] == "small"
    assert "private" in (hub.repositories[0].get("visibility"), *hub.repositories[0])
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    loaded = ViCLIP.from_pretrained(tmp_path)
    assert torch.equal(loaded.vision_encoder.proj, model.vision_encoder.proj)


def test_a_dataset_is_uploaded_as_rows_without_paths(dataset: Dataset) -> None:
    with serving_hub() as hub:
        dataset.push_to_hub("me/clips", token="t", endpoint=hub.endpoint)
    assert "/datasets/me/clips/" in hub.commits[0]
    table = pq.read_table(io.BytesIO(hub.files["data/clips-00000.parquet"]))
    assert table.column("clip_id").to_pylist() == dataset.clips()["clip_id"].to_pylist()
    assert "measured" in table.column_names
    assert "uri" not in table.column_names
    card = hub.files["README.md"].decode()
    assert f"{len(dataset):,} clips" in card
    assert str(dataset.root) not in card


def test_a_hub_that_refuses_is_said_so(dataset: Dataset) -> None:
    with serving_hub() as hub:
        hub.refuses = True
        with pytest.raises(ServiceError, match="me/clips cannot be uploaded to") as caught:
            dataset.push_to_hub("me/clips", token="t", endpoint=hub.endpoint)
    assert "hf auth login" in (caught.value.hint or "")


def test_nothing_is_uploaded_of_a_subset_that_is_not_there(dataset: Dataset) -> None:
    with serving_hub() as hub, pytest.raises(MisuseError, match="no subset"):
        dataset.push_to_hub("me/clips", "nothing", token="t", endpoint=hub.endpoint)
    assert hub.files == {}
