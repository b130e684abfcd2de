"""A clip becomes the windows of its plan: frame for frame, at exact times, with its own sound."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.synthetic.encode import SAMPLE_RATE, VideoFormat, write_video
from internvid.synthetic.odd import boxes
from internvid.video.cutting.cut_check import Expected, check_written
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_edges import Bars
from internvid.video.cutting.cut_picture import plan_picture, refined_bars
from internvid.video.cutting.cut_plan import CutPlan, exact_rate
from internvid.video.cutting.cut_sound import SoundReader
from internvid.video.cutting.cut_windows import (
    Window,
    frames_at_rate,
    plan_windows,
    slack_of,
    unused_frames,
)
from internvid.video.reader import FrameSpan, SpanReader
from tests.numbered import Numbered, number_of, picture, write_numbered

MOST_BYTES = 1 << 25
MILLISECOND = Fraction(1, 1000)


def decoded(data: bytes) -> tuple[list[Fraction], list[npt.NDArray[np.uint8]]]:
    times, images = [], []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append(frame.pts * frame.time_base)
            images.append(frame.to_ndarray(format="rgb24"))
    return times, images


def cut(path: Path, span: FrameSpan, plan: CutPlan, **more: object) -> list[bytes]:
    done = cut_clip(SpanReader(path), span, plan, **more)  # type: ignore[arg-type]
    return [window.data for window in done.windows]


# --- grids and windows -----------------------------------------------------------------------

GRIDS = st.sampled_from(["", "4k+1", "8k+1", "17k+5", "49,65,81", "1,5", "16k"])


@given(
    available=st.integers(1, 2000),
    frames=GRIDS,
    maximum=st.one_of(st.none(), st.integers(90, 300)),
    windows=st.sampled_from(["whole", "head", "middle", "slide"]),
    stride=st.one_of(st.none(), st.integers(40, 400)),
)
def test_windows_lie_in_the_clip_and_on_the_grid(
    available: int, frames: str, maximum: int | None, windows: str, stride: int | None
) -> None:
    if windows in ("head", "slide") and maximum is None:
        maximum = 81
    plan = CutPlan(
        frames=frames,
        maximum_frames=maximum,
        windows=windows,
        stride_frames=stride if windows == "slide" else None,
    )
    allowed = [n for n in range(1, available + 1) if allows(frames, n) and n <= (maximum or n)]
    made = plan_windows(available, plan)
    assert bool(made) == bool(allowed)
    if not allowed:
        return
    assert {window.frames for window in made} == {max(allowed)}  # the largest that fits
    assert all(window.first >= 0 and window.stop <= available for window in made)
    if windows != "slide":
        assert len(made) == 1
        middle = made[0].first * 2 + made[0].frames
        assert middle in (available - 1, available) if windows == "middle" else not made[0].first
    elif stride is None:
        assert unused_frames(available, made) < max(allowed) / 2 or len(made) == 1
    covered = {number for window in made for number in range(window.first, window.stop)}
    assert unused_frames(available, made) == available - len(covered)


def allows(frames: str, count: int) -> bool:
    """The rule of a grid, written anew."""
    if not frames:
        return True
    if "k" not in frames:
        return str(count) in frames.split(",")
    step, _, offset = frames.partition("k")
    return count >= 2 and count >= int(offset or 0) and (count - int(offset or 0)) % int(step) == 0


def test_a_long_clip_is_not_lost_behind_its_first_window() -> None:
    plan = CutPlan(frames="4k+1", maximum_frames=81, windows="slide")
    assert plan_windows(243, plan) == (Window(0, 81), Window(81, 81), Window(162, 81))
    assert plan_windows(160, plan) == (Window(0, 81), Window(79, 81))  # 79 of 81 are new
    assert plan_windows(121, plan) == (Window(0, 81),)  # 40 of 81 are new
    assert plan_windows(122, plan) == (Window(0, 81), Window(41, 81))
    assert plan_windows(60, plan) == (Window(0, 57),)
    assert plan_windows(4, plan) == ()


@given(
    frames=st.integers(1, 3000),
    fps=st.sampled_from([16, 23.976, 24, 25, 29.97, 30, 59.94]),
    start=st.integers(0, 10**6),
)
def test_a_rate_gives_a_source_of_that_rate_all_its_frames(
    frames: int, fps: float, start: int
) -> None:
    """Also where its container rounds times to milliseconds."""
    rate = exact_rate(fps)
    for tick in (MILLISECOND, Fraction(1, 90000)):
        ends = [round((start + at) / rate / tick) for at in (0, frames)]
        assert frames_at_rate((ends[1] - ends[0]) * tick, rate, slack_of(tick)) == frames


@given(ticks=st.integers(1, 10**7), rate=st.fractions(1, 60, max_denominator=1001))
def test_no_frame_begins_behind_the_clip(ticks: int, rate: Fraction) -> None:
    count = frames_at_rate(ticks * MILLISECOND, rate, slack_of(MILLISECOND))
    assert (count - 1) / rate < ticks * MILLISECOND
    assert (count + 1) / rate > ticks * MILLISECOND  # and less than a frame is left out


def test_rates_of_film_are_exact() -> None:
    assert exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(29.97) == Fraction(30000, 1001)
    assert exact_rate(12.5) == Fraction(25, 2)
    assert exact_rate(16) == 16


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"fps": 0}, "fps"),
        ({"frames": "4x+1"}, "frames"),
        ({"frames": "0k+1"}, "frames"),
        ({"frames": "49,65", "maximum_frames": 30}, "maximum_frames"),
        ({"windows": "all"}, "windows"),
        ({"windows": "slide"}, "maximum_frames"),
        ({"stride_frames": 4}, "stride_frames"),
        ({"windows": "slide", "maximum_frames": 81, "stride_frames": 4}, "overlap"),
        ({"size": "480p"}, "size"),
        ({"size": "0x4"}, "size"),
        ({"size": "830x480", "multiple": 16}, "multiples of 16"),
        ({"multiple": 3}, "multiple"),
        ({"crop": "logo"}, "crop"),
        ({"sound": "mono"}, "sound"),
        ({"preset": "quick"}, "preset"),
        ({"crf": 52}, "crf"),
    ],
)
def test_plans_that_cannot_be_are_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        CutPlan(**fields)  # type: ignore[arg-type]
    assert named in f"{caught.value.message} {caught.value.hint}"


# --- size ------------------------------------------------------------------------------------


@given(
    shown=st.tuples(st.integers(64, 4000), st.integers(64, 4000)),
    size=st.sampled_from(["", "480", "64", "256x128", "832x480", "480x832"]),
    multiple=st.sampled_from([2, 16, 32]),
    bars=st.builds(Bars, st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_sizes_are_multiples_and_lie_in_the_picture(
    shown: tuple[int, int], size: str, multiple: int, bars: Bars
) -> None:
    plan = CutPlan(size=size, multiple=multiple, crop="bars")
    inside = min(shown) * (1 - max(bars.letterbox, bars.pillarbox))
    if not plan.exact_size and inside < 2 * multiple + 4:
        return
    made = plan_picture(shown, bars, plan)
    left, top, width, height = made.crop
    painted = made.paint_side / min(shown)
    assert left >= 0
    assert top >= 0
    assert left + width <= round(shown[0] * painted) + 1
    assert top + height <= round(shown[1] * painted) + 1
    assert all(side % multiple == 0 for side in made.size)
    if plan.exact_size:
        assert made.size == plan.exact_size
        # A pixel is as wide as high, but for rounding.
        assert width / height == pytest.approx(
            made.size[0] / made.size[1], rel=2.1 / min(width, height)
        )
    else:
        assert made.size == (width, height)
        assert min(made.size) <= (plan.short_side or 10**6)


def test_common_sizes() -> None:
    def size(shown: tuple[int, int], plan: CutPlan, bars: Bars | None = None) -> tuple[int, int]:
        return plan_picture(shown, bars or Bars(), plan).size

    assert size((1920, 1080), CutPlan()) == (852, 480)
    assert size((1080, 1920), CutPlan()) == (480, 852)
    assert size((640, 360), CutPlan()) == (640, 360)
    assert size((1920, 1080), CutPlan(multiple=16)) == (848, 480)
    assert size((1920, 1080), CutPlan(size="", multiple=32)) == (1920, 1056)
    assert size((1920, 1080), CutPlan(crop="bars"), Bars(letterbox=0.25)) == (1138, 480)
    assert size((1920, 1080), CutPlan(), Bars(letterbox=0.25)) == (852, 480)


def test_bars_are_cut_off_to_the_pixel(tmp_path: Path) -> None:
    inside = picture(5, 0)[:, :, :]
    image = np.full((96 + 2 * 15, 128, 3), 0, np.uint8)
    image[15:-15] = inside
    coarse = Bars(letterbox=2 * 4 / 36)  # 14 of 15 rows
    assert refined_bars(image, coarse).letterbox == pytest.approx(30 / 126, abs=2.1 / 126)
    path = tmp_path / "boxed.mp4"
    write_video(path, [image] * 10, VideoFormat("h264", 128, 126, Fraction(25)))
    (data,) = cut(path, FrameSpan(0, 5120, 0, 10, True), CutPlan(crop="bars"), bars=coarse)
    _, images = decoded(data)
    assert images[0].shape[1] == 128
    assert 92 <= images[0].shape[0] <= 96
    assert images[0][0].mean() > 40
    assert images[0][-1].mean() > 40


# --- pixels ----------------------------------------------------------------------------------

VARIABLE = [0, 40, 80, 81, 200, 203, 240, 500, 520, 1000, 1040, 1080, 1500, 1540, 1600, 1700]


@pytest.fixture(scope="module")
def variable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames at these milliseconds."""
    how = Numbered(
        frames=len(VARIABLE), cuts=(), times=VARIABLE, time_base=MILLISECOND, container="matroska"
    )
    return write_numbered(tmp_path_factory.mktemp("variable") / "v.mkv", how)


def test_a_rate_shows_what_is_on_screen(variable: Path) -> None:
    start, end = 200, 1540
    span = FrameSpan(start, end, 4, 13, True)
    for fps in (16, 24, 29.97):
        rate = exact_rate(fps)
        (data,) = cut(variable, span, CutPlan(fps=fps))
        times, images = decoded(data)
        assert times == [at / rate for at in range(len(images))]
        assert len(images) == int(Fraction(end - start + 1, 1000) * rate)
        wanted = [
            max(n for n, ms in enumerate(VARIABLE) if ms <= start + 1000 * time + 1)
            for time in times
        ]
        assert [number_of(image) for image in images] == wanted
        assert set(wanted) <= set(range(4, 13))  # no frame of another clip


def test_own_frames_keep_their_times(variable: Path) -> None:
    span = FrameSpan(200, 1540, 4, 13, True)
    plan = CutPlan(frames="4k", maximum_frames=4, windows="slide")
    done = cut_clip(SpanReader(variable), span, plan)
    assert [window.window for window in done.windows] == [Window(0, 4), Window(4, 4)]
    for window, first, end in zip(done.windows, (4, 8), (520, 1500), strict=True):
        times, images = decoded(window.data)
        stated = VARIABLE[first : first + 4]
        assert [number_of(image) for image in images] == list(range(first, first + 4))
        assert [float(time) for time in times] == pytest.approx(
            [(ms - stated[0]) / 1000 for ms in stated], abs=1e-4
        )
        assert window.seconds == (end - stated[0]) / 1000
        with av.open(io.BytesIO(window.data)) as container:
            video = container.streams.video[0]
            assert video.duration is not None
            assert video.time_base is not None
            assert float(video.duration * video.time_base) == pytest.approx(
                window.seconds, abs=2e-3
            )
    assert done.unused_seconds == pytest.approx(1.34 / 9, abs=1e-6)


def test_a_clip_below_the_smallest_count_is_too_short(variable: Path) -> None:
    with pytest.raises(VideoUnreadableError) as caught:
        cut(variable, FrameSpan(200, 240, 4, 6, True), CutPlan(frames="4k+1"))
    assert caught.value.reason == "too_short_for_grid"


@pytest.mark.parametrize("name", ["n.avi", "n.h264", "n.ts", "n.mp4"])
def test_windows_of_any_container_are_exact(name: str, tmp_path: Path) -> None:
    """Also where nothing can be sought, and nothing has a time."""
    path = write_numbered(tmp_path / name, Numbered(frames=90, cuts=(), container=_format(name)))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        tick = round(Fraction(1, 25) / stream.time_base)
        zero = stream.start_time or 0
    stored = name in ("n.ts", "n.mp4")
    plan = CutPlan(fps=25, frames="8k+1", maximum_frames=25, windows="slide", stride_frames=20)
    span = FrameSpan(zero + 10 * tick, zero + 80 * tick, 10, 80, stored)
    shown = [[number_of(image) for image in decoded(data)[1]] for data in cut(path, span, plan)]
    assert shown == [list(range(at, at + 25)) for at in (10, 30, 50)]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pictures_are_upright(degrees: int, tmp_path: Path) -> None:
    plain = write_numbered(tmp_path / "plain.mp4", Numbered(frames=12, cuts=()))
    path = tmp_path / "turned.mp4"
    path.write_bytes(boxes.turned(plain.read_bytes(), degrees, 128, 96))
    (data,) = cut(path, FrameSpan(0, 12 * 512, 0, 12, True), CutPlan(fps=25, size="48"))
    _, images = decoded(data)
    assert images[0].shape[:2] == ((48, 64) if degrees == 180 else (64, 48))
    back = [np.rot90(image, degrees // 90) for image in images]  # counter-clockwise
    assert [number_of(image) for image in back] == list(range(12))


def _format(name: str) -> str | None:
    return {"n.ts": "mpegts", "n.h264": "h264"}.get(name)


# --- sound -----------------------------------------------------------------------------------

CLICKS = (0.5, 1.25, 2.0, 3.0, 3.7)


@pytest.mark.parametrize("name", ["s.mp4", "s.mkv", "s.webm", "s.ts", "s.avi"])
def test_sound_stays_where_it_was(name: str, tmp_path: Path) -> None:
    """In step to a few milliseconds, and as long as the pictures, but for one frame of AAC."""
    sound = np.zeros(4 * SAMPLE_RATE, np.float32)
    for click in CLICKS:
        at = round(click * SAMPLE_RATE)
        sound[at : at + 160] = 0.7
    path = tmp_path / name
    codec = "vp9" if name == "s.webm" else "mpeg4" if name == "s.avi" else "h264"
    how = VideoFormat(codec, 128, 96, Fraction(25))
    write_video(path, [picture(n, 0) for n in range(100)], how, sound)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        base, zero = stream.time_base, stream.start_time or 0
    ends = [zero + round(Fraction(at, 25) / base) for at in (20, 85)]
    span = FrameSpan(*ends, 20, 85, name != "s.avi")
    wanted_at = [at - float(zero * base) for at in source_onsets(path)]
    assert len(wanted_at) == len(CLICKS)
    reader, sounds = SpanReader(path), SoundReader(path, MOST_BYTES)
    plan = CutPlan(fps=16, frames="4k+1", maximum_frames=21, windows="slide")
    done = cut_clip(reader, span, plan, sounds=sounds)
    assert len(done.windows) == 2
    for window in done.windows:
        assert window.sound == "kept"
        start = 20 / 25 + window.window.first / 16
        heard, rate = samples_of(window.data)
        wanted = [at - start for at in wanted_at if start <= at < start + window.seconds]
        assert abs(len(heard) / rate - window.seconds) <= 1024 / rate
        assert onsets(heard, rate) == pytest.approx(wanted, abs=1e-3), name
    silent = cut_clip(reader, span, CutPlan(sound="none"), sounds=sounds)
    assert [window.sound for window in silent.windows] == ["none"]
    with av.open(io.BytesIO(silent.windows[0].data)) as container:
        assert not container.streams.audio


def source_onsets(path: Path) -> list[float]:
    """Seconds on the container's clock at which clicks are heard."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        rate = container.streams.audio[0].rate
    heard = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)[0]
    return [at + float(frames[0].time or 0) for at in onsets(heard, rate)]


def samples_of(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    with av.open(io.BytesIO(data)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(parts, axis=1)[0], container.streams.audio[0].rate


def onsets(heard: npt.NDArray[np.float32], rate: int) -> list[float]:
    loud = np.flatnonzero(np.abs(heard) > 0.3)
    begins = loud[np.diff(loud, prepend=-rate) > rate // 20]
    return [float(at / rate) for at in begins]


def test_sound_where_the_clock_jumps_is_left_out(tmp_path: Path) -> None:
    """Two files joined: the second's times mean frames of the first, and so would its sound."""
    part = tmp_path / "part.ts"
    how = VideoFormat("h264", 128, 96, Fraction(25))
    sound = np.zeros(2 * SAMPLE_RATE, np.float32)
    write_video(part, [picture(n, 0) for n in range(50)], how, sound)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    with av.open(str(joined)) as container:
        zero = container.streams.video[0].start_time or 0
    step = 3600
    sounds = SoundReader(joined, MOST_BYTES)
    second = FrameSpan(zero + 60 * step, zero + 90 * step, 60, 90, False)
    (window,) = cut_clip(SpanReader(joined), second, CutPlan(), sounds=sounds).windows
    assert window.sound == "unsure"
    assert [number_of(image) for image in decoded(window.data)[1]] == list(range(10, 40))
    first = FrameSpan(zero + 10 * step, zero + 40 * step, 10, 40, False)
    (window,) = cut_clip(SpanReader(joined), first, CutPlan(), sounds=sounds).windows
    assert window.sound == "kept"


# --- proof -----------------------------------------------------------------------------------


def test_a_file_that_is_not_what_was_written_is_refused(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "n.mp4", Numbered(frames=12, cuts=()))
    (data,) = cut(path, FrameSpan(0, 12 * 512, 0, 12, True), CutPlan())
    luma = [av.VideoFrame.from_ndarray(picture(n, 0), format="rgb24") for n in (0, 6, 11, 3)]
    first, middle, last, other = (
        frame.reformat(format="gray").to_ndarray().astype(np.uint8) for frame in luma
    )
    pictures = {0: first, 6: middle, 11: last}
    base = Fraction(1, 25)

    def expected(**changes: object) -> Expected:
        fields = {"ticks": list(range(12)), "pictures": pictures, "end": 12, **changes}
        return Expected(base, (128, 96), **fields)  # type: ignore[arg-type]

    check_written(data, expected())
    for wrong, text in (
        (expected(ticks=list(range(13))), "12 of 13 frames"),
        (expected(ticks=[*range(11), 12]), "other times"),
        *((expected(pictures=pictures | {n: other}), f"frame {n} is another") for n in pictures),
        (expected(pictures={0: first, 11: last}), "frame 6 was not compared"),
        (expected(samples=4000), "sound is missing"),
    ):
        with pytest.raises(VideoUnreadableError, match=text) as caught:
            check_written(data, wrong)
        assert caught.value.reason == "not_proved"
    with pytest.raises(VideoUnreadableError) as caught:
        check_written(data[: len(data) // 2], expected())
    assert caught.value.reason == "not_proved"
