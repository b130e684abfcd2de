"""A folder for `datasets`, with a card and a Croissant description, read by what reads such."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import datasets
import mlcroissant
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import internvid
from internvid.core.errors import ConfigInvalidError, DatasetFormatError, MisuseError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.huggingface import HuggingFaceExporter
from internvid.publishing.pages.page_files import pages_of
from internvid.publishing.publish import publish
from internvid.publishing.readers.named_splits import named_splits
from internvid.publishing.readers.video_table import VideoTable, refuse_unlisted
from internvid.video.cutting.cut_plan import CutPlan
from tests.publishing.test_members import spoiled

SMALL = CutPlan(size="48")


@pytest.fixture(scope="module")
def parts(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset with the subsets `parts-train` and `parts-test`, and clips without a caption."""
    data = spoiled(dataset, tmp_path_factory.mktemp("parts") / "data")
    ids = [row["clip_id"] for row in data.clips().to_pylist()]
    half = ", ".join(f"'{name}'" for name in ids[:5])
    internvid.select(data, "where", "parts-test", f"clip_id in ({half})")
    internvid.select(data, "where", "parts-train", f"clip_id not in ({half})")
    return internvid.open(data.root)


@pytest.fixture(scope="module")
def published(parts: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Its export with splits."""
    folder = tmp_path_factory.mktemp("published") / "out"
    exporter = HuggingFaceExporter(
        cut=SMALL, splits="parts", title="A world: small", licence="CC-BY-4.0", creator="Nobody"
    )
    return folder, publish(parts, folder, exporter)


def load(folder: Path, cache: Path, *, streaming: bool) -> Any:
    loaded = datasets.load_dataset(str(folder), streaming=streaming, cache_dir=str(cache))
    return loaded.cast_column("video", datasets.Video(decode=False))


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_a_folder_loads_as_videos_with_all_columns_by_split(
    published: tuple[Path, Any], parts: Dataset, tmp_path: Path, *, streaming: bool
) -> None:
    folder, manifest = published
    plain = datasets.load_dataset(str(folder), streaming=streaming, cache_dir=str(tmp_path))
    assert set(plain) == {"train", "test"}
    assert all(isinstance(split.features["video"], datasets.Video) for split in plain.values())
    loaded = load(folder, tmp_path, streaming=streaming)
    rows = {row["clip_id"]: row for row in parts.clips().to_pylist()}
    sizes = dict.fromkeys(loaded, 0)
    for split, data in loaded.items():
        subset = {row["clip_id"] for row in parts.clips(f"parts-{split}").to_pylist()}
        for each in data:
            sizes[split] += 1
            assert each["clip_id"] in subset
            row = rows[each["clip_id"]]
            assert {name: each[name] for name in row} == row
            assert each["text"] == row["measured"]
            with av.open(each["video"]["path"]) as container:
                assert sum(1 for _ in container.decode(video=0)) == each["frames"]
    assert sizes["test"] == 5
    assert sum(sizes.values()) == len(rows) == manifest["clips"]


def test_without_splits_all_is_train(dataset: Dataset, tmp_path: Path) -> None:
    cut = CutPlan(fps=8, maximum_frames=9, windows="slide", size="48")
    publish(dataset, tmp_path / "out", HuggingFaceExporter(cut=cut))
    loaded = load(tmp_path / "out", tmp_path / "cache", streaming=False)
    assert list(loaded) == ["train"]
    table = pd.read_parquet(tmp_path / "out" / "train" / "metadata.parquet")
    assert len(table) == len(loaded["train"]) > table["clip_id"].nunique() == len(dataset)
    assert set(table["window"]) > {0}
    assert all((tmp_path / "out" / "train" / name).is_file() for name in table["file_name"])


def test_the_card_says_what_is_known_and_no_more(published: tuple[Path, Any]) -> None:
    folder, manifest = published
    text = (folder / "README.md").read_text("utf-8")
    _, front, body = text.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert (facts["pretty_name"], facts["license"]) == ("A world: small", "cc-by-4.0")
    assert facts["size_categories"] == ["n<1K"]
    assert [each["split"] for each in facts["configs"][0]["data_files"]] == ["train", "test"]
    assert "language" not in facts
    assert "Languages: unknown." in body
    assert f"{manifest['windows']} videos" in body
    assert "no source states one" in body
    assert "How to cite this set: unknown" in body
    assert "`too_short`: clips whose `duration_seconds` is below 1" in body
    assert "1 source videos have clips in more than one split." in body
    assert f"kept ({manifest['sound']['kept']})" in body
    for each in pq.read_schema(folder / "train" / "metadata.parquet"):
        assert f"| `{each.name}` |" in body


# What it is made of calls parts of itself old.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pandas.errors.Pandas4Warning")
def test_croissant_is_valid_and_its_records_are_read(published: tuple[Path, Any]) -> None:
    folder, manifest = published
    described = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert described.metadata.ctx.issues.errors == set()
    assert described.metadata.ctx.is_v1_1()
    assert described.metadata.data_limitations
    record = next(iter(described.records("test")))
    row = pq.read_table(folder / "test" / "metadata.parquet").to_pylist()[0]
    assert record["test/clip_id"].decode() == row["clip_id"]
    assert record["test/seconds"] == row["seconds"]
    assert [each.decode() for each in record["test/colour_names"]] == row["colour_names"]
    ids = {each["clip_id"] for each in manifest["samples"]}
    assert record["test/clip_id"].decode() in ids


def test_pages_are_made_of_the_manifest_and_the_tables_alone(
    published: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, manifest = published
    copied = tmp_path / "copy"
    for split in ("train", "test"):
        (copied / split).mkdir(parents=True)
        shutil.copy(folder / split / "metadata.parquet", copied / split)
    pages = pages_of(json.loads((folder / "manifest.json").read_text()), copied)
    assert pages == {name: (folder / name).read_bytes() for name in ("README.md", "croissant.json")}
    table = pq.read_table(copied / "train" / "metadata.parquet")
    pq.write_table(table.slice(1), copied / "train" / "metadata.parquet")
    fewer = pages_of({**manifest, "version": 2}, copied)["README.md"].decode()
    assert f"{manifest['windows'] - 1} videos" in fewer
    assert "Version 2" in fewer


def test_columns_that_readers_would_take_for_videos_are_renamed() -> None:
    columns = ["video", "file_name", "cover_file_name", "text", "Seconds", "clip_id"]
    table = VideoTable.of(pa.schema([(name, pa.string()) for name in columns]))
    assert [table.names[name] for name in columns] == [
        "video_value",
        "file_name_value",
        "cover_file_name_value",
        "text_value",
        "Seconds_value",
        "clip_id",
    ]
    assert len({name.lower() for name in table.schema.names}) == len(table.schema.names)


def test_a_video_without_a_row_and_a_row_without_a_video_are_refused(
    published: tuple[Path, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(published[0], folder)
    indexes = published[1]["indexes"]
    refuse_unlisted(folder, indexes)
    extra = folder / "train" / "videos" / "0" / f"{'0' * 32}.mp4"
    extra.parent.mkdir(exist_ok=True)
    extra.write_bytes(b"")
    with pytest.raises(DatasetFormatError, match="1 videos are in no row"):
        refuse_unlisted(folder, indexes)
    extra.unlink()
    next((folder / "test").rglob("*.mp4")).unlink()
    with pytest.raises(DatasetFormatError, match="1 rows name no file"):
        refuse_unlisted(folder, indexes)


def test_splits_are_named_and_share_no_clip(parts: Dataset, tmp_path: Path) -> None:
    known = parts.subsets()
    assert named_splits("", known) == {}
    assert named_splits("train:parts-train, val:parts-test", known) == {
        "train": "parts-train",
        "validation": "parts-test",
    }
    for wrong, said in (
        ("nope", "none of the subsets nope-train, nope-val, nope-test"),
        ("train:nope", "no subset 'nope'"),
        ("train:parts-train,train:parts-test", "is no split and subset"),
        ("Train!:parts-train", "is no split and subset"),
    ):
        with pytest.raises(ConfigInvalidError, match=said):
            named_splits(wrong, known)
    internvid.select(parts, "where", "everything", "kept")
    exporter = HuggingFaceExporter(splits="train:everything,test:parts-test")
    with pytest.raises(MisuseError, match="5 clips are in more than one of the splits"):
        publish(internvid.open(parts.root), tmp_path / "out", exporter)
    assert not (tmp_path / "out").exists()
