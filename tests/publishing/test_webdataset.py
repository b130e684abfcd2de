"""Shards hold exactly the clips, and say what is missing."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import av
import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import OutputExistsError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from tests.media import write_video
from tests.trees import digest_tree


def read_shards(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for entry in tar:
                file = tar.extractfile(entry)
                assert file is not None
                assert entry.name not in found
                found[entry.name] = file.read()
    return found


def test_each_clip_has_its_frames_its_text_and_its_columns(
    dataset: Dataset, tmp_path: Path
) -> None:
    manifest = publish(dataset, tmp_path / "out", WebDatasetExporter(clips_per_shard=2))
    files = read_shards(tmp_path / "out")
    rows = dataset.clips().to_pylist()
    assert manifest["clips"] == len(rows)
    assert manifest["missing"] == []
    assert len(manifest["files"]) == (len(rows) + 1) // 2
    for row in rows:
        with av.open(io.BytesIO(files[f"{row['clip_id']}.mp4"])) as container:
            assert len(list(container.decode(video=0))) == row["end_frame"] - row["start_frame"]
        assert files[f"{row['clip_id']}.txt"].decode("utf-8") == row["measured"]
        assert json.loads(files[f"{row['clip_id']}.json"])["video_id"] == row["video_id"]


def test_the_same_clips_make_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("one", "two"):
        publish(dataset, tmp_path / name, WebDatasetExporter())
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_sources_that_are_gone_or_others_now_are_listed(tmp_path: Path) -> None:
    hidden = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    shutil.move(write_video(tmp_path / "x.mp4", seed=1), hidden)
    gone, changed = (write_video(tmp_path / f"{name}.mp4", seed=ord(name)) for name in "ab")
    sources = [hidden, gone, changed]
    internvid.build(sources, tmp_path / "data", _keep_all(), workers=1)
    gone.unlink()
    changed.write_bytes(changed.read_bytes() + b"other bytes")
    manifest = publish(internvid.open(tmp_path / "data"), tmp_path / "out", WebDatasetExporter())
    assert manifest["clips"] == 1
    reasons = {row["uri"]: row["reason"] for row in manifest["missing"]}
    assert reasons == {"a.mp4": "source_gone", "b.mp4": "source_changed"}
    assert all(row["error"] and row["end_seconds"] > 0 for row in manifest["missing"])


def test_an_export_without_any_clip_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_video(tmp_path / "x.mp4", seed=1)
    internvid.build([source], tmp_path / "data", _keep_all(), workers=1)
    source.unlink()
    assert main(["publish", str(tmp_path / "data"), str(tmp_path / "out"), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["clips"] == 0
    assert "no clip could be written: source_gone" in said.err


def _keep_all() -> internvid.recipes.Recipe:
    import dataclasses

    recipe = internvid.recipes.default()
    return dataclasses.replace(recipe, cut=dataclasses.replace(recipe.cut, filters=()))


def test_a_folder_in_use_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty"):
        publish(dataset, tmp_path, WebDatasetExporter())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
