"""Functions of the front door take one name where they take several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import internvid
from internvid.api.components import make_component
from internvid.api.training import make_recipe
from internvid.core.errors import (
    ConfigInvalidError,
    InternvidError,
    MisuseError,
    SourceMissingError,
)
from internvid.core.several import several


def test_a_text_or_a_path_is_one_thing() -> None:
    assert several("abc") == ["abc"]
    assert several(Path("abc")) == [Path("abc")]
    assert several(("a", Path("b"))) == ["a", Path("b")]
    assert several(()) == []


def test_one_setting_needs_no_list() -> None:
    assert make_component("selector", "random", "count=3").count == 3
    assert make_recipe("viclip_tiny", "loop.seed=7").loop.seed == 7


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: internvid.evaluate("fake", "k400", videos=".", annotations="no-list.csv"),
            SourceMissingError,
            r"no-list\.csv",
        ),
        (lambda: internvid.train("viclip_tiny", [], "run"), MisuseError, "no data to train on"),
        (lambda: internvid.plan_training("viclip_tiny", ()), MisuseError, "no data to train on"),
        (lambda: internvid.classify("film.mp4", [], "model"), ConfigInvalidError, "at least one"),
        (
            lambda: internvid.train("viclip_action", "no-list.csv", "run", videos="films"),
            SourceMissingError,
            "films|no-list",
        ),
    ],
)
def test_what_is_missing_is_named_whole(
    call: Callable[[], object],
    kind: type[InternvidError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        call()
