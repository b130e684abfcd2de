"""Pictures are no videos, and are called what they are; joined ones are motion JPEG."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from internvid.core.errors import VideoUnreadableError
from internvid.video.decode import Picture, open_video
from internvid.video.probe import VideoFacts


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (64, 48), (20 * at, 0, 0)) for at in range(count)]


def read(path: Path) -> tuple[int, VideoFacts]:
    with open_video(path) as opened:
        return sum(isinstance(item, Picture) for item in opened.read()), opened.facts


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
def test_one_picture_is_no_video(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"v.{suffix}"
    pictures(2)[1].save(path)
    with pytest.raises(VideoUnreadableError, match="is one picture") as caught:
        read(path)
    assert caught.value.reason == "not_media"


def test_an_animated_webp_has_no_decoder(tmp_path: Path) -> None:
    first, *rest = pictures(8)
    first.save(tmp_path / "v.webp", save_all=True, append_images=rest)
    with pytest.raises(VideoUnreadableError, match="animated WebP") as caught:
        read(tmp_path / "v.webp")
    assert caught.value.reason == "no_decoder"


@pytest.mark.parametrize("filling", [b"", bytes(16)])
def test_joined_jpegs_are_a_video(filling: bytes, tmp_path: Path) -> None:
    parts = []
    for image in pictures(10):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG")
        parts.append(buffer.getvalue() + filling)
    (tmp_path / "v.mjpeg").write_bytes(b"".join(parts))
    assert read(tmp_path / "v.mjpeg")[0] == 10


def test_an_animated_png_is_a_video(tmp_path: Path) -> None:
    first, *rest = pictures(8)
    first.save(tmp_path / "v.png", save_all=True, append_images=rest)
    assert read(tmp_path / "v.png")[0] == 8


def test_the_rate_of_raw_dv_counts_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for at in range(3):
            frame = VideoFrame(720, 576, "yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read(path)[1].fps == 25
