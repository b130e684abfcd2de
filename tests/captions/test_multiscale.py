"""Summaries, and captions of two scales fused into one."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from internvid.captions.gathering import folded
from internvid.captions.multiscale import MultiscaleCaptioner
from internvid.captions.requests import picks_per_second
from internvid.captions.summarise import TEMPLATE, Fuser, SummariseCaptioner
from internvid.core.binding import origin_of
from internvid.core.errors import (
    ConfigInvalidError,
)
from internvid.models.image_to_text import ImageToText
from tests.captions.servers import asked, serving
from tests.captions.speaking import (
    SAY,
    by_id,
    local,
    multiscale,
    scripted,
    served_multiscale,
    summariser,
)
from tests.captions.views import view, views
from tests.models.tiny import TinyModels


def test_repeated_lines_are_folded() -> None:
    assert folded(["A dog.", "a  dog", "", "A cat", "a dog!"]) == ["A dog.", "A cat"]


def test_t5_gets_the_lines_and_chat_models_a_question(tiny_models: TinyModels) -> None:
    lines = ["A dog.", "a dog", "A cat"]
    t5, instruct = summariser(tiny_models).fuser, summariser(tiny_models, "chat").fuser
    assert t5.words(lines, t5.form()) == "A dog. A cat"
    assert instruct.words(lines, instruct.form()) == TEMPLATE.replace("{lines}", "A dog.\nA cat")
    assert Fuser(template="none", local=local(tiny_models, "chat")).form() == ""
    many = [f"line {at}" for at in range(100)]
    thinned = Fuser(most_lines=5).words(many, "").split(". ")
    assert thinned == ["line 0", "line 25", "line 50", "line 74", "line 99"]
    with pytest.raises(ConfigInvalidError, match="where the lines go"):
        Fuser(template="Summarise this.")


@pytest.mark.parametrize("model", ["t5", "chat"])
def test_a_summary_is_bound_to_pictures_and_lines(model: str, tiny_models: TinyModels) -> None:
    captioner = summariser(tiny_models, model)
    clips = views(5, seconds=3.0)
    found = by_id(captioner.caption(clips))
    for clip in clips:
        annotation = found[clip.clip.clip_id]
        assert annotation.status == "ok"
        lines = annotation.extras["lines"]
        assert len(lines) == 3
        prompt = captioner.fuser.words(lines, captioner.fuser.form())
        picks = picks_per_second(clip, 1.0)
        assert annotation.origin == origin_of(clip.clip.clip_id, picks, prompt)


def test_lines_may_come_from_a_text_column(tiny_models: TinyModels) -> None:
    captioner = SummariseCaptioner("text", fuser=Fuser(local=local(tiny_models, "t5")))
    captioner.setup()
    clips = [
        dataclasses.replace(clip, text=text)
        for clip, text in zip(views(4), ["a dog\na cat", "the man", " \n", None], strict=True)
    ]
    found = by_id(captioner.caption(clips))
    first = found[clips[0].clip.clip_id]
    assert first.origin == origin_of(clips[0].clip.clip_id, [], "a dog. a cat")
    assert first.extras["lines"] == ["a dog", "a cat"]
    assert [found[clip.clip.clip_id].reason for clip in clips] == ["", "", "no_lines", "no_lines"]


# Multiscale.


def test_multiscale_keeps_every_text_and_flags_what_nothing_supports() -> None:
    with serving(scripted(SAY)) as server:
        captioner = served_multiscale(server)
        captioner.setup()
        (annotation,) = captioner.caption([view("a", seconds=3.0)])
        prompts = {payload["model"]: asked(payload) for payload in server.posts}
    assert annotation.value == SAY["fuse"]
    assert annotation.extras == {
        "coarse": SAY["coarse"],
        "lines": ["a dog jumping"] * 3,
        "unsupported": ["fence", "two", "cats", "sleep"],
    }
    assert len(prompts["coarse"][1]) == len(prompts["fine"][1]) == 1
    words, pictures = prompts["fuse"]
    assert words == TEMPLATE.replace("{lines}", "a dog jumping\nA brown dog on grass.")
    assert pictures == []
    assert annotation.origin is not None
    assert annotation.origin.prompt == words
    # One picture a second, and the middle one.
    assert annotation.origin.frames == (0, 24, 36, 48)


@pytest.mark.parametrize(
    ("failing", "status", "lines"),
    [
        (["coarse"], "ok", "a dog jumping"),
        (["fine"], "ok", "A brown dog on grass."),
        (["coarse", "fine"], "failed", ""),
        (["fuse"], "failed", "a dog jumping\nA brown dog on grass."),
    ],
)
def test_where_one_scale_fails_the_other_stands_alone(
    failing: list[str], status: str, lines: str
) -> None:
    with serving(scripted(SAY, failing)) as server:
        (annotation,) = served_multiscale(server).caption([view("a", seconds=3.0)])
        fused = [asked(payload)[0] for payload in server.posts if payload["model"] == "fuse"]
    assert annotation.status == status
    assert annotation.reason == ("" if status == "ok" else "refused")
    assert fused == ([TEMPLATE.replace("{lines}", lines)] if lines else [])


@pytest.mark.parametrize("kind", ["multiscale", "summarise"])
def test_sentences_come_long_before_the_last_picture_is_seen(
    kind: str, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill in the middle finds stored."""
    seen, fused, describe = [0], [], ImageToText.describe

    def counted(self: ImageToText, pictures: Any, prompt: str = "") -> Any:
        seen[0] += len(pictures)
        return describe(self, pictures, prompt)

    monkeypatch.setattr(ImageToText, "describe", counted)
    made = multiscale(tiny_models) if kind == "multiscale" else summariser(tiny_models)
    large = {"fuser": dataclasses.replace(made.fuser, local=local(tiny_models, "t5", batch=16))}
    if isinstance(made, MultiscaleCaptioner):
        coarse = local(tiny_models, "blip2", batch=16)
        large["coarse"] = dataclasses.replace(made.coarse, local=coarse)
    made = dataclasses.replace(made, **large)
    for annotation in made.caption(views(22, seconds=3.0)):
        fused.append((seen[0], annotation.clip_id))
    pictures = seen[0]
    assert len(fused) == 22
    assert fused[0][0] < 0.3 * pictures
    assert fused[10][0] < 0.7 * pictures


def test_local_multiscale_fuses_both_scales(tiny_models: TinyModels) -> None:
    captioner = multiscale(tiny_models)
    captioner.setup()
    clips = views(6, seconds=3.0)
    found = by_id(captioner.caption(clips))
    coarse = by_id(captioner.coarse.caption(clips))
    fine = by_id(captioner.fine.caption(clips))
    for clip_id, annotation in found.items():
        assert annotation.status == "ok"
        assert annotation.extras["coarse"] == coarse[clip_id].value
        assert annotation.extras["lines"] == fine[clip_id].extras["lines"]
    shuffled = clips[:]
    random.Random(3).shuffle(shuffled)
    assert by_id(captioner.caption(shuffled)) == found
