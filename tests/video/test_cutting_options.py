"""Sizes in a list, sound at a rate, text that is cut off, what the source's light was."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError, VideoUnreadableError
from internvid.synthetic.encode import SAMPLE_RATE, VideoFormat, write_video
from internvid.video.cutting.cut_clip import cut_clip
from internvid.video.cutting.cut_edges import Bars, Edges, measured_bars, without_text
from internvid.video.cutting.cut_picture import nearest_size, plan_picture
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_sound import SoundReader
from internvid.video.reader import FrameSpan, SpanReader
from tests.numbered import Numbered, picture, write_numbered
from tests.video.test_cutting import MOST_BYTES, decoded, onsets, samples_of

BUCKETS = "832x480,480x832,640x640"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"size": "832x480,480"}, "list of sizes"),
        ({"size": "832x480,641x640"}, "641x640"),
        ({"sound": "16001"}, "44100"),
        ({"sound": "16000/3"}, "16000/1"),
        ({"crop": "text", "text_boxes": ""}, "text_boxes"),
    ],
)
def test_options_that_cannot_be_are_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        CutPlan(**fields)  # type: ignore[arg-type]
    assert named in f"{caught.value.message} {caught.value.hint}"


# --- sizes -----------------------------------------------------------------------------------


def test_a_clip_goes_to_the_size_whose_aspect_is_nearest() -> None:
    plan = CutPlan(size=BUCKETS)
    for shown, size in (
        ((1920, 1080), (832, 480)),
        ((1080, 1920), (480, 832)),
        ((1000, 1000), (640, 640)),
        ((1024, 768), (832, 480)),
        ((900, 720), (640, 640)),
        ((768, 640), (640, 640)),
        ((840, 500), (832, 480)),  # the square would be enlarged
    ):
        made = plan_picture(shown, Bars(), plan)
        assert made.size == made.crop[2:] == size
    for shown in ((640, 360), (831, 480), (639, 639)):
        with pytest.raises(VideoUnreadableError) as caught:
            plan_picture(shown, Bars(), plan)
        assert caught.value.reason == "too_small"
    # Bars are not pixels of the clip.
    barred = plan_picture((900, 640), Bars(pillarbox=0.25), CutPlan(size=BUCKETS, crop="bars"))
    assert barred.size == (640, 640)


@given(
    shown=st.tuples(st.integers(100, 4000), st.integers(100, 4000)),
    sizes=st.lists(st.tuples(st.integers(50, 1000), st.integers(50, 1000)), min_size=1, max_size=6),
)
def test_no_size_enlarges_a_clip(shown: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    fitting = [size for size in sizes if size[0] <= shown[0] and size[1] <= shown[1]]
    if not fitting:
        with pytest.raises(VideoUnreadableError):
            nearest_size(shown, sizes)
        return
    made = nearest_size(shown, sizes)
    assert made in fitting
    apart = [max(a, 1 / a) for a in (w * shown[1] / h / shown[0] for w, h in [made, *fitting])]
    assert apart[0] <= min(apart) * (1 + 1e-6)


# --- sound -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sound", "rate", "channels"), [("16000", 16000, 1), ("44100/2", 44100, 2)]
)
def test_resampled_sound_stays_where_it_was(
    sound: str, rate: int, channels: int, tmp_path: Path
) -> None:
    """To the sample, but for the rounding of one rate to the other."""
    clicks = (0.5, 1.25, 2.0, 3.0)
    track = np.zeros(4 * SAMPLE_RATE, np.float32)
    for click in clicks:
        at = round(click * SAMPLE_RATE)
        track[at : at + 320] = 0.7
    path = tmp_path / "s.mkv"
    how = VideoFormat("h264", 128, 96, Fraction(25))
    write_video(path, [picture(n, 0) for n in range(100)], how, track)
    span = FrameSpan(400, 3600, 10, 90, True)
    done = cut_clip(
        SpanReader(path), span, CutPlan(sound=sound), sounds=SoundReader(path, MOST_BYTES)
    )
    (window,) = done.windows
    heard, found = samples_of(window.data)
    with av.open(io.BytesIO(window.data)) as container:
        assert container.streams.audio[0].layout.nb_channels == channels
    assert (found, window.sound) == (rate, "kept")
    assert abs(len(heard) / rate - window.seconds) <= 1024 / rate
    assert onsets(heard, rate) == pytest.approx([at - 0.4 for at in clicks], abs=2e-3)


# --- text ------------------------------------------------------------------------------------


def test_text_is_cut_off_where_the_least_is_lost() -> None:
    assert without_text([]) == Edges()
    assert without_text([(0.3, 0.9, 0.7, 0.95)]) == Edges(bottom=0.1)  # a subtitle
    assert without_text([(0.85, 0.02, 0.98, 0.08)]) == Edges(top=0.08)  # a logo in a corner
    assert without_text([(0.9, 0.02, 0.95, 0.3)]) == Edges(right=0.1)
    both = without_text([(0.0, 0.0, 0.2, 0.055), (0.2, 0.93, 0.8, 0.99)])
    assert both == Edges(top=0.06, bottom=0.07)
    # What a bar takes is gone already.
    assert without_text([(0.1, 0.9, 0.9, 0.95)], Edges(top=0.125, bottom=0.125)) == Edges(
        top=0.125, bottom=0.125
    )
    for box in ((0.4, 0.4, 0.6, 0.5), (0.1, 0.75, 0.9, 0.95), (0.21, 0.21, 0.22, 0.22)):
        with pytest.raises(VideoUnreadableError) as caught:
            without_text([box])
        assert caught.value.reason == "text_in_picture"


@given(
    st.lists(
        st.builds(
            lambda x, y, w, h: (x, y, min(1.0, x + w), min(1.0, y + h)),
            *[st.floats(0, 1)] * 2,
            *[st.floats(0.001, 0.2)] * 2,
        ),
        max_size=12,
    )
)
def test_no_text_is_left_in_what_is_kept(boxes: list[tuple[float, float, float, float]]) -> None:
    try:
        edges = without_text(boxes)
    except VideoUnreadableError:
        assert boxes
        return
    assert max(edges.left, edges.top, edges.right, edges.bottom) <= 0.2
    for left, top, right, bottom in boxes:
        inside = (
            right > edges.left + 1e-4
            and left < 1 - edges.right - 1e-4
            and bottom > edges.top + 1e-4
            and top < 1 - edges.bottom - 1e-4
        )
        assert not inside


def test_boxes_come_from_a_column() -> None:
    plan = CutPlan(crop="bars+text", text_boxes="burned_in")
    row = {"letterbox_share": 0.1, "pillarbox_share": None, "burned_in": [[0.0, 0.9, 1.0, 1.0]]}
    assert measured_bars(row, plan) == Bars(0.1, 0.0, ((0.0, 0.9, 1.0, 1.0),))
    assert measured_bars({"burned_in": "[[0, 0.9, 1, 1]]"}, plan).text == ((0.0, 0.9, 1.0, 1.0),)
    assert measured_bars({"burned_in": None}, plan) == Bars()
    assert measured_bars(row, CutPlan(crop="bars")).text == ()
    for wrong in ([[0.0, 0.9, 1.0]], [[0.5, 0.1, 0.2, 0.3]], "no json", [7], [[0, 0, 2, 1]]):
        with pytest.raises(VideoUnreadableError) as caught:
            measured_bars({"burned_in": wrong}, plan)
        assert caught.value.reason == "text_in_picture"


def test_a_burned_in_line_is_not_in_the_written_video(tmp_path: Path) -> None:
    """White letters in the lowest tenth; the rest is where it was."""
    images = []
    for number in range(12):
        image = np.full((200, 300, 3), 60, np.uint8)
        image[20:40, 20 + 8 * number : 60 + 8 * number] = (200, 40, 40)
        image[184:196, 60:240:6] = 255
        images.append(image)
    path = tmp_path / "said.mp4"
    write_video(path, images, VideoFormat("h264", 300, 200, Fraction(25)))
    span = FrameSpan(0, 12 * 512, 0, 12, True)
    boxes = ((60 / 300, 184 / 200, 240 / 300, 196 / 200),)
    (plain,) = cut_clip(SpanReader(path), span, CutPlan(size="")).windows
    assert decoded(plain.data)[1][0][-16:].max() > 200
    plan = CutPlan(size="", crop="text")
    (window,) = cut_clip(SpanReader(path), span, plan, Bars(text=boxes)).windows
    _, shown = decoded(window.data)
    assert window.size == (300, 184)
    assert shown[0][-16:].max() < 100
    assert abs(int(shown[0][30, 40, 0]) - int(decoded(plain.data)[1][0][30, 40, 0])) < 12
    with pytest.raises(VideoUnreadableError, match="further inside"):
        cut_clip(SpanReader(path), span, plan, Bars(text=((0.3, 0.4, 0.6, 0.5),)))


# --- light -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("curve", "name"), [(1, "sdr"), (16, "pq"), (18, "hlg")])
def test_a_window_says_how_its_source_codes_light(curve: int, name: str, tmp_path: Path) -> None:
    how = Numbered(frames=9, cuts=(), options={"x264-params": f"transfer={_CURVES[curve]}"})
    path = write_numbered(tmp_path / "light.mp4", how)
    (window,) = cut_clip(SpanReader(path), FrameSpan(0, 9 * 512, 0, 9, True), CutPlan()).windows
    assert window.dynamic_range == name
    with av.open(io.BytesIO(window.data)) as container:
        assert next(iter(container.decode(video=0))).color_trc == 1


_CURVES = {1: "bt709", 16: "smpte2084", 18: "arib-std-b67"}
