"""The content detector equals PySceneDetect's, frame by frame, where it can."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvid.core.types import ColumnSpec, Timeline
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.content import ContentDetector, content_values, merge_close

SPEC = ColumnSpec("float32")


def timeline_of(values: list[float], fps: int = 30) -> Timeline:
    """A timeline whose content values are given."""
    channel = np.asarray(values, np.float32)
    names = ("delta_hue", "delta_saturation", "delta_value")
    return Timeline(
        video_id="0" * 32,
        pts=np.arange(len(values), dtype=np.int64),
        time_base=Fraction(1, fps),
        duration_seconds=len(values) / fps,
        stored=dict.fromkeys(names, channel),
        specs=dict.fromkeys(names, SPEC),
    )


def test_a_lone_peak_cuts_at_its_frame() -> None:
    shots = ContentDetector().detect(timeline_of([0.0] * 40 + [50.0] + [0.0] * 40))
    assert [shot.transition for shot in shots] == ["start", "cut"]
    assert shots[1].span.start_seconds == pytest.approx(40 / 30)
    assert shots[1].span.end_seconds == pytest.approx(81 / 30)


def test_one_frame_is_one_shot() -> None:
    (shot,) = ContentDetector().detect(timeline_of([0.0]))
    assert shot.transition == "start"


def test_merging_equals_pyscenedetect_on_random_signals() -> None:
    detector = pytest.importorskip("scenedetect.detector")
    common = pytest.importorskip("scenedetect.common")
    draw = np.random.default_rng(0)
    for share in (0.01, 0.05, 0.2, 0.6):
        above = draw.random(600) < share
        filter_ = detector.FlashFilter(mode=detector.FlashFilter.Mode.MERGE, length=15)
        expected = [
            cut.frame_num
            for frame, flag in enumerate(above)
            for cut in filter_.filter(common.FrameTimecode(frame, fps=30.0), bool(flag))
        ]
        assert merge_close(above, 15) == expected


# Frames where a decision may differ although PySceneDetect's value is over a level from 27: dark
# ones, where a level of rounding turns the hue far.
EXCEPTIONS = {("odd/exo__sample-with-metadata.flv", 7)}


@pytest.mark.media
def test_decisions_equal_pyscenedetect_on_real_videos(media: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    from scenedetect.scene_manager import compute_downscale_factor

    names = ["psd__testvideo.mp4", "mpy__1.mp4", "stllm__TVshow.mp4", "gchrome__video.webm"]
    for name in [*(f"videos/{name}" for name in names), *(name for name, _ in EXCEPTIONS)]:
        path = media / name
        if not path.exists():
            pytest.skip(f"{name} is not there")
        theirs = reference_values(cv2, path, compute_downscale_factor)
        ours = content_values(
            scan_video(path, ScanRecipe(observers=("content",), audio=False)).timeline
        )
        assert len(ours) == len(theirs)
        clear = np.abs(theirs - 27) > 1.0
        wrong = np.flatnonzero(((ours >= 27) != (theirs >= 27)) & clear)
        assert {(name, int(frame)) for frame in wrong} <= EXCEPTIONS


def reference_values(cv2: object, path: Path, downscale: object) -> np.ndarray:
    """PySceneDetect's content value of every frame, by its own steps."""
    capture = cv2.VideoCapture(str(path))
    values, before = [], None
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        factor = downscale(max(frame.shape[:2]))
        if factor > 1:
            size = (round(frame.shape[1] / factor), round(frame.shape[0] / factor))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        hsv = cv2.cvtColor(frame, cv2.COLOR_BGR2HSV).astype(np.int32)
        values.append(0.0 if before is None else float(np.abs(hsv - before).mean()))
        before = hsv
    return np.asarray(values)
