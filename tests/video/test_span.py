"""Chosen frames of a span are those of its times, whatever the container stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.core.errors import VideoUnreadableError
from internvid.core.types import TimeSpan
from internvid.models.viclip.video_frames import read_frames
from internvid.video.span import read_span
from tests.numbered import FPS, Numbered, number_of, write_numbered, write_packed

FILES = {
    "b.avi": Numbered(frames=120),
    "b.mxf": Numbered(frames=120, container="mxf"),
    "raw.h264": Numbered(frames=120, container="h264"),
    "b.ts": Numbered(frames=120, container="mpegts"),
    "p.vob": Numbered("mpeg2video", frames=120, container="vob", b_frames=2),
    "b.mp4": Numbered(frames=120, options={"x264-params": "open-gop=1"}),
    "b.mkv": Numbered(frames=120),
}


@pytest.mark.parametrize("name", [*FILES, "packed.avi", "joined.ts"])
def test_frames_of_a_span_are_those_of_its_times(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "packed.avi":
        write_packed(path, 120)
    elif name == "joined.ts":
        part = write_numbered(tmp_path / "part.ts", Numbered(frames=60, container="mpegts"))
        path.write_bytes(part.read_bytes() * 2)
    else:
        write_numbered(path, FILES[name])
    for first, stop in ((0, 10), (5, 9), (71, 95), (110, 120)):
        span = TimeSpan(first / FPS, stop / FPS)
        found = read_span(path, lambda n: [0, n // 2, n - 1], span=span)
        wanted = [first, first + (stop - first) // 2, stop - 1]
        shown = [at % 60 if name == "joined.ts" else at for at in wanted]
        assert [number_of(image) for image in found.frames] == shown
        assert found.pts_seconds == pytest.approx([at / FPS for at in wanted], abs=2e-3)
        again = read_frames(path, stop - first, span=span)
        assert number_of(again.frames[0]) == shown[0]
        assert number_of(again.frames[-1]) == shown[-1]
    with pytest.raises(VideoUnreadableError):
        read_span(path, lambda n: [0], span=TimeSpan(10.0, 11.0))
