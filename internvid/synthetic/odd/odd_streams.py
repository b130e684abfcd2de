"""Files with unusual sets of streams: sound only, cover art, two videos."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from internvid.synthetic.encode import (
    BITEXACT,
    VideoFormat,
    add_sound_stream,
    add_video_stream,
    audio_frame,
    encode_picture,
)
from internvid.synthetic.odd.media import WHOLE
from internvid.synthetic.odd.oddity import OddFile
from internvid.synthetic.odd.reel import FPS, FRAMES, SECONDS, reel_format, render_reel, write_reel
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE, samples
from internvid.synthetic.truth import SoundTruth

NO_VIDEO = ("no_video_stream",)


def write_odd_streams(folder: Path, seed: int) -> list[OddFile]:
    """Write files whose streams are not one video and at most one sound track."""
    reel = render_reel(seed)
    write_reel(folder / "with-sound.mp4", reel, audible=True)
    _write_sound(folder / "sound-only.mp4", 2.0)
    _write_sound(folder / "cover-art-only.mp4", 2.0, cover=True)
    _write_two_videos(folder / "two-videos.mkv", seed)
    _write_long_sound(folder / "longer-sound.mkv", seed)
    return [
        replace(WHOLE, name="with-sound.mp4", oddity="nothing: H.264 and AAC", has_audio=True),
        OddFile(
            name="sound-only.mp4",
            oddity="no video stream",
            expected="refused",
            reasons=NO_VIDEO,
            has_audio=True,
        ),
        OddFile(
            name="cover-art-only.mp4",
            oddity="sound with a cover picture",
            expected="refused",
            reasons=NO_VIDEO,
            has_audio=True,
        ),
        replace(
            WHOLE,
            name="two-videos.mkv",
            oddity="two video streams; the larger one comes first and is the default",
        ),
        replace(
            WHOLE,
            name="longer-sound.mkv",
            oddity="the sound lasts 4 s, the video 2 s",
            has_audio=True,
        ),
    ]


def _tone(seconds: float) -> av.AudioFrame:
    wave = samples(SoundTruth("tone", -20.0, 330.0), round(seconds * SAMPLE_RATE), 0)
    return audio_frame(wave, 0, len(wave))


def _write_sound(path: Path, seconds: float, *, cover: bool = False) -> None:
    """AAC in MP4, with or without a PNG cover."""
    with av.open(str(path), "w", options=BITEXACT) as container:
        voice = add_sound_stream(container, "aac")
        if cover:
            how = VideoFormat("png", 64, 64, Fraction(1), pixel_format="rgb24")
            art = add_video_stream(container, how)
            art.disposition = Disposition.attached_pic
            ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 64, 3))
            container.mux(encode_picture(art, ramp, 0, Fraction(1)))
            container.mux(art.encode(None))
        container.mux(voice.encode(_tone(seconds)))
        container.mux(voice.encode(None))


def _write_two_videos(path: Path, seed: int) -> None:
    reels = (render_reel(seed), render_reel(seed + 1, FRAMES, 64, 48))
    with av.open(str(path), "w", options=BITEXACT) as container:
        sizes = (reel_format(), reel_format(64, 48))
        streams = [add_video_stream(container, how) for how in sizes]
        for number in range(FRAMES):
            for stream, pictures in zip(streams, reels, strict=True):
                container.mux(encode_picture(stream, pictures[number], number, 1 / FPS))
        for stream in streams:
            container.mux(stream.encode(None))


def _write_long_sound(path: Path, seed: int) -> None:
    with av.open(str(path), "w", options=BITEXACT) as container:
        stream = add_video_stream(container, reel_format())
        voice = add_sound_stream(container, "aac")
        for number, picture in enumerate(render_reel(seed)):
            container.mux(encode_picture(stream, picture, number, 1 / FPS))
        container.mux(stream.encode(None))
        container.mux(voice.encode(_tone(2 * SECONDS)))
        container.mux(voice.encode(None))
