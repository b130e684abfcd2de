"""What is spoken in a clip: subtitles beside or inside the file, or speech recognition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError, InternvidError, VideoError
from internvid.core.system.streams import MODEL_ERRORS
from internvid.core.types import TimeSpan
from internvid.models.speech import Hearing
from internvid.scores.cues import Line
from internvid.scores.encodings import EncodingUnknownError
from internvid.scores.local_model import checkpoint_of
from internvid.scores.sound import SoundReader
from internvid.scores.subtitles import subtitles_beside, subtitles_inside

if TYPE_CHECKING:
    from internvid.models.speech import SpeechRecogniser, SpokenLine

SOURCES = ("auto", "subtitles", "speech")
WINDOW_SECONDS = 30.0
# Failures without one success that show that the model itself is at fault, not a video.
_MOST_FAILURES, _MOST_VIDEOS = 8, 3


@dataclass(frozen=True)
class TranscriptScorer:
    """The words of each clip: lines whose middle lies in its span, joined.

    Subtitle files beside the video (`film.srt`, `film.en.vtt`) come first, then text streams inside
    it, then speech recognition where a model is named. Extras: `kind` (`beside`, `inside`,
    `speech`), `encoding` (of subtitles: `utf-8`, or the code page that was taken because they are
    no UTF-8), `starts`, `ends` and `lines` (seconds from the start of the video and words, one a
    line; the value is the lines joined by spaces); of recognised speech also `words`,
    `word_starts`, `word_ends` (by faster-whisper) and `no_speech` (probability that nobody speaks,
    the largest of its lines).

    Reasons: failed `source_gone`, `no_subtitles` (and no model is named), `encoding_unknown` (of
    subtitles, and no model is named), `sound_unreadable`, `model_failed` (the model fails on this
    sound); skipped `no_audio`, `no_speech` (nobody speaks in the span).

    Attributes:
        model: a Whisper for those without subtitles: folder or hub name, of faster-whisper
            (`Systran/faster-whisper-small`) or transformers (`openai/whisper-small`).
        source: `auto`, `subtitles` (never listen) or `speech` (never read).
        language: as in `en`; which subtitles are taken, and what the model expects to hear.
        hearing: what counts as speech.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 3
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    value_type: ClassVar[str] = "string"
    extras: ClassVar[dict[str, str]] = {
        "kind": "string",
        "encoding": "string",
        "starts": "list<double>",
        "ends": "list<double>",
        "lines": "list<string>",
        "words": "list<string>",
        "word_starts": "list<double>",
        "word_ends": "list<double>",
        "no_speech": "double",
    }
    reads: ClassVar[tuple[str, ...]] = ("source",)
    installs: ClassVar[tuple[str, ...]] = ("asr",)
    model: str = weights_field("")
    source: str = "auto"
    language: str = ""
    hearing: Hearing = field(default_factory=Hearing)
    dtype: str = "auto"
    device: str = setting("auto")
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigInvalidError(f"source is one of {', '.join(SOURCES)}, not {self.source!r}")

    def setup(self) -> None:
        """Load the model, if one is named.

        Raises:
            InternvidError: weights or packages are missing; or speech is requested without a model.
        """
        recogniser = self._recogniser()
        if recogniser is not None:
            recogniser.open()
        elif self.source == "speech":
            raise ConfigInvalidError(
                "speech recognition needs a model",
                hint="--set model=Systran/faster-whisper-small, or a folder that holds a Whisper",
            )

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """The words of each clip. Clips of one video are expected together.

        Raises:
            InternvidError: the model fails on all that it is given, of several videos.
        """
        recogniser = self._recogniser()
        listener = None if recogniser is None else _Listener(recogniser)
        video: _Video | None = None
        for view in clips:
            if video is None or video.video_id != view.clip.video_id:
                video = _Video(view.clip.video_id, view.source, self.source, self.language)
            yield video.answer(view, listener)

    def _recogniser(self) -> SpeechRecogniser | None:
        if not self.model or self.source == "subtitles":
            return None
        from internvid.models.speech import SpeechRecogniser

        return SpeechRecogniser(checkpoint_of(self), self.language, self.hearing)


@dataclass
class _Listener:
    """A recogniser that may fail on some sounds, but not on those of all videos."""

    recogniser: SpeechRecogniser
    failures: int = 0
    failed_videos: set[str] = field(default_factory=set)
    has_heard: bool = False

    def listen(self, sound: Any, video_id: str) -> list[SpokenLine] | None:
        """What is spoken, or None where the model fails.

        Raises:
            InternvidError: it failed on several videos, and never did anything else.
        """
        try:
            lines = self.recogniser.listen(sound)
        except MODEL_ERRORS as error:
            self.failures += 1
            self.failed_videos.add(video_id)
            is_hopeless = self.failures >= _MOST_FAILURES
            if is_hopeless and len(self.failed_videos) >= _MOST_VIDEOS and not self.has_heard:
                raise InternvidError(
                    f"the speech model fails on everything it is given ({self.failures} times): "
                    f"{type(error).__name__}: {error}",
                    hint="device=cpu or another dtype may help; what was answered is kept",
                ) from error
            return None
        self.has_heard = True
        return lines


@dataclass
class _Video:
    """What is known of one video while its clips stream by."""

    video_id: str
    path: Path | None
    source: str
    language: str
    kind: str = ""
    encoding: str | None = None
    lines: list[Line] | None = None
    failure: str = "no_subtitles"
    heard: dict[int, list[SpokenLine] | None] = field(default_factory=dict)
    has_sound: bool | None = None

    def __post_init__(self) -> None:
        if self.path is None or self.source == "speech":
            return
        for kind, read in (("beside", subtitles_beside), ("inside", subtitles_inside)):
            try:
                lines = read(self.path, self.language)
            except EncodingUnknownError:
                self.failure = "encoding_unknown"
                continue
            if lines is not None:
                self.kind, self.lines, self.encoding = kind, lines.lines, lines.encoding
                return

    def answer(self, view: ClipView, listener: _Listener | None) -> Annotation:
        clip_id = view.clip.clip_id
        if self.path is None:
            return Annotation(clip_id, None, "failed", "source_gone")
        if self.lines is not None:
            extras = {"kind": self.kind, "encoding": self.encoding}
            return _joined(view, self.lines, extras)
        if listener is None:
            return Annotation(clip_id, None, "failed", self.failure)
        return self._recognised(view, listener)

    def _recognised(self, view: ClipView, listener: _Listener) -> Annotation:
        clip_id = view.clip.clip_id
        try:
            spoken = self._listen(view.span, listener)
        except VideoError:
            return Annotation(clip_id, None, "failed", "sound_unreadable")
        if self.has_sound is False:
            return Annotation(clip_id, None, "skipped", "no_audio")
        if spoken is None:
            return Annotation(clip_id, None, "failed", "model_failed")
        lines = [Line(one.start_seconds, one.end_seconds, one.text) for one in spoken]
        inside = [
            one
            for one, line in zip(spoken, lines, strict=True)
            if view.span.contains(line.middle_seconds)
        ]
        words = [word for line in inside for word in line.words]
        chances = [line.no_speech for line in inside if line.no_speech is not None]
        extras = {
            "kind": "speech",
            "words": [word.text for word in words] or None,
            "word_starts": [round(word.start_seconds, 3) for word in words] or None,
            "word_ends": [round(word.end_seconds, 3) for word in words] or None,
            "no_speech": max(chances, default=None),
        }
        return _joined(view, lines, extras)

    def _listen(self, span: TimeSpan, listener: _Listener) -> list[SpokenLine] | None:
        """What is spoken in the windows that the span touches, each heard once; None where one
        fails.

        Raises:
            VideoError: the sound cannot be read.
            InternvidError: the model fails on everything.
        """
        assert self.path is not None
        first = int(span.start_seconds // WINDOW_SECONDS)
        last = int(max(span.start_seconds, span.end_seconds - 1e-6) // WINDOW_SECONDS)
        recognised: list[SpokenLine] = []
        for number in range(first, last + 1):
            if number not in self.heard and self.has_sound is not False:
                start = number * WINDOW_SECONDS
                sound = SoundReader(self.path).read(TimeSpan(start, start + WINDOW_SECONDS))
                self.has_sound = sound is not None
                spoken = [] if sound is None else listener.listen(sound, self.video_id)
                self.heard[number] = spoken and [line.shifted(start) for line in spoken]
            lines = self.heard.get(number, [])
            if lines is None:
                return None
            recognised += lines
        return recognised


def _joined(view: ClipView, lines: Iterable[Line], extras: dict[str, Any]) -> Annotation:
    """The lines that belong to a clip, as its answer."""
    clip_id = view.clip.clip_id
    inside = [line for line in lines if view.span.contains(line.middle_seconds)]
    if not inside:
        return Annotation(clip_id, None, "skipped", "no_speech")
    texts = [line.text for line in inside]
    known = {
        "starts": [round(line.start_seconds, 3) for line in inside],
        "ends": [round(line.end_seconds, 3) for line in inside],
        "lines": texts,
    }
    return Annotation(clip_id, " ".join(texts), extras={**extras, **known})
