"""The measured captioner says true things in good English, and nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from internvid.captions.measured import MeasuredCaptioner, write_sentence
from internvid.captions.statements import Certainty, Statements, state
from internvid.core.contracts import Captioner, ClipView
from internvid.core.types import Clip, TimeSpan

ROW: dict[str, Any] = {
    "camera_move": "pan",
    "camera_direction": "left",
    "camera_speed": 0.05,
    "camera_confidence": 0.95,
    "brightness": 0.1,
    "brightness_range": 0.01,
    "colour_names": ["blue", "grey"],
    "colour_shares": [0.5, 0.35],
    "loudness_mean": -12.0,
    "is_silent": False,
}


def make_view(row: dict[str, Any], clip_id: str = "d") -> ClipView:
    return ClipView(Clip(clip_id, "v", TimeSpan(0, 1), 0, 25), row, ())


def test_what_is_measured_is_said() -> None:
    (answer,) = MeasuredCaptioner().caption([make_view(ROW)])
    assert answer.value == (
        "The camera slowly pans left over a dark, mostly blue and grey scene with loud sound."
    )
    assert (answer.clip_id, answer.status) == ("d", "ok")


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("camera_confidence", 0.3, "pans"),
        ("camera_move", "mixed", "pans"),
        ("camera_speed", 0.15, "slowly"),
        ("brightness", 0.4, "dark"),
        ("brightness_range", 0.5, "dark"),
        ("colour_shares", [0.3, 0.1], "blue"),
        ("loudness_mean", -24.0, "sound"),
        ("loudness_mean", None, "sound"),
    ],
)
def test_what_is_not_certain_is_not_said(column: str, value: Any, word: str) -> None:
    (answer,) = MeasuredCaptioner().caption([make_view({**ROW, column: value})])
    assert word not in answer.value


@pytest.mark.parametrize(
    ("move", "direction", "speed", "pace"),
    [
        ("pan", "left", 0.26, "fast"),
        ("tilt", "up", 0.26, None),
        ("tilt", "up", 0.45, "fast"),
        ("tilt", "up", 0.08, "slow"),
    ],
)
def test_a_tilt_is_fast_in_widths_as_well(
    move: str, direction: str, speed: float, pace: str | None
) -> None:
    row = {"camera_move": move, "camera_direction": direction, "camera_speed": speed}
    assert state({**ROW, **row}, Certainty()).pace == pace


def test_one_picture_of_a_cut_gallery_is_not_called_several() -> None:
    row = {"is_slideshow": True, "picture_changes": 0}
    assert state({**ROW, **row, "is_still": True}, Certainty()).picture == "still"
    assert state({**ROW, **row, "is_still": False}, Certainty()).picture is None
    assert state({**ROW, **row, "picture_changes": 2}, Certainty()).picture == "slideshow"


def test_silence_about_everything_is_skipped_with_a_reason() -> None:
    (answer,) = MeasuredCaptioner().caption([make_view({})])
    assert (answer.value, answer.status, answer.reason) == (None, "skipped", "nothing_certain")


def test_the_same_clip_gets_the_same_words_and_others_vary() -> None:
    views = [make_view(ROW, f"clip{number}") for number in range(30)]
    first = [one.value for one in MeasuredCaptioner().caption(views)]
    again = [one.value for one in MeasuredCaptioner().caption(list(reversed(views)))]
    assert first == list(reversed(again))
    assert len(set(first)) >= 3
    assert isinstance(MeasuredCaptioner(), Captioner)


def every_statement() -> list[Statements]:
    cameras: list[tuple[str | None, str | None]] = [(None, None), ("static", None)]
    cameras += [("shake", None), ("pan", "left"), ("tilt", "up"), ("zoom", "in"), ("zoom", "out")]
    combinations = itertools.product(
        cameras,
        (None, "still", "slideshow"),
        (None, "dark"),
        ((), ("orange",), ("blue", "grey")),
        (None, "none", "loud"),
        (None, "above and below"),
        (None, "much"),
        (False, True),
    )
    return [
        Statements(
            picture=picture,
            camera=None if picture else camera[0],
            direction=None if picture else camera[1],
            light=light,
            colours=colours,
            sound=sound,
            bars=bars,
            movement=None if picture else movement,
            flickers=flickers,
        )
        for camera, picture, light, colours, sound, bars, movement, flickers in combinations
    ]


def test_every_sentence_is_well_formed() -> None:
    for statements in every_statement():
        for choice in range(4 if statements else 0):
            sentence = write_sentence(statements, choice)
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            for flaw in ("  ", " ,", "None", " a o", " an b", " an d", ", .", "with and", " ."):
                assert flaw not in sentence, sentence
            assert sentence.count(" with ") <= 1, sentence


def test_a_still_picture_has_no_camera_move() -> None:
    statements = state({**ROW, "is_still": True}, Certainty())
    assert statements.picture == "still"
    assert statements.camera is None
