"""Dialogues of public layouts, read; and rows that are none, counted by their reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import SourceMissingError
from internvid.dataset.store import Dataset
from internvid.publishing.texts.chat_turns import Dialogue, Turn

VIDEO_CHAT: list[dict[str, Any]] = [
    {
        "video": "webvid/0001.mp4",
        "QA": [
            {"q": "What does the man do?", "a": "He plays the guitar."},
            {"q": "Where?", "a": "In a park."},
        ],
    },
    {
        "video": "webvid/0002.mp4",
        "QA": [{"i": "Answer in short.", "q": "What moves?", "a": "A car."}],
        "start": 2.5,
        "end": 7,
    },
    {"video": "webvid/0003.mp4", "QA": [{"i": "Describe the video.", "q": "", "a": "A sea."}]},
]
LLAVA_VIDEO = [
    {
        "id": "ytb_1",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is shown?"},
            {"from": "gpt", "value": "A cook stirs soup."},
        ],
        "data_source": "0_30_s_youtube_v0_1",
        "video": "liwei_youtube_videos/ytb_1.mp4",
    }
]
VIDEO_CHATGPT = [
    {"q": "What is seen?", "a": "A surfer.", "video_id": "v_k_ZXmr8pmrs"},
    {"Q": "How does it end?", "A": "He falls.", "video_name": "v_p1QGn0IzfW0"},
    {"Q1": "Who sings?", "Q2": "Which person sings?", "A": "A girl.", "video_name": "v_x"},
]
MESSAGES: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "<video><video>What differs?"},
            {"role": "assistant", "content": "The colour."},
        ],
        "videos": ["a.mp4", "b.mp4"],
    }
]


def write(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows, indent=1), "utf-8")
    return path


def test_video_chat_instruct_is_read(tmp_path: Path) -> None:
    reading = internvid.read_dialogues(write(tmp_path / "videochat.json", VIDEO_CHAT))
    first, second, third = list(reading)
    assert first == Dialogue(
        "videochat-1",
        ("webvid/0001.mp4",),
        (
            Turn("user", "What does the man do?"), Turn("assistant", "He plays the guitar."),
            Turn("user", "Where?"), Turn("assistant", "In a park."),
        ),
    )  # fmt: skip
    assert (second.start_seconds, second.end_seconds) == (2.5, 7.0)
    assert second.system == "Answer in short."
    assert third.turns[0] == Turn("user", "Describe the video.")
    assert reading.layouts == {"qa": 3}
    assert not reading.faults.total


def test_llava_video_is_read_without_its_token(tmp_path: Path) -> None:
    (dialogue,) = internvid.read_dialogues(write(tmp_path / "llava.json", LLAVA_VIDEO))
    assert dialogue.dialogue_id == "ytb_1"
    assert dialogue.turns == (
        Turn("user", "What is shown?"), Turn("assistant", "A cook stirs soup."),
    )  # fmt: skip


def test_video_chatgpt_is_read_in_both_forms(tmp_path: Path) -> None:
    reading = internvid.read_dialogues(write(tmp_path / "chatgpt.json", VIDEO_CHATGPT))
    one, other, twice = list(reading)
    assert one.videos == ("v_k_ZXmr8pmrs",)
    assert other.turns[1] == Turn("assistant", "He falls.")
    assert [turn.text for turn in twice.turns] == [
        *("Who sings?", "A girl.", "Which person sings?", "A girl.")
    ]
    assert reading.layouts == {"pairs": 1, "benchmark": 2}


def test_messages_are_read(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in MESSAGES))
    (dialogue,) = internvid.read_dialogues(path)
    assert dialogue.system == "Be short."
    assert len(dialogue.videos) == 2
    assert dialogue.spoken[0].text == "What differs?"


def test_our_own_lists_hold_the_same_dialogues(library: Dataset, tmp_path: Path) -> None:
    settings = ["caption=story", "system=Answer in short."]
    internvid.make_dialogues(library, tmp_path / "out", settings=settings)
    own = {each.dialogue_id: each for each in internvid.read_dialogues(tmp_path / "out")}
    assert len(own) > 30
    for name in ("messages.jsonl", "qa.json"):
        reading = internvid.read_dialogues(tmp_path / "out" / name)
        assert {each.dialogue_id: each for each in reading} == own
    for name in ("conversations.json", "conversations.jsonl"):
        for each in internvid.read_dialogues(tmp_path / "out" / name):
            # These know no system turn: its text begins the first question.
            known = own[each.dialogue_id]
            first = Turn("user", f"{known.system} {known.spoken[0].text}")
            assert each.turns == (first, *known.spoken[1:])
            assert (each.start_seconds, each.videos) == (known.start_seconds, known.videos)


ODD: dict[str, Any] = {
    "not_an_object": ["a list"],
    "unknown_layout": {"video": "a.mp4", "caption": "A dog."},
    "no_video": {"QA": [{"q": "What?", "a": "A dog."}]},
    "no_turn": {"video": "a.mp4", "QA": []},
    "wrong_structure": {"video": "a.mp4", "QA": [{"q": "What?"}]},
    "unknown_role": {"video": "a.mp4", "conversations": [{"from": "narrator", "value": "Hm."}]},
    "empty_turn": {"video": "a.mp4", "QA": [{"q": "What?", "a": " <video> "}]},
    "not_alternating": {
        "video": "a.mp4",
        "conversations": [{"from": "gpt", "value": "A dog."}, {"from": "human", "value": "What?"}],
    },
    "wrong_token_count": {**MESSAGES[0], "videos": ["a.mp4"]},
    "times_outside": {**VIDEO_CHAT[0], "start": 5, "end": 5},
}


def test_rows_that_are_none_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    rows: list[Any] = []
    for odd in ODD.values():
        rows += [odd, VIDEO_CHAT[0]]
    for path in (tmp_path / "rows.json", tmp_path / "rows.jsonl"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(json.dumps(rows) if path.suffix == ".json" else lines + "{no json\n")
        reading = internvid.read_dialogues(path)
        assert len(list(reading)) == len(ODD)
        expected = dict.fromkeys(ODD, 1) | ({} if path.suffix == ".json" else {"not_json": 1})
        assert reading.faults.counts == expected
        assert [each.row for each in reading.faults.examples][:3] == [1, 3, 5]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_list_that_is_cut_short_is_read_up_to_there(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.json"
    text = json.dumps(VIDEO_CHAT * 3)
    path.write_text(text[:-cut])
    reading = internvid.read_dialogues(path)
    assert 6 <= len(list(reading)) <= 9
    assert reading.faults.counts == {"cut_short": 1}


def test_a_long_list_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internvid.conversations.documents.row_files._CHUNK", 37)
    path = write(tmp_path / "rows.json", VIDEO_CHAT * 20)
    assert len(list(internvid.read_dialogues(path))) == 60


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="is not there"):
        list(internvid.read_dialogues(tmp_path / "nothing.json"))
    with pytest.raises(SourceMissingError, match="has none of"):
        list(internvid.read_dialogues(tmp_path))
    path = tmp_path / "odd.json"
    path.write_bytes(b"[\xff\xfe")
    reading = internvid.read_dialogues(path)
    assert list(reading) == []
    assert reading.faults.counts == {"unreadable": 1}
