"""More or larger pictures for those who ask: decoded once, exact, kept for the next."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.curate.select import select
from internvid.curate.selectors import Random
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import ColumnRequest, annotate, annotate_columns
from internvid.synthetic.world import render_world
from internvid.video.decode import Picture, open_video
from internvid.video.display.picture import Painter
from tests.pipeline.annotators import Narrator
from tests.trees import digest_tree


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered videos of H.264 with B frames, and a dataset of them."""
    folder = tmp_path_factory.mktemp("filmed")
    render_world(folder / "videos", seed=5, videos=2, seconds=8, copies=False)
    (folder / "videos" / "truth.json").unlink()
    internvid.build(folder / "videos", folder / "data", workers=2)
    return folder


@pytest.fixture
def data(filmed: Path, tmp_path: Path) -> Path:
    shutil.copytree(filmed / "data", tmp_path / "data")
    return tmp_path / "data"


def answers(data: Path, name: str) -> dict[str, dict[str, Any]]:
    table = internvid.open(data).sql(f"select * from column_{name}").to_arrow_table()
    return {row["clip_id"]: row for row in table.to_pylist()}


def stored(data: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(data.glob("scans/*/pick_sets/*/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            found.setdefault(row["clip_id"], []).append(row)
    return found


def small_side(data: Path) -> int:
    videos = internvid.open(data).sql("select min(least(width, height)) from videos")
    return int(videos.fetchall()[0][0])


def test_spans_that_fall_short_are_decoded_exactly(data: Path) -> None:
    annotate(data, Narrator(more_frames=12), "told")
    dataset = internvid.open(data)
    clips = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    found = answers(data, "told")
    assert set(found) == set(clips)
    sets = stored(data)
    assert set(sets) <= set(clips)
    for clip_id, row in found.items():
        length = clips[clip_id]["end_frame"] - clips[clip_id]["start_frame"]
        count = len(row["frames"])
        assert count >= min(12, length)
        assert row["frames"] == sorted(row["frames"])
        if row["pick_set"] != "scan":
            assert row["frames"] == [pick["frame"] for pick in sets[clip_id]]
    assert any(row["pick_set"] != "scan" for row in found.values())
    assert differences(dataset, sets) < 4.0


def differences(dataset: Dataset, sets: dict[str, list[dict[str, Any]]]) -> float:
    """The largest mean difference between a stored picture and the frame of its time."""
    worst = 0.0
    places = dict(dataset.sql("select video_id, uri from videos").fetchall())
    wanted: dict[tuple[str, int], dict[str, Any]] = {
        (row["video_id"], row["ticks"]): row for rows in sets.values() for row in rows
    }
    for video_id, uri in places.items():
        with open_video(Path(uri)) as opened:
            for item in opened.read():
                assert isinstance(item, Picture)
                row = wanted.pop((video_id, item.ticks), None)
                if row is None:
                    continue
                side = min(row["width"], row["height"])
                truth = Painter(opened.facts, side).paint(item.frame).astype(int)
                with PIL.Image.open(io.BytesIO(row["jpeg"])) as image:
                    assert image.size == (row["width"], row["height"])
                    shown = np.asarray(image.convert("RGB")).astype(int)
                worst = max(worst, float(np.abs(truth - shown).mean()))
                assert row["pts_seconds"] == pytest.approx(
                    item.ticks * float(opened.facts.time_base)
                )
    assert wanted == {}, "every picture is a frame of its video"
    return worst


def test_larger_pictures_of_the_same_instants(data: Path) -> None:
    side = small_side(data)
    annotate(data, Narrator(short_side=side + 1000), "told")
    for rows in stored(data).values():
        assert {min(row["width"], row["height"]) for row in rows} == {side}
    if side > 256:
        assert set(stored(data)) == set(answers(data, "told"))
    clip_id, row = next(iter(answers(data, "told").items()))
    pictures = internvid.open(data).sql(
        "select frame from picks join clips using (video_id) where clip_id = "
        f"'{clip_id}' and frame >= start_frame and frame < end_frame order by frame"
    )
    assert row["frames"] == [frame for (frame,) in pictures.fetchall()]


def test_one_decode_serves_all_who_ask_and_those_who_come_later(data: Path, tmp_path: Path) -> None:
    requests = [
        ColumnRequest("one", Narrator(more_frames=10)),
        ColumnRequest("two", Narrator("sung", more_frames=14)),
        ColumnRequest("three", Narrator("hummed")),
    ]
    annotate_columns(data, requests)
    sets = {path.name for path in data.glob("scans/*/pick_sets/*")}
    assert len(sets) == 1
    assert all(row["pick_set"] == "scan" for row in answers(data, "three").values())
    before = digest_tree(data)
    annotate(data, Narrator("whistled", more_frames=13), "four")
    after = digest_tree(data)
    assert {
        name for name in after if after[name] != before.get(name) and "pick_sets" in name
    } == set()
    assert all(len(row["frames"]) >= 10 for row in answers(data, "four").values())


@pytest.mark.slow
def test_a_subset_first_makes_a_generation_later(data: Path) -> None:
    select(internvid.open(data), Random(count=2), "two")
    annotate(data, Narrator(more_frames=30), "told", subset="two")
    assert len(stored(data)) <= 2
    annotate(data, Narrator(more_frames=30), "told")
    names = {path.name for path in data.glob("scans/*/pick_sets/*/*.parquet")}
    assert names == {"part-00000.parquet", "part-00000.g001.parquet"}
    found = answers(data, "told")
    lengths = {
        row["clip_id"]: row["end_frame"] - row["start_frame"]
        for row in internvid.open(data).clips().to_pylist()
    }
    assert all(len(row["frames"]) >= min(30, lengths[clip_id]) for clip_id, row in found.items())
    assert not (data / "staged").exists()


def test_without_its_source_a_clip_keeps_the_pictures_it_has(filmed: Path, tmp_path: Path) -> None:
    shutil.copytree(filmed / "videos", tmp_path / "videos")
    internvid.build(tmp_path / "videos", tmp_path / "data", workers=2)
    shutil.rmtree(tmp_path / "videos")
    summary = annotate(tmp_path / "data", Narrator(more_frames=12), "told")
    assert summary.failed == 0
    assert {row["pick_set"] for row in answers(tmp_path / "data", "told").values()} == {"scan"}
    assert stored(tmp_path / "data") == {}


@pytest.mark.slow
def test_a_source_that_broke_since_keeps_the_pictures_it_has(filmed: Path, tmp_path: Path) -> None:
    shutil.copytree(filmed / "videos", tmp_path / "videos")
    internvid.build(tmp_path / "videos", tmp_path / "data", workers=2)
    broken = sorted((tmp_path / "videos").iterdir())[0]
    broken.write_bytes(b"\0" * broken.stat().st_size)
    summary = annotate(tmp_path / "data", Narrator(more_frames=12), "told")
    assert summary.failed == 0
    sets = [row["pick_set"] for row in answers(tmp_path / "data", "told").values()]
    assert "scan" in sets
    assert set(sets) != {"scan"}
