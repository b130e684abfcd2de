"""Assignments change one field each, are checked together, and say what is wrong."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field

import pytest

from internvid.core.assignments import settings_of, spell, with_values
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.curate.filters import FilterRule
from internvid.pipeline.recipe import Recipe
from internvid.recipes import RECIPES
from internvid.shots.content import ContentDetector
from internvid.signals.stillness import StillnessSignal
from internvid.synthetic.fakes import EchoCaptioner
from tests.core.outer import Inner, Outer
from tests.pipeline.strangers import Brightest


@dataclass(frozen=True)
class Tower:
    width: int = 128
    heads: int = 2
    layers: int = 4

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ConfigInvalidError(f"layers must be at least 1, got {self.layers}")
        if self.width % self.heads:
            raise ConfigInvalidError(f"width {self.width} cannot be shared by heads {self.heads}")


@dataclass(frozen=True)
class Towers:
    """What holds for both is checked by what holds both."""

    video: Tower = field(default_factory=Tower)
    text: Tower = field(default_factory=Tower)

    def __post_init__(self) -> None:
        if self.text.layers > self.video.layers:
            raise ConfigInvalidError("the text tower is the deeper one", hint="--set text.layers=1")


def orders(*assignments: str) -> list[list[str]]:
    return [list(order) for order in itertools.permutations(assignments)]


@pytest.mark.parametrize("order", orders("video.heads=3", "video.width=96", "text.heads=4"))
def test_values_that_depend_on_one_another_come_in_any_order(order: list[str]) -> None:
    assert with_values(Towers(), order) == Towers(Tower(96, 3), Tower(128, 4))


@pytest.mark.parametrize("order", orders("text.layers=9", "video.layers=12"))
def test_what_two_parts_agree_on_comes_in_any_order(order: list[str]) -> None:
    assert with_values(Towers(), order) == Towers(Tower(layers=12), Tower(layers=9))


def test_of_one_field_the_last_value_counts() -> None:
    assert with_values(Tower(), ["heads=3", "width=8", "heads=4", " width =16"]) == Tower(16, 4)


@pytest.mark.parametrize(
    ("assignments", "says", "hint"),
    [
        # One that cannot be is named alone, whatever else is said of its object.
        (
            ["layers=5", "heads=3"],
            "heads: width 128 cannot be shared by heads 3",
            "set in the same command what it must agree with",
        ),
        (
            ["heads=3", "layers=5", "width=100"],
            "heads and width: width 100 cannot be shared by heads 3",
            "change one of them",
        ),
        (["heads=3", "layers=0"], "layers must be at least 1, got 0", "another value"),
        # What raises by itself is refused like the rest.
        (["width=8", "heads=0"], "heads: integer modulo by zero", "another value"),
    ],
)
def test_a_refusal_names_the_assignments_at_fault(
    assignments: list[str], says: str, hint: str
) -> None:
    for order in (assignments, assignments[::-1]):
        with pytest.raises(ConfigInvalidError) as caught:
            with_values(Tower(), order)
        told = caught.value.message
        assert sorted(told.partition(": ")[0].split(" and ")) == sorted(
            says.partition(": ")[0].split(" and ")
        )
        assert told.partition(": ")[2] == says.partition(": ")[2]
        assert hint in str(caught.value.hint)


def test_a_refusal_keeps_the_hint_and_spares_what_has_no_part_in_it() -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        with_values(Towers(), ["video.heads=4", "text.layers=9", "video.layers=5", "text.heads=1"])
    assert str(caught.value) == (
        "text.layers: the text tower is the deeper one\nhint: --set text.layers=1"
    )


def test_values_take_the_type_of_their_field() -> None:
    made = with_values(Outer(), ["many=3, 4", "limit=none", "flag=true", "inner.size=9"])
    assert made == Outer(many=(3, 4), limit=None, flag=True, inner=Inner(9))


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("ratio", "dotted.path=value"),
        ("nothing=1", "it has: name, ratio"),
        ("ratio=much", "float"),
        ("flag=perhaps", "bool"),
        ("name.deeper=1", "plain value"),
        ("inner=3", "more than text"),
    ],
)
def test_wrong_assignments_say_what_is_wrong(assignment: str, says: str) -> None:
    with pytest.raises(ConfigInvalidError, match=says.replace(".", r"\.")):
        with_values(Outer(), [assignment])


def changed(assignment: str) -> Recipe:
    return with_values(RECIPES["default"](), [assignment])


def rules(recipe: Recipe) -> dict[str, FilterRule]:
    return {rule.reason: rule for rule in recipe.cut.filters}


def test_members_of_lists_go_by_their_names() -> None:
    whole = RECIPES["default"]()
    assert "still" not in rules(changed("cut.filters.still=none"))
    assert list(rules(changed("cut.filters=black,too_short"))) == ["black", "too_short"]
    assert rules(changed("cut.filters.too_short.minimum=2"))["too_short"].minimum == 2
    dark = rules(changed("cut.filters.dark.column=brightness"))
    assert list(dark) == [*rules(whole), "dark"]
    assert dark["dark"].column == "brightness"
    signals = changed("cut.signals.stillness.least_share=0.8").cut.signal_components()
    assert [type(one) for one in signals] == [type(one) for one in whole.cut.signal_components()]
    assert StillnessSignal(least_share=0.8) in signals
    assert set(changed("captioners.who=echo").captioners) == {"measured", "who"}
    assert not changed("captioners=").captioners
    assert changed("cut.detector=content").cut.detector == ContentDetector()
    assert changed("scan.observers.luma=none").scan.observers == (
        "content",
        "camera",
        "transitions",
    )


def test_a_component_from_outside_is_reached_though_its_name_has_dots() -> None:
    name = "tests.pipeline.strangers:Brightest"
    recipe = changed(f"cut.signals={name},audio")
    assert recipe.cut.signals == (name, "audio")
    recipe = with_values(recipe, [f"cut.signals.{name}.least=3"])
    assert recipe.cut.signal_components()[0] == Brightest(least=3)


def test_one_of_two_filters_for_one_reason_is_reached() -> None:
    twice = (FilterRule("brightness", "dull", 0.1), FilterRule("sharpness", "dull", 0.2))
    recipe = RECIPES["default"]()
    recipe = dataclasses.replace(recipe, cut=dataclasses.replace(recipe.cut, filters=twice))
    found = with_values(recipe, ["cut.filters.dull-2.minimum=0.3"]).cut.filters
    assert [rule.minimum for rule in found] == [0.1, 0.3]


@pytest.mark.parametrize(
    "assignment",
    [
        "cut.filters.still.maximum=0",
        "cut.filters=too_short,black,slideshow,still,flicker,extreme",
        "cut.signals.stillness.least_share=0.65",
        "cut.stitch.maximum_seconds=60",
        "cut.detector=default",
    ],
)
def test_what_changes_nothing_keeps_the_fingerprint(assignment: str) -> None:
    assert changed(assignment).cut_key() == RECIPES["default"]().cut_key()


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("cut.filters.stil.maximum=1", "there are: too_short, black, slideshow, still"),
        ("cut.filters.still=3", "its fields: column, reason, minimum, maximum"),
        ("cut.filters=still,nope", "known: too_short, black"),
        ("cut.signals.nope.x=1", "there are: motion, stillness"),
        ("cut.signals=motion,nope", "known: audio, borders"),
        ("cut.detector=contnet", "did you mean 'content'"),
        ("captioners.measured.x=1", "it has: certainty"),
        ("scan.observers.content._last=1", "it has: none"),
        ("name=../elsewhere", "cannot name a recipe"),
        ("cut.stitch.maximum_seconds=-1", "maximum_seconds must be 0 or more, got -1"),
        ("cut.stitch.join_below_score=nan", r"join_below_score must lie in \[0, 1\], got nan"),
    ],
)
def test_wrong_names_of_members_are_answered_with_those_that_are_there(
    assignment: str, says: str
) -> None:
    with pytest.raises(MisuseError, match=says):
        changed(assignment)


@pytest.mark.parametrize(
    ("assignments", "says"),
    [
        (["cut.signals=motion"], "the filter 'black' asks for a number 'black_frames_share'"),
        (["cut.filters.dark.column=brightness"], "neither a minimum nor a maximum"),
        (["cut.filters.odd.column=camera_move"], "asks for a number 'camera_move'"),
        (["captioners.Kept=echo"], "has a column 'Kept' already"),
        (["captioners.a/b=echo"], "'a/b' cannot name a column"),
        (["scan.observers.camera=none"], "the timeline has no column 'camera_x'"),
        (["scan.observers.transitions=none"], "the timeline has no column 'gradual'"),
    ],
)
def test_what_cannot_work_together_is_found_before_a_video_is_read(
    assignments: list[str], says: str
) -> None:
    with pytest.raises(ConfigInvalidError, match=says):
        with_values(RECIPES["default"](), assignments).check()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_settings_are_spelled_as_assignments_take_them(name: str) -> None:
    recipe = RECIPES[name]()
    spelled = [f"{one['setting']}={one['value']}" for one in recipe.settings()]
    assert with_values(recipe, spelled) == recipe


@pytest.mark.parametrize("order", orders("cut.detector=content", "cut.detector.threshold=30"))
def test_a_component_is_chosen_before_its_fields(order: list[str]) -> None:
    recipe = with_values(RECIPES["default"](), order)
    assert recipe.cut.detector == ContentDetector(threshold=30)


@pytest.mark.parametrize(
    "order",
    orders("cut.filters=black,dark", "cut.filters.dark.minimum=1", "cut.filters.dark.column=luma"),
)
def test_members_are_named_begun_and_filled_in_any_order(order: list[str]) -> None:
    found = rules(with_values(RECIPES["default"](), order))
    assert list(found) == ["black", "dark"]
    assert found["dark"] == FilterRule("luma", "dark", minimum=1)


@pytest.mark.parametrize("order", orders("captioners=who", "captioners.who=echo"))
def test_columns_are_named_and_filled_in_any_order(order: list[str]) -> None:
    assert with_values(RECIPES["default"](), order).captioners == {"who": EchoCaptioner()}


def test_a_column_of_another_name_is_spelled_with_its_captioner() -> None:
    recipe = changed("captioners.who=echo")
    spelled = [f"{path}={spell(value)}" for path, value in settings_of(recipe).items()]
    assert with_values(RECIPES["default"](), spelled) == recipe


def test_a_member_cannot_be_taken_out_and_changed() -> None:
    assignments = ["cut.filters.still.maximum=1", "cut.filters.still=none"]
    for order in (assignments, assignments[::-1]):
        with pytest.raises(ConfigInvalidError, match=r"'cut\.filters\.still=none' takes out what"):
            with_values(RECIPES["default"](), order)


def test_a_refusal_tries_each_assignment_once() -> None:
    made: list[int] = []

    @dataclass(frozen=True)
    class Many:
        a: int = 0
        b: int = 0
        c: int = 0
        d: int = 0
        e: int = 0
        f: int = 0
        g: int = 0

        def __post_init__(self) -> None:
            made.append(1)
            if self.a == 1:
                raise ValueError("a cannot be 1")

    with pytest.raises(ConfigInvalidError, match="a cannot be 1"):
        with_values(Many(), [f"{name}=1" for name in "abcdefg"])
    assert len(made) <= 9
