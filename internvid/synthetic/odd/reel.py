"""A two-second reel: the pictures that every odd file shows, numbered by a bar at the bottom."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.painting.shot_rendering import FrameArray, ShotRenderer
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE, samples
from internvid.synthetic.scripts.video_plan import ObjectPlan, ShotPlan
from internvid.synthetic.truth import Borders, CameraMove, SoundTruth

FRAMES = 48
FPS = Fraction(24)
WIDTH, HEIGHT = 160, 120
SECONDS = float(FRAMES / FPS)
_PLACES: tuple[tuple[str, str], ...] = (
    ("mountains", "day"),
    ("sea", "sunset"),
    ("city", "dusk"),
    ("forest", "summer"),
)


def render_reel(
    seed: int, count: int = FRAMES, width: int = WIDTH, height: int = HEIGHT
) -> list[FrameArray]:
    """Render a moving shot whose bottom bar is (number + 1) / FRAMES of the width long.

    Args:
        seed: chooses place and object.
        count: number of frames.
        width: columns.
        height: rows.

    Returns:
        RGB pictures (height, width, 3), uint8.
    """
    backdrop, mood = _PLACES[seed % len(_PLACES)]
    thing = ObjectPlan("star", "yellow", "large", "right", 0.5, 0.45, 0.5)
    plan = ShotPlan(
        seed=seed,
        kind="scene",
        frames=count,
        backdrop=backdrop,
        mood=mood,
        camera=CameraMove("pan", "left", 0.2),
        objects=(thing,),
        borders=Borders(0, 0, 0, 0),
        sound=SoundTruth("none", None, None),
        grain=0.0,
    )
    renderer = ShotRenderer(plan, count, 0, float(FPS), width, height)
    pictures = [renderer.frame(index) for index in range(count)]
    for number, picture in enumerate(pictures):
        bar = max(4, height // 15)
        picture[-bar:] = 0
        picture[-bar:, : round((number + 1) / FRAMES * width)] = 255
    return pictures


def bar_position(picture: FrameArray) -> int:
    """Read the number of a reel's frame off its bar.

    Args:
        picture: decoded RGB or grey picture (H, W, 3) or (H, W), not rotated.
    """
    line = np.asarray(picture, dtype=np.float32)
    line = line.mean(axis=2) if line.ndim == 3 else line
    bar = max(4, line.shape[0] // 15)
    bright = line[-bar + 1 : -1].mean(axis=0) > 128.0
    return round(float(bright.mean()) * FRAMES) - 1


def write_reel(
    path: Path, pictures: list[FrameArray], how: VideoFormat | None = None, *, audible: bool = False
) -> bytes:
    """Encode a reel (H.264 unless stated otherwise) and return the bytes of the file."""
    height, width = pictures[0].shape[:2]
    voice = (
        samples(SoundTruth("tone", -20.0, 440.0), round(len(pictures) / FPS * SAMPLE_RATE), 0)
        if audible
        else None
    )
    write_video(path, pictures, how or reel_format(width, height), voice)
    return path.read_bytes()


def reel_format(
    width: int = WIDTH, height: int = HEIGHT, codec: str = "h264", **options: str
) -> VideoFormat:
    """Return how reels are encoded; `options` go to the encoder (underscore for dash)."""
    named = {key.replace("_", "-"): value for key, value in options.items()}
    return VideoFormat(codec, width, height, FPS, keyframe_interval=12, options=named)
