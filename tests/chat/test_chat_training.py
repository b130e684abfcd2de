"""Training of video chats: exact resume, answers alone, accumulation, what each stage changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from internvid.core.errors import ConfigInvalidError, MisuseError, VideoUnreadableError
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import VideoChat
from internvid.training.chat.chat_kind import ChatKind
from internvid.training.chat.chat_step import dialogue_tokens
from internvid.training.chat.dialogue_sources import (
    WorldDialogues,
    as_text,
    read_file_dialogues,
)
from internvid.training.loop import train
from tests.chat.conftest import scenes


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    make: Any, run: Path, tmp_path: Path, steps: int
) -> None:
    stopped = train(make(f"loop.steps={steps}"), scenes(), tmp_path / "run")
    assert stopped.model is None
    assert stopped.step == steps
    done = train(make(), scenes(), tmp_path / "run")
    assert done.step == 8
    assert equal(weights(tmp_path / "run"), weights(run))


def test_parts_of_a_batch_give_its_gradients(make: Any, run: Path, tmp_path: Path) -> None:
    train(make("stages.*.micro_batch=3"), scenes(), tmp_path / "run")
    whole, parts = weights(run), weights(tmp_path / "run")
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=2e-4, rtol=1e-3, msg=name)


def test_each_stage_changes_what_it_names_alone(make: Any, tmp_path: Path) -> None:
    train(make("loop.keep=9", "loop.checkpoint_steps=1"), scenes(), tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    first, words, last = (
        load_file(folder / f"step-{step:09d}" / "model.safetensors") for step in (1, 3, 8)
    )

    def changed(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
        return {name.partition(".")[0] for name in one if not torch.equal(one[name], other[name])}

    assert changed(first, words) == {"language"}
    assert changed(words, last) == {"connector"}


def test_bfloat16_trains_too(make: Any, tmp_path: Path) -> None:
    done = train(make("loop.dtype=bfloat16"), scenes(), tmp_path / "run")
    assert done.loss is not None
    assert done.loss < 20


@pytest.mark.parametrize("form", ["plain", "videochat"])
def test_the_loss_is_over_answers_and_their_ends_alone(chat: VideoChat, form: str) -> None:
    text = as_text(
        [Turn("user", "What?"), Turn("assistant", "Red."), Turn("user", "How?"),
         Turn("assistant", "Up.")]
    )  # fmt: skip
    before, chat.form = chat.form, form
    try:
        tokens = dialogue_tokens(chat, text, [0.0, 0.5], with_video=True)
    finally:
        chat.form = before
    counted = [at for at, answer in zip(tokens.ids, tokens.is_answer, strict=True) if answer]
    written = chat.language.tokenizer.decode(counted)
    end = "###" if form == "videochat" else "</s>"
    assert written == f" Red.{end} Up.{end}"


class _Damaged(WorldDialogues):
    def read_shown(self, clip: int, choose: Any) -> Any:
        if clip == 3:
            raise VideoUnreadableError("gone", reason="unreadable")
        return super().read_shown(clip, choose)


def test_a_video_that_cannot_be_read_is_noted_and_left_out(make: Any, tmp_path: Path) -> None:
    done = train(make("stages.connector.steps=6"), _Damaged(0, 24, 4, 16), tmp_path / "run")
    lines = (tmp_path / "run" / "skipped-0.jsonl").read_text().splitlines()
    noted = [json.loads(line) for line in lines]
    assert done.skipped == len(noted) > 0
    assert {(each["clip_id"], each["reason"]) for each in noted} == {("world-0-3", "unreadable")}
    assert {each["step"] > 3 for each in noted} == {True}, "words alone read no video"


def test_what_cannot_be_a_run_is_refused(make: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match=r"tuning is frozen"):
        make("model.chat.tuning=frozen")
    with pytest.raises(ConfigInvalidError, match="whole weights on each device"):
        make("loop.sharding=fsdp")
    with pytest.raises(MisuseError, match="which ViCLIP and which language model"):
        train(make("model.vision="), scenes(), tmp_path / "one")
    with pytest.raises(MisuseError, match="24 of 24 dialogues are longer than 40 tokens"):
        train(make("data.longest=40"), scenes(), tmp_path / "two")
    with pytest.raises(ConfigInvalidError, match="cannot be drawn from 24 dialogues"):
        train(make("stages.words.batch=25"), scenes(), tmp_path / "three")


def test_dialogues_that_are_none_are_left_out_by_reason(video: Path, tmp_path: Path) -> None:
    good = {"video": video.name, "QA": [{"q": "What?", "a": "A circle."}]}
    rows = [
        good,
        {"video": "gone.mp4", "QA": good["QA"]},
        {"video": "still.png", "QA": good["QA"]},
        {"videos": ["a.mp4", "b.mp4"], "QA": good["QA"]},
        {**good, "start": 3.0, "end": 1.0},
        {"video": video.name, "conversations": [{"from": "narrator", "value": "Hm."}]},
        {"QA": good["QA"]},
    ]
    path = tmp_path / "dialogues.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    source = read_file_dialogues(path, [video.parent])
    assert [each.path for each in source.dialogues] == [video]
    assert source.dropped == {
        "video_not_found": 1, "image": 1, "several_videos": 1, "times_outside": 1,
        "unknown_role": 1, "no_video": 1,
    }  # fmt: skip
    with pytest.raises(MisuseError, match="no dialogue that can be trained on"):
        read_file_dialogues(path, [tmp_path])


def test_dialogues_about_files_are_trained_on_with_the_times_of_their_frames(
    make: Any, video: Path, tmp_path: Path
) -> None:
    rows = [
        {"video": video.name, "start": 0.5, "end": 1.6,
         "conversations": [{"from": "human", "value": f"<video>\nWhat {at}?"},
                           {"from": "gpt", "value": "A circle."}]}
        for at in range(8)
    ]  # fmt: skip
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps(rows))
    source = read_file_dialogues(path, [video.parent])
    shown = source.read_shown(0, lambda count: list(range(count)))
    assert shown.seconds is not None
    assert all(0.5 <= each < 1.6 for each in shown.seconds)
    done = train(make(), source, tmp_path / "run")
    assert done.samples == 8
    assert done.model is not None


def test_a_stage_outside_of_the_video_is_a_reason(make: Any, video: Path, tmp_path: Path) -> None:
    rows = [
        {"video": video.name, "start": 50.0, "end": 60.0, "q": "What?", "a": "A circle."}
        for _ in range(8)
    ]
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps(rows))
    source = read_file_dialogues(path, [video.parent])
    with pytest.raises(VideoUnreadableError):
        list(source.read_shown(0, lambda count: [0] * count).frames)
    assert ChatKind().choose_samples(make(), source).dropped == {"no_caption": 0}
