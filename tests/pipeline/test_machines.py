"""A plan for many machines names what bounds the build, and adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.pipeline.forecast import Forecast
from internvid.pipeline.forecasts.machines import Machines, forecast_machines
from tests.cli.speaking import read_json, spoken
from tests.media import write_videos

Capture = pytest.CaptureFixture[str]

# 1,000,000 videos of six minutes; 400 CPU seconds and 100 MB an hour of video.
COST = Forecast(
    sources=1_000_000,
    probed=50,
    unreadable=0,
    video_hours=100_000.0,
    measured_sources=3,
    measured_seconds=60.0,
    cpu_seconds_per_hour=400.0,
    bytes_per_hour=1e8,
    workers=2,
    expected_seconds=2e7,
    expected_bytes=1e13,
    longest_hours=2.0,
    source_bytes=5e13,
)


def test_cores_bound_a_build_until_something_else_does() -> None:
    few, many = (forecast_machines(COST, Machines(count, 32)) for count in (10, 10_000))
    assert few.bottleneck == "cores"
    assert few.bounds["cores"] == pytest.approx(1000 * many.bounds["cores"])
    # One core has the longest video, however many there are.
    assert many.bottleneck == "longest source"
    assert many.bounds["longest source"] == pytest.approx(2 * 400 / 3600)
    at = forecast_machines(COST, Machines(many.useful_machines, 32))
    before = forecast_machines(COST, Machines(many.useful_machines - 1, 32))
    assert before.bottleneck == "cores" != at.bottleneck
    assert few.useful_machines == many.useful_machines


def test_slow_storage_is_named_and_holds_more_than_it_keeps() -> None:
    free = forecast_machines(COST, Machines(100, 32))
    slow = forecast_machines(COST, Machines(100, 32, storage_mb=500))
    assert (free.bottleneck, slow.bottleneck) == ("cores", "storage")
    # 50 TB read, 10 TB staged, read again and written.
    assert slow.bounds["storage"] == pytest.approx(80e12 / 500e6 / 3600)
    assert slow.hours > free.hours
    assert (slow.disk_bytes, slow.peak_disk_bytes) == (1e13, 2e13)


def test_more_cores_than_sources_are_of_no_use() -> None:
    few = replace(COST, sources=8, video_hours=8.0, longest_hours=1.0)
    cost = forecast_machines(few, Machines(100, 4, price=2.0))
    assert cost.useful_machines <= 2
    assert cost.price == pytest.approx(cost.hours * 100 * 2.0)
    assert forecast_machines(few, Machines(100, 4)).price is None
    nothing = replace(COST, sources=0, video_hours=0.0, longest_hours=0.0, cpu_seconds_per_hour=0.0)
    assert forecast_machines(nothing, Machines(3, 4)).hours == 0


@pytest.mark.parametrize(
    "machines",
    [Machines(0, 4), Machines(1, 0), Machines(1, 1, storage_mb=0.0), Machines(1, 1, price=-1.0),
     Machines(1, 1, price=float("nan"))],
)  # fmt: skip
def test_machines_that_cannot_be_are_refused(machines: Machines) -> None:
    with pytest.raises(ConfigInvalidError, match="--"):
        forecast_machines(COST, machines)


def test_the_command_measures_and_prints_it(tmp_path: Path, capsys: Capture) -> None:
    write_videos(tmp_path / "videos", 2)
    build = ("build", tmp_path / "videos", "-o", tmp_path / "data", "--plan")
    many = ("--machines", 4, "--cores", 8, "--price", 3, "--storage", 100)
    plan = read_json(capsys, *build, *many)
    assert plan["source_bytes"] == sum(
        path.stat().st_size for path in (tmp_path / "videos").iterdir()
    )
    assert plan["longest_hours"] == pytest.approx(plan["video_hours"] / 2, rel=0.05)
    fleet = plan["machines"]
    assert fleet["price"] == pytest.approx(12 * fleet["hours"])
    assert fleet["bottleneck"] == max(fleet["bounds"], key=lambda name: fleet["bounds"][name])
    _, out, _ = spoken(capsys, *build, *many)
    lines = out.splitlines()
    assert "machines              4 of 8 cores; no GPU is needed" in lines
    (bound,) = [line for line in lines if line.startswith("bound by")]
    assert bound.split()[2] in ("cores:", "longest", "rows:", "storage:")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--machines", 4), "--machines is for an estimate"),
        (("--plan", "--price", 2), "--price is for an estimate"),
        (("--plan", "--machines", 0), "--machines is a positive number, not 0"),
    ],
)
def test_options_of_machines_want_a_plan_of_machines(
    tmp_path: Path, capsys: Capture, options: Sequence[object], words: str
) -> None:
    code, _, err = spoken(capsys, "build", tmp_path, "-o", tmp_path / "data", *options)
    assert code == 2
    assert words in err
