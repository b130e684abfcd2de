"""With a lossless plan every frame is decoded to the very samples of its source."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.synthetic.encode import SAMPLE_RATE, VideoFormat, write_video
from internvid.synthetic.odd import boxes
from internvid.video.cutting import lossless_file
from internvid.video.cutting.copied_run import CopiedRun, find_run
from internvid.video.cutting.cut_clip import WrittenWindow, cut_clip
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_sound import SoundReader
from internvid.video.reader import FrameSpan, SpanReader
from tests.numbered import Numbered, picture, write_numbered
from tests.video.test_cutting import MOST_BYTES, VARIABLE, onsets, samples_of

PLAN = CutPlan(size="", lossless=True)
CLOSED = Numbered(frames=90, cuts=())
Frames = list[npt.NDArray[np.uint8]]


def frames_of(source: Path | bytes) -> tuple[list[Fraction], Frames]:
    """Times and samples as they are decoded, nothing converted."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    times, found = [], []
    with av.open(opened, "r") as container:
        for frame in container.decode(video=0):
            times.append((frame.pts or 0) * Fraction(frame.time_base or 1))
            found.append(frame.to_ndarray())
    return times, found


def cut(path: Path, first: int, stop: int, plan: CutPlan = PLAN) -> WrittenWindow:
    """A clip of these frames of a source."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pts = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        step = pts[1] - pts[0]
    ends = [pts[at] if at < len(pts) else pts[-1] + step for at in (first, stop)]
    span = FrameSpan(*ends, first, stop, path.suffix != ".avi")  # type: ignore[arg-type]
    (window,) = cut_clip(SpanReader(path), span, plan).windows
    return window


def assert_same(window: WrittenWindow, path: Path, first: int, stop: int) -> None:
    times, shown = frames_of(window.data)
    source_times, source = frames_of(path)
    assert len(shown) == stop - first
    for have, want in zip(shown, source[first:stop], strict=True):
        assert np.array_equal(have, want)
    begin = source_times[first]
    wanted = [float(time - begin) for time in source_times[first:stop]]
    assert [float(time) for time in times] == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
@pytest.mark.parametrize(("first", "stop"), [(0, 90), (5, 43), (12, 24), (13, 23), (24, 90)])
def test_frames_are_those_of_the_source(suffix: str, first: int, stop: int, tmp_path: Path) -> None:
    """Windows begin and end in the middle of groups, at their edges, and within one."""
    kind = "mpegts" if suffix == ".ts" else None
    path = write_numbered(tmp_path / f"n{suffix}", dataclasses.replace(CLOSED, container=kind))
    window = cut(path, first, stop)
    assert_same(window, path, first, stop)
    begin = -(-first // 12) * 12
    least = max(0, stop - begin - 4) / (stop - first)  # behind the last picture that is whole
    assert window.copied_share is not None
    assert least <= window.copied_share <= max(0, stop - begin) / (stop - first)
    if first % 12 == 0 and stop in (24, 90):
        assert window.copied_share == 1


def test_a_start_that_others_refer_across_is_not_copied(tmp_path: Path) -> None:
    """Open groups: pictures before a key frame are made of what comes after it."""
    how = dataclasses.replace(CLOSED, options={"x264-params": "open-gop=1"})
    path = write_numbered(tmp_path / "open.mp4", how)
    window = cut(path, 5, 60)
    assert_same(window, path, 5, 60)
    assert window.copied_share == 0
    whole = cut(path, 0, 60)
    assert_same(whole, path, 0, 60)
    assert (whole.copied_share or 0) > 0.9


@pytest.mark.parametrize(
    "how",
    [
        dataclasses.replace(CLOSED, codec="mpeg4", b_frames=2),
        dataclasses.replace(CLOSED, codec="mpeg2video", b_frames=2),
    ],
    ids=["mpeg4", "mpeg2"],
)
def test_other_codecs_are_encoded_without_loss(how: Numbered, tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "other.mkv", how)
    window = cut(path, 5, 43)
    assert_same(window, path, 5, 43)
    assert window.copied_share == 0


def test_frames_of_changing_length_keep_their_times(tmp_path: Path) -> None:
    how = Numbered(
        frames=len(VARIABLE),
        cuts=(),
        times=VARIABLE,
        time_base=Fraction(1, 1000),
        container="matroska",
        gop=5,
    )
    path = write_numbered(tmp_path / "v.mkv", how)
    window = cut(path, 3, 15)
    assert_same(window, path, 3, 15)
    assert (window.copied_share or 0) > 0.5


def test_a_turned_picture_is_still_turned(tmp_path: Path) -> None:
    plain = write_numbered(tmp_path / "plain.mp4", CLOSED)
    path = tmp_path / "turned.mp4"
    path.write_bytes(boxes.turned(plain.read_bytes(), 90, 128, 96))
    for ends in ((5, 40), (13, 20)):  # with and without copied packets
        window = cut(path, *ends)
        assert_same(window, path, *ends)
        with av.open(io.BytesIO(window.data)) as container:
            assert next(iter(container.decode(video=0))).rotation == -90


def test_pieces_that_do_not_fit_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets that show other frames: the clip is encoded, and is right."""
    path = write_numbered(tmp_path / "n.mp4", CLOSED)

    def shifted(*arguments: object) -> CopiedRun | None:
        run = find_run(*arguments)  # type: ignore[arg-type]
        if run is None:
            return None
        swapped = (run.packets[0], *reversed(run.packets[1:]))
        pairs = zip(run.packets, swapped, strict=True)
        packets = tuple(dataclasses.replace(was, data=is_.data) for was, is_ in pairs)
        return dataclasses.replace(run, packets=packets)

    monkeypatch.setattr(lossless_file, "find_run", shifted)
    window = cut(path, 5, 43)
    assert window.copied_share == 0
    assert_same(window, path, 5, 43)


def test_the_sound_of_a_lossless_cut_stays_where_it_was(tmp_path: Path) -> None:
    clicks = (0.5, 1.25, 2.0, 3.0)
    track = np.zeros(4 * SAMPLE_RATE, np.float32)
    for click in clicks:
        at = round(click * SAMPLE_RATE)
        track[at : at + 320] = 0.7
    path = tmp_path / "s.mkv"
    how = VideoFormat("h264", 128, 96, Fraction(25), keyframe_interval=20)
    write_video(path, [picture(n, 0) for n in range(100)], how, track)
    span = FrameSpan(400, 3600, 10, 90, True)
    sounds = SoundReader(path, MOST_BYTES)
    (window,) = cut_clip(SpanReader(path), span, PLAN, sounds=sounds).windows
    assert window.sound == "kept"
    assert 0 < (window.copied_share or 0) < 1
    heard, rate = samples_of(window.data)
    assert abs(len(heard) / rate - window.seconds) <= 1024 / rate
    assert onsets(heard, rate) == pytest.approx([at - 0.4 for at in clicks], abs=2e-3)


def test_pictures_that_x264_does_not_take_are_refused(tmp_path: Path) -> None:
    how = Numbered("ffv1", frames=10, cuts=(), container="matroska")
    path = write_numbered(tmp_path / "rgb.mkv", how)
    rgb = tmp_path / "rgba.mkv"
    with av.open(str(path)) as given, av.open(str(rgb), "w", format="matroska") as made:
        stream = made.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "bgra"
        for frame in given.decode(video=0):
            made.mux(stream.encode(frame.reformat(format="bgra")))
        made.mux(stream.encode(None))
    with pytest.raises(VideoUnreadableError) as caught:
        cut(rgb, 0, 10)
    assert caught.value.reason == "not_lossless"


@pytest.mark.parametrize(
    "fields",
    [{"fps": 16}, {"size": "480"}, {"size": "", "crop": "bars"}, {"size": "", "multiple": 16}],
)
def test_a_lossless_plan_changes_no_picture(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalidError, match="lossless=true"):
        CutPlan(**{"size": "", "lossless": True, **fields})  # type: ignore[arg-type]
