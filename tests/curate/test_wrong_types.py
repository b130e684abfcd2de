"""What is of a wrong type in Python is refused as any other misuse, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.dataset.store import Dataset
from tests.trees import digest_tree

CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "list of datasets": (lambda data: internvid.select([data.root], "cap", "a"), "one at a time"),
    "no dataset": (lambda data: internvid.select(None, "cap", "a"), "dataset is a path"),
    "described list": (lambda data: internvid.describe([data.root]), "dataset is a path"),
    "deduplicated number": (lambda data: internvid.dedup(3), "dataset is a path"),
    "no step": (lambda data: internvid.select(data, "cap", "a", then=None), "not None"),
    "step": (lambda data: internvid.select(data, "cap", "a", then=[5]), "not 5"),
    "class as step": (lambda data: internvid.select(data, internvid.Cap, "a"), "an instance"),
    "where": (lambda data: internvid.select(data, "cap", "a", where=5), "where is a text"),
    "selector": (lambda data: internvid.select(data, 5, "a"), "a selector is a name"),
    "no selector": (lambda data: internvid.select(data, None, "a"), "a selector is a name"),
    "name": (lambda data: internvid.select(data, "cap", 5), "name is a text"),
    "subset": (lambda data: internvid.select(data, "cap", "a", subset=5), "subset is a text"),
    "layout": (lambda data: internvid.select(data, "cap", "a", layout=5), "layout is a text"),
    "no settings": (lambda data: internvid.select(data, "cap", "a", settings=None), "a setting is"),
    "setting": (lambda data: internvid.select(data, "cap", "a", settings=[3]), "a setting is"),
    "out": (lambda data: internvid.select(data, "cap", out=5), "out is a path"),
    "count": (lambda data: internvid.select(data, internvid.Random("x"), "a"), "count must be"),
    "hours": (lambda data: internvid.select(data, internvid.Random(hours=[1]), "a"), "hours must"),
    "compared list": (lambda data: internvid.diff([data.root], data), "is compared is a path"),
    "compared nothing": (lambda data: internvid.diff(data, None), "is compared is a path"),
    "part": (lambda data: internvid.split(data, "s", val="x"), "val must be a number"),
    "name of parts": (lambda data: internvid.split(data, 5), "name is a text"),
    "name of groups": (lambda data: internvid.dedup(data, name=5), "name is a text"),
    "distance": (lambda data: internvid.dedup(data, distance="x"), "distance must be a whole"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_wrong_type_is_a_misuse(kind: str, dataset: Dataset) -> None:
    before = digest_tree(dataset.root)
    call, words = CALLS[kind]
    with pytest.raises(MisuseError, match=words) as caught:
        call(dataset)
    assert caught.value.hint
    assert digest_tree(dataset.root) == before
