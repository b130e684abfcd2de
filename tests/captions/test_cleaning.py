"""What chat models write around a caption goes away; what belongs to it stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvid.captions.checks.check import check_text
from internvid.captions.checks.cleaning import STEPS, Cleaning, leftovers
from internvid.core.config import fingerprint
from internvid.core.errors import ConfigInvalidError
from tests.captions.test_check import HEALTHY

DOG = "A dog runs."
DIRTY = {
    "chat_tokens": [
        "A dog runs.<|im_end|>", "A dog runs.</s>", "<s>A dog runs.",
        "<|im_start|>assistant\nA dog runs.<|im_end|>\n<|im_start|>user\nAnd then?",
        "[INST] Describe it. [/INST] A dog runs.", "<think>Let me see.</think>A dog runs.",
        "A dog runs.<|endoftext|>Human: What else?",
        "<start_of_turn>model\nA dog runs.<end_of_turn>",
        "A <image> dog runs.",
    ],
    "role_prefix": [
        "USER: Describe this clip. ASSISTANT: A dog runs.", "Assistant: A dog runs.",
        "### Response: A dog runs.", "A dog runs.\nUSER: And then? ASSISTANT: It sleeps.",
    ],
    "json_wrapper": [
        '{"caption": "A dog runs."}', '```json\n{"caption": "A dog runs."}\n```',
        '{"Description": "A dog runs.", "confidence": 0.9}', '[{"text": "A dog runs."}]',
        '{"answer_in_one_sentence": "A dog runs."}', '{"caption": "A dog runs.',
        "{'caption': 'A dog runs.'}", '{caption: "A dog runs."}',
    ],
    "preamble": [
        'Sure! Here is a caption: "A dog runs."', "Here's a description of the video: A dog runs.",
        "Caption: A dog runs.", "The caption is: A dog runs.", '"A dog runs."', "Sure, a dog runs.",
        "Certainly! I'd be happy to help. Here is the summary:\n\nA dog runs.",
        "Here is a one-sentence summary of the clip: A dog runs.",
    ],
    "markdown": [
        "**A dog** runs.", "# A dog runs.", "- A dog runs.", "1. A dog runs.", "A *dog* runs.",
        "A `dog` runs.", "A [dog](http://a.b/c) runs.", "__A dog__ runs.",
    ],
    "closing_phrase": [
        "A dog runs. Let me know if you need more details!", "A dog runs. I hope this helps!",
        "A dog runs. If you have any other questions, feel free to ask. Happy to help.",
        "A dog runs. Would you like me to describe the next clip?",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("step", "text"), [(k, text) for k, all in DIRTY.items() for text in all])
def test_each_kind_is_named_and_taken_away(step: str, text: str) -> None:
    assert step in leftovers(text)
    assert step in check_text(text, language="")
    cleaned = Cleaning().clean(text)
    assert " ".join(cleaned.split()).casefold() in (DOG.casefold(), "a dog runs.")
    assert leftovers(cleaned) == []


def test_what_is_mixed_is_taken_away_together() -> None:
    text = '**Sure!** Here is: {"caption": "A dog runs. Let me know if you need more."}<|im_end|>'
    assert Cleaning().clean(f"Assistant: {text}") == DOG
    assert Cleaning().clean("Answer: **A dog** runs.</s> I hope this helps.") == DOG


@pytest.mark.parametrize(
    "text",
    [
        *HEALTHY, "A man says 'let me know if it rains' to a friend.", "Here is a dog that runs.",
        "A sign reads 'feel free to enter'.", "a board with 5 * 3 * 2 on it", "the #1 mug",
        "Sure-footed goats climb. A man watches.", "A title card reads: Dogs",
        "Okay signs are made.",
        "Great waves crash on the shore.", "AI generated picture of a city", "A [red] car (old)",
        "Two men play; the answer is shown on a board.", "Question marks are drawn on a wall.",
        "If you look closely, a dog helps him.", "snake_case_names on a screen", "x < 5 and y > 3",
    ],
)  # fmt: skip
def test_captions_stay_as_they_are(text: str) -> None:
    assert leftovers(text) == []
    assert Cleaning().clean(text) == text


@given(st.text(max_size=300))
def test_no_text_breaks_a_step(text: str) -> None:
    cleaned = Cleaning().clean(text)
    assert len(cleaned) <= len(text)
    assert set(leftovers(text)) <= set(STEPS)


def test_monsters_take_no_time() -> None:
    pieces = (
        "a",
        "<|",
        "**",
        "Here is ",
        "{",
        '"',
        "user: ",
        ". Let me know",
        "[x](",
        "\n- ",
        "```",
    )
    started = time.perf_counter()
    for piece in pieces:
        check_text(piece * 20_000, language="")
        Cleaning().clean(piece * 400)
    assert time.perf_counter() - started < 10


def test_steps_are_chosen_by_name_and_count_for_the_fingerprint() -> None:
    assert Cleaning(()).clean(" **A dog**") == "**A dog**"
    assert Cleaning(("markdown",)).clean("**A dog**</s>") == "A dog</s>"
    assert fingerprint(Cleaning(())) != fingerprint(Cleaning())
    with pytest.raises(ConfigInvalidError, match="no cleaning step 'polish'; there are: chat"):
        Cleaning(("polish",))
