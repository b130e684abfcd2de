"""Multiple choice for video chats, by letter and by likelihood: MVBench and Video-MME."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.reading import invalid, names_its_file, read_list
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.chat.chat_benchmark import chat_identity, chat_protocol, open_chat
from internvid.evaluation.chat.seen_videos import AboutVideo, seen_rows
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.results.protocol import MissingClip, Result
from internvid.models.chat.prompt_forms import Turn
from internvid.models.chat.video_chat import SeenVideo, VideoChat

_FORM = "a video, a question, a list of options and the right one as answer"
_LABEL = re.compile(r"^\(?([A-Z])[).:]\s*")
_LETTER = re.compile(r"\(?\b([A-Z])\b[).:]?")
_MOST_TOKENS = 8


@dataclass(frozen=True)
class OptionQuestion:
    """A question of multiple choice.

    Attributes:
        about: its video.
        task: what kind of question it is.
        question: its text.
        options: without their letters.
        answer: place of the right one.
    """

    about: AboutVideo
    task: str
    question: str
    options: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class OptionBenchmark:
    """Accuracy in percent, by the letter that is written and by the likelihood of each option.

    An answer that names no letter is not right; `no_letter` says how many there are.

    Attributes:
        annotations: the files of questions; the name of a file is the task of its rows, unless
            they have one.
        videos: folder of the videos, at any depth.
    """

    annotations: tuple[str, ...] = field(default=(), metadata={"setting": True})
    videos: str = setting("")

    version: ClassVar[int] = 1
    name: ClassVar[str] = ""
    begins: ClassVar[str] = ""
    instruction: ClassVar[str] = ""
    usual_clips: ClassVar[tuple[int, ...]] = ()
    _source: list[str] = field(default_factory=list, repr=False, compare=False)

    def open_subject(self, source: str, device: str) -> VideoChat:
        """The video chat to measure."""
        self._source[:] = [source]
        return open_chat(source, device)

    def read(self) -> list[OptionQuestion]:
        """The questions.

        Raises:
            ConfigInvalidError: no file is named.
            AnnotationInvalidError: a row is no question.
        """
        if not self.annotations or not self.videos:
            raise ConfigInvalidError(
                f"{self.name} needs its files of questions and the folder of its videos",
                hint="name them: --annotations FILE --videos FOLDER",
            )
        return [row for path in self.annotations for row in read_options(Path(path))]

    def evaluate(self, subject: VideoChat, run: Run) -> Result:
        """See `Benchmark`; the subject is a `VideoChat`."""
        questions = self.read()
        missing: list[MissingClip] = []
        right: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        unread, found = 0, []
        rows = [each.about for each in questions]
        folder = VideoFolder.scan(Path(self.videos))
        for at, seen in seen_rows(rows, folder, subject, run, missing):
            question = questions[at]
            letter = self._letter(subject, seen, question)
            unread += letter is None
            likely = self._likeliest(subject, seen, question)
            right[question.task].append((letter == question.answer, likely == question.answer))
            found.append(question.about.clip)
        if not found:
            raise MisuseError(
                f"not one of the {len(questions)} questions has a video that can be read",
                hint="is --videos the folder that belongs to the file?",
            )
        return self._result(subject, questions, right, missing, found, unread)

    def _result(
        self,
        subject: VideoChat,
        questions: Sequence[OptionQuestion],
        right: dict[str, list[tuple[bool, bool]]],
        missing: Sequence[MissingClip],
        found: Sequence[str],
        unread: int,
    ) -> Result:
        every = np.array([each for rows in right.values() for each in rows])
        tasks = {task: np.array(rows).mean(axis=0) * 100 for task, rows in right.items()}
        metrics = {
            "letter": 100.0 * float(every[:, 0].mean()),
            "likelihood": 100.0 * float(every[:, 1].mean()),
            "letter_mean_of_tasks": float(np.mean([both[0] for both in tasks.values()])),
            "likelihood_mean_of_tasks": float(np.mean([both[1] for both in tasks.values()])),
            "chance": 100.0 * float(np.mean([1 / len(each.options) for each in questions])),
            "no_letter": 100.0 * unread / len(found),
        }
        texts = [self.words(each) for each in questions]
        protocol = chat_protocol(
            self.name, self.version, subject, annotations=digest_texts(texts),
            listed=len(questions), found=len(found), clips=digest_texts(list(found)),
            details={"begins": self.begins, "instruction": self.instruction,
                     "likelihood": "mean of the tokens of an option's text"},
        )  # fmt: skip
        classes = {task: float(both[0]) for task, both in tasks.items()}
        model = chat_identity(subject, (self._source or [""])[0])
        return Result(metrics, protocol, model, missing=tuple(missing), classes=classes)

    def words(self, question: OptionQuestion) -> str:
        """The question with its options, as the model reads it."""
        lines = [
            f"({letter}) {option}"
            for letter, option in zip(string.ascii_uppercase, question.options, strict=False)
        ]
        return "\n".join([question.question, *lines, self.instruction])

    def _letter(self, subject: VideoChat, seen: SeenVideo, question: OptionQuestion) -> int | None:
        turns = [Turn("user", self.words(question))]
        (answer,) = subject.answers([seen], [turns], max_tokens=_MOST_TOKENS, begins=self.begins)
        return letter_of(answer, len(question.options))

    @staticmethod
    def _likeliest(subject: VideoChat, seen: SeenVideo, question: OptionQuestion) -> int:
        turns = [Turn("user", question.question)]
        return int(np.argmax(subject.likelihoods(seen, turns, question.options)))


class MVBench(OptionBenchmark):
    """MVBench: its JSON files, one a task; answers go on from "Best option:("."""

    name = "mvbench"
    begins = "Best option:("
    instruction = "Only give the best option."
    usual_clips = (4000,)


class VideoMME(OptionBenchmark):
    """Video-MME: its Parquet file, or rows of it as JSON; without subtitles."""

    name = "video-mme"
    instruction = "Answer with the option's letter from the given choices directly."
    usual_clips = (2700,)


def letter_of(answer: str, options: int) -> int | None:
    """The option that an answer names by its letter; None where it names none."""
    match = _LETTER.search(answer.strip())
    place = None if match is None else string.ascii_uppercase.index(match[1])
    return place if place is not None and place < options else None


@names_its_file
def read_options(path: Path) -> list[OptionQuestion]:
    """Questions of a file: MVBench's JSON, Video-MME's Parquet, or JSON lines of either.

    Raises:
        AnnotationInvalidError: a row is no question.
    """
    if path.suffix == ".parquet":
        rows = [(f"[{at}]", row) for at, row in enumerate(pq.read_table(path).to_pylist())]
    else:
        rows = read_list(path)
    return [_question(path, place, row, at) for at, (place, row) in enumerate(rows)]


def _question(path: Path, place: str, row: dict[str, Any], at: int) -> OptionQuestion:
    video = row.get("videoID") or row.get("video")
    options = row.get("candidates") or row.get("options")
    question = row.get("question")
    if not isinstance(video, str) or not isinstance(question, str) or not question.strip():
        raise invalid(path, place, "it names no video or no question", _FORM)
    if not isinstance(options, list) or not 2 <= len(options) <= len(string.ascii_uppercase):
        raise invalid(path, place, f"its options are {options!r}", _FORM)
    texts = tuple(_LABEL.sub("", str(option)).strip() for option in options)
    answer = str(row.get("answer", "")).strip()
    plain = _LABEL.sub("", answer).strip()
    if plain in texts:
        right = texts.index(plain)
    elif len(answer) == 1 and answer in string.ascii_uppercase[: len(texts)]:
        right = string.ascii_uppercase.index(answer)
    else:
        raise invalid(path, place, f"its answer {answer!r} is none of the options", _FORM)
    span = None
    if row.get("start") is not None and row.get("end") is not None:
        span = TimeSpan(float(row["start"]), float(row["end"]))
    name = str(row.get("question_id") or f"{path.stem}-{at}")
    task = str(row.get("task_type") or path.stem)
    return OptionQuestion(AboutVideo(name, video, span), task, question, texts, right)
