"""Health of texts: what is found, what is left alone, and how long it takes on monsters."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.captions.checks import check
from internvid.captions.checks.check import check_text, unsupported_words
from internvid.core.errors import DependencyMissingError

HEALTHY = [
    "A man rides a bicycle down a busy street.",
    "a cat",
    "dog",
    "The camera pans left over a dark, mostly red scene without sound.",
    "A person says sorry to a friend who cannot come in.",
    "a bowl of spaghetti alla carbonara on a wooden table",
    "Two men hug, then two men shake hands, then two men walk away together.",
    "black and white stripes, black and white squares",
    "A sign reads 'no no no' above a door.",
]
REFUSALS = [
    "I'm sorry, but I can't assist with that request.",
    "Sorry, I cannot describe this image.",
    "As an AI language model, I do not watch videos.",
    "I am unable to view the video you mention.",
    "I’m unable to help with identifying people.",
    "No image was provided. Please upload the image.",
]


@pytest.mark.parametrize("text", HEALTHY)
def test_healthy_texts_pass(text: str) -> None:
    assert check_text(text) == []


@pytest.mark.parametrize("text", ["", None, "  \n", "...", "–", "\x00"])
def test_a_text_without_words_is_empty(text: str | None) -> None:
    assert check_text(text) == ["empty"]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_told(text: str) -> None:
    assert "refusing" in check_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "a dog dog dog dog in the park",
        "a man in a hat, a man in a hat, a man in a hat",
        "the red ball and the red ball and the red ball and the red ball",
        "哈哈哈哈哈哈哈哈哈哈哈哈",
        "aaaaaaaaaaaaaaaa",
        "it is a tall tree. it is a small tree. " * 12,
    ],
)
def test_loops_are_told(text: str) -> None:
    assert "looping" in check_text(text, language="")


@pytest.mark.parametrize(
    "text",
    [
        "ein Mann mit einem Hund läuft über die Wiese",
        "un homme avec un chien sur la plage",
        "一个男人在海滩上",
        "мужчина идет по улице",
    ],
)
def test_another_language_is_told(text: str) -> None:
    assert check_text(text) == ["wrong_language"]
    assert check_text(text, language="") == []


def test_the_wanted_language_may_be_another() -> None:
    assert check_text("ein Mann mit einem Hund läuft über die Wiese", language="de") == []
    assert check_text("the man and his dog run over the meadow", language="de") == [
        "wrong_language"
    ]


def test_too_many_words_are_told_in_any_script() -> None:
    assert check_text(" ".join(f"word{i}" for i in range(30)), "", 20) == ["too_long"]
    assert "too_long" in check_text("".join(chr(0x4E00 + i) for i in range(300)), "", 20)


def test_a_hundred_kilobytes_are_judged_at_once() -> None:
    monsters = ["a" * 100_000, "ab" * 50_000, "word " * 20_000, "a b c d " * 12_500]
    for monster in [*monsters, "".join(chr(32 + i % 90) for i in range(100_000))]:
        started = time.perf_counter()
        assert "too_long" in check_text(monster)
        assert time.perf_counter() - started < 2


@given(st.text(max_size=300))
def test_no_text_breaks_the_check(text: str) -> None:
    assert set(check_text(text)) <= set(check.REASONS)


def test_without_the_package_languages_are_refused_not_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check._language_ranker.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(DependencyMissingError, match="py3langid"):
        check_text("a man walks along the street")
    assert check_text("a man walks along the street", language="") == []


def test_claims_that_no_line_supports_are_named() -> None:
    lines = ["a dog runs over grass", "a brown dog jumping over a fence"]
    assert unsupported_words("A brown dog jumps over fences and grass.", lines) == []
    assert unsupported_words("Two cats and the dog run in the snow", lines) == [
        "two",
        "cats",
        "snow",
    ]
    assert unsupported_words("The video shows a scene with a running dog", lines) == []
