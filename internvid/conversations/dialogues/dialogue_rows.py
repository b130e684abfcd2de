"""Our own row of a dialogue: turns as trainers read them, and beside each answer what proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.conversations.dialogues.proven_turns import AnswerSource, ProvenTurn, Scope
from internvid.publishing.texts.chat_turns import Dialogue, Turn

COUNTS = ("clips", "pairs", "by_model", "tokens", "videos", "milliseconds")
"""Names of what is counted of a dialogue."""


@dataclass(frozen=True)
class ProvenDialogue:
    """A dialogue with what proves its answers.

    Attributes:
        dialogue: turns and videos.
        scope: `clip` or `video`.
        video_ids, clip_ids: what it is about, in order.
        pairs: questions and answers with their sources.
    """

    dialogue: Dialogue
    scope: Scope
    video_ids: Sequence[str]
    clip_ids: Sequence[str]
    pairs: Sequence[ProvenTurn]

    def as_json(self) -> dict[str, Any]:
        """The row: `proofs` has one entry for each answer, in order."""
        dialogue = self.dialogue
        has_part = dialogue.start_seconds is not None
        part = {"start": dialogue.start_seconds, "end": dialogue.end_seconds} if has_part else {}
        return {
            "id": dialogue.dialogue_id,
            "scope": self.scope,
            "video_ids": list(self.video_ids),
            "clip_ids": list(self.clip_ids),
            "videos": list(dialogue.videos),
            **part,
            "turns": [{"role": turn.role, "text": turn.text} for turn in dialogue.turns],
            "proofs": [
                {
                    "kind": pair.kind,
                    "by": pair.by,
                    "sources": [each.as_json() for each in pair.sources],
                }
                for pair in self.pairs
            ],
        }

    @classmethod
    def of_json(cls, row: Mapping[str, Any]) -> ProvenDialogue:
        """The dialogue of such a row.

        Raises:
            ConfigInvalidError: its turns are no dialogue.
            KeyError, TypeError, ValueError: the row is another one.
        """
        turns = [Turn(turn["role"], turn["text"]) for turn in row["turns"]]
        dialogue = Dialogue(row["id"], row["videos"], turns, row.get("start"), row.get("end"))
        spoken = dialogue.spoken
        pairs = [
            ProvenTurn(
                proof["kind"],
                question.text,
                answer.text,
                tuple(AnswerSource(**each) for each in proof["sources"]),
                proof["by"],
            )
            for question, answer, proof in zip(
                spoken[::2], spoken[1::2], row["proofs"], strict=True
            )
        ]
        return cls(dialogue, row["scope"], row["video_ids"], row["clip_ids"], pairs)


def turns_of_pairs(pairs: Sequence[ProvenTurn], system: str = "") -> list[Turn]:
    """The turns of questions and answers, behind one of system where there is a text for it."""
    turns = [Turn("system", system)] if system.strip() else []
    for pair in pairs:
        turns += [Turn("user", pair.question), Turn("assistant", pair.answer)]
    return turns
