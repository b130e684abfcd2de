"""What is said in a clip: subtitles beside or inside the file, or speech recognition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError, VideoError
from internvid.core.types import TimeSpan
from internvid.scores.sound import SoundReader
from internvid.scores.subtitles import Line, lines_beside, lines_inside

if TYPE_CHECKING:
    from internvid.models.speech import SpeechRecogniser

SOURCES = ("auto", "subtitles", "speech")
WINDOW_SECONDS = 30.0


@dataclass(frozen=True)
class TranscriptScorer:
    """The words of each clip: lines whose middle lies in its span, joined.

    Subtitle files beside the video (`film.srt`, `film.en.vtt`) come first, then text streams inside
    it, then speech recognition where a model is named. Extras: `kind` (`beside`, `inside`,
    `speech`), `starts` (seconds from the start of the video, one a line).

    Reasons: failed `source_gone`, `no_subtitles` (and no model is named), `sound_unreadable`;
    skipped `no_audio`, `no_speech` (nobody speaks in the span).

    Attributes:
        model: a Whisper for those without subtitles: folder or hub name, of faster-whisper
            (`Systran/faster-whisper-small`) or transformers (`openai/whisper-small`).
        source: `auto`, `subtitles` (never listen) or `speech` (never read).
        language: as in `en`; which subtitles are taken, and what the model expects to hear.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 1
    value_type: ClassVar[str] = "string"
    extras: ClassVar[dict[str, str]] = {"kind": "string", "starts": "list<double>"}
    reads: ClassVar[tuple[str, ...]] = ("source",)
    installs: ClassVar[tuple[str, ...]] = ("asr",)
    model: str = weights_field("")
    source: str = "auto"
    language: str = ""
    dtype: str = "auto"
    device: str = setting("auto")
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigInvalidError(f"source is one of {', '.join(SOURCES)}, not {self.source!r}")

    def setup(self) -> None:
        """Load the model, if one is named.

        Raises:
            InternvidError: weights or packages are missing; or speech is asked for without a model.
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
        """The words of each clip. Clips of one video are expected together."""
        recogniser = self._recogniser()
        video: _Video | None = None
        for view in clips:
            if video is None or video.video_id != view.clip.video_id:
                video = _Video(view.clip.video_id, view.source, self.source, self.language)
            yield video.answer(view, recogniser)

    def _recogniser(self) -> SpeechRecogniser | None:
        if not self.model or self.source == "subtitles":
            return None
        from internvid.models.pretrained import Checkpoint
        from internvid.models.speech import SpeechRecogniser

        checkpoint = Checkpoint(self.model, self.device, self.dtype, download=self.download)
        return SpeechRecogniser(checkpoint, self.language)


@dataclass
class _Video:
    """What is known of one video while its clips stream by."""

    video_id: str
    path: Path | None
    source: str
    language: str
    kind: str = ""
    lines: list[Line] | None = None
    heard: dict[int, list[Line]] = field(default_factory=dict)
    has_sound: bool | None = None

    def __post_init__(self) -> None:
        if self.path is None or self.source == "speech":
            return
        for kind, read in (("beside", lines_beside), ("inside", lines_inside)):
            self.lines = read(self.path, self.language)
            if self.lines is not None:
                self.kind = kind
                return

    def answer(self, view: ClipView, recogniser: SpeechRecogniser | None) -> Annotation:
        clip_id = view.clip.clip_id
        if self.path is None:
            return Annotation(clip_id, None, "failed", "source_gone")
        lines, kind = self.lines, self.kind
        if lines is None:
            if recogniser is None:
                return Annotation(clip_id, None, "failed", "no_subtitles")
            try:
                lines, kind = self._listen(view.span, recogniser), "speech"
            except VideoError:
                return Annotation(clip_id, None, "failed", "sound_unreadable")
            if self.has_sound is False:
                return Annotation(clip_id, None, "skipped", "no_audio")
        said = [line for line in lines if view.span.contains(line.middle_seconds)]
        if not said:
            return Annotation(clip_id, None, "skipped", "no_speech")
        starts = [round(line.start_seconds, 3) for line in said]
        text = " ".join(line.text for line in said)
        return Annotation(clip_id, text, extras={"kind": kind, "starts": starts})

    def _listen(self, span: TimeSpan, recogniser: SpeechRecogniser) -> list[Line]:
        """Lines of the windows that the span touches; each window is heard once."""
        assert self.path is not None
        first = int(span.start_seconds // WINDOW_SECONDS)
        last = int(max(span.start_seconds, span.end_seconds - 1e-6) // WINDOW_SECONDS)
        found: list[Line] = []
        for number in range(first, last + 1):
            if number not in self.heard and self.has_sound is not False:
                start = number * WINDOW_SECONDS
                sound = SoundReader(self.path).read(TimeSpan(start, start + WINDOW_SECONDS))
                self.has_sound = sound is not None
                spoken = [] if sound is None else recogniser.listen(sound)
                self.heard[number] = [
                    Line(start + line.start_seconds, start + line.end_seconds, line.text)
                    for line in spoken
                ]
            found += self.heard.get(number, [])
        return found
