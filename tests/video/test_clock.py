"""Every frame has its own time, whatever the container states of it."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from internvid.video.decode import Picture, open_video
from internvid.video.timing.decode_report import DecodeReport
from tests.numbered import FPS, Numbered, number_of_frame, write_numbered, write_packed

PYRAMID = {"x264-params": "b-pyramid=normal"}
FILES = {
    "h264.avi": Numbered(options=PYRAMID),
    "one-b.avi": Numbered(b_frames=1),
    "mpeg4.avi": Numbered("mpeg4", b_frames=2),
    "h264.mxf": Numbered(container="mxf", options=PYRAMID),
    "mpeg2.mxf": Numbered("mpeg2video", b_frames=2),
    "h264.asf": Numbered(container="asf"),
    "h264.h264": Numbered(container="h264"),
    "hevc.hevc": Numbered("libx265", container="hevc"),
    "mpeg2.m2v": Numbered("mpeg2video", container="mpeg2video", b_frames=2),
    "mpeg2.vob": Numbered("mpeg2video", container="vob", b_frames=2),
    "h264.ts": Numbered(container="mpegts"),
    "h264.flv": Numbered(),
    "h264.mkv": Numbered(),
    "h264.mp4": Numbered(options=PYRAMID),
}


def read(path: Path) -> tuple[list[tuple[int, float]], float, DecodeReport]:
    """(number, seconds) of each frame, the end in seconds, and the report."""
    with open_video(path) as opened:
        tick = float(opened.facts.time_base)
        found = [
            (number_of_frame(item.frame), item.ticks * tick)
            for item in opened.read()
            if isinstance(item, Picture)
        ]
        return found, opened.report.end_ticks * tick, opened.report


@pytest.mark.parametrize("name", [*FILES, "packed.avi"])
def test_each_frame_is_shown_at_its_own_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "packed.avi":
        write_packed(path)
    else:
        write_numbered(path, FILES[name])
    found, end, _report = read(path)
    assert [number for number, _seconds in found] == list(range(50))
    for number, seconds in found:
        assert seconds == pytest.approx(number / FPS, abs=1e-3)
    assert end == pytest.approx(50 / FPS, abs=1e-3)


def test_times_that_are_right_are_not_repaired(tmp_path: Path) -> None:
    for name in ("h264.mp4", "h264.mkv", "h264.ts", "h264.flv", "mpeg4.avi"):
        assert read(write_numbered(tmp_path / name, FILES[name]))[2].repaired_times == 0, name
    assert read(write_numbered(tmp_path / "h264.avi", FILES["h264.avi"]))[2].repaired_times > 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_length_ends_with_the_last_frame_shown(suffix: str, tmp_path: Path) -> None:
    """MP4 knows durations in decoding order, that of a long frame is then another one's."""
    steps = ([40] * 7 + [3600] + [20, 60] * 8) * 2
    times = list(itertools.accumulate(steps[:-1], initial=0))
    assert times[-1] > 3600
    how = Numbered(frames=len(times), times=times, time_base=Fraction(1, 1000))
    found, end, _report = read(write_numbered(tmp_path / f"v.{suffix}", how))
    assert [seconds for _number, seconds in found] == pytest.approx([t / 1000 for t in times])
    assert times[-1] / 1000 < end <= times[-1] / 1000 + 0.061


def test_a_last_frame_that_is_held_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "v.gif"
    first, *rest = (Image.new("L", (64, 48), 60 * level) for level in range(4))
    first.save(path, save_all=True, append_images=rest, duration=[100, 200, 300, 300])
    with open_video(path) as opened:
        ticks = [item.ticks for item in opened.read() if isinstance(item, Picture)]
        stated = opened.report.end_ticks
    assert ticks == [0, 10, 30, 60]
    assert stated == 90


@pytest.mark.parametrize(("name", "parts"), [("h264.ts", 3), ("mpeg2.vob", 3), ("h264.flv", 1)])
def test_joined_files_go_on_where_the_one_before_ended(
    name: str, parts: int, tmp_path: Path
) -> None:
    """Files put one behind the other, also short ones, whose clock starts again each time."""
    for frames in (50, 12):
        how = FILES[name]
        one = write_numbered(
            tmp_path / name,
            Numbered(how.codec, how.container, frames=frames, b_frames=how.b_frames),
        )
        joined = tmp_path / f"joined-{name}"
        joined.write_bytes(one.read_bytes() * parts)
        found, end, report = read(joined)
        assert [number for number, _seconds in found] == list(range(frames)) * parts
        for place, (_number, seconds) in enumerate(found):
            assert seconds == pytest.approx(place / FPS, abs=2e-3)
        assert end == pytest.approx(frames * parts / FPS, abs=2e-3)
        assert report.repaired_times == parts - 1


def test_joined_recordings_with_any_clocks_go_on(tmp_path: Path) -> None:
    """The second part's clock is ahead, or behind so that it seems to have run out of bits."""
    early = write_numbered(tmp_path / "early.ts", FILES["h264.ts"])
    late = tmp_path / "late.ts"
    with av.open(str(early)) as source, av.open(str(late), "w", format="mpegts") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.dts is not None:
                packet.stream = stream
                packet.pts, packet.dts = packet.pts + 500 * 90000, packet.dts + 500 * 90000
                container.mux(packet)
    for order in ((early, late), (late, early)):
        joined = tmp_path / "joined.ts"
        joined.write_bytes(b"".join(part.read_bytes() for part in order))
        found, end, _report = read(joined)
        assert [number for number, _seconds in found] == list(range(50)) * 2
        assert [seconds for _number, seconds in found] == pytest.approx(
            [at / FPS for at in range(100)], abs=2e-3
        )
        assert end == pytest.approx(4, abs=2e-3)


def test_lost_packets_leave_gaps_and_no_other_times(tmp_path: Path) -> None:
    """A damaged recording: times of the frames that are left stay those they have."""
    whole = write_numbered(tmp_path / "whole.mkv", Numbered(frames=100))
    path = tmp_path / "lost.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for at, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.stream = stream
                if 40 <= at < 44:
                    packet.update(bytes(packet.size))  # refused by the decoder
                container.mux(packet)
    found, _end, report = read(path)
    assert len(found) < 100
    assert report.repaired_times == 0
    # Between two key frames around the loss, pictures are patched up and show any number.
    intact = [pair for pair in found if not 36 / FPS <= pair[1] < 48 / FPS]
    assert len(intact) == 88
    for number, seconds in intact:
        assert seconds == pytest.approx(number / FPS)
