"""Questions and answers about videos: read by the rules of trainers of video-language models."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import internvid
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.chat_lists import ChatExporter
from internvid.publishing.publish import publish
from internvid.publishing.texts.chat_turns import (
    QUESTIONS,
    Dialogue,
    Role,
    Turn,
    conversations_row,
    messages_row,
    qa_row,
    question_for,
    without_tokens,
)
from internvid.video.cutting.cut_plan import CutPlan

PLACEHOLDERS = ("<image>", "<video>", "<audio>")
CUT = CutPlan(fps=8, maximum_frames=9, windows="slide", size="48", sound="none")
LONG = Dialogue(
    "two", ("a.mp4", "b.mp4"),
    (
        Turn("system", "Answer in short."), Turn("user", "What differs?"),
        Turn("assistant", "The <image> colour."), Turn("user", "And <video>?"),
        Turn("assistant", "Nothing <|im_end|>."),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> str:
    """A subset of some clips."""
    internvid.select(dataset, "random", "few-for-chat", 4, seed=5)
    return "few-for-chat"


@pytest.fixture(scope="module")
def published(
    dataset: Dataset, few: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """An export with questions of its own drawing, and its manifest."""
    folder = tmp_path_factory.mktemp("chat") / "out"
    return folder, publish(dataset, folder, ChatExporter(seed=3, cut=CUT), few)


def llama_factory_samples(dataset_dir: Path) -> list[dict[str, Any]]:
    """As LLaMA-Factory reads `dataset_dir`: its description, its tags, its count of tokens."""
    description = json.loads((dataset_dir / "dataset_info.json").read_text())["internvid"]
    assert description["formatting"] == "sharegpt"
    columns, tags = description["columns"], description["tags"]
    samples = []
    for line in (dataset_dir / description["file_name"]).read_text("utf-8").splitlines():
        row = json.loads(line)
        messages = row[columns["messages"]]
        if messages[0][tags["role_tag"]] == tags["system_tag"]:
            messages = messages[1:]
        accepted = (tags["user_tag"], tags["assistant_tag"])
        assert len(messages) % 2 == 0
        for at, message in enumerate(messages):
            assert message[tags["role_tag"]] == accepted[at % 2]
        texts = [message[tags["content_tag"]] for message in messages]
        counts = {mark: sum(text.count(mark) for text in texts) for mark in PLACEHOLDERS}
        videos = [dataset_dir / path for path in row[columns["videos"]]]
        assert counts == {"<image>": 0, "<video>": len(videos), "<audio>": 0}
        samples.append({"texts": texts, "videos": videos})
    return samples


def qwen_messages(item: dict[str, Any], base: Path) -> list[list[str]]:
    """As the fine-tuning of Qwen-VL builds messages: every placeholder takes a file."""
    files = item["video"] if isinstance(item["video"], list) else [item["video"]]
    waiting = [base / name for name in files]
    turns = []
    for turn in item["conversations"]:
        if turn["from"] != "human":
            assert turn["from"] == "gpt"
            turns.append([turn["value"]])
            continue
        content = []
        for part in re.split(r"(<image>|<video>)", turn["value"]):
            if part in PLACEHOLDERS:
                assert part == "<video>"
                content.append(str(waiting.pop(0)))
            elif part.strip():
                content.append(part.strip())
        turns.append(content)
    assert waiting == []
    return turns


def llava_prompt(item: dict[str, Any]) -> str:
    """As LLaVA-NeXT puts turns together: its token stands first, human and gpt alternate."""
    prompt = ""
    for at, sentence in enumerate(item["conversations"]):
        assert sentence["from"] == ("human", "gpt")[at % 2]
        if "<image>" in sentence["value"]:
            assert sentence["value"].startswith("<image>\n")
            assert at == 0
        prompt += f"{sentence['from']}: {sentence['value']}\n"
    assert "<video>" not in prompt
    return prompt


def videochat2_conversation(item: dict[str, Any], root: Path) -> tuple[Path, str]:
    """As VideoChat2 reads `QA`: the instruction of the first one, then questions and answers."""
    pairs = item["QA"]
    text = pairs[0]["i"] + " " if pairs[0].get("i") else ""
    text += "[INST] <Video></Video> [/INST]"
    for pair in pairs:
        text += f" [INST] {pair['q']} [/INST]" if pair["q"] else ""
        text += f" {pair['a']} </s>"
    assert text.lower().count("<video>") == 1
    return root / item["video"], text


def test_every_trainer_reads_the_same_questions_and_answers(
    dataset: Dataset, few: str, published: tuple[Path, dict[str, Any]]
) -> None:
    folder, manifest = published
    rows = {row["clip_id"]: row for row in dataset.clips(few).to_pylist()}
    files = sorted((folder / "videos").iterdir())
    assert len(files) == manifest["windows"] > manifest["clips"]
    expected = {}
    for path in files:
        clip_id = path.stem.partition("_w")[0]
        expected[path] = [question_for(clip_id, 3), rows[clip_id]["measured"]]
    by_llama = {
        sample["videos"][0]: [sample["texts"][0].removeprefix("<video>"), sample["texts"][1]]
        for sample in llama_factory_samples(folder)
    }
    conversations = json.loads((folder / "conversations.json").read_text("utf-8"))
    lines = (folder / "conversations.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == conversations  # InternVL reads line by line
    by_qwen = {}
    for item in conversations:
        question, answer = qwen_messages(item, folder)
        assert len(question) == 2
        by_qwen[Path(question[0])] = [question[1], answer[0]]
    assert by_llama == by_qwen == expected
    for item in json.loads((folder / "qa.json").read_text("utf-8")):
        path, text = videochat2_conversation(item, folder)
        assert text.endswith(f"[INST] {expected[path][0]} [/INST] {expected[path][1]} </s>")
        assert "start" not in item
    assert [index["path_field"] for index in manifest["indexes"]] == [
        *("videos", "video", "video", "video")
    ]
    assert len({item["id"] for item in conversations}) == len(conversations)


def test_llava_has_its_own_token_and_a_base_path_makes_paths_whole(
    dataset: Dataset, few: str, tmp_path: Path
) -> None:
    exporter = ChatExporter(
        token="<image>",
        base_path=str(tmp_path / "out"),
        questions=("What, if <image> anything, moves?",),
        prefix="See <video>: ",
        cut=CUT,
    )
    manifest = publish(dataset, tmp_path / "out", exporter, few)
    conversations = json.loads((tmp_path / "out" / "conversations.json").read_text("utf-8"))
    for item in conversations:
        assert llava_prompt(item).startswith("human: <image>\nWhat, if [image] anything, moves?\n")
        assert item["conversations"][1]["value"].startswith("See [video]: ")
        assert Path(item["video"]).is_file()
    assert len(llama_factory_samples(tmp_path / "out")) == manifest["windows"]
    assert {index["base"] for index in manifest["indexes"]} == {f"{tmp_path}/out/"}


def test_dialogues_of_several_turns_have_every_form(tmp_path: Path) -> None:
    row = messages_row(LONG)
    assert [message["role"] for message in row["messages"]] == [
        *("system", "user", "assistant", "user", "assistant")
    ]
    assert row["messages"][1]["content"] == "<video><video>What differs?"
    assert row["messages"][3]["content"] == "And [video]?"
    assert row["messages"][4]["content"] == "Nothing [|im_end|]."
    assert row["videos"] == ["a.mp4", "b.mp4"]
    conversation = conversations_row(LONG)
    assert conversation["conversations"][0] == {
        "from": "human",
        "value": "<video>\n<video>\nAnswer in short.\nWhat differs?",
    }
    assert qwen_messages(conversation, tmp_path)[1] == ["The [image] colour."]
    assert conversation["video"] == ["a.mp4", "b.mp4"]
    assert [pair["i"] for pair in qa_row(LONG)["QA"]] == ["Answer in short."] * 2
    assert [pair["q"] for pair in qa_row(LONG)["QA"]] == ["What differs?", "And [video]?"]


def test_a_part_of_a_video_is_named_in_every_form() -> None:
    spoken = (Turn("user", "What happens?"), Turn("assistant", "A dog runs."))
    part = Dialogue("part", ("film.mp4",), spoken, 2.5, 7.0)
    for row in (messages_row(part), conversations_row(part), qa_row(part)):
        assert (row["start"], row["end"]) == (2.5, 7.0)
    assert conversations_row(part)["video"] == "film.mp4"


@pytest.mark.parametrize(
    ("roles", "texts", "videos", "part", "message"),
    [
        ((), (), ("a.mp4",), (None, None), "its turns are none"),
        (("user",), ("q",), ("a.mp4",), (None, None), "its turns are user"),
        (("assistant", "user"), ("a", "q"), ("a.mp4",), (None, None), "assistant, user"),
        (("user", "system"), ("q", "s"), ("a.mp4",), (None, None), "user, system"),
        (("user", "assistant"), ("q", " "), ("a.mp4",), (None, None), "turn 1 .assistant. is"),
        (("user", "assistant"), ("q", "a"), (), (None, None), "has no video"),
        (("user", "assistant"), ("q", "a"), ("a.mp4",), (1.0, None), "has one end"),
        (("user", "assistant"), ("q", "a"), ("a.mp4",), (2.0, 1.0), "2.0 to 1.0 seconds"),
    ],
)
def test_what_is_no_dialogue_is_refused_by_its_name(
    roles: tuple[Role, ...],
    texts: tuple[str, ...],
    videos: tuple[str, ...],
    part: tuple[float | None, float | None],
    message: str,
) -> None:
    turns = tuple(Turn(role, text) for role, text in zip(roles, texts, strict=True))
    with pytest.raises(ConfigInvalidError, match=message) as caught:
        Dialogue("odd", videos, turns, *part)
    assert "'odd'" in str(caught.value)


MARKS = ["<video>", "<IMAGE>", "</image>", "<audio>", "<|im_end|>", "<|video_pad|>", "</s>", "<s>"]


@given(st.lists(st.sampled_from([*MARKS, "<", ">", "|", "vid", "eo", " ", "a dog"]), max_size=12))
def test_no_token_is_left_in_a_text(parts: list[str]) -> None:
    text = without_tokens("".join(parts))
    assert not any(mark.lower() in text.lower() for mark in MARKS)


def test_other_angle_brackets_stay() -> None:
    for text in ("a < b and c > d", "the <blink> tag", "<videos>", "x<y|z>"):
        assert without_tokens(text) == text


def test_questions_are_drawn_by_id_and_seed_and_all_occur() -> None:
    ids = [f"{at:032x}" for at in range(4000)]
    drawn = [question_for(clip_id, 1) for clip_id in ids]
    assert drawn == [question_for(clip_id, 1) for clip_id in ids]
    assert drawn != [question_for(clip_id, 2) for clip_id in ids]
    counts = Counter(drawn)
    assert set(counts) == set(QUESTIONS)
    assert max(counts.values()) < 1.3 * min(counts.values())
    assert question_for(ids[0], 1, ("Mine?",)) == "Mine?"


def test_settings_of_no_use_are_refused() -> None:
    with pytest.raises(ConfigInvalidError, match="token is one of <video>, <image>"):
        ChatExporter(token="<clip>")
    with pytest.raises(ConfigInvalidError, match="has an empty one"):
        ChatExporter(questions=("What?", " "))
    made = internvid.make_component("exporter", "chat", ["questions=What moves?,Who is there?"])
    assert made.questions == ("What moves?", "Who is there?")
