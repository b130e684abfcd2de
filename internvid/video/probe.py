"""Opens a source safely and says what it is, before any frame is decoded."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from internvid.core.errors import VideoForeignError, VideoTooLargeError, VideoUnreadableError
from internvid.video.display.orientation import Orientation
from internvid.video.display.tone import DynamicRange
from internvid.video.still import is_joined_jpeg, refuse_stills

# Containers that hold media themselves. Playlists and scripts (hls, dash, concat, lavfi, image
# patterns, text renderers) are left out: what they name elsewhere is never opened.
CONTAINERS = (
    "3dostr,4xm,aac,aiff,alaw,amr,apng,asf,ass,au,av1,avi,avs,bink,caf,cavsvideo,cdxl,dirac,dnxhd,"
    "dv,dvr-ms,ea,eac3,flac,flic,flv,gif,gxf,h261,h263,h264,hevc,idcin,ingenient,ipmovie,ismv,iv8,"
    "ivf,ivr,live_flv,lmlm4,loas,m4v,matroska,webm,mjpeg,mjpeg_2000,mov,mp4,m4a,3gp,3g2,mj2,mp3,"
    "mpeg,mpegts,mpegvideo,mpl2,mv,mvi,mxf,mxg,nsv,nut,nuv,obu,ogg,pmp,psxstr,rawvideo,r3d,rl2,rm,"
    "roq,rpl,smjpeg,smk,srt,sup,svag,thp,tiertexseq,tta,txd,vc1,vc1test,viv,vivo,vmd,vob,vvc,wav,"
    "wc3movie,webvtt,wsvqa,wtv,wv,xmv,y4m,yuv4mpegpipe,yop"
)
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat version", b"[playlist]", b"<?xml", b"<smil", b"<MPD")
_POINTER_STARTS = (b"version https://git-lfs", b"rtsptext", b"RTSPtext", b"SMILtext")
MAXIMUM_FRAME_BYTES = 32 * 1024 * 1024
_HASH_CHUNK = 1 << 20
_CHUNKS_PER_REPORT = 256


@dataclass(frozen=True)
class VideoFacts:
    """What the container, the codec and the first frame say of a source.

    Attributes:
        container, codec, pixel_format: FFmpeg's names.
        width, height: coded size in pixels.
        rotation_degrees: how far a decoded picture is turned counter-clockwise for display
            (0, 90, 180 or 270), after it was mirrored if it has to be.
        sample_aspect: width of one pixel over its height.
        fps: average frame rate that the header claims, or that its first packets show; 0 when
            unknown.
        claimed_seconds: duration the header claims, or None.
        time_base: seconds per tick of the video stream.
        has_audio: whether a decodable audio stream is there.
        file_bytes: size of the file.
        is_mirrored: whether left and right are swapped for display, before the turn.
        dynamic_range: how light is coded: sdr, pq or hlg.
    """

    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation_degrees: int
    sample_aspect: Fraction
    fps: float
    claimed_seconds: float | None
    time_base: Fraction
    has_audio: bool
    file_bytes: int
    is_mirrored: bool = False
    dynamic_range: DynamicRange = "sdr"

    @property
    def orientation(self) -> Orientation:
        """How the first frame is turned and mirrored for display."""
        return Orientation(self.rotation_degrees, self.is_mirrored)

    @property
    def display_size(self) -> tuple[int, int]:
        """(width, height) in pixels as shown: pixels made square, rotation applied."""
        width = max(1, round(self.width * float(self.sample_aspect)))
        height = self.height
        return (height, width) if self.rotation_degrees % 180 else (width, height)


@dataclass(frozen=True)
class FileStamp:
    """What tells that the bytes of a file are still the same: size, time of change, identity."""

    size: int
    mtime_ns: int
    inode: int


def stamp_file(path: Path) -> FileStamp:
    """The stamp of a regular file; nothing is opened, so a pipe cannot block.

    Raises:
        VideoUnreadableError: it is gone, a folder, a pipe or device, or not ours to look at.
    """
    with _file_troubles():
        status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise VideoUnreadableError("is a folder, not a file", reason="not_media")
    if not stat.S_ISREG(status.st_mode):
        raise VideoUnreadableError("is a pipe, socket or device, not a file", reason="not_a_file")
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)


def hash_file(path: Path, alive: Callable[[], None] | None = None) -> str:
    """`video_id`: 32 hex digits of all bytes of the file (BLAKE2b).

    Args:
        path: a regular file.
        alive: called about every 256 MiB, as a sign that reading goes on.

    Raises:
        VideoUnreadableError: it is gone, no regular file, or not ours to read.
    """
    stamp_file(path)
    digest = hashlib.blake2b(digest_size=16)
    chunks = 0
    with _file_troubles(), path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
            chunks += 1
            if alive is not None and chunks % _CHUNKS_PER_REPORT == 0:
                alive()
    return digest.hexdigest()


@contextmanager
def _file_troubles() -> Iterator[None]:
    try:
        yield
    except IsADirectoryError as error:
        raise VideoUnreadableError("is a folder, not a file", reason="not_media") from error
    except FileNotFoundError as error:
        raise VideoUnreadableError("the file is gone", reason="missing") from error
    except PermissionError as error:
        raise VideoUnreadableError("permission denied", reason="permission") from error
    except TimeoutError as error:
        raise VideoUnreadableError("it cannot be reached", reason="unreachable") from error
    except OSError as error:
        # Loops of links, names too long, failing disks. The number's own words hold no path.
        text = os.strerror(error.errno or 0).lower()
        raise VideoUnreadableError(f"the file cannot be read: {text}") from error
    except ValueError as error:
        raise VideoUnreadableError("no file can have this name", reason="missing") from error


@contextmanager
def open_container(
    path: Path, maximum_frame_bytes: int = MAXIMUM_FRAME_BYTES
) -> Iterator[InputContainer]:
    """The container of a media file, opened so that it can reach no other file or host.

    Args:
        path: a regular file.
        maximum_frame_bytes: pictures that must take more are not decoded while streams are
            probed, whatever their headers claim.

    Raises:
        VideoUnreadableError: FFmpeg cannot read it (reasons `empty`, `not_media`, `unreadable`).
        VideoForeignError: it is a playlist, a script or a pointer.
    """
    stamp_file(path)
    head = _read_head(path)
    refuse_stills(head)
    with _file_troubles():
        is_jpeg = is_joined_jpeg(path, head)
    options = {
        "format_whitelist": f"{CONTAINERS},jpeg_pipe" if is_jpeg else CONTAINERS,
        "protocol_whitelist": "file",
        # Opening decodes a little; a pixel takes a byte or more in every format.
        "max_pixels": str(maximum_frame_bytes),
    }
    try:
        container = av.open(
            "file:" + os.fspath(path.absolute()), options=options, metadata_errors="replace"
        )
    except av.error.FFmpegError as error:
        raise _open_error(error) from error
    except (ValueError, OSError, MemoryError) as error:
        # The class alone: messages hold paths, which may not be Unicode.
        raise VideoUnreadableError(f"cannot be opened: {type(error).__name__}") from error
    try:
        yield container
    finally:
        container.close()


def _read_head(path: Path) -> bytes:
    """The first bytes of a file that holds something of its own."""
    with _file_troubles(), path.open("rb") as file:
        head = file.read(256)
    if not head:
        raise VideoUnreadableError("the file is empty (0 bytes)", reason="empty")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(_PLAYLIST_STARTS):
        raise VideoForeignError("is a playlist or manifest; what it names is not followed")
    if start.startswith(_POINTER_STARTS):
        raise VideoForeignError("is a pointer to a file kept elsewhere, not the video itself")
    return head


def _open_error(error: av.error.FFmpegError) -> Exception:
    text = (error.strerror or "unknown error").rstrip(".")
    if "whitelist" in text.lower() or isinstance(error, av.error.ArgumentError):
        return VideoForeignError(
            "is of a kind that refers to other files (playlist, script, image pattern); "
            "it is not followed"
        )
    if isinstance(error, av.error.InvalidDataError):
        return VideoUnreadableError(f"is not readable media: {text}", reason="not_media")
    return VideoUnreadableError(f"cannot be opened: {text}")


def main_video_stream(container: InputContainer) -> VideoStream:
    """The stream to watch: FFmpeg's best one that is not cover art.

    Raises:
        VideoUnreadableError: no video stream (reason `no_video_stream`).
    """
    moving = [
        stream
        for stream in container.streams.video
        if not (int(stream.disposition) & int(av.stream.Disposition.attached_pic))
    ]
    if not moving:
        what = "only cover art" if container.streams.video else "no video stream"
        raise VideoUnreadableError(f"has {what}", reason="no_video_stream")
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in moving else moving[0]


def read_facts(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    maximum_frame_bytes: int = MAXIMUM_FRAME_BYTES,
) -> VideoFacts:
    """Facts of an opened source.

    Raises:
        VideoUnreadableError: no decoder, or no picture size.
        VideoTooLargeError: one picture would take more than `maximum_frame_bytes`.
    """
    context = stream.codec_context
    if context is None:
        raise VideoUnreadableError("no decoder for its video codec", reason="no_decoder")
    width, height = context.width, context.height
    if width <= 0 or height <= 0:
        raise VideoUnreadableError("its video stream states no picture size", reason="no_size")
    check_frame_bytes(width, height, context.pix_fmt or "yuv420p", maximum_frame_bytes)
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    time_base = stream.time_base
    if time_base is None:
        raise VideoUnreadableError("its video stream has no time base", reason="no_time_base")
    claimed = stream.duration * time_base if stream.duration else None
    if claimed is None and container.duration:
        claimed = Fraction(container.duration, av.time_base)
    return VideoFacts(
        container=container.format.name,
        codec=context.codec.canonical_name,
        pixel_format=context.pix_fmt or "",
        width=width,
        height=height,
        rotation_degrees=0,
        sample_aspect=Fraction(aspect) if aspect else Fraction(1),
        fps=_claimed_fps(stream),
        claimed_seconds=float(claimed) if claimed and claimed > 0 else None,
        time_base=Fraction(time_base),
        has_audio=any(audio.codec_context is not None for audio in container.streams.audio),
        file_bytes=path.stat().st_size,
    )


def _claimed_fps(stream: VideoStream) -> float:
    average = float(stream.average_rate or 0)
    # Raw DV and GXF count ticks or fields where frames are meant; what FFmpeg sees in the codec's
    # headers and the first packets is right there, but the peak of a rate that changes.
    seen = float(stream.guessed_rate or stream.base_rate or 0)
    return seen if not average or 0 < seen < average / 1.5 else average


def check_frame_bytes(width: int, height: int, pixel_format: str, maximum: int) -> None:
    """Refuse pictures whose decoded form exceeds the cap, before they are allocated."""
    needed = width * height * VideoFormat(pixel_format).padded_bits_per_pixel // 8
    if needed > maximum:
        raise VideoTooLargeError(
            f"{width} x {height} {pixel_format} needs {needed >> 20} MiB a picture; "
            f"the cap is {maximum >> 20} MiB",
            hint="raise it with --set scan.maximum_frame_bytes=...",
        )
