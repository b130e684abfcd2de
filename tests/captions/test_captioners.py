"""The captioners over tiny models and served ones: what they show, say, keep and fail with."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from internvid.captions.frame import FrameCaptioner
from internvid.captions.local import LocalModel, show
from internvid.captions.multiscale import MultiscaleCaptioner
from internvid.captions.requests import (
    Answer,
    ask_about,
    checked_answer,
    middle_pick,
    picks_per_second,
)
from internvid.captions.summarise import SummariseCaptioner
from internvid.captions.tags import TagsCaptioner
from internvid.captions.vlm import VlmCaptioner, nearest_to_middles
from internvid.core.annotators import traits_of
from internvid.core.binding import origin_of
from internvid.core.config import fingerprint, identity
from internvid.core.contracts import Annotation, ClipView, Needs, Pick
from internvid.core.errors import (
    BudgetSpentError,
    ConfigInvalidError,
    InternvidError,
    WeightsMissingError,
)
from internvid.models.generated_texts import Generated
from tests.captions.servers import Turn, chat, mirror, serving
from tests.captions.servers import fingerprint as mark
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
from tests.models.pretrained.pictures import jpeg
from tests.models.tiny import TinyModels


def broken(name: str) -> ClipView:
    """A clip whose pictures do not decode."""
    return view(name, [Pick(at, at / 2, jpeg(at)[: 300 - at]) for at in range(3)])


# Choosing pictures.


def test_the_middle_pick_is_nearest_to_the_middle_and_the_earlier_of_two() -> None:
    picks = [Pick(at, time, b"") for at, time in enumerate((0.2, 1.0, 3.0, 3.9))]
    assert middle_pick(view("a", picks)) == picks[1]
    assert middle_pick(view("a", picks[2:])) == picks[2]
    assert middle_pick(view("a", [])) is None


def test_one_pick_a_second_is_the_first_of_each_second() -> None:
    picks = [Pick(at, time, b"") for at, time in enumerate((0.0, 0.5, 0.9999999, 1.4, 3.2, 3.4))]
    assert [pick.frame for pick in picks_per_second(view("a", picks), 1.0)] == [0, 2, 4]


def test_frames_are_spread_over_the_clip_in_time_order_each_once() -> None:
    crowded = [Pick(at, time, b"") for at, time in enumerate((0.0, 0.1, 0.2, 0.3, 2.0, 3.9))]
    assert [pick.frame for pick in nearest_to_middles(view("a", crowded), 4)] == [3, 4, 5]
    assert [pick.frame for pick in nearest_to_middles(view("a", crowded), 9)] == [0, 1, 2, 3, 4, 5]


# Local models.


def test_frame_binds_each_text_to_the_picture_and_prompt_it_was_made_from(
    tiny_models: TinyModels,
) -> None:
    captioner = FrameCaptioner(prompt="a dog", local=local(tiny_models, "git", batch=3))
    clips = views(7)
    found = by_id(captioner.caption(clips))
    for clip in clips:
        annotation = found[clip.clip.clip_id]
        pick = middle_pick(clip)
        assert pick is not None
        assert annotation.origin == origin_of(clip.clip.clip_id, [pick], "a dog")
        alone = by_id(captioner.caption([clip]))
        assert alone[clip.clip.clip_id] == annotation
    assert len({annotation.value for annotation in found.values()}) > 2


@pytest.mark.parametrize("name", ["frame", "tags", "summarise", "multiscale", "vlm"])
def test_clips_that_cannot_be_described_have_a_reason_and_the_rest_goes_on(
    name: str, tiny_models: TinyModels
) -> None:
    captioner = {
        "frame": FrameCaptioner(local=local(tiny_models, "blip2", batch=2)),
        "tags": TagsCaptioner(local=local(tiny_models, "git", batch=2)),
        "summarise": summariser(tiny_models),
        "multiscale": multiscale(tiny_models),
        "vlm": VlmCaptioner(frames=3, local=local(tiny_models, "qwen_vl", batch=2)),
    }[name]
    good = views(4)
    clips = [good[0], view("empty", []), good[1], broken("broken"), good[2], good[3]]
    clips.append(view("garbage", [Pick(0, 2.0, b"no picture")]))
    found = by_id(captioner.caption(iter(clips)))
    assert len(found) == 7
    assert {found[clip.clip.clip_id].status for clip in good} == {"ok"}
    reasons = [found[clip.clip.clip_id].reason for clip in (clips[1], clips[3], clips[6])]
    assert reasons == ["no_picks", "picture_unreadable", "picture_unreadable"]
    assert by_id(captioner.caption(good)) == {
        clip.clip.clip_id: found[clip.clip.clip_id] for clip in good
    }


def test_an_unfinished_answer_is_a_failure(tiny_models: TinyModels) -> None:
    captioner = FrameCaptioner(maximum_tokens=3, local=local(tiny_models, "blip2"))
    found = by_id(captioner.caption(views(2)))
    assert {(each.status, each.reason) for each in found.values()} == {("failed", "truncated")}


def test_answers_without_words_or_with_too_many_are_failures() -> None:
    assert checked_answer(Answer(" ... "), 5) == Answer(failure="empty_answer")
    assert checked_answer(Answer("a b c d e f"), 5) == Answer(failure="too_long")
    assert checked_answer(Answer("x" * 100_000), 100) == Answer(failure="too_long")
    assert checked_answer(Answer("a b c d e"), 5) == Answer("a b c d e")


def _requests(number: int) -> list[Any]:
    return [ask_about(f"{at:032x}", [Pick(0, 0.0, jpeg(at))]) for at in range(number)]


def test_a_batch_that_fails_is_tried_one_by_one() -> None:
    poison = _requests(6)[4]

    def describe(batch: Sequence[Any]) -> list[Generated]:
        if any(request.clip_id == poison.clip_id for request, _ in batch):
            raise RuntimeError("sizes of tensors must match")
        return [Generated(f"text of {request.clip_id}") for request, _ in batch]

    found = {r.clip_id: answer for r, answer in show(_requests(6), describe, LocalModel(batch=6))}
    assert found.pop(poison.clip_id) == Answer(failure="model_failed")
    assert all(answer.text == f"text of {clip_id}" for clip_id, answer in found.items())


def test_fewer_answers_than_asked_are_never_shared_out() -> None:
    def describe(batch: Sequence[Any]) -> list[Generated]:
        return [Generated(f"text of {request.clip_id}") for request, _ in batch][
            : max(1, len(batch) - 1)
        ]

    for request, answer in show(_requests(6), describe, LocalModel(batch=4)):
        assert answer.text == f"text of {request.clip_id}"


def test_a_model_that_fails_for_all_stops_the_run() -> None:
    def describe(_: Sequence[Any]) -> list[Generated]:
        raise RuntimeError("no kernel image")

    with pytest.raises(InternvidError, match=r"every clip it is given.*no kernel image"):
        list(show(_requests(3), describe, LocalModel(batch=3)))


def test_unfinished_answers_are_no_failures_of_the_model() -> None:
    def describe(batch: Sequence[Any]) -> list[Generated]:
        if len(batch) > 1:
            raise RuntimeError("sizes of tensors must match")
        return [Generated("a dog that", is_cut=True)]

    found = [answer for _, answer in show(_requests(3), describe, LocalModel(batch=3))]
    assert found == [Answer(failure="truncated")] * 3


def test_setup_says_what_is_missing(tiny_models: TinyModels, tmp_path: Path) -> None:
    for captioner in (FrameCaptioner(), TagsCaptioner(), SummariseCaptioner(), VlmCaptioner()):
        with pytest.raises(WeightsMissingError, match="hf download"):
            captioner.setup()
    with pytest.raises(ConfigInvalidError, match="wanted is"):
        FrameCaptioner(local=local(tiny_models, "t5")).setup()
    with pytest.raises(ConfigInvalidError, match="no chat template"):
        VlmCaptioner(local=local(tiny_models, "blip2")).setup()
    with pytest.raises(ConfigInvalidError, match="no model is named"):
        FrameCaptioner(local=LocalModel()).setup()


def test_declarations() -> None:
    assert traits_of(VlmCaptioner(frames=6, short_side=448)).needs == Needs(6, 448)
    assert traits_of(SummariseCaptioner(source="text")).reads == {"text"}
    assert traits_of(SummariseCaptioner()).reads == {"picks"}
    for kind in (FrameCaptioner, TagsCaptioner, SummariseCaptioner, MultiscaleCaptioner):
        assert traits_of(kind()).has_setup


# Tags.


def test_labels_are_ranked_by_a_dual_encoder(tiny_models: TinyModels, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("dog\ncat\n\nsnow\ndog\nkitchen\n")
    for model in ("clip", "siglip"):
        captioner = TagsCaptioner(labels=str(labels), top=2, local=local(tiny_models, model))
        captioner.setup()
        found = by_id(captioner.caption(views(4, seconds=3.0)))
        for annotation in found.values():
            assert len(annotation.extras["lines"]) == 3
            for line in annotation.extras["lines"]:
                named = line.split(", ")
                assert len(set(named)) == 2
                assert set(named) <= {"dog", "cat", "snow", "kitchen"}
        assert by_id(captioner.caption(views(4, seconds=3.0)[::-1])) == found
    with pytest.raises(ConfigInvalidError, match="cannot be read"):
        TagsCaptioner(labels=str(tmp_path / "none"), local=local(tiny_models, "clip")).setup()
    labels.write_text("\n")
    with pytest.raises(ConfigInvalidError, match="holds none"):
        TagsCaptioner(labels=str(labels), local=local(tiny_models, "clip")).setup()


def my_tags(pictures: list[Image.Image]) -> list[list[str]]:
    """A user's tagger."""
    return [
        ["wide" if picture.width > picture.height else "tall", "picture"] for picture in pictures
    ]


def test_a_users_function_can_say_the_tags() -> None:
    hook = f"{__name__}:my_tags"
    captioner = TagsCaptioner(hook=hook)
    captioner.setup()
    found = by_id(captioner.caption(views(3, seconds=3.0)))
    assert {annotation.value for annotation in found.values()} == {"wide, picture"}
    assert {tuple(each.extras["lines"]) for each in found.values()} == {("wide, picture",) * 3}
    assert fingerprint(captioner) != fingerprint(dataclasses.replace(captioner, hook_version="2"))
    for wrong in ("nowhere:f", f"{__name__}:nothing", "nothing", f"{__name__}:TiB"):
        with pytest.raises(ConfigInvalidError, match="hook"):
            TagsCaptioner(hook=wrong).setup()


def test_only_one_way_of_tagging_can_be_set() -> None:
    with pytest.raises(ConfigInvalidError, match="only one of hook and labels"):
        TagsCaptioner(hook="a:b", labels="c")


# Served models.


def test_every_served_captioner_keeps_answers_with_their_clips() -> None:
    delays = random.Random(1)

    def script(payload: dict[str, Any], time: int) -> Turn:
        if time == 0 and delays.random() < 0.3:
            return Turn(b"", 503, {"Retry-After": "0"})
        return Turn(chat(mirror(payload)), delay_seconds=delays.random() * 0.02)

    clips = views(25, seconds=3.0)
    with serving(script) as server:
        frame = FrameCaptioner(served=server.served(concurrency=8), maximum_words=10)
        vlm = VlmCaptioner(frames=3, served=server.served(concurrency=8))
        tags = TagsCaptioner(served=server.served(concurrency=8))
        captions = {each: by_id(each.caption(clips)) for each in (frame, vlm, tags)}
    for clip in clips:
        clip_id, middle = clip.clip.clip_id, middle_pick(clip)
        assert middle is not None
        assert captions[frame][clip_id].value == mark(frame.words(), [middle.jpeg])
        shown = [pick.jpeg for pick in nearest_to_middles(clip, 3)]
        assert captions[vlm][clip_id].value == mark(vlm.prompt, shown)
        lines = [mark(tags.words(), [pick.jpeg]) for pick in picks_per_second(clip, 1.0)]
        assert captions[tags][clip_id].extras["lines"] == lines


def test_a_served_model_is_known_by_its_declared_name_alone() -> None:
    with serving(scripted(SAY)) as server:
        first = FrameCaptioner(served=server.served(model="m", revision="1"))
    moved = FrameCaptioner(
        served=dataclasses.replace(first.served, base_url="http://elsewhere:1/v1", concurrency=3)
    )
    assert fingerprint(moved) == fingerprint(first), "no weights are looked for"
    for fields in ({"model": "n"}, {"revision": "2"}, {"temperature": 0.3}):
        other = FrameCaptioner(served=dataclasses.replace(first.served, **fields))
        assert fingerprint(other) != fingerprint(first)
    declared = identity(first)["fields"]["served"]["fields"]
    assert declared["identity"] == "unverified"
    assert set(declared) == {"model", "revision", "temperature", "structured", "extra", "identity"}


def test_a_budget_that_ends_in_the_middle_keeps_what_was_paid(tmp_path: Path) -> None:
    with serving(scripted(SAY)) as server:
        cheap = {"cache": str(tmp_path), "max_requests": 20, "concurrency": 2}
        found: dict[str, Annotation] = {}
        clips = views(12, seconds=3.0)
        for _ in range(8):
            todo = [clip for clip in clips if clip.clip.clip_id not in found]
            try:
                for annotation in served_multiscale(server, **cheap).caption(todo):
                    found[annotation.clip_id] = annotation
            except BudgetSpentError:
                continue
            break
        assert len(found) == 12
        assert {annotation.status for annotation in found.values()} == {"ok"}
        # 12 coarse, 36 fine, and 1 fused (all have the same words): nothing is paid for twice,
        # but for questions that were under way together.
        assert len(server.posts) <= 12 + 36 + 8
