"""Odd files open, count and fail as their records say, read with plain PyAV."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from internvid.synthetic.odd.odd_files import write_odd_files
from internvid.synthetic.odd.oddity import OddFile
from internvid.synthetic.odd.reel import bar_position

OddFiles = tuple[Path, list[OddFile]]
SAFE = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts",
}


class Reading:
    """What plain decoding gives: number of frames, times, the first picture and its turn."""

    def __init__(self, path: Path) -> None:
        self.times: list[float] = []
        self.first: npt.NDArray[np.uint8] | None = None
        self.turn, self.aspect = 0, 1.0
        try:
            with av.open(f"file:{path}", options=SAFE) as container:
                self._read(container)
        except (av.error.FFmpegError, ValueError):
            return

    def _read(self, container: av.container.InputContainer) -> None:
        cover = int(av.stream.Disposition.attached_pic)
        streams = [one for one in container.streams.video if not int(one.disposition) & cover]
        if not streams:
            return
        streams[0].codec_context.thread_count = 1
        for packet in container.demux(streams[0]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if self.first is None:
                    self.first = frame.to_ndarray(format="rgb24")
                    self.turn = -frame.rotation % 360
                    self.aspect = float(streams[0].sample_aspect_ratio or 1)
                self.times.append(frame.time or 0.0)


def test_same_seed_gives_same_bytes(odd_files: OddFiles, tmp_path: Path) -> None:
    folder, records = odd_files
    assert write_odd_files(tmp_path, seed=0) == records
    for record in records:
        assert (tmp_path / record.name).read_bytes() == (folder / record.name).read_bytes(), (
            record.name
        )


def test_every_file_has_one_record(odd_files: OddFiles) -> None:
    folder, records = odd_files
    assert sorted(path.name for path in folder.iterdir()) == [record.name for record in records]
    assert all(record.reasons for record in records if record.expected == "refused")


def test_files_read_as_stated(odd_files: OddFiles) -> None:
    folder, records = odd_files
    for record in records:
        reading = Reading(folder / record.name)
        count = len(reading.times)
        if record.expected == "refused":
            assert count == 0, record
            continue
        assert count >= max(1, record.least_frames), record
        assert record.frames is None or count == record.frames, record
        assert reading.first is not None
        assert reading.turn == record.clockwise_degrees, record
        if record.first_pts_seconds is not None:
            assert reading.times[0] == pytest.approx(record.first_pts_seconds, abs=0.002), record
        if record.duration_seconds is not None and count > 1:
            shown = reading.times[-1] - reading.times[0]
            assert 0 < record.duration_seconds - shown < 0.11, record
        height, width = reading.first.shape[:2]
        width = round(width * reading.aspect)
        sides = (height, width) if reading.turn % 180 else (width, height)
        assert sides == (record.width, record.height), record
        if width >= 64:
            assert bar_position(reading.first) == record.first_shown_frame, record


def test_lies_are_told_by_the_headers(odd_files: OddFiles) -> None:
    folder, _ = odd_files
    with av.open(str(folder / "claims-ten-hours.mkv")) as container:
        assert container.duration is not None
        assert container.duration / av.time_base > 30000
    with av.open(str(folder / "ten-bit.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    with av.open(str(folder / "interlaced.mp4")) as container:
        assert next(container.decode(video=0)).interlaced_frame
