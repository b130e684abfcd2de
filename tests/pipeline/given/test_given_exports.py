"""What was published is read back: as many clips, the same captions, the same frames."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.dataset.store import Dataset
from internvid.pipeline.forecast import forecast
from internvid.pipeline.given.given_table import GivenInputs
from internvid.publishing.exporters.captions_json import CaptionsJsonExporter
from internvid.publishing.exporters.chat_lists import ChatExporter
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.exporters.huggingface import HuggingFaceExporter
from internvid.publishing.exporters.internvid_list import InternVidExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.exporters.open_sora import OpenSoraExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan
from tests.leftovers import leftover
from tests.media import write_video
from tests.numbered import Numbered, number_of, write_numbered
from tests.pipeline.given.tables_of_given import RECIPE, build_given, times, write_parquet

LENGTHS = {"a dog runs": (10, 40), "a cat": (40, 60), "all of it": (0, 100)}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of three stated clips of one video of 100 numbered frames."""
    root = tmp_path_factory.mktemp("published")
    video = write_numbered(
        root / "films" / "deep" / "film.mp4", Numbered(frames=100, cuts=(30, 60))
    )
    rows = [
        {"path": str(video), "source_id": "film", **times(*span), "caption": caption}
        for caption, span in LENGTHS.items()
    ]
    build_given(root / "data", write_parquet(root / "clips.parquet", rows))
    return internvid.open(root / "data")


def check(root: Path) -> Dataset:
    """The clips are whole files with the frames and the captions that were published."""
    data = internvid.open(root)
    rows = data.sql("select clip_id, start_frame, end_frame, given from clips").fetchall()
    assert {row[3]: row[1:3] for row in rows} == {
        caption: (0, stop - start) for caption, (start, stop) in LENGTHS.items()
    }
    for clip_id, _, _, caption in rows:
        first, stop = LENGTHS[caption]
        shown = [number_of(np.asarray(image)) for _, image in data.pictures(clip_id)]
        assert shown
        assert all(first <= number < stop for number in shown)
    return data


def test_webdataset(published: Dataset, tmp_path: Path) -> None:
    exporter = WebDatasetExporter(caption="given", clips_per_shard=2)
    publish(published, tmp_path / "shards", exporter)
    build_given(tmp_path / "data", tmp_path / "shards", videos=tmp_path / "unpacked")
    data = check(tmp_path / "data")
    before = published.sql(
        "select clip_id, start_seconds, end_seconds, source_id from clips order by 1"
    ).fetchall()
    assert (
        data.sql(
            "select given_clip_id, given_start_seconds, given_end_seconds, source_id "
            "from clips order by 1"
        ).fetchall()
        == before
    )
    # A second time nothing is unpacked or scanned again; what a killed build left of a file goes.
    left = leftover(tmp_path / "unpacked" / "shard-000000" / "clip.mp4")
    unpacked = {path: path.stat().st_mtime_ns for path in (tmp_path / "unpacked").rglob("*.mp4")}
    summary = build_given(tmp_path / "data", tmp_path / "shards", videos=tmp_path / "unpacked")
    assert summary.scanned == 0
    assert not left.exists()
    assert {path: path.stat().st_mtime_ns for path in unpacked} == unpacked


WHOLE = CutPlan(size="")
EXPORTERS: dict[str, Any] = {
    "folder": FolderExporter(caption="given", cut=WHOLE),
    "json-list": JsonListExporter(caption="given", cut=WHOLE),
    "captions-json": CaptionsJsonExporter(caption="given", cut=WHOLE),
    "chat": ChatExporter(caption="given", cut=WHOLE, base_path="/where/it/will/lie"),
    "open-sora": OpenSoraExporter(caption="given", cut=WHOLE),
    "huggingface": HuggingFaceExporter(caption="given", cut=WHOLE),
}


@pytest.mark.parametrize("name", sorted(EXPORTERS))
def test_a_folder_of_videos(name: str, published: Dataset, tmp_path: Path) -> None:
    publish(published, tmp_path / "out", EXPORTERS[name])
    build_given(tmp_path / "data", tmp_path / "out")
    if name != "chat":
        check(tmp_path / "data")
        return
    # Its texts are answers to questions: they come along as they are.
    clips = internvid.open(tmp_path / "data")
    query = "select end_frame, given_conversations like '%dog%' from clips order by 1"
    assert clips.sql(query).fetchall() == [(20, False), (30, True), (100, False)]


def test_the_list_of_internvid_with_the_videos_makes_the_same_clips(
    published: Dataset, tmp_path: Path
) -> None:
    publish(published, tmp_path / "out", InternVidExporter(caption="given"))
    ((video,),) = published.sql("select uri from videos").fetchall()
    # The list names files without their folders.
    table = tmp_path / "out" / "clips.jsonl"
    build_given(tmp_path / "data", table, videos=Path(video).parent.parent)
    query = "select clip_id, start_frame, end_frame, given from clips order by clip_id"
    again = internvid.open(tmp_path / "data").sql(query).fetchall()
    assert again == published.sql(query).fetchall()


def test_videos_without_a_text_and_broken_texts_are_no_clips(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    for number, name in enumerate(["a", "b", "c", "d"]):
        write_video(folder / "deep" / f"{name}.mp4", seed=number, level=60 + number)
    (folder / "deep" / "a.txt").write_text("grüner Hund\n", "utf-8")
    (folder / "deep" / "b.json").write_text('{"caption": "of the object", "score": 3}', "utf-8")
    (folder / "deep" / "c.txt").write_bytes(b"\xff\xfe broken")
    summary = build_given(tmp_path / "data", folder)
    data = internvid.open(tmp_path / "data")
    assert data.sql("select given, given_score from clips order by 1").fetchall() == [
        ("grüner Hund", None),
        ("of the object", 3),
    ]
    assert (summary.given_rows, summary.set_aside) == (2, 1)
    (aside,) = internvid.status(data)["set_aside"]
    assert "c.mp4 cannot be read: 'utf-8' codec" in aside["first"][0]["reason"]


def write_shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(data)
            archive.addfile(facts, io.BytesIO(data))
    return path


def test_shards_that_are_cut_off_or_lead_out_give_what_is_whole(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4").read_bytes()
    other = write_video(tmp_path / "w.mp4", level=70).read_bytes()
    whole: dict[str, Any] = {
        "one.mp4": video, "one.json": json.dumps({"text": "first"}).encode(),
        "../out.mp4": video, "../out.txt": b"out",
        "two.mp4": other, "two.txt": b"second",
    }  # fmt: skip
    shard = write_shard(tmp_path / "shard-000000.tar", whole)
    summary = build_given(tmp_path / "one", shard, videos=tmp_path / "files")
    data = internvid.open(tmp_path / "one")
    assert data.sql("select given from clips order by 1").fetchall() == [("first",), ("second",)]
    assert not (tmp_path / "out.mp4").exists()
    assert summary.set_aside == 2
    shard.write_bytes(shard.read_bytes()[: 512 + len(video) + 1800])
    summary = build_given(tmp_path / "two", shard, videos=tmp_path / "more")
    assert (summary.clips, summary.set_aside) == (1, 2)
    assert "cannot be read to its end" in " ".join(summary.notes)
    inputs = GivenInputs((str(shard),), tmp_path / "not there")
    cost = forecast(inputs, RECIPE, 1)
    assert (cost.sources, cost.unreadable, cost.given_rows, cost.set_aside) == (1, 0, 1, 2)
    assert not (tmp_path / "not there").exists()
    with pytest.raises(MisuseError, match=r"packed in tar shards(.|\n)*--videos FOLDER"):
        build_given(tmp_path / "three", shard)
