"""Reads dialogues: our own, and those of public sets, with a word for each row that is none.

| layout | row | sets |
|---|---|---|
| `internvid` | `turns` with `role` and `text`, `videos` | `dialogues-*.jsonl` |
| `messages` | `messages` with `role` and `content`, `videos` | ms-swift, LLaMA-Factory |
| `conversations` | `conversations` with `from` and `value`, `video` | LLaVA-Video, Qwen-VL |
| `qa` | `QA` with `q` and `a` (and `i`), `video` | VideoChat-instruct, VideoChat2-IT |
| `pairs` | `q` and `a` with `video_id` | Video-ChatGPT, instructions |
| `benchmark` | `Q` (or `Q1`, `Q2`) and `A` with `video_name` | Video-ChatGPT, benchmark |
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from internvid.conversations.documents.drawn import one_line
from internvid.conversations.documents.row_files import (
    Faults,
    ReadRow,
    files_with_rows,
    read_rows,
    text_field,
)
from internvid.core.errors import ConfigInvalidError
from internvid.publishing.texts.chat_turns import Dialogue, Role, Turn

_FILES = ("dialogues-*.jsonl",)
_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "human": "user",
        "user": "user",
        "gpt": "assistant",
        "assistant": "assistant",
        "system": "system",
    }
)
_TOKEN = re.compile(r"<(?:video|image)>")


class _RowError(Exception):
    """A row that is no dialogue; its arguments are the reason, a word, and the detail."""


@dataclass
class DialogueReading:
    """Dialogues of a file or of an export; gone through as often as wanted.

    Attributes:
        path: a file (`.jsonl`, `.json`), or the folder of an export of `internvid dialogues`.
        faults: of the rows that were read: `not_json`, `cut_short`, `unreadable`, `not_an_object`,
            `unknown_layout`, `wrong_structure`, `no_video`, `no_turn`, `unknown_role`,
            `empty_turn`, `not_alternating`, `wrong_token_count`, `times_outside`.
        rows: how many were read.
        layouts: layout -> dialogues.
    """

    path: Path
    faults: Faults = field(default_factory=Faults)
    rows: int = 0
    layouts: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Dialogue]:
        """The dialogues, in order; rows that are none are counted in `faults`."""
        self.faults, self.rows, self.layouts = Faults(), 0, Counter()
        for path in files_with_rows(self.path, _FILES):
            for row in read_rows(path, self.faults):
                self.rows += 1
                try:
                    layout, dialogue = _dialogue(row)
                except _RowError as error:
                    self.faults.add(path.name, row.number, *error.args)
                    continue
                self.layouts[layout] += 1
                yield dialogue


def _dialogue(row: ReadRow) -> tuple[str, Dialogue]:
    value = row.value
    if not isinstance(value, dict):
        raise _RowError("not_an_object", f"it is {type(value).__name__}")
    layout = next((name for name, fields in _FIELDS.items() if fields <= value.keys()), None)
    if layout is None:
        raise _RowError("unknown_layout", f"it has the fields {', '.join(sorted(value))}")
    turns = _LAYOUTS[layout](value)
    videos = _videos(value)
    _check(turns, videos, layout)
    start, end = _part(value)
    name = text_field(value, "id") or f"{row.file.stem}-{row.number}"
    spoken = [Turn(role, one_line(_TOKEN.sub(" ", text))) for role, text in turns]
    spoken = [turn for turn in spoken if turn.text or turn.role != "system"]
    try:
        return layout, Dialogue(name, tuple(videos), tuple(spoken), start, end)
    except ConfigInvalidError as error:
        raise _RowError("wrong_structure", error.message) from error


def _videos(row: Mapping[str, Any]) -> list[str]:
    for name in ("videos", "video", "video_id", "video_name"):
        value = row.get(name)
        listed = value if isinstance(value, list) else [value] if value else []
        if listed and all(isinstance(each, str) and each.strip() for each in listed):
            return listed
    raise _RowError("no_video", "it names none")


def _check(turns: Sequence[tuple[Role, str]], videos: Sequence[str], layout: str) -> None:
    if not turns:
        raise _RowError("no_turn", "it has none")
    for role, text in turns:
        if role != "system" and not _TOKEN.sub("", text).strip():
            raise _RowError("empty_turn", f"a turn of {role}")
    roles = [role for role, _ in turns]
    spoken = roles[1:] if roles[0] == "system" else roles
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise _RowError("not_alternating", ", ".join(roles))
    marks = sum(len(_TOKEN.findall(text)) for _, text in turns)
    # Of other layouts the token is the trainer's own.
    if layout == "messages" and marks != len(videos):
        raise _RowError("wrong_token_count", f"{marks} tokens for {len(videos)} videos")


def _part(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    start, end = row.get("start"), row.get("end")
    if start is None or end is None:
        return None, None
    try:
        first, last = float(start), float(end)
    except (TypeError, ValueError) as error:
        raise _RowError("times_outside", f"{start!r} to {end!r}") from error
    if not (math.isfinite(last) and 0 <= first < last):
        raise _RowError("times_outside", f"{start!r} to {end!r}")
    return first, last


def _role(value: Any) -> Role:
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None:
        raise _RowError("unknown_role", repr(value))
    return role


def _turns_of(row: Mapping[str, Any], name: str, role: str, text: str) -> list[tuple[Role, str]]:
    turns = row[name]
    if not isinstance(turns, list):
        raise _RowError("wrong_structure", f"{name} is no list")
    found: list[tuple[Role, str]] = []
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get(text), str):
            raise _RowError("wrong_structure", f"a turn without {text}")
        found.append((_role(turn.get(role)), turn[text]))
    return found


def _qa(row: Mapping[str, Any]) -> list[tuple[Role, str]]:
    pairs = row["QA"]
    if not isinstance(pairs, list):
        raise _RowError("wrong_structure", "QA is no list")
    found: list[tuple[Role, str]] = []
    for number, pair in enumerate(pairs):
        if not isinstance(pair, dict):
            raise _RowError("wrong_structure", "a pair is no object")
        question, answer = text_field(pair, "q"), text_field(pair, "a")
        # An instruction without a question is one.
        instruction = text_field(pair, "i") or ""
        if question is None or answer is None:
            raise _RowError("wrong_structure", "a pair without q or a")
        if not question.strip():
            question = instruction
        elif number == 0 and instruction.strip():
            found.append(("system", instruction))
        found += [("user", question), ("assistant", answer)]
    return found


def _pair(row: Mapping[str, Any]) -> list[tuple[Role, str]]:
    question, answer = text_field(row, "q"), text_field(row, "a")
    if question is None or answer is None:
        raise _RowError("wrong_structure", "q or a is no text")
    return [("user", question), ("assistant", answer)]


def _benchmark(row: Mapping[str, Any]) -> list[tuple[Role, str]]:
    answer = text_field(row, "A")
    questions = [text_field(row, name) for name in ("Q", "Q1", "Q2") if name in row]
    if answer is None or not questions:
        raise _RowError("wrong_structure", "Q or A is no text")
    found: list[tuple[Role, str]] = []
    for question in questions:
        if question is None:
            raise _RowError("wrong_structure", "Q is no text")
        found += [("user", question), ("assistant", answer)]
    return found


_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "internvid": frozenset({"turns", "videos"}),
        "messages": frozenset({"messages"}),
        "conversations": frozenset({"conversations"}),
        "qa": frozenset({"QA"}),
        "pairs": frozenset({"q", "a"}),
        "benchmark": frozenset({"A", "video_name"}),
    }
)
_LAYOUTS: Mapping[str, Callable[[Mapping[str, Any]], list[tuple[Role, str]]]] = MappingProxyType(
    {
        "internvid": lambda row: _turns_of(row, "turns", "role", "text"),
        "messages": lambda row: _turns_of(row, "messages", "role", "content"),
        "conversations": lambda row: _turns_of(row, "conversations", "from", "value"),
        "qa": _qa,
        "pairs": _pair,
        "benchmark": _benchmark,
    }
)
"""Layout -> what makes turns of a row of it."""
