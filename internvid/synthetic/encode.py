"""Writes frames and samples into a file, the same bytes every time on one machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream

from internvid.core.errors import MisuseError
from internvid.synthetic.painting.shot_rendering import FrameArray
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE

ENCODERS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "h264": ("libx264", MappingProxyType({"preset": "superfast", "crf": "19", "bf": "2"})),
        "vp9": (
            "libvpx-vp9",
            MappingProxyType(
                {
                    "deadline": "realtime",
                    "cpu-used": "8",
                    "crf": "28",
                    "b": "0",
                    "lag-in-frames": "0",
                }
            ),
        ),
        "mpeg4": ("mpeg4", MappingProxyType({"qscale": "4"})),
    }
)
"""Codec name -> (encoder, its options). One thread and bit-exact flags are always added.

Slower presets than superfast look ahead, and then x264 does not always give the same bytes.
"""


BITEXACT = {"fflags": "+bitexact"}
"""Container options: no clocks, versions or random ids in the file."""


@dataclass(frozen=True)
class VideoFormat:
    """How to encode.

    Attributes:
        codec: a name of `ENCODERS`.
        width: columns.
        height: rows.
        fps: frames per second.
        keyframe_interval: largest distance of key frames, in frames.
        options: encoder options that replace the defaults.
        pixel_format: of the encoded video.
    """

    codec: str
    width: int
    height: int
    fps: Fraction
    keyframe_interval: int = 60
    options: Mapping[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"


def write_video(
    path: Path,
    frames: Iterable[FrameArray],
    how: VideoFormat,
    sound: npt.NDArray[np.float32] | None = None,
) -> int:
    """Encode a video.

    Args:
        path: the suffix chooses the container (.mp4, .mkv, .webm, .avi, .ts ...); an existing
            file is replaced.
        frames: RGB pictures (height, width, 3), uint8.
        how: codec and rates.
        sound: samples (n,) at `SAMPLE_RATE`, full scale 1; None for no sound track.

    Returns:
        The number of frames written.
    """
    with av.open(str(path), "w", options=BITEXACT) as container:
        stream = add_video_stream(container, how)
        voice = None if sound is None else add_sound_stream(container, _sound_codec(path))
        count, done = 0, 0
        for picture in frames:
            container.mux(encode_picture(stream, picture, count, 1 / how.fps))
            count += 1
            if voice is not None and sound is not None:
                until = min(len(sound), round(count * SAMPLE_RATE / how.fps))
                if until > done:
                    container.mux(voice.encode(audio_frame(sound, done, until)))
                done = until
        container.mux(stream.encode(None))
        if voice is not None:
            container.mux(voice.encode(None))
    return count


def _sound_codec(path: Path) -> str:
    return "libopus" if path.suffix == ".webm" else "aac"


def add_video_stream(container: OutputContainer, how: VideoFormat) -> VideoStream:
    """Add a single-threaded, bit-exact video stream to an open container."""
    encoder, defaults = ENCODERS.get(how.codec, (how.codec, MappingProxyType({})))
    options = {**defaults, "threads": "1", "g": str(how.keyframe_interval), **how.options}
    stream = container.add_stream(encoder, rate=how.fps, options=options)
    if not isinstance(stream, VideoStream):
        raise MisuseError(f"{encoder} is no video encoder")
    stream.width, stream.height = how.width, how.height
    stream.pix_fmt = how.pixel_format
    stream.codec_context.time_base = 1 / how.fps
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= int(Flags.bitexact)
    return stream


def add_sound_stream(container: OutputContainer, codec: str) -> AudioStream:
    """Add a mono, bit-exact sound stream at `SAMPLE_RATE` to an open container."""
    stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
    if not isinstance(stream, AudioStream):
        raise MisuseError(f"{codec} is no audio encoder")
    stream.codec_context.flags |= int(Flags.bitexact)
    stream.bit_rate = 64000
    return stream


def encode_picture(
    stream: VideoStream, picture: FrameArray, tick: int, time_base: Fraction
) -> "list[av.Packet[VideoStream]]":
    """Encode one RGB picture (H, W, 3) that is shown at tick * time_base seconds."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = tick, time_base
    return list(stream.encode(frame))


def audio_frame(sound: npt.NDArray[np.float32], first: int, last: int) -> av.AudioFrame:
    """Return samples first to last (outside) of a sound track as a frame for the encoder."""
    frame = av.AudioFrame.from_ndarray(sound[None, first:last], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, first
    frame.time_base = Fraction(1, SAMPLE_RATE)
    return frame
