"""Pictures from one file and sound from another, as one file: packets are copied as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer

from internvid.collect.fetching.reasons import NotFetchedError
from internvid.core.errors import VideoError
from internvid.video.probe import main_video_stream, open_container


def join_streams(paths: list[Path], out: Path) -> None:
    """Write the first moving pictures and the first sound of some files as one Matroska file.

    Raises:
        NotFetchedError: none has pictures, or the streams cannot be put together.
    """
    try:
        pictures, sound = _files_of_streams(paths)
        with (
            open_container(pictures) as seen,
            open_container(sound or pictures) as heard,
            av.open(str(out), "w", format="matroska") as file,
        ):
            video = main_video_stream(seen)
            sources: list[tuple[InputContainer, Any, Any]] = [
                (seen, video, file.add_stream_from_template(video))
            ]
            if sound is not None:
                audio = heard.streams.audio[0]
                sources.append((heard, audio, file.add_stream_from_template(audio)))
            _interleave(sources, file)
    except (VideoError, av.error.FFmpegError, ValueError) as error:
        raise NotFetchedError(f"picture and sound do not join: {error}", "not_video") from error


def _files_of_streams(paths: list[Path]) -> tuple[Path, Path | None]:
    pictures, sound = None, None
    for path in sorted(paths):
        with open_container(path) as container:
            if pictures is None and container.streams.video:
                pictures = path
            if sound is None and container.streams.audio:
                sound = path
    if pictures is None:
        raise NotFetchedError("there is sound in it alone", "not_video")
    return pictures, sound


def _interleave(sources: list[tuple[InputContainer, Any, Any]], file: OutputContainer) -> None:
    """Packets of all streams by time, as players read them."""
    waiting: list[list[Any]] = []
    for container, stream, target in sources:
        packets = (each for each in container.demux(stream) if each.dts is not None)
        waiting.append([next(packets, None), packets, target])
    while True:
        ready = [each for each in waiting if each[0] is not None]
        if not ready:
            return
        first = min(ready, key=lambda each: each[0].dts * each[0].time_base)
        packet, packets, target = first
        packet.stream = target
        file.mux(packet)
        first[0] = next(packets, None)
