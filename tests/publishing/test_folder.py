"""A folder of videos with texts: read by the rules that trainers document."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.dataset.store import Dataset
from internvid.publishing import clip_files
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from internvid.publishing.trainer_presets import PRESETS
from internvid.video.cutting.cut_check import Expected, check_written
from internvid.video.cutting.cut_plan import CutPlan
from tests.docs.manual import page, rows, sections
from tests.trees import digest_tree

SMALL = CutPlan(fps=16, frames="4k+1", size="48", multiple=16)
SLIDE = CutPlan(
    fps=8, frames="8k+1", maximum_frames=17, windows="slide", size="64x48", sound="none"
)
# Files that diffusion-pipe passes over; every other one is opened as a video or a picture.
PASSED_OVER = {".txt", ".npz", ".json", ".parquet", ".bak", ".db"}


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> str:
    """A subset of some clips."""
    internvid.select(dataset, "random", "few-for-folders", 5, seed=3)
    return "few-for-folders"


def trainer_samples(folder: Path, model_fps: float) -> dict[str, tuple[str, int]]:
    """Name -> text and frames, as diffusion-pipe and finetrainers read a flat folder."""
    samples = {}
    for path in sorted(folder.iterdir()):
        assert path.is_file()
        if path.suffix in PASSED_OVER:
            continue
        assert path.suffix in (".mp4", ".mov")
        text = path.with_suffix(".txt").read_text("utf-8")
        assert text.strip()
        assert len(text.splitlines()) == 1
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.average_rate is not None
            frames = sum(1 for _ in container.decode(video=0))
            # Clips whose header says more or less were counted a frame short, and dropped.
            assert stream.frames == frames
            assert int(stream.frames * model_fps / float(stream.average_rate)) == frames
        samples[path.stem] = text, frames
    return samples


def test_a_trainer_reads_pairs_on_its_grid(dataset: Dataset, tmp_path: Path) -> None:
    exporter = FolderExporter(prefix="A clip. ", trigger="sks", cut=SMALL)
    manifest = publish(dataset, tmp_path / "out", exporter)
    samples = trainer_samples(tmp_path / "out", 16)
    rows = {row["clip_id"]: row for row in dataset.clips().to_pylist()}
    assert manifest["missing"] == []
    assert set(samples) <= set(rows)
    assert len(samples) == manifest["clips"] == manifest["windows"]
    assert manifest["clips"] + sum(manifest["dropped"].values()) == len(rows)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"manifest.json", *manifest["files"]}
    for name, (text, frames) in samples.items():
        row = rows[name]
        assert text == f"A clip. sks {row['measured']}"
        fits = int((Fraction(row["duration_seconds"]) + Fraction(1, 1000)) * 16)
        assert frames == fits - (fits - 1) % 4
        with av.open(str(tmp_path / "out" / f"{name}.mp4")) as container:
            video = container.streams.video[0]
            assert video.average_rate == 16
            assert video.width % 16 == video.height % 16 == 0
    counted = Counter(str(frames) for _, frames in samples.values())
    assert manifest["frames"] == counted
    heard = {row["video_id"] for row in dataset.videos().to_pylist() if row["has_audio"]}
    kept = sum(rows[name]["video_id"] in heard for name in samples)
    assert manifest["sound"] == {"kept": kept, "none": len(samples) - kept}


def test_the_plan_is_what_is_written(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cut in (SLIDE, CutPlan(size="48", frames="4k+1", windows="middle")):
        exporter = FolderExporter(cut=cut)
        planned = internvid.plan_publication(dataset, exporter=exporter)
        manifest = publish(dataset, tmp_path / f"out{cut.fps}", exporter)
        shared = {name: manifest[name] for name in planned}
        for name in ("hours", "unused_hours"):
            assert planned.pop(name) == pytest.approx(shared.pop(name), abs=1e-6)
        for ours, theirs in zip(planned["buckets"], shared["buckets"], strict=True):
            assert ours.pop("hours") == pytest.approx(theirs.pop("hours"), abs=1e-6)
        assert planned == shared
        assert planned["windows"] == sum(planned["frames"].values())
    words = ["publish", str(dataset.root), str(tmp_path / "none"), "--exporter", "folder"]
    words += ["--preset", "wan", "--set", "cut.maximum_frames=17", "--plan"]
    assert main([*words, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert set(planned["frames"]) <= {"5", "9", "13", "17"}
    assert planned["unused_hours"] > 0
    assert main(words) == 0
    text = capsys.readouterr().out
    assert f"{planned['clips']} clips, {planned['windows']} windows" in text
    seen = [line.split() for line in text.splitlines()]
    assert [line[:2] for line in seen if line[:1] == ["17"]] == [
        ["17", f"{each['width']}x{each['height']}"]
        for each in planned["buckets"]
        if each["frames"] == 17
    ]
    assert not (tmp_path / "none").exists()


def test_sliding_windows_are_named_and_cover_the_clip(dataset: Dataset, tmp_path: Path) -> None:
    manifest = publish(dataset, tmp_path / "out", FolderExporter(cut=SLIDE))
    samples = trainer_samples(tmp_path / "out", 8)
    assert all(re.fullmatch(r"[0-9a-f]{32}_w\d\d", name) for name in samples)
    assert len(samples) == manifest["windows"] > manifest["clips"]
    windows = Counter(name[:32] for name in samples)
    for clip_id, count in windows.items():
        names = sorted(name for name in samples if name.startswith(clip_id))
        assert names == [f"{clip_id}_w{at:02d}" for at in range(count)]
    with av.open(str(next((tmp_path / "out").glob("*.mp4")))) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (64, 48)


def test_clips_without_a_text_or_too_short_are_left_out_and_counted(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = dataset.clips().to_pylist()
    still = [row for row in rows if row["camera_direction"] is None]
    assert 0 < len(still) < len(rows)
    words = ["publish", str(dataset.root), str(tmp_path / "out"), "--exporter", "folder"]
    words += ["--set", "caption=camera_direction", "--set", "cut.fps=16", "--set", "cut.size=48"]
    longest = max(row["duration_seconds"] for row in rows if row["camera_direction"])
    least = int(longest * 16 - 1)
    words += ["--set", f"cut.frames={least}", "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    manifest = json.loads(said.out)
    assert manifest["dropped"]["no_caption"] == len(still)
    assert manifest["dropped"]["too_short_for_grid"] > 0
    assert f"{len(still)} no_caption" in said.err
    assert manifest["manifest"] == str(tmp_path / "out" / "manifest.json")
    assert manifest["clips"] + sum(manifest["dropped"].values()) == len(rows)
    assert manifest["missing"] == []
    on_disk = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert on_disk["dropped"] == manifest["dropped"]


def test_what_cannot_be_is_refused_before_anything_is_written(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalidError, match="no such column"):
        publish(dataset, tmp_path / "out", FolderExporter(caption="Caption"))
    with pytest.raises(ConfigInvalidError, match="nothing would be written as text"):
        FolderExporter(caption="")
    with pytest.raises(MisuseError, match="no preset is called 'vane'") as caught:
        internvid.publish(dataset, tmp_path / "out", exporter="folder", preset="vane")
    assert "wan" in str(caught.value.hint)
    with pytest.raises(MisuseError, match="frames cuts by no plan"):
        internvid.publish(dataset, tmp_path / "out", exporter="frames", preset="wan")
    assert not (tmp_path / "out").exists()
    assert FolderExporter(caption="", trigger="sks").text_of({}) == "sks"


def test_every_preset_is_a_plan() -> None:
    for name, preset in PRESETS.items():
        made = internvid.make_component("exporter", "folder", preset.settings())
        assert (made.cut.fps, made.cut.longest) == (preset.fps, preset.maximum_frames), name
        assert made.tokens == preset.tokens
        assert preset.source


def test_a_file_that_cannot_be_proved_is_missing(
    dataset: Dataset, few: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internvid.video.cutting.cut_clip.check_written", _one_is_wrong())
    manifest = publish(dataset, tmp_path / "out", FolderExporter(cut=SMALL), few)
    assert [row["reason"] for row in manifest["missing"]] == ["not_proved"]
    (row,) = manifest["missing"]
    assert {"clip_id", "uri", "start_seconds", "reason"} <= set(row)
    assert not (tmp_path / "out" / f"{row['clip_id']}.mp4").exists()
    assert not (tmp_path / "out" / f"{row['clip_id']}.txt").exists()


def _one_is_wrong() -> object:
    """A check of files one of which always lost its end."""
    damaged: list[bytes] = []

    def check(data: bytes, expected: Expected) -> None:
        damaged.append(expected.pictures[0].tobytes())
        check_written(data[:-900] if damaged[0] == damaged[-1] else data, expected)

    return check


def test_a_killed_export_goes_on_to_the_same_bytes(
    dataset: Dataset, few: str, tmp_path: Path
) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "parts"), "--exporter", "folder"]
    words += ["--set", "cut.size=48", "--set", "cut.fps=16", "--subset", few]
    process = subprocess.Popen(
        [sys.executable, "-m", "internvid", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes = tmp_path / "parts" / NOTES / "clips"
    while process.poll() is None and len(list(notes.glob("*/*.json"))) < 2:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "manifest.json").exists()
    kept = {path.stem for path in notes.glob("*/*.json")}
    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "parts").glob("*.mp4")
        if path.stem in kept
    }
    assert before
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    publish(dataset, tmp_path / "whole", FolderExporter(cut=CutPlan(fps=16, size="48")), few)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def test_what_an_earlier_run_left_is_swept(
    dataset: Dataset, few: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that another state of the source led to are not published unseen."""
    exporter = FolderExporter(cut=SMALL)
    publish(dataset, tmp_path / "whole", exporter, few)
    commits: list[str] = []
    commit = clip_files.commit_bytes

    def third_fails(path: Path, data: bytes) -> None:
        commits.append(path.name)
        if len(commits) == 3:
            raise KeyboardInterrupt
        commit(path, data)

    monkeypatch.setattr(clip_files, "commit_bytes", third_fails)
    with pytest.raises(KeyboardInterrupt):
        publish(dataset, tmp_path / "parts", exporter, few)
    (tmp_path / "parts" / f"{'0' * 32}_w07.mp4").write_bytes(b"stale")
    publish(dataset, tmp_path / "parts", exporter, few)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")
    assert commits[3] == commits[2]  # and the first clip was not written again


def test_the_page_lists_every_preset_and_every_field_of_the_cut() -> None:
    listed = sections(page("publishing.md"))
    presets = {
        row[0]: (float(row[1]), row[2], int(row[3]), int(row[4]), row[5], row[6])
        for row in rows(listed["Presets"])
    }
    assert presets == {
        name: (
            *(each.fps, each.frames, each.multiple, each.maximum_frames),
            *(str(each.tokens or ""), each.source),
        )
        for name, each in PRESETS.items()
    }
    names = [name for row in rows(listed["The cut"]) for name in row[0].split("`, `")]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(CutPlan))
