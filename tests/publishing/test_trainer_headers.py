"""Headers of published files: what trainers count frames and seconds by."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

import internvid
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.chat_lists import ChatExporter
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.publish import publish
from internvid.publishing.trainer_presets import PRESETS
from internvid.video.cutting.cut_plan import CutPlan

RATES = sorted({preset.fps for preset in PRESETS.values()} | {23.976, 29.97, 59.94})
EXACT = {23.976: Fraction(24000, 1001), 29.97: Fraction(30000, 1001), 59.94: Fraction(60000, 1001)}


@pytest.fixture(scope="module")
def heard(dataset: Dataset) -> str:
    """A subset of one clip with sound."""
    condition = "has_audio and duration_seconds > 2.2"
    internvid.select(dataset, "where", "heard", condition, then=["random 1 seed=1"])
    return "heard"


@pytest.mark.parametrize("fps", RATES)
def test_readers_of_headers_count_every_frame_at_the_very_rate(
    dataset: Dataset, heard: str, tmp_path: Path, fps: float
) -> None:
    """49 frames that a header made 48 were dropped by a trainer of 49."""
    exporter = FolderExporter(cut=CutPlan(fps=fps, frames="4k+1", maximum_frames=49, size="48"))
    manifest = publish(dataset, tmp_path / "out", exporter, heard)
    assert manifest["sound"] == {"kept": 1}
    (path,) = (tmp_path / "out").glob("*.mp4")
    rate = EXACT.get(fps, Fraction(fps))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video=0))
        assert stream.frames == frames
        assert frames % 4 == 1
        assert stream.average_rate == stream.guessed_rate == rate
        # diffusion-pipe resamples so, and cuts the number down to a whole one.
        assert int(frames * fps / float(stream.average_rate)) in (frames, frames - (fps in EXACT))
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == frames / rate


@pytest.mark.parametrize("fps", [16, 24])
def test_opencv_counts_the_same_frames(
    dataset: Dataset, heard: str, tmp_path: Path, fps: int
) -> None:
    """ai-toolkit and Open-Sora Plan seek by what OpenCV says."""
    cv2 = pytest.importorskip("cv2")
    exporter = FolderExporter(cut=CutPlan(fps=fps, frames="4k+1", maximum_frames=33, size="48"))
    publish(dataset, tmp_path / "out", exporter, heard)
    (path,) = (tmp_path / "out").glob("*.mp4")
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    assert capture.get(cv2.CAP_PROP_FPS) == fps
    capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
    assert capture.read()[0]
    assert not capture.read()[0]
    capture.release()
    with av.open(str(path)) as container:
        assert count == sum(1 for _ in container.decode(video=0))


def test_beside_videos_lies_what_trainers_pass_over(
    dataset: Dataset, heard: str, tmp_path: Path
) -> None:
    """diffusion-pipe opens every other file as a video; others walk through all folders."""
    cut = CutPlan(fps=8, maximum_frames=9, size="48")
    publish(dataset, tmp_path / "flat", FolderExporter(cut=cut), heard)
    assert sorted(path.suffix for path in (tmp_path / "flat").rglob("*")) == [
        *(".json", ".mp4", ".txt")
    ]
    publish(dataset, tmp_path / "chat", ChatExporter(cut=cut), heard)
    assert {path.suffix for path in (tmp_path / "chat" / "videos").iterdir()} == {".mp4"}
    assert {path.name for path in (tmp_path / "chat").iterdir()} == {
        *("videos", "manifest.json", "messages.jsonl", "conversations.json", "qa.json"),
        *("dataset_info.json", "conversations.jsonl"),
    }
