"""A clip says which file it is of, and can be chosen by what is known of that file."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError
from internvid.curate.select import select
from internvid.curate.selectors import Where
from internvid.dataset.store import SOURCE_COLUMNS, Dataset, open_dataset
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.synthetic.fakes import EchoCaptioner
from tests.media import write_video
from tests.publishing.test_webdataset import read_shards


def keep_all(*captioners: str) -> Recipe:
    """A quick recipe that keeps every clip."""
    return Recipe(
        name="test",
        scan=ScanRecipe(observers=("content", "luma")),
        cut=CutRecipe(ContentDetector(), signals=("audio",), filters=()),
        captioners={name: EchoCaptioner() for name in captioners},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with metadata, one without, one duplicate; `data` is made of them."""
    folder = tmp_path_factory.mktemp("sources")
    for at, name in enumerate("abc"):
        write_video(folder / f"{name}.mp4", seed=at, frames=20 + at)
    (folder / "z.mp4").write_bytes((folder / "b.mp4").read_bytes())
    lines = ["uri,views,reason,Title", "a.mp4,3,mine,one", "b.mp4,8,yours,two", "z.mp4,9,,three"]
    (folder / "list.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    """One clip a video."""
    inputs = [str(folder / "list.csv"), str(folder / "c.mp4")]
    types = {"views": "bigint"}
    build(inputs, folder / "data", keep_all("echo"), workers=1, types=types)
    return open_dataset(folder / "data")


def chosen(data: Dataset, condition: str, name: str) -> list[str]:
    select(data, Where(condition), name)
    relation = data.clips_relation(name, of_video=SOURCE_COLUMNS)
    return [Path(uri or "").name for _, uri, _ in data.rows_with_source(relation)]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("views > 3", ["b.mp4"]),
        ("uri like '%a.mp4'", ["a.mp4"]),
        ("views is null", ["c.mp4"]),
        ("meta_reason = 'mine' and duration_seconds > 1", ["a.mp4"]),
        ("video_duration_seconds > 2.15", ["c.mp4"]),
        ("fps = 10 and title = 'two'", ["b.mp4"]),
        ("metadata->>'views' = '8'", ["b.mp4"]),
        # A duplicate has the clips of the source that was scanned, and that one's metadata.
        ("uri like '%z.mp4' or views = 9 or uri like '%b.mp4'", ["b.mp4"]),
    ],
)
def test_clips_are_chosen_by_what_is_known_of_their_file(
    condition: str, names: list[str], data: Dataset
) -> None:
    name = "".join(filter(str.isalnum, condition))
    assert chosen(data, condition, name) == names


def test_a_column_of_clips_goes_before_one_of_videos(data: Dataset) -> None:
    assert data.video_columns["reason"] == "video_reason"
    assert data.video_columns["meta_reason"] == "meta_reason"
    assert data.video_columns["uri"] == "uri"
    relation = data.clips_relation(of_video=None)
    assert len({name.lower() for name in relation.columns}) == len(relation.columns)
    assert relation.filter("reason = ''").aggregate("count(*)").fetchall() == [(3,)]


def test_videos_are_joined_only_for_their_columns(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "uri" not in data.clips_relation().columns
    asked: list[object] = []
    real = Dataset.clips_relation

    def relation(self: Dataset, *arguments: object, **options: object) -> object:
        asked.append(options.get("of_video", ()))
        return real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Dataset, "clips_relation", relation)
    select(data, Where("duration_seconds > 0"), "plain")
    assert asked == []
    select(data, Where("views > 0"), "joined")
    assert asked == [None]


def test_a_condition_on_nothing_known_names_columns_of_clips_and_videos(data: Dataset) -> None:
    with pytest.raises(ConfigInvalidError, match="cannot be used") as caught:
        select(data, Where("likes > 3"), "wrong")
    assert {"views", "uri", "duration_seconds", "video_reason"} <= set(
        str(caught.value).replace(",", " ").split()
    )


def test_the_first_clips_are_the_first_with_their_files_too(data: Dataset) -> None:
    every = data.clips()["clip_id"].to_pylist()
    for of_video in ((), SOURCE_COLUMNS):
        relation = data.clips_relation(limit=2, of_video=of_video)
        assert relation.project("clip_id").to_arrow_table()["clip_id"].to_pylist() == every[:2]


def test_list_and_show_say_which_file_a_clip_is_of(
    folder: Path, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", str(data.root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_name = {Path(row["uri"]).name: row for row in rows}
    assert by_name["a.mp4"]["metadata"] == {"views": 3, "reason": "mine", "Title": "one"}
    assert by_name["c.mp4"]["metadata"] == {}
    assert by_name["a.mp4"]["reason"] == ""
    assert {"start_seconds", "end_seconds"} <= set(by_name["a.mp4"])
    clip_id = by_name["b.mp4"]["clip_id"]
    assert main(["show", str(data.root), clip_id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["uri"] == str(folder / "b.mp4")
    assert shown["metadata"]["views"] == 8
    assert main(["list", str(data.root)]) == 0
    assert str(folder / "c.mp4") in capsys.readouterr().out
    assert main(["show", str(data.root), clip_id]) == 0
    said = capsys.readouterr().out
    assert str(folder / "b.mp4") in said
    assert any(line.split() == ["metadata.views", "8"] for line in said.splitlines())


def test_exports_say_it_too(folder: Path, data: Dataset, tmp_path: Path) -> None:
    publish(data, tmp_path / "web", WebDatasetExporter())
    facts = [
        json.loads(text)
        for name, text in read_shards(tmp_path / "web").items()
        if name.endswith(".json")
    ]
    said = {Path(row["uri"]).name: row for row in facts}
    assert json.loads(said["a.mp4"]["metadata"])["Title"] == "one"
    assert said["c.mp4"]["metadata"] == "{}"
    assert said["a.mp4"]["reason"] == ""
    publish(data, tmp_path / "frames", FramesExporter(), keep_paths=True)
    rows = pq.read_table(tmp_path / "frames" / "index.parquet").to_pylist()
    assert {row["uri"]: json.loads(row["metadata"]).get("views") for row in rows} == {
        str(folder / "a.mp4"): 3, str(folder / "b.mp4"): 8, str(folder / "c.mp4"): None,
    }  # fmt: skip
    # Training learns from texts: where a file lies is none.
    assert all("uri" not in dict(row["texts"]) for row in rows)


def test_a_captioner_may_name_its_column_like_one_of_videos(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", frames=20)
    build([str(source)], tmp_path / "data", keep_all("uri", "metadata"), workers=1)
    data = internvid.open(tmp_path / "data")
    assert chosen(data, "video_uri like '%a.mp4' and uri like 'clip%'", "both") == ["a.mp4"]
    publish(data, tmp_path / "web", WebDatasetExporter())
    with tarfile.open(tmp_path / "web" / "shard-000000.tar") as shard:
        (name,) = (name for name in shard.getnames() if name.endswith(".json"))
        file = shard.extractfile(name)
        assert file is not None
        assert json.loads(file.read())["uri"].startswith("clip")
