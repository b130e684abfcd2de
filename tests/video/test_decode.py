"""Frames, times and caps of one decode."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace

from internvid.core.errors import ConfigInvalidError, VideoTooLargeError, VideoUnreadableError
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.decode import DecodeOptions, Picture, open_video
from internvid.video.display.picture import Painter
from internvid.video.pick import PickRule
from internvid.video.probe import VideoFacts, check_frame_bytes, hash_file
from internvid.video.reader import FrameSpan, SpanReader
from tests.media import write_video


def read(path: Path, options: DecodeOptions | None = None) -> tuple[list[int], int]:
    with open_video(path, options) as opened:
        ticks = [item.ticks for item in opened.read() if isinstance(item, Picture)]
        return ticks, opened.report.repaired_times


def write_times(path: Path, times: list[int], fps: Fraction | None = None) -> Path:
    """One frame at each time, in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps or Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_times_grow_and_start_at_zero(tmp_path: Path) -> None:
    ticks, repaired = read(write_video(tmp_path / "a.mp4", frames=25))
    assert len(ticks) == 25
    assert ticks[0] == 0
    assert len(set(np.diff(ticks))) == 1
    assert repaired == 0


@pytest.mark.parametrize(
    "times", [[0, 40, 80, 10**9, 10**9 + 40], [0, 1, 2, 3, 4], [5_000_000, 5_000_001]]
)
def test_strange_times_are_kept(times: list[int], tmp_path: Path) -> None:
    ticks, repaired = read(write_times(tmp_path / "a.mkv", times))
    assert ticks == [time - times[0] for time in times]
    assert repaired == 0


def test_an_absurd_rate_in_the_header_is_no_fault(tmp_path: Path) -> None:
    for fps in (Fraction(1, 1_000_000), Fraction(100_000)):
        ticks, _ = read(write_times(tmp_path / "a.mkv", [0, 40, 80], fps))
        assert ticks == [0, 40, 80]


def test_the_id_is_the_hash_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(os.urandom(3 << 20))
    assert hash_file(path) == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@pytest.mark.parametrize(
    ("pixel_format", "bytes_a_pixel"),
    [("yuv420p", 1.5), ("yuv410p", 1.125), ("nv12", 1.5), ("rgb24", 3), ("bgr24", 3), ("gbrp", 3),
     ("rgba", 4), ("yuv422p", 2), ("yuv420p10le", 3), ("yuv444p16le", 6), ("gray", 1)],
)  # fmt: skip
def test_the_cap_counts_what_a_picture_takes(pixel_format: str, bytes_a_pixel: float) -> None:
    needed = int(1000 * 800 * bytes_a_pixel)
    check_frame_bytes(1000, 800, pixel_format, needed)
    with pytest.raises(VideoTooLargeError, match="1000 x 800"):
        check_frame_bytes(1000, 800, pixel_format, needed - 1)


def test_pictures_above_the_cap_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", size=(640, 480), frames=3)
    assert len(read(path, DecodeOptions(maximum_frame_bytes=460_800))[0]) == 3
    with pytest.raises(VideoTooLargeError, match="640 x 480"):
        read(path, DecodeOptions(maximum_frame_bytes=460_799))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoUnreadableError) as caught:
        read(tmp_path / "pipe.mp4")
    assert caught.value.reason == "not_a_file"
    with pytest.raises(VideoUnreadableError, match="pipe"):
        hash_file(tmp_path / "pipe.mp4")


def test_settings_that_no_decoder_takes_are_refused_at_once() -> None:
    with pytest.raises(ConfigInvalidError, match="skip_loop_filter"):
        ScanRecipe(skip_loop_filter="some")
    with pytest.raises(ConfigInvalidError, match="mode is full or fast"):
        ScanRecipe(mode="half")
    for wrong in ({"maximum_frame_bytes": -1}, {"maximum_frame_bytes": 2**40}):
        with pytest.raises(ConfigInvalidError, match="maximum_frame_bytes"):
            ScanRecipe(**wrong)
    fields = "per_second=-1 per_second=nan per_second=inf short_side=0 quality=1000 jump_levels=nan"
    for wrong in fields.split():
        name, value = wrong.split("=")
        with pytest.raises(ConfigInvalidError, match=name):
            PickRule(**{name: float(value)})  # type: ignore[arg-type]


def test_a_clip_behind_a_restarted_clock_has_all_its_frames(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.ts", frames=40)
    path = tmp_path / "two.ts"
    path.write_bytes(one.read_bytes() * 2)
    with open_video(path) as opened:
        ticks = [item.ticks for item in opened.read() if isinstance(item, Picture)]
        start, tick = opened.report.start_pts, float(opened.facts.time_base)
    assert len(ticks) == 80
    assert np.diff(ticks).min() > 0.09 / tick
    first, stop = start + ticks[30], start + ticks[60]
    span = FrameSpan(first, stop, 30, 60)
    (tmp_path / "cut.mp4").write_bytes(cut_clip(SpanReader(path), span, CutPlan()).windows[0].data)
    assert len(read(tmp_path / "cut.mp4")[0]) == 30


def write_rubble(path: Path, share: float) -> Path:
    """A video of 60 key frames, of which that share holds random bytes."""
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(60):
            luma = random.integers(0, 255, (72, 64), dtype=np.uint8)
            for packet in stream.encode(VideoFrame.from_ndarray(luma, format="yuvj420p")):
                is_rubble = number % 10 < 10 * share
                data = random.bytes(packet.size) if is_rubble else bytes(packet)
                written = av.Packet(data)
                written.stream, written.time_base = stream, packet.time_base
                written.pts, written.dts, written.is_keyframe = packet.pts, packet.dts, True
                container.mux(written)
    return path


@pytest.mark.parametrize(("share", "is_refused"), [(0.3, False), (0.5, False), (0.7, True)])
def test_a_source_of_mostly_damaged_frames_is_refused(
    share: float, is_refused: bool, tmp_path: Path
) -> None:
    path = write_rubble(tmp_path / "a.mkv", share)
    recipe = ScanRecipe(audio=False)
    if not is_refused:
        assert scan_video(path, recipe).report.damaged_packets == round(60 * share)
        return
    with pytest.raises(VideoUnreadableError) as caught:
        scan_video(path, recipe)
    assert caught.value.reason == "damaged"


@pytest.mark.parametrize("width", [50, 337, 340, 346, 351, 455])
def test_every_column_is_painted_whatever_the_width(width: int) -> None:
    """FFmpeg leaves up to four columns unwritten where rows have no room for eight."""
    facts = VideoFacts(
        container="mp4", codec="h264", pixel_format="yuv420p", width=width, height=64,
        rotation_degrees=0, sample_aspect=Fraction(1), fps=25.0, claimed_seconds=None,
        time_base=Fraction(1, 25), has_audio=False, file_bytes=1,
    )  # fmt: skip
    levels = np.random.default_rng(0).integers(30, 220, 40)
    for level in levels.tolist():  # each frame takes the memory of the one before
        pixels = np.full((128, 2 * width), level, np.uint8)
        frame = VideoFrame.from_ndarray(pixels, format="gray")
        picture = Painter(facts, min(64, width)).paint(frame.reformat(format="yuv420p"))
        assert picture.shape[1] == width
        assert np.ptp(picture.astype(int), axis=(0, 1)).max() <= 1, level


@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601])
def test_colours_come_out_by_the_matrix_that_the_stream_names(matrix: Colorspace) -> None:
    facts = VideoFacts(
        container="mp4", codec="h264", pixel_format="yuv420p", width=340, height=64,
        rotation_degrees=0, sample_aspect=Fraction(1), fps=25.0, claimed_seconds=None,
        time_base=Fraction(1, 25), has_audio=False, file_bytes=1,
    )  # fmt: skip
    red = np.full((128, 680, 3), (200, 30, 30), np.uint8)
    frame = VideoFrame.from_ndarray(red, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix
    )
    frame.colorspace = matrix
    picture = Painter(facts, 64).paint(frame).astype(int)
    assert np.abs(picture - (200, 30, 30)).max() <= 4
