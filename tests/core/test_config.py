"""Fingerprints move with results and nothing else; assignments are checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.core import registry
from internvid.core.config import fingerprint, setting, with_values
from internvid.core.errors import ComponentUnknownError, ConfigInvalidError, MisuseError
from internvid.curate.filters import FilterRule
from internvid.pipeline.recipe import Recipe
from internvid.recipes import RECIPES
from internvid.shots.content import ContentDetector
from internvid.signals.stillness import StillnessSignal
from tests.pipeline.strangers import Brightest


@dataclass(frozen=True)
class Inner:
    version: ClassVar[int] = 1
    size: int = 3


@dataclass(frozen=True)
class Outer:
    version: ClassVar[int] = 1
    name: str = "x"
    ratio: float = 0.5
    flag: bool = False
    limit: int | None = None
    many: tuple[int, ...] = (1, 2)
    inner: Inner = field(default_factory=Inner)
    device: str = setting("cpu")


@given(st.sampled_from(["name=y", "ratio=0.25", "flag=yes", "limit=4", "many=1", "inner.size=4"]))
def test_every_field_changes_the_fingerprint(assignment: str) -> None:
    assert fingerprint(with_values(Outer(), [assignment])) != fingerprint(Outer())


def test_settings_do_not_change_the_fingerprint_and_versions_do() -> None:
    assert fingerprint(Outer(device="cuda")) == fingerprint(Outer())
    before = fingerprint(Outer())
    Inner.version = 2
    try:
        assert fingerprint(Outer()) != before
    finally:
        Inner.version = 1


def test_inputs_change_the_fingerprint() -> None:
    assert fingerprint(Outer(), {"scan": "a"}) != fingerprint(Outer(), {"scan": "b"})


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


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_listed_component_loads_and_can_be_made(kind: str) -> None:
    for name in registry.names(kind):
        component = registry.create(kind, name)
        assert dataclasses.is_dataclass(component)
        assert (component.__doc__ or "").strip(), f"{kind} {name} says nothing of itself"


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(ComponentUnknownError) as caught:
        registry.find("detector", "contnet")
    assert "content" in str(caught.value)


def test_a_component_from_outside_is_named_by_module_and_class() -> None:
    found = registry.create("scorer", "tests.pipeline.strangers:LengthScorer")
    assert type(found).__name__ == "LengthScorer"
    with pytest.raises(ComponentUnknownError, match="cannot be imported"):
        registry.find("scorer", "no_such_module:Thing")
    with pytest.raises(ComponentUnknownError, match="not a dataclass"):
        registry.find("scorer", "json:JSONDecoder")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_have_stable_distinct_keys(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.cut_key() == RECIPES[name]().cut_key()
    assert recipe.cut_key().startswith(f"{name}@")


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
