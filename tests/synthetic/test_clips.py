"""Training clips show what they say, and no single frame tells the direction."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from internvid.core.errors import MisuseError
from internvid.synthetic import ClipSpec, render_clip, sample_specs
from internvid.synthetic.clips import is_held_out
from internvid.synthetic.scripts.world_words import COLOURS, DIRECTIONS, MOTIONS, SHAPES
from internvid.synthetic.truth import CameraMove

STATIC = CameraMove("static", "none", 0.0)
PLAIN = ClipSpec(5, "red", "circle", "large", "stay", "grey", STATIC, 0.3, 0.4, 0.5)


def centre(picture: np.ndarray) -> tuple[float, float]:
    """Centre of the red pixels of a frame."""
    rows, columns = np.nonzero(picture[..., 0].astype(int) - picture[..., 1] > 90)
    return float(columns.mean()), float(rows.mean())


def area(picture: np.ndarray) -> int:
    return int((picture[..., 0].astype(int) - picture[..., 1] > 90).sum())


def test_clips_are_deterministic_and_typed() -> None:
    spec = sample_specs(7, 1)[0]
    clip = render_clip(spec, frames=6, size=48)
    assert clip.shape == (6, 48, 48, 3)
    assert clip.dtype == np.uint8
    assert np.array_equal(clip, render_clip(spec, frames=6, size=48))
    assert sample_specs(7, 20) == sample_specs(7, 20) != sample_specs(8, 20)


@pytest.mark.parametrize(
    ("motion", "step"), [("left", (-1, 0)), ("right", (1, 0)), ("up", (0, -1)), ("down", (0, 1))]
)
def test_shapes_move_the_way_they_say(motion: str, step: tuple[int, int]) -> None:
    clip = render_clip(replace(PLAIN, motion=motion))
    places = np.asarray([centre(frame) for frame in clip])
    steps = np.median(np.diff(places, axis=0), axis=0)
    assert steps == pytest.approx(np.asarray(step) * 0.5 * 0.6 * 64 / 7, abs=0.4)


def test_shapes_grow_shrink_blink_and_stay() -> None:
    areas = {
        motion: [area(one) for one in render_clip(replace(PLAIN, motion=motion))]
        for motion in MOTIONS[4:]
    }
    assert areas["grow"][-1] > 5 * areas["grow"][0]
    assert areas["shrink"][0] > 5 * areas["shrink"][-1]
    assert min(areas["blink"]) == 0
    assert areas["blink"][0] > 0
    assert areas["blink"][4] > 0
    assert max(areas["stay"]) == min(areas["stay"])


def test_pan_right_moves_the_background_left() -> None:
    spec = replace(PLAIN, colour="green", camera=CameraMove("pan", "right", 0.5))
    clip = render_clip(spec, frames=4, size=64, fps=8.0).astype(int).sum(axis=3)
    rows = slice(50, 64)
    assert np.abs(clip[1][rows, :-4] - clip[0][rows, 4:]).mean() < 2
    assert np.abs(clip[1][rows, 4:] - clip[0][rows, :-4]).mean() > 8


def test_whole_triples_are_held_out_evenly() -> None:
    held = [
        (colour, shape, motion)
        for colour in COLOURS
        for shape in SHAPES
        for motion in MOTIONS
        if is_held_out(colour, shape, motion)
    ]
    assert len(held) * 4 == len(COLOURS) * len(SHAPES) * len(MOTIONS)
    for axis in range(3):
        assert len(set(Counter(triple[axis] for triple in held).values())) == 1
    train, test = sample_specs(1, 2000), sample_specs(1, 500, held_out=True)
    assert {one.triple for one in train}.isdisjoint(one.triple for one in test)
    assert {one.triple for one in test} == set(held)
    counts = Counter(one.triple for one in train)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("frame", [0, 4, 7])
def test_no_frame_tells_the_direction(frame: int) -> None:
    specs = [one for one in sample_specs(2, 6000, cameras=("static",)) if one.motion in DIRECTIONS]
    places: dict[str, list[tuple[float, float]]] = {motion: [] for motion in DIRECTIONS}
    for spec in specs[:1600]:
        clip = render_clip(
            replace(spec, colour="red", shape="circle", size="small", tone="grey"), size=32
        )
        places[spec.motion].append(centre(clip[frame]))
    for axis in (0, 1):
        counts = [
            np.histogram(np.asarray(places[m])[:, axis], bins=6, range=(5, 27))[0]
            for m in DIRECTIONS
        ]
        shares = np.asarray([one / one.sum() for one in counts])
        assert np.abs(shares - shares.mean(axis=0)).max() < 0.075


def test_inside_paths_never_jump() -> None:
    for spec in sample_specs(4, 60, cameras=("static",), paths="inside"):
        if spec.motion in DIRECTIONS:
            clip = render_clip(replace(spec, colour="red", tone="grey"))
            steps = np.abs(np.diff(np.asarray([centre(frame) for frame in clip]), axis=0))
            assert steps.max() < 6


def test_sentences_name_every_attribute() -> None:
    for spec in sample_specs(5, 200, held_out=None):
        text = spec.text()
        assert f"{spec.size} {spec.colour} {spec.shape}" in text
        assert spec.tone in text
        assert (spec.camera.kind in text) == (spec.camera.kind != "static")
    assert "moves to the left" in replace(PLAIN, motion="left").text()


def test_every_colour_differs_from_every_background() -> None:
    for colour in COLOURS:
        for tone in ("dark", "grey", "bright"):
            spec = replace(PLAIN, colour=colour, tone=tone, shape="square")
            picture = render_clip(spec)[0].astype(int)
            x, y = round((0.2 + 0.6 * 0.3) * 64), round((0.2 + 0.6 * 0.4) * 64)
            assert np.abs(picture[y, x] - picture[60, 60]).sum() > 60, (colour, tone)


def test_unknown_cameras_and_sizes_are_refused() -> None:
    with pytest.raises(MisuseError, match="cameras"):
        sample_specs(0, 1, cameras=("dolly",))
    with pytest.raises(MisuseError, match="frames"):
        render_clip(PLAIN, frames=1)
