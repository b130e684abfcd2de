"""Fingerprints move with results and nothing else; components are found by name."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.core import registry
from internvid.core.assignments import with_values
from internvid.core.config import fingerprint
from internvid.core.errors import ComponentUnknownError
from internvid.recipes import RECIPES
from tests.core.outer import Inner, Outer


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
