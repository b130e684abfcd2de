"""A part that is missing, or damaged, or not made yet: each is told apart and by its name."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import DatasetFormatError
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from tests.media import write_video, write_videos


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_videos(folder / "videos", 2)
    whole = internvid.recipes.default()
    recipe = dataclasses.replace(whole, cut=dataclasses.replace(whole.cut, filters=()))
    internvid.build(folder / "videos", folder / "data", recipe, workers=1)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`videos` and `data` of its own, as the current folder."""
    shutil.copytree(whole, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def scramble(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes(byte ^ 0xA5 for byte in data[:-8]) + data[-8:])


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


TABLES = {
    "videos": "scans/*/videos",
    "timelines": "scans/*/timelines",
    "picks": "scans/*/picks",
    "clips": "cuts/*/clips",
    "measured": "cuts/*/columns/measured*",
}
VERBS = (
    ["list", "data"],
    ["describe", "data"],
    ["select", "data", "random", "1", "--as", "one"],
    ["publish", "data", "out"],
    ["report", "data", "page.html"],
)


@pytest.mark.parametrize("harm", [scramble, shorten], ids=["scrambled", "shortened"])
@pytest.mark.parametrize("table", TABLES)
def test_every_command_names_the_damaged_part_or_does_without_it(
    table: str,
    harm: Callable[[Path], None],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (part,) = folder.glob(f"data/{TABLES[table]}/part-00000.parquet")
    harm(part)
    codes = [main(list(verb)) for verb in VERBS]
    said = capsys.readouterr().err
    assert set(codes) <= {0, 1}
    assert 1 in codes
    # Each failure is two lines: what is wrong with which file, and the way back.
    assert said.count(f"error: {part} is damaged") == codes.count(1)
    assert said.count("hint: restore it from a copy") == codes.count(1)


@pytest.mark.parametrize("table", ["timelines", "picks"])
def test_a_lost_part_is_named_and_made_anew_as_the_hint_says(
    table: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = internvid.open("data").clips().to_pylist()
    (part,) = folder.glob(f"data/{TABLES[table]}/part-00000.parquet")
    part.unlink()
    assert main(["list", "data"]) == 1
    said = capsys.readouterr().err
    assert f"{part} is missing" in said
    removed = Path(said.split("or remove ")[1].split(" and build")[0])
    removed.unlink()
    assert (
        main(
            [
                "build",
                "videos",
                "-o",
                "data",
                "--workers",
                "1",
                "--no-report",
                "--set",
                "cut.filters=",
            ]
        )
        == 0
    )
    assert internvid.open("data").clips().to_pylist() == before
    assert part.exists()


def test_a_lost_list_of_sources_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = folder / "data" / "sources" / "part-00000.parquet"
    part.unlink()
    assert main(["build", "videos", "-o", "data"]) == 1
    assert f"error: {part} is missing" in capsys.readouterr().err


def test_what_python_reads_is_told_apart_too(folder: Path) -> None:
    (part,) = folder.glob("data/cuts/*/clips/part-00000.parquet")
    data = internvid.open("data")
    clip_id = data.clips()["clip_id"][0].as_py()
    (picks,) = folder.glob("data/scans/*/picks/part-00000.parquet")
    scramble(picks)
    with pytest.raises(DatasetFormatError, match=r"picks/part-00000\.parquet is damaged"):
        internvid.open("data").pictures(clip_id)
    part.unlink()
    with pytest.raises(DatasetFormatError, match="no part that is cut"):
        internvid.open("data").clips()


def test_a_dataset_can_be_read_while_videos_are_added(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "videos" / "first.mp4")
    build([str(tmp_path / "videos")], tmp_path / "data", recipe, workers=1)
    before = internvid.open(tmp_path / "data").clips(rejected=True).to_pylist()
    write_video(tmp_path / "videos" / "second.mp4", seed=3)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    steps = {"build._Run.scan": (1, 0, 0), "shares.scan_pass.ScanPass._note": (1, 1, 0),
             "build._Run.cut": (0, 0, 1)}  # fmt: skip
    for step, counts in steps.items():
        monkeypatch.setattr(f"internvid.pipeline.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            build([str(tmp_path / "videos")], tmp_path / "data", recipe, workers=1)
        monkeypatch.undo()
        data = internvid.open(tmp_path / "data")
        assert data.clips(rejected=True).to_pylist() == before
        assert data.videos().num_rows == 1
        found = read_status(data.root)
        assert (found["videos"]["pending"], found["staged"], found["uncut"]) == counts
    build([str(tmp_path / "videos")], tmp_path / "data", recipe, workers=1)
    assert internvid.open(tmp_path / "data").videos().num_rows == 2
