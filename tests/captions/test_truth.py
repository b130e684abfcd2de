"""What captions say of a rendered world is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from internvid.captions.measured import MeasuredCaptioner
from internvid.captions.statements import Certainty, Statements, state
from internvid.core import registry
from internvid.core.contracts import ClipView
from internvid.core.types import Clip, TimeSpan
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.synthetic.truth import ShotTruth
from internvid.synthetic.world import render_world

Case = tuple[tuple[ShotTruth, ...], Mapping[str, Any]]


def measure_shots(folder: Path) -> Iterator[Case]:
    """Each shot alone, and each two neighbours as if nobody had found what parts them."""
    signals = [registry.create("signal", name) for name in registry.COMPONENTS["signal"]]
    world = render_world(folder, 43, seconds=15, copies=False)
    for video in world.videos:
        result = scan_video(world.path(video.name), ScanRecipe(observers=("luma", "camera")))
        for shots in [*((shot,) for shot in video.shots), *pairwise(video.shots)]:
            start, end = shots[0].clean_start_frame, shots[-1].clean_end_frame
            span = TimeSpan(start / float(video.fps), end / float(video.fps))
            if span.duration_seconds < 1:
                continue
            picks = [pick for pick in result.picks if span.contains(pick.pts_seconds)]
            row: dict[str, Any] = {}
            for signal in signals:
                row.update(signal.measure(result.timeline, span, picks))
            yield shots, row


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return list(measure_shots(tmp_path_factory.mktemp("captions")))


@pytest.fixture(scope="module")
def cases(measured: list[Case]) -> list[tuple[ShotTruth, Mapping[str, Any]]]:
    return [(shots[0], row) for shots, row in measured if len(shots) == 1]


def list_falsehoods(said: Statements, shot: ShotTruth) -> list[str]:
    """Every statement that the truth contradicts."""
    level = shot.sound.level_db
    bars = "above and below" if shot.borders.top else "on both sides"
    has_bars = shot.borders.top + shot.borders.left > 0
    checks = {
        "picture": said.picture in (None, "still") and (said.picture is None or shot.is_still),
        "camera": said.camera in (None, shot.camera.kind),
        "direction": said.direction in (None, shot.camera.direction),
        "pace": said.pace is None or (said.pace == "slow") == (shot.camera.speed < 0.15),
        "light": said.light in (None, shot.tone),
        "colours": set(said.colours) <= set(shot.dominant_colours),
        "movement": said.movement is None or shot.kind == "scene",
        "silence": (said.sound == "none") <= (level is None),
        "sound": said.sound in (None, "none") or level is not None,
        "bars": said.bars in (None, bars) and (said.bars is None or has_bars),
        "flicker": not said.flickers,
    }
    return [name for name, is_true in checks.items() if not is_true]


def test_statements_are_true(cases: list[tuple[ShotTruth, Mapping[str, Any]]]) -> None:
    falsehoods = [(list_falsehoods(state(row, Certainty()), shot), shot) for shot, row in cases]
    wrong = [entry for entry in falsehoods if entry[0]]
    assert len(cases) >= 20
    assert len(wrong) <= 0.05 * len(cases), wrong


def test_no_camera_move_is_said_of_two_shots_that_differ(measured: list[Case]) -> None:
    differing = [
        (shots, state(row, Certainty()))
        for shots, row in measured
        if len({(shot.camera.kind, shot.camera.direction) for shot in shots}) > 1
        and all(shot.clean_end_frame - shot.clean_start_frame >= 25 for shot in shots)
    ]
    wrong = [(said.camera, said.direction, shots) for shots, said in differing if said.camera]
    assert len(differing) >= 10
    assert len(wrong) <= 0.1 * len(differing), wrong


def test_captions_say_something_of_nearly_every_clip(
    cases: list[tuple[ShotTruth, Mapping[str, Any]]],
) -> None:
    views = [
        ClipView(Clip(f"{number:04x}", "v", TimeSpan(0, 1), 0, 1), row, ())
        for number, (_, row) in enumerate(cases)
    ]
    answers = list(MeasuredCaptioner().caption(views))
    assert sum(answer.status == "ok" for answer in answers) >= 0.95 * len(cases)
    moves = sum("camera" in (answer.value or "") for answer in answers)
    assert moves >= 0.5 * len(cases)
