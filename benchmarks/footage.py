"""Files that the speed benchmarks read, made of real videos by stated FFmpeg commands."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Footage:
    """One benchmark file: a loop or an upscale of a real video.

    Attributes:
        name: of the benchmark file.
        source: file of the media folder it is made of.
        arguments: FFmpeg's output arguments.
    """

    name: str
    source: str
    arguments: str

    def command(self, media: Path, folder: Path) -> list[str]:
        """The command that makes it."""
        loop = ["-stream_loop", "-1", "-i", str(media / self.source)]
        target = str(folder / f"{self.name}.mp4")
        return ["ffmpeg", "-v", "error", "-y", *loop, *self.arguments.split(), target]

    def make(self, media: Path, folder: Path) -> Path | None:
        """The file, made unless it is there; None where the source is absent."""
        target = folder / f"{self.name}.mp4"
        if not (media / self.source).exists():
            return None
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(self.command(media, folder), check=True, stdin=subprocess.DEVNULL)
        return target


_X264 = "-c:v libx264 -preset medium -crf 23"
FOOTAGE = (
    Footage("1080p-upscaled", "videos/vllama2__output_v_1jgsRbGzCls.mp4",
            f"-t 62 -an -vf scale=1920:1080 {_X264}"),
    Footage("1080p-sound", "videos/malmm__video.mp4",
            f"-t 62 -vf scale=1920:1080 {_X264} -c:a aac -b:a 128k"),
    Footage("720p-loop", "videos/psd__testvideo.mp4", "-t 62 -an -c copy"),
    Footage("720p-sound", "videos/mchat__output.mp4", "-t 62 -c copy"),
    Footage("720p-reencoded", "videos/imio__cockatoo_yuv420.mp4", f"-t 62 -an {_X264}"),
)  # fmt: skip
