"""One suite for every registered detector: shots tile the timeline, whatever it holds."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core import registry
from internvid.core.contracts import Detector
from internvid.core.types import Timeline
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.detect import scan_for
from internvid.synthetic.truth import World
from tests.shots.networks import random_state, write_weights

DETECTORS = sorted(registry.COMPONENTS["detector"])
RECIPE = ScanRecipe(observers=("content", "luma", "camera", "transitions"), audio=False)


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Each registered detector; one that needs weights gets random ones."""
    made: Detector = registry.create("detector", request.param)
    if "weights" in [field.name for field in dataclasses.fields(made)]:  # type: ignore[arg-type]
        weights = tmp_path_factory.mktemp("weights") / "random.pth"
        return dataclasses.replace(made, weights=write_weights(weights, random_state()))  # type: ignore[type-var]
    return made


def check_tiling(timeline: Timeline, detector: Detector) -> None:
    """Shots begin at frames, follow each other without gaps and cover the video."""
    shots = detector.detect(timeline)
    assert shots[0].transition == "start"
    assert shots[0].span.start_seconds == pytest.approx(0.0)
    assert shots[-1].span.end_seconds == pytest.approx(timeline.duration_seconds)
    for before, after in pairwise(shots):
        assert before.span.end_seconds == after.span.start_seconds
        assert after.transition in ("cut", "dissolve", "fade", "wipe")
    for shot in shots:
        assert shot.span.duration_seconds > 0
        assert 0 <= shot.score <= 1


def test_shots_tile_rendered_videos(detector: Detector, world: World) -> None:
    for video in world.videos:
        scan = scan_for(detector, RECIPE)
        check_tiling(scan_video(world.folder / video.name, scan).timeline, detector)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_shots_tile_arbitrary_timelines(detector: Detector, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    seed = data.draw(st.integers(0, 10_000))
    steps = data.draw(st.lists(st.integers(1, 5000), min_size=count, max_size=count))
    random = np.random.default_rng(seed)
    specs = scan_for(detector, RECIPE).column_specs()
    stored = {}
    for column, spec in specs.items():
        dtype = np.dtype(spec.dtype)
        if dtype.kind == "f":
            stored[column] = random.random(count).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            stored[column] = random.integers(limits.min, limits.max + 1, count).astype(dtype)
    pts = np.cumsum([0, *steps[:-1]]).astype(np.int64)
    end = Fraction(int(pts[-1]) + steps[-1], 1000)
    check_tiling(
        Timeline("0" * 32, pts, Fraction(1, 1000), float(end), stored, specs),
        detector,
    )


@pytest.mark.media
def test_shots_tile_odd_files(detector: Detector, media: Path) -> None:
    for file in ("dj__008412_video1.mp4", "mcpm__assistant_ref.mp4", "tcodec__var_fps_video.mp4"):
        if (media / "odd" / file).exists():
            scan = scan_for(detector, RECIPE)
            check_tiling(scan_video(media / "odd" / file, scan).timeline, detector)
