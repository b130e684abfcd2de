"""`VideoChat`: answers, streaming, batches, likelihoods, saving, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import internvid
from internvid.core.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigInvalidError,
    OutputExistsError,
    SourceMissingError,
    VideoUnreadableError,
)
from internvid.models.chat.causal_language import load_language
from internvid.models.chat.chat_config import ChatConfig, ConnectorConfig
from internvid.models.chat.conversation import Conversation
from internvid.models.chat.prompt_forms import Turn, chosen_form, pieces_of
from internvid.models.chat.video_chat import SeenVideo, VideoChat
from internvid.models.viclip.model import ViCLIP

QUESTION = [Turn("user", "What colour is it?")]


def test_the_public_name_is_the_class() -> None:
    assert internvid.VideoChat is VideoChat


def test_a_stream_is_the_answer_in_pieces(chat: VideoChat, video: Path) -> None:
    seen = chat.see(video)
    assert "".join(chat.stream(seen, QUESTION, max_tokens=12)).strip() == chat.chat(
        video, QUESTION[0].text, max_tokens=12
    )


def test_a_batch_answers_as_each_alone(chat: VideoChat, video: Path, frames: Any) -> None:
    seen = [chat.see(video), chat.see(frames), chat.see(frames)]
    dialogues = [QUESTION, [Turn("user", "What is the background like, and why?")], QUESTION]
    together = chat.answers(seen, dialogues, max_tokens=10)
    alone = [
        chat.answers([one], [turns], max_tokens=10)[0]
        for one, turns in zip(seen, dialogues, strict=True)
    ]
    assert together == alone


def test_the_video_decides_what_the_language_model_is_given(
    chat: VideoChat, video: Path, frames: Any
) -> None:
    one, other = chat.see(video), chat.see(frames)
    assert one.inputs is not None
    assert other.inputs is not None
    assert one.inputs.shape == other.inputs.shape == (chat.video_tokens(), 32)
    assert not torch.allclose(one.inputs, other.inputs)
    assert one.sentence == "The video contains 4 frames sampled at 0.0, 0.5, 1.0, 1.5 seconds."
    assert other.sentence == "The video contains 4 frames."


def test_order_in_time_decides_too(chat: VideoChat, frames: Any) -> None:
    there, back = chat.see(frames), chat.see(frames[::-1].copy())
    assert there.inputs is not None
    assert back.inputs is not None
    assert not torch.allclose(there.inputs, back.inputs)


@pytest.mark.parametrize(("wanted", "windows"), [(1, 1), (2, 1), (5, 3), (8, 4)])
def test_more_frames_go_through_viclip_in_windows(
    chat: VideoChat, video: Path, wanted: int, windows: int
) -> None:
    seen = chat.see(video, frames=wanted)
    assert seen.inputs is not None
    assert len(seen.inputs) == windows * (min(wanted, 2) + 1)


def test_likelihoods_are_those_of_the_options_alone(chat: VideoChat, frames: Any) -> None:
    seen = chat.see(frames)
    options = ["It is red.", "The background is dark.", "No."]
    together = chat.likelihoods(seen, QUESTION, options)
    assert together == pytest.approx(
        [chat.likelihoods(seen, QUESTION, [each])[0] for each in options], abs=1e-4
    )
    earlier = [Turn("user", "And?"), Turn("assistant", "It is small."), *QUESTION]
    assert len(set(chat.likelihoods(seen, earlier, options))) == 3
    assert max(together) < 0


def test_a_conversation_remembers(chat: VideoChat, frames: Any) -> None:
    talk = Conversation(chat, chat.see(frames), max_tokens=6)
    first = "".join(talk.ask("What colour is it?")).strip()
    list(talk.ask("What shape is it?"))
    if first:
        assert talk.turns[:2] == [Turn("user", "What colour is it?"), Turn("assistant", first)]
    with pytest.raises(ConfigInvalidError, match="the question is empty"):
        list(talk.ask("  "))


def test_saved_whole_it_needs_nothing_else(chat: VideoChat, frames: Any, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    chat.save_pretrained(folder, language="whole", vision="whole")
    again = VideoChat.from_pretrained(shutil.move(folder, tmp_path / "moved"))
    assert again.config == chat.config
    assert again.likelihoods(again.see(frames), QUESTION, ["It is red."]) == pytest.approx(
        chat.likelihoods(chat.see(frames), QUESTION, ["It is red."]), abs=1e-6
    )


def test_a_reference_is_checked(vision: Path, run: Path, tmp_path: Path) -> None:
    language = tmp_path / "language"
    shutil.copytree(run / "model" / "language", language)
    made = VideoChat(ViCLIP.from_pretrained(vision), load_language(str(language)))
    made.save_pretrained(tmp_path / "chat")
    assert not (tmp_path / "chat" / "language").exists()
    VideoChat.from_pretrained(tmp_path / "chat")
    (language / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CheckpointMismatchError, match="other weights than those"):
        VideoChat.from_pretrained(tmp_path / "chat")
    made.vision_reference = ""
    with pytest.raises(ConfigInvalidError, match="came from no file"):
        made.save_pretrained(tmp_path / "other", vision="reference")


def test_folders_that_are_none_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="there is no video chat"):
        VideoChat.from_pretrained(tmp_path / "nothing")
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CheckpointFormatError, match="is no video chat"):
        VideoChat.from_pretrained(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(run / "model", copy)
    (copy / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(CheckpointFormatError, match="is damaged"):
        VideoChat.from_pretrained(copy)
    described = json.loads((copy / "chat.json").read_text())
    described["config"]["flavour"] = "salt"
    (copy / "chat.json").write_text(json.dumps(described))
    with pytest.raises(ConfigInvalidError, match="flavour"):
        VideoChat.from_pretrained(copy)
    with pytest.raises(OutputExistsError):
        VideoChat.from_pretrained(run).save_pretrained(tmp_path)


def test_bad_inputs_have_typed_reasons(chat: VideoChat, frames: Any, tmp_path: Path) -> None:
    image = tmp_path / "still.png"
    Image.fromarray(frames[0]).save(image)
    for still in (image, Image.fromarray(frames[0]), frames[0]):
        with pytest.raises(VideoUnreadableError, match="is an image") as raised:
            chat.see(still)
        assert raised.value.reason == "image"
    with pytest.raises(SourceMissingError):
        chat.see(tmp_path / "gone.mp4")
    with pytest.raises(ConfigInvalidError):
        chat.see(np.zeros((4, 16, 16, 3), np.float32))
    with pytest.raises(ConfigInvalidError, match="the question is empty"):
        chat.chat(frames, " ")
    seen = chat.see(frames)
    with pytest.raises(ConfigInvalidError, match=r"takes \d+ tokens .* takes 512"):
        list(chat.stream(seen, [Turn("user", "why " * 600)], max_tokens=5))
    with pytest.raises(ConfigInvalidError, match="a dialogue needs a question"):
        list(chat.stream(seen, [Turn("system", "Be brief.")]))
    with pytest.raises(ConfigInvalidError, match="must all be there"):
        chat.answers([seen, SeenVideo(None, "")], [QUESTION, QUESTION])


class _Templated:
    """A tokenizer's template, as far as prompts need one."""

    eos_token = "</s>"
    all_special_tokens = ("<|end|>", "</s>")
    chat_template = "yes"

    @staticmethod
    def apply_chat_template(messages: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        text = "".join(f"<|{each['role']}|>{each['content']}<|end|>" for each in messages)
        return text + ("<|assistant|>" if add_generation_prompt else "")


def test_a_template_holds_the_video_once_and_marks_answers_alone() -> None:
    turns = [Turn("user", "What?<|end|>"), Turn("assistant", "Red."), *QUESTION]
    pieces = pieces_of(turns, "Two frames.", "template", _Templated())
    assert [(each.text, each.is_answer) for each in pieces] == [
        ("<|user|>", False),
        (None, False),
        ("\nTwo frames.\nWhat?<|end|><|assistant|>", False),
        ("Red.<|end|>", True),
        ("<|user|>What colour is it?<|end|><|assistant|>", False),
    ]
    assert chosen_form("auto", _Templated()) == "template"


def test_a_model_without_a_template_has_the_plain_form(chat: VideoChat) -> None:
    assert chat.form == "plain"
    with pytest.raises(ConfigInvalidError, match="has no chat template"):
        chosen_form("template", chat.language.tokenizer)
    pieces = pieces_of(QUESTION, "Two frames.", "plain", chat.language.tokenizer)
    assert "".join(each.text or "[video]" for each in pieces) == (
        "Video: [video] Two frames.\nQuestion: What colour is it?\nAnswer:"
    )
    paper = pieces_of(QUESTION, "Two frames.", "videochat", chat.language.tokenizer)
    assert "".join(each.text or "[video]" for each in paper) == (
        "###Human: <Video>[video]</Video> Two frames.\n###Human: What colour is it?\n###Assistant:"
    )


def test_a_q_former_gives_its_queries(vision: Path, run: Path, frames: Any) -> None:
    connector = ConnectorConfig("qformer", queries=3, extra_queries=5, layers=1, heads=2)
    language = load_language(str(run / "model" / "language"))
    made = VideoChat(ViCLIP.from_pretrained(vision), language, ChatConfig(connector, frames=4))
    seen = made.see(frames)
    assert seen.inputs is not None
    assert seen.inputs.shape == (2 * 8, 32)
    assert made.connector.extra_queries.std() > 0
    made.connector.queries.sum().backward()
    assert len({tuple(row.tolist()) for row in seen.inputs[:8]}) == 8, "queries differ"


def test_low_rank_additions_are_saved_beside_the_model(
    vision: Path, run: Path, frames: Any, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="peft is not installed (internvid[chat])")
    language = str(run / "model" / "language")
    config = ChatConfig(tuning="lora", lora_rank=2, frames=4)
    made = VideoChat(ViCLIP.from_pretrained(vision), load_language(language), config).eval()
    with torch.no_grad():
        for name, value in made.trained_state().items():
            if "lora_B" in name:
                value.normal_()
    assert any(name.startswith("language.") for name in made.trained_state())
    expected = made.likelihoods(made.see(frames), QUESTION, ["It is red."])
    for kept in ("reference", "whole"):
        made.save_pretrained(tmp_path / kept, language=kept)
        again = VideoChat.from_pretrained(tmp_path / kept)
        found = again.likelihoods(again.see(frames), QUESTION, ["It is red."])
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_chat_in_half_precision_answers(run: Path, frames: np.ndarray) -> None:
    half = VideoChat.from_pretrained(run, dtype="bfloat16")
    assert {each.dtype for each in half.connector.parameters()} == {torch.bfloat16}
    seen = half.see(frames)
    assert seen.inputs is not None
    whole = VideoChat.from_pretrained(run).see(frames).inputs
    assert whole is not None
    assert torch.allclose(seen.inputs.float(), whole, atol=0.1 * float(whole.abs().max()))
    assert isinstance(half.chat(frames, "What colour is it?", max_tokens=2), str)
