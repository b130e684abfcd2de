"""Every odd file of the synthetic world is read as stated, or refused for a stated reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.synthetic.odd.odd_files import write_odd_files
from internvid.synthetic.odd.oddity import OddFile

Row = dict[str, Any]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[OddFile, Row]]:
    """Statement and row of each file, all built together in a few seconds."""
    root = tmp_path_factory.mktemp("odd")
    made = write_odd_files(root / "files")
    recipe = Recipe(
        "odd", CutRecipe(ContentDetector(), signals=("audio",), filters=()), ScanRecipe()
    )
    build([str(root / "files" / "*")], root / "data", recipe, workers=2)
    rows = {
        Path(row["uri"]).name: row for row in internvid.open(root / "data").videos().to_pylist()
    }
    return {file.name: (file, rows[file.name]) for file in made}


def test_refused_files_say_why(odd: dict[str, tuple[OddFile, Row]]) -> None:
    refused = [pair for pair in odd.values() if pair[0].expected == "refused"]
    assert len(refused) >= 15
    for file, row in refused:
        assert row["status"] == "failed", file.name
        assert row["reason"] in file.reasons, file.name
        assert row["error"], file.name


def test_the_other_files_are_read_as_stated(odd: dict[str, tuple[OddFile, Row]]) -> None:
    # It has the same bytes as plain.mp4, and is known by them.
    copies = {name for name, (_, row) in odd.items() if row["status"] == "duplicate"}
    assert copies == {"pointed-at.mp4"}
    for file, row in odd.values():
        if file.expected == "refused" or file.name in copies:
            continue
        assert row["status"] == "ok", (file.name, row["reason"], row["error"])
        found = {
            "frames": row["frames"],
            "width": row["width"],
            "height": row["height"],
            "clockwise_degrees": -row["rotation_degrees"] % 360,
            "has_audio": row["has_audio"],
        }
        stated = {key: getattr(file, key) for key in found if getattr(file, key) is not None}
        assert {key: found[key] for key in stated} == stated, file.name
        assert row["frames"] >= file.least_frames, file.name
        assert (row["is_mirrored"], row["dynamic_range"]) == (False, "sdr"), file.name
        if file.duration_seconds is not None:
            assert row["duration_seconds"] == pytest.approx(file.duration_seconds, abs=0.05)
        if file.first_pts_seconds is not None:
            tick = row["time_base_numerator"] / row["time_base_denominator"]
            assert row["start_pts"] * tick == pytest.approx(file.first_pts_seconds, abs=0.002)


def test_a_clock_that_starts_again_is_carried_on(odd: dict[str, tuple[OddFile, Row]]) -> None:
    once, twice = odd["late-start.ts"][1], odd["time-restart.ts"][1]
    assert twice["frames"] == 2 * once["frames"]
    assert twice["duration_seconds"] == pytest.approx(2 * once["duration_seconds"], abs=0.05)
    assert twice["repaired_times"] == 1


@pytest.mark.media
def test_real_odd_files_have_the_frames_that_the_list_states(media: Path, tmp_path: Path) -> None:
    import csv

    with (media / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        stated = {row["file"]: int(row["frames_decoded"] or 0) for row in csv.DictReader(file)}
    recipe = Recipe("odd", CutRecipe(ContentDetector(), signals=(), filters=()), ScanRecipe())
    build([str(media / "odd")], tmp_path / "data", recipe, workers=2)
    rows = internvid.open(tmp_path / "data").videos().to_pylist()
    found = {f"odd/{Path(row['uri']).name}": row["frames"] or 0 for row in rows}
    # Encrypted: every frame is decoded, and four of five are rubble.
    damaged = [name for name in found if name.endswith("-cbcs.mp4")]
    stated.update(dict.fromkeys(damaged, 0))
    assert found == {name: stated[name] for name in found}
    refused = [row["uri"] for row in rows if row["reason"] == "damaged"]
    assert [f"odd/{Path(uri).name}" for uri in refused] == damaged
    assert all((row["status"] == "ok") == bool(row["frames"]) for row in rows)
