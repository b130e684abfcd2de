"""What mirroring would make false is not mirrored; what it would not is."""

from __future__ import annotations

import pytest

from internvid.training.data.samples import ClipTable, make_samples
from internvid.training.views.sides import mentions_direction


@pytest.mark.parametrize(
    "text",
    [
        "a ball rolls leftwards", "the rightmost cup falls", "turns anticlockwise",
        "an anti-clockwise spin", "counter-clockwise", "a wheel turns counter clockwise",
        "Pushing something from left to right", "a left-handed man writes", "the leftmost one",
        "moves rightward", "the left-most door", "a lefthanded batter", "turn_left", "TurnLeft",
        "a southpaw boxes", "she steps to her LEFT.", "the ship leans to starboard", "clock wise",
        "drives on the lefthand lane", "lefty", "the man's right's up",
    ],
)  # fmt: skip
def test_sides_and_senses_of_rotation_are_known(text: str) -> None:
    assert mentions_direction(text)


@pytest.mark.parametrize(
    "text",
    [
        "eating leftovers", "a bright light", "copyright", "it stands upright", "a clock ticks",
        "he is rightly proud", "playwright", "a fight", "likewise", "cleft rock", "a starboarder",
        "righteous",
    ],
)  # fmt: skip
def test_other_words_are_mirrored(text: str) -> None:
    assert not mentions_direction(text)


def test_samples_carry_it() -> None:
    captions = ["a ball rolls leftwards", "a ball rolls down"]
    table = ClipTable(["a", "b"], captions, ["a", "b"])
    assert make_samples(table).mentions_direction.tolist() == [True, False]
