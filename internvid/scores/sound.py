"""The sound of a span of a video, as speech recognisers want it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from internvid.core.errors import VideoUnreadableError
from internvid.core.timings import stage
from internvid.core.types import TimeSpan

SAMPLE_RATE = 16000
_LEAD_SECONDS = 1.0


@dataclass(frozen=True)
class SoundReader:
    """The first sound track of a media file."""

    path: Path

    def read(self, span: TimeSpan) -> npt.NDArray[np.float32] | None:
        """float32 [N], mono, 16,000 a second; silence where there is none; None without a track.

        Args:
            span: seconds from the first displayed frame.

        Raises:
            VideoUnreadableError: the file cannot be opened or decoded.
        """
        with stage("sound"):
            try:
                with av.open(os.fspath(self.path)) as container:
                    if not container.streams.audio:
                        return None
                    return self._decode(container, span)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                raise VideoUnreadableError(f"its sound cannot be read: {error}") from error

    def _decode(
        self, container: av.container.InputContainer, span: TimeSpan
    ) -> npt.NDArray[np.float32]:
        stream = container.streams.audio[0]
        videos = container.streams.video
        start = 0.0
        if videos and videos[0].start_time is not None and videos[0].time_base is not None:
            start = float(videos[0].start_time * videos[0].time_base)
        begin, end = start + span.start_seconds, start + span.end_seconds
        sound = np.zeros(round(span.duration_seconds * SAMPLE_RATE), np.float32)
        if begin > _LEAD_SECONDS:
            container.seek(int((begin - _LEAD_SECONDS) * av.time_base))
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in container.decode(stream):
            if frame.time is None:
                continue
            if frame.time >= end:
                break
            try:
                parts = resampler.resample(frame)
            except ValueError:
                # Its rate or channels change here, which a resampler does not follow.
                resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
                parts = resampler.resample(frame)
            for part in parts:
                _place(sound, part, begin)
        return sound


def _place(sound: npt.NDArray[np.float32], part: AudioFrame, begin: float) -> None:
    if part.time is None:
        return
    samples = part.to_ndarray().reshape(-1).astype(np.float32)
    at = round((part.time - begin) * SAMPLE_RATE)
    first, stop = max(0, at), min(len(sound), at + len(samples))
    if stop > first:
        sound[first:stop] = samples[first - at : stop - at]
