"""How a dialogue about a video is written for a language model: three forms, and its pieces.

`template` is the model's own chat template, with the video before the first question. `plain` is
for models without one::

    Video: [video] The video contains 8 frames sampled at 0.1, 0.4, ... seconds.
    Question: What moves?
    Answer: A red circle.<end>

`videochat` is the form of the paper's system::

    ###Human: <Video>[video]</Video> The video contains 8 frames sampled at 0.1, ... seconds.
    ###Human: What moves?
    ###Assistant: A red circle.###
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from internvid.core.errors import ConfigInvalidError

_MARK = "[[internvid-video]]"
"""Stands for the video while a chat template is filled; taken out of what people write."""


class Turn(NamedTuple):
    """What one side says.

    Attributes:
        role: `user`, `assistant`, or `system` before all others.
        text: what.
    """

    role: str
    text: str


@dataclass(frozen=True)
class Piece:
    """A part of a prompt.

    Attributes:
        text: None where the video's inputs stand.
        is_answer: whether the language model is to write it: the loss is over these alone.
    """

    text: str | None
    is_answer: bool = False


def frames_sentence(seconds: Sequence[float] | None, frames: int) -> str:
    """What the prompt says of the frames: how many, and when, where that is known."""
    noun = "frame" if frames == 1 else "frames"
    if seconds is None:
        return f"The video contains {frames} {noun}."
    times = ", ".join(f"{each:.1f}" for each in seconds)
    return f"The video contains {frames} {noun} sampled at {times} seconds."


def chosen_form(prompt: str, tokenizer: Any) -> str:
    """The form that `auto` stands for.

    Raises:
        ConfigInvalidError: the template is wanted and there is none.
    """
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if prompt == "auto":
        return "template" if has_template else "plain"
    if prompt == "template" and not has_template:
        raise ConfigInvalidError(
            "the language model has no chat template",
            hint="--set model.chat.prompt=plain (or auto) writes Video, Question, Answer",
        )
    return prompt


def pieces_of(
    turns: Sequence[Turn], sentence: str, form: str, tokenizer: Any, *, with_video: bool = True
) -> list[Piece]:
    """A dialogue as pieces; one that ends with a question leaves its answer to be written.

    Args:
        turns: user and assistant by turns, behind at most one of system.
        sentence: see `frames_sentence`.
        form: `template`, `plain` or `videochat`.
        tokenizer: whose special tokens are taken out of the turns.
        with_video: leave the video and the sentence out where False.
    """
    clean = [Turn(turn.role, _without_specials(turn.text, tokenizer)) for turn in turns]
    if not clean or clean[-1].role == "system":
        raise ConfigInvalidError("a dialogue needs a question")
    if form == "template":
        return _by_template(clean, sentence, tokenizer, with_video=with_video)
    end = str(tokenizer.eos_token or "\n")
    return _by_words(clean, sentence, form, end, with_video=with_video)


def stop_text(form: str) -> str:
    """A text that ends an answer, where the end mark alone does not."""
    return "###" if form == "videochat" else ""


def _without_specials(text: str, tokenizer: Any) -> str:
    """A text in which nothing is read as a mark of the template."""
    for mark in (*tokenizer.all_special_tokens, _MARK, "###"):
        text = text.replace(mark, " ")
    return text.strip()


def _by_words(
    turns: Sequence[Turn], sentence: str, form: str, end: str, *, with_video: bool
) -> list[Piece]:
    is_paper = form == "videochat"
    opening, closing = ("###Human: <Video>", "</Video> ") if is_paper else ("Video: ", " ")
    user, assistant = ("###Human: ", "###Assistant:") if is_paper else ("Question: ", "Answer:")
    stop = "###" if is_paper else end
    pieces: list[Piece] = []
    system = [turn.text + "\n" for turn in turns if turn.role == "system"]
    if system:
        pieces.append(Piece(system[0]))
    if with_video:
        pieces += [Piece(opening), Piece(None), Piece(f"{closing}{sentence}\n")]
    spoken = [turn for turn in turns if turn.role != "system"]
    for turn in spoken:
        if turn.role == "user":
            pieces.append(Piece(f"{user}{turn.text}\n{assistant}"))
        else:
            pieces.append(Piece(f" {turn.text}{stop}", is_answer=True))
            pieces.append(Piece("\n"))
    if pieces[-1].text == "\n":
        pieces.pop()
    return pieces


def _by_template(
    turns: Sequence[Turn], sentence: str, tokenizer: Any, *, with_video: bool
) -> list[Piece]:
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    first = next(each for each in messages if each["role"] == "user")
    if with_video:
        first["content"] = f"{_MARK}\n{sentence}\n{first['content']}"
    pieces: list[Piece] = []
    done = ""
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asking = _filled(tokenizer, messages[:at], generates=True)
        whole = _filled(tokenizer, messages[: at + 1], generates=False)
        if not asking.startswith(done) or not whole.startswith(asking):
            raise ConfigInvalidError(
                "the chat template writes earlier turns anew with each answer, so that answers "
                "cannot be told apart",
                hint="--set model.chat.prompt=plain",
            )
        pieces += _split(asking[len(done) :])
        pieces.append(Piece(whole[len(asking) :], is_answer=True))
        done = whole
    if messages[-1]["role"] == "user":
        pieces += _split(_filled(tokenizer, messages, generates=True)[len(done) :])
    return pieces


def _filled(tokenizer: Any, messages: Sequence[dict[str, str]], *, generates: bool) -> str:
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=generates
            )
        )
    except Exception as error:
        # Templates are programs of their authors and raise what they like.
        raise ConfigInvalidError(
            f"the chat template cannot write this dialogue: {error}",
            hint="--set model.chat.prompt=plain",
        ) from error


def _split(text: str) -> list[Piece]:
    before, mark, after = text.partition(_MARK)
    if not mark:
        return [Piece(text)] if text else []
    return [Piece(each) for each in (before,) if each] + [Piece(None), Piece(after)]
