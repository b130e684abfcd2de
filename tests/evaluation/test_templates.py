"""Templates are the published ones; cleaning does what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.prompt_templates import (
    CLIP_ACTION_TEMPLATES,
    CLIP_KINETICS_TEMPLATES,
    clean_label,
    digest_texts,
    fill_templates,
    find_cleaning,
    find_templates,
)
from internvid.models.templates import ACTION_TEMPLATES, clean_text


def test_there_are_as_many_as_published() -> None:
    counts = [len(set(x)) for x in (ACTION_TEMPLATES, CLIP_KINETICS_TEMPLATES)]
    assert counts == [16, 28]
    assert len(set(CLIP_ACTION_TEMPLATES)) == 48
    for template in (*ACTION_TEMPLATES, *CLIP_KINETICS_TEMPLATES, *CLIP_ACTION_TEMPLATES):
        assert template.count("{}") == 1
    assert CLIP_KINETICS_TEMPLATES[:2] == ("a photo of {}.", "a photo of a person {}.")
    assert "a example of the person practicing {}." in CLIP_ACTION_TEMPLATES


def test_the_reference_cleans_every_sentence() -> None:
    assert clean_text("Look, the human is (not) tai-chi/Yoga?") == (
        "look the human is not tai chi yoga"
    )
    texts = fill_templates(ACTION_TEMPLATES, ["drop kicking"], labels="none",
                           cleaning="reference")  # fmt: skip
    assert texts[11] == "can you recognize the action of drop kicking"
    assert len(texts) == 16


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("YoYo", "yo yo"),
        ("brush_hair", "brush hair"),
        ("shooting goal (soccer)", "shooting goal soccer"),
        ("Pushing [something] from left", "pushing something from left"),
        ("TaiChi", "tai chi"),
        ("BMX", "bmx"),
    ],
)
def test_labels_become_words(name: str, words: str) -> None:
    assert clean_label(name) == words


def test_real_class_names_stay_distinct_when_cleaned(media: Path) -> None:
    for path in sorted((media / "text").glob("*_classes.txt")):
        names = path.read_text("utf-8").splitlines()
        for clean in (clean_label, clean_text):
            assert len({clean(name) for name in names}) == len(set(names)), path.name


def test_a_template_can_be_written_out() -> None:
    assert find_templates("I see {}") == ("I see {}",)
    assert len(find_templates("clip-kinetics")) == 28
    with pytest.raises(ConfigInvalidError):
        find_templates("clap")
    with pytest.raises(ConfigInvalidError):
        find_cleaning("soap")


def test_digests_follow_words_and_order() -> None:
    assert digest_texts(["a", "b"]) != digest_texts(["b", "a"])
    assert digest_texts(["ab"]) != digest_texts(["a", "b"])
