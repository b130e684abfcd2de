"""Frames that are shown for seconds: what changes after them is a cut as in any film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from internvid.core.types import FloatArray
from internvid.scan.holds import HOLD_SECONDS, HoldFiller
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.content import ContentDetector
from internvid.shots.default import DefaultDetector
from internvid.signals.slideshow import SlideshowSignal
from internvid.signals.stillness import StillnessSignal
from internvid.video.planes import PlaneBatch

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 192, 108
RECIPE = ScanRecipe(observers=("content", "luma", "camera", "transitions"), audio=False)


def scene(seed: int, width: int = WIDTH) -> Pixels:
    """Soft patches of colour with some detail [108, width, 3]: no scene like another."""
    random = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT, width, 3))
    for cells, strength in ((3, 80), (9, 40), (27, 25)):
        coarse = random.normal(0, strength, (cells, cells * width // HEIGHT, 3))
        for channel in range(3):
            image = Image.fromarray(coarse[..., channel].astype(np.float32))
            picture[..., channel] += np.asarray(
                image.resize((width, HEIGHT), Image.Resampling.BICUBIC)
            )
    return np.clip(picture + random.uniform(70, 180, 3), 0, 255).astype(np.uint8)


def take(seed: int, frames: int, speed: int = 2) -> list[Pixels]:
    """A camera that moves over one scene, `speed` pixels a frame."""
    wide = scene(seed, WIDTH + speed * frames)
    return [wide[:, speed * at : speed * at + WIDTH] for at in range(frames)]


def write(path: Path, pictures: list[Pixels], times_ms: list[int], codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec != "gif":
            speed = {"libx264": ("preset", "ultrafast"), "libvpx-vp9": ("cpu-used", "8")}[codec]
            stream.options = dict([speed, ("deadline", "realtime")][: 1 + (codec != "libx264")])
        for picture, time in zip(pictures, times_ms, strict=True):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", "mp4"), ("gif", "gif"), ("libvpx-vp9", "webm")]
)
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_shots_of_one_frame_are_cut(codec: str, suffix: str, mode: str, tmp_path: Path) -> None:
    """Eight pictures, one coded frame each two seconds: as if each were coded 50 times."""
    pictures = [scene(seed) for seed in range(8)]
    times = list(range(0, 16_000, 2000))
    path = write(tmp_path / f"slow.{suffix}", pictures, times, codec)
    recipe = ScanRecipe(observers=RECIPE.observers, audio=False, mode=mode)
    result = scan_video(path, recipe)
    for detector in (DefaultDetector(), ContentDetector()):
        shots = detector.detect(result.timeline)
        begins = [shot.span.start_seconds for shot in shots]
        assert begins == pytest.approx(np.arange(0, 16, 2), abs=0.01), detector
    # What such clips are does not depend on how often a picture is coded.
    for shot in DefaultDetector().detect(result.timeline)[:-1]:
        still = StillnessSignal().measure(result.timeline, shot.span, ())
        slide = SlideshowSignal().measure(result.timeline, shot.span, ())
        assert (still["is_still"], slide["rest_likeness"]) == (True, 1.0)


@pytest.mark.parametrize("is_other", [False, True])
def test_a_frame_held_between_two_shots(is_other: bool, tmp_path: Path) -> None:
    """Two moving shots; the last frame of the first, or another picture, is held for 3.8 s."""
    first, second = take(1, 60), take(2, 60)
    held = [scene(3)] if is_other else []
    begin = 60 * 40 + 3800
    times = [40 * at for at in range(60 + len(held))] + [begin + 40 * at for at in range(60)]
    path = write(tmp_path / "a.mp4", first + held + second, times, "libx264")
    shots = DefaultDetector().detect(scan_video(path, RECIPE).timeline)
    expected = [0, 2.4, 6.2] if is_other else [0, 6.2]
    assert [shot.span.start_seconds for shot in shots] == pytest.approx(expected, abs=0.01)


def test_a_slow_look_at_one_scene_is_no_row_of_shots(tmp_path: Path) -> None:
    """One picture a second of a camera that moves a quarter of the picture meanwhile."""
    pictures = take(5, 12, WIDTH // 4)
    path = write(tmp_path / "a.mp4", pictures, list(range(0, 12_000, 1000)), "libx264")
    assert len(DefaultDetector().detect(scan_video(path, RECIPE).timeline)) == 1


def planes_at(seconds: FloatArray) -> PlaneBatch:
    count = len(seconds)
    luma = np.random.default_rng(0).integers(0, 255, (count, 72, 128)).astype(np.float32)
    chroma = np.full((count, 72, 128), 128, np.uint8)
    return PlaneBatch(luma, chroma, chroma, seconds)


def test_repeats_carry_the_frame_before_them() -> None:
    seconds = np.asarray([0.0, 0.04, 1.04, 1.08, 21.08])
    batch = planes_at(seconds)
    filler = HoldFiller()
    filled = filler.fill(batch, slice(0, 5))
    assert filled.seconds[~filled.is_repeat].tolist() == seconds.tolist()
    assert filled.frames[~filled.is_repeat].tolist() == [0, 1, 2, 3, 4]
    assert (np.diff(filled.seconds) > 0).all()
    assert (filled.planes[0] == batch.luma_half[filled.frames]).all()
    for low, high, frame in ((0.05, 1.03, 1), (1.09, 21.07, 3)):
        inside = (filled.seconds > low) & (filled.seconds < high)
        assert inside.sum() > 5
        assert filled.is_repeat[inside].all()
        assert set(filled.frames[inside]) == {frame}
    # However long a frame is held, only its surroundings are filled.
    assert len(filled.seconds) < 60
    last = filler.finish()
    assert last is not None
    assert set(last.frames) == {4}


def test_a_film_of_an_even_rate_has_no_repeats() -> None:
    seconds = np.arange(10) * 0.99 * HOLD_SECONDS
    filler = HoldFiller()
    for part in (slice(0, 4), slice(4, 10)):
        assert not filler.fill(planes_at(seconds), part).is_repeat.any()
    assert filler.finish() is None
    assert filler.weigh({3: 0.6}, np.zeros(10)) == {3: 0.6}
