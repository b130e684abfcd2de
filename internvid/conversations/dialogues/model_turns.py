"""Questions and answers by a chat model behind a server, each of them checked.

The model is given what is stored of the clips, as text, and answers with a JSON object. A dialogue
of it counts only whole: see `internvid.conversations.dialogues.model_checks` for what is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from internvid.captions.requests import Request
from internvid.captions.server.chat import check_served, converse
from internvid.captions.server.config import ServedModel
from internvid.conversations.dialogues.dialogue_templates import seconds_text
from internvid.conversations.dialogues.model_checks import ModelFacts, checked_pairs
from internvid.conversations.dialogues.proven_turns import (
    AnswerSource,
    ProvenTurn,
    Scene,
    caption_source,
    time_sources,
)
from internvid.conversations.documents.document_clips import ClipRow
from internvid.core.binding import origin_of
from internvid.core.errors import ConfigInvalidError

MODEL = "model"
PROMPT = """\
The lines below are notes about a video, one for each stretch of it, with its times in seconds, or
about several videos, with their numbers.
Write a conversation of {pairs} questions and answers between a user, who watches the video, and an
assistant. Ask about what is seen and heard, its order and its times. Every answer must follow from
the notes alone, in whole sentences. Speak of the video, never of the notes. Answer with a JSON
object: {"turns": [{"role": "user", "text": "..."}, {"role": "assistant", "text": "..."}]}.

{facts}"""
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "conversation",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "turns": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "role": {"type": "string", "enum": ["user", "assistant"]},
                            "text": {"type": "string"},
                        },
                        "required": ["role", "text"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["turns"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True)
class ModelTurns:
    """Turns by a chat model.

    Attributes:
        served: the model; none where its `model` is empty.
        pairs: questions of a dialogue.
        prompt: words before the notes, with {pairs} and {facts}.
        maximum_tokens: most tokens of an answer.
        unsupported: so many words of a dialogue may be in none of the notes.
    """

    served: ServedModel = field(default_factory=ServedModel)
    pairs: int = 3
    prompt: str = PROMPT
    maximum_tokens: int = 800
    unsupported: int = 0

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.maximum_tokens < 1 or self.unsupported < 0:
            raise ConfigInvalidError(
                "model.pairs and model.maximum_tokens must be at least 1, model.unsupported 0"
            )
        if "{facts}" not in self.prompt:
            raise ConfigInvalidError("model.prompt must say where the notes go: {facts}")

    @property
    def is_named(self) -> bool:
        """Whether there is a model."""
        return bool(self.served.model)

    def setup(self) -> None:
        """Ask the server whether it is there.

        Raises:
            ServiceError: it cannot be reached, or refuses.
        """
        check_served(self._structured())

    def turns(self, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, list[ProvenTurn], str]]:
        """For each scene its turns and an empty reason, or no turn and the reason.

        Args:
            scenes: of different names; they come back in any order.

        Raises:
            ServiceError: the server cannot be reached, or refuses everything.
            BudgetSpentError: the budget is used up.
        """
        by_name = {scene.name: scene for scene in scenes}
        facts = {scene.name: facts_of(scene) for scene in scenes}
        requests = (self._request(scene, facts[scene.name]) for scene in scenes)
        answers = converse(self._structured(), requests, self.maximum_tokens, with_pictures=False)
        for request, answer in answers:
            scene = by_name[request.clip_id]
            if answer.failure:
                yield scene, [], answer.failure
                continue
            pairs, reason = checked_pairs(
                answer.text, facts[scene.name], self.prompt, self.unsupported
            )
            sources = tuple(model_sources(scene))
            turns = [
                ProvenTurn(MODEL, question, text, sources, self.served.model)
                for question, text in pairs
            ]
            yield scene, turns, reason

    def _request(self, scene: Scene, facts: ModelFacts) -> Request:
        words = self.prompt.replace("{pairs}", str(self.pairs)).replace("{facts}", facts.text)
        return Request(scene.name, (), words, origin_of(scene.name, prompt=words))

    def _structured(self) -> ServedModel:
        extra: dict[str, Any] = {"response_format": SCHEMA, **self.served.extra_fields()}
        return replace(self.served, structured=False, extra=json.dumps(extra, sort_keys=True))


def facts_of(scene: Scene) -> ModelFacts:
    """What a model is given of a scene, and the bounds that times in its answers keep."""
    if scene.scope == "clip":
        row = scene.clips[0]
        start, end = row.start_seconds or 0.0, row.end_seconds or 0.0
        lines = list(_lines(row, 0.0, end - start))
        return ModelFacts("\n".join(lines), end - start)
    if not scene.has_timeline:
        # The trainer sees videos of their own: times of the film mean nothing there.
        numbered = [line for at, row in enumerate(scene.clips, 1) for line in _named(row, at)]
        spans = ((row.end_seconds or 0.0) - (row.start_seconds or 0.0) for row in scene.clips)
        return ModelFacts("\n".join(numbered), max(spans))
    lines = []
    latest = 0.0
    for row in scene.clips:
        start, end = row.start_seconds or 0.0, row.end_seconds or 0.0
        lines += _lines(row, start, end)
        latest = max(latest, end)
    return ModelFacts("\n".join(lines), scene.clips[0].seconds_of_video or latest)


def _lines(row: ClipRow, start: float, end: float) -> Iterable[str]:
    times = f"{seconds_text(start)} to {seconds_text(end)} seconds"
    if row.caption:
        yield f"{times}: {row.caption}"
    if row.transcript:
        yield f"{times}, spoken: {row.transcript}"


def _named(row: ClipRow, number: int) -> Iterable[str]:
    if row.caption:
        yield f"video {number}: {row.caption}"
    if row.transcript:
        yield f"video {number}, spoken: {row.transcript}"


def model_sources(scene: Scene) -> Iterator[AnswerSource]:
    """The stored values that a model's notes of a scene are made of."""
    for row in scene.clips:
        yield from time_sources(row)
        if row.caption:
            yield caption_source(row)
        if row.transcript:
            column = row.transcript_column
            yield AnswerSource("clips", column, row.clip_id, row.video_id, row.transcript)
