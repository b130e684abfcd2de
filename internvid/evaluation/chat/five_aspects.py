"""`video-chatgpt`: free answers scored from 0 to 5 by a language model, in five aspects.

The model that scores is one behind a chat server. Its answers are JSON of a fixed form, checked
here; those that are not are counted beside the means and change none of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from internvid.captions.requests import Request
from internvid.captions.server.chat import check_served, converse
from internvid.captions.server.config import ServedModel
from internvid.core.binding import origin_of
from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.reading import invalid, names_its_file, read_list
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.chat.chat_benchmark import chat_identity, chat_protocol, open_chat
from internvid.evaluation.chat.seen_videos import AboutVideo, seen_rows
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.results.protocol import MissingClip, Result
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import VideoChat

ASPECTS: Mapping[str, str] = MappingProxyType(
    {
        "correctness": "whether what the answer says is true by the right answer, without "
        "contradictions and without misreading the video",
        "detail": "whether the answer covers all main points of the right answer, with particulars "
        "in place of generalities",
        "context": "whether the answer fits the theme of the video as the right answer has it",
        "temporal": "whether the order of events in the answer is that of the right answer",
        "consistency": "whether the two answers, to two ways of asking the same, agree with each "
        "other and with the right answer",
    }
)
_SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "score",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 5}},
            "required": ["score"],
            "additionalProperties": False,
        },
    },
}
_PROMPT = """\
You score answers of a system that answers questions about videos. Look at one thing alone:
{aspect}. Synonyms and other words for the same are right.

{facts}

Give a whole number from 0 (not at all) to 5 (fully) as JSON: {{"score": 3}}"""
_FORM = "Q and A, or Q1, Q2 and A, with video_name"


@dataclass(frozen=True)
class OpenQuestion:
    """A question with its right answer.

    Attributes:
        about: its video.
        questions: one, or two ways of asking the same.
        answer: the right one.
        aspects: that its answers are scored in.
    """

    about: AboutVideo
    questions: tuple[str, ...]
    answer: str
    aspects: tuple[str, ...]


@dataclass(frozen=True)
class FiveAspects:
    """Mean scores from 0 to 5, over the repeats; `SPREAD` is the range of their means.

    Attributes:
        scorer: the model that scores, at temperature 0.
        repeats: how often each answer is scored.
        max_tokens: most tokens of an answer.
        annotations: Video-ChatGPT's files of questions: those with Q1 and Q2 are scored in
            consistency, those with "temporal" in the name in temporal, all others in the rest.
        videos: folder of the videos, at any depth.
    """

    scorer: ServedModel = field(default_factory=ServedModel)
    repeats: int = 3
    max_tokens: int = 256
    annotations: tuple[str, ...] = field(default=(), metadata={"setting": True})
    videos: str = setting("")

    version: ClassVar[int] = 1
    name: ClassVar[str] = "video-chatgpt"
    runs_title: ClassVar[str] = "scored"
    _source: list[str] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.max_tokens < 1:
            raise ConfigInvalidError("repeats and max_tokens must be at least 1")

    def open_subject(self, source: str, device: str) -> VideoChat:
        """The video chat to measure; the scoring model is looked for first.

        Raises:
            ConfigInvalidError: no scoring model is named.
            ServiceError: its server cannot be reached.
        """
        if not self.scorer.model:
            raise ConfigInvalidError(
                "answers are scored by a language model, and none is named",
                hint="--set scorer.model=NAME --set scorer.base_url=URL",
            )
        check_served(self._scorer(0))
        self._source[:] = [source]
        return open_chat(source, device)

    def evaluate(self, subject: VideoChat, run: Run) -> Result:
        """See `Benchmark`; the subject is a `VideoChat`."""
        if not self.annotations or not self.videos:
            raise ConfigInvalidError(
                f"{self.name} needs its files of questions and the folder of its videos",
                hint="name them: --annotations FILE --videos FOLDER",
            )
        listed = [row for path in self.annotations for row in read_open(Path(path))]
        missing: list[MissingClip] = []
        answered: list[tuple[OpenQuestion, list[str]]] = []
        folder = VideoFolder.scan(Path(self.videos))
        rows = [each.about for each in listed]
        for at, seen in seen_rows(rows, folder, subject, run, missing):
            turns = [[Turn("user", text)] for text in listed[at].questions]
            answers = subject.answers([seen] * len(turns), turns, max_tokens=self.max_tokens)
            answered.append((listed[at], answers))
        if not answered:
            raise MisuseError(
                f"not one of the {len(listed)} questions has a video that can be read",
                hint="is --videos the folder that belongs to the files?",
            )
        runs = {}
        for number in range(self.repeats):
            runs[f"time {number + 1}"] = self._scored(answered, number)
            run.progress("scored", number + 1, self.repeats)
        return self._result(subject, listed, answered, missing, runs)

    def _scorer(self, number: int) -> ServedModel:
        extra = {"response_format": _SCHEMA, **self.scorer.extra_fields()}
        # Each repeat is a request of its own, not the kept answer of the one before.
        revision = f"{self.scorer.revision} repeat {number}" if number else self.scorer.revision
        return replace(
            self.scorer,
            structured=False,
            temperature=0.0,
            revision=revision,
            extra=json.dumps(extra, sort_keys=True),
        )

    def _scored(
        self, answered: Sequence[tuple[OpenQuestion, list[str]]], number: int
    ) -> dict[str, float]:
        scores: dict[str, list[int]] = defaultdict(list)
        failed: dict[str, int] = defaultdict(int)
        for request, answer in converse(
            self._scorer(number), _requests(answered), 32, with_pictures=False
        ):
            aspect = str(request.notes["aspect"])
            score = None if answer.failure else score_of(answer.text)
            if score is None:
                failed[aspect] += 1
            else:
                scores[aspect].append(score)
        numbers: dict[str, float] = {}
        for aspect in ASPECTS:
            if scores[aspect]:
                numbers[aspect] = float(np.mean(scores[aspect]))
            if scores[aspect] or failed[aspect]:
                numbers[f"{aspect}_failed"] = float(failed[aspect])
        return numbers

    def _result(
        self,
        subject: VideoChat,
        listed: Sequence[OpenQuestion],
        answered: Sequence[tuple[OpenQuestion, list[str]]],
        missing: Sequence[MissingClip],
        runs: Mapping[str, Mapping[str, float]],
    ) -> Result:
        metrics: dict[str, float] = {}
        for aspect in ASPECTS:
            values = [each[aspect] for each in runs.values() if aspect in each]
            if values:
                metrics[aspect] = float(np.mean(values))
                metrics[f"{aspect}_spread"] = max(values) - min(values)
            failures = [each.get(f"{aspect}_failed") for each in runs.values()]
            counted = [value for value in failures if value is not None]
            if counted:
                metrics[f"{aspect}_failed"] = sum(counted)
        scored = [metrics[aspect] for aspect in ASPECTS if aspect in metrics]
        if not scored:
            raise MisuseError(
                f"{self.scorer.model} gave no score in the form it was given, not once",
                hint="take a model that writes JSON, or look at its answers with --set "
                "scorer.cache=FOLDER",
            )
        if all(aspect in metrics for aspect in ASPECTS):
            metrics["mean"] = float(np.mean(scored))
        clips = [each.about.clip for each, _ in answered]
        protocol = chat_protocol(
            self.name, self.version, subject,
            annotations=digest_texts([f"{each.questions} {each.answer}" for each in listed]),
            listed=len(listed), found=len(answered), clips=digest_texts(clips),
            details={
                "scorer": self.scorer.model, "scorer_revision": self.scorer.revision,
                "prompt": digest_texts([_PROMPT, *ASPECTS.values()]), "temperature": 0,
                "repeats": self.repeats, "max_tokens": self.max_tokens,
            },
        )  # fmt: skip
        model = chat_identity(subject, (self._source or [""])[0])
        return Result(metrics, protocol, model, missing=tuple(missing), runs=runs)


def _requests(answered: Sequence[tuple[OpenQuestion, list[str]]]) -> Iterator[Request]:
    for row, answers in answered:
        pairs = zip(row.questions, answers, strict=True)
        lines = [f"Question: {question}\nAnswer: {answer}" for question, answer in pairs]
        facts = "\n".join([f"Right answer: {row.answer}", *lines])
        for aspect in row.aspects:
            prompt = _PROMPT.format(aspect=ASPECTS[aspect], facts=facts)
            clip = f"{row.about.clip} {aspect}"
            origin = origin_of(clip, (), prompt)
            yield Request(clip, (), prompt, origin, notes={"aspect": aspect})


def score_of(text: str) -> int | None:
    """The score of an answer; None where it is no JSON object with a whole number from 0 to 5."""
    try:
        score = json.loads(text)["score"]
    except (ValueError, KeyError, TypeError):
        return None
    is_score = isinstance(score, int) and not isinstance(score, bool) and 0 <= score <= 5
    return score if is_score else None


@names_its_file
def read_open(path: Path) -> list[OpenQuestion]:
    """The questions of one of Video-ChatGPT's files.

    Raises:
        AnnotationInvalidError: a row is no question.
    """
    rows = []
    for at, (place, row) in enumerate(read_list(path)):
        names = ("Q1", "Q2") if "Q1" in row else ("Q",)
        texts = tuple(row.get(name) for name in names)
        video, answer = row.get("video_name"), row.get("A")
        parts = (*texts, video, answer)
        if not all(isinstance(part, str) and part.strip() for part in parts):
            raise invalid(path, place, "a part of it is missing or empty", _FORM)
        if len(names) == 2:
            aspects: tuple[str, ...] = ("consistency",)
        elif "temporal" in path.stem.lower():
            aspects = ("temporal",)
        else:
            aspects = ("correctness", "detail", "context")
        about = AboutVideo(f"{path.stem}-{at}", str(video))
        rows.append(OpenQuestion(about, tuple(map(str, texts)), str(answer), aspects))
    return rows
