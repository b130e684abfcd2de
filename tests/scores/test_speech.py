"""Recognised speech: silence is not heard, failures stay with their clips, words have times."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError, DependencyMissingError, InternvidError
from internvid.models import speech
from internvid.models.pretrained import Checkpoint
from internvid.models.speech import (
    SAMPLE_RATE,
    Hearing,
    SpeechRecogniser,
    SpokenLine,
    SpokenWord,
)
from internvid.scores import transcript
from internvid.scores.transcript import TranscriptScorer
from tests.models.tiny import TinyModels
from tests.scores.conftest import make_view
from tests.scores.test_words import with_sound


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sound(tmp_path_factory.mktemp("sound") / "film.mp4", 12.0)


def listening(monkeypatch: pytest.MonkeyPatch, *answers: list[SpokenLine] | Exception) -> None:
    """Windows of a second, which the recogniser answers in this order."""
    left = list(answers)

    def listen(self: SpeechRecogniser, sound: Any) -> list[SpokenLine]:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(SpeechRecogniser, "listen", listen)
    monkeypatch.setattr(transcript, "WINDOW_SECONDS", 1.0)


def each_second(film: Path, model: str, seconds: int) -> list[Annotation]:
    views = [make_view(at, source=film, span=(at, at + 1.0)) for at in range(seconds)]
    return list(TranscriptScorer(model=model).score(iter(views)))


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("no"), IndexError()])
def test_a_window_that_fails_costs_its_clip_alone(
    error: Exception, film: Path, tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [SpokenLine(0.2, 0.4, "hello")]
    listening(monkeypatch, line, error, line)
    answers = each_second(film, tiny["whisper"], 3)
    assert [answer.value for answer in answers] == ["hello", None, "hello"]
    assert (answers[1].status, answers[1].reason) == ("failed", "model_failed")


def test_a_model_that_always_fails_stops_the_run(
    film: Path, tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def views() -> Iterator[ClipView]:
        for number in range(24):
            at = number % 8
            yield make_view(number, source=film, span=(at, at + 1.0), video=f"{number // 8}" * 32)

    error = RuntimeError("cuDNN failed")
    listening(monkeypatch, *[error] * 24)
    with pytest.raises(InternvidError, match=r"everything it is given.*RuntimeError: cuDNN failed"):
        list(TranscriptScorer(model=tiny["whisper"]).score(views()))
    listening(monkeypatch, [], *[error] * 23)
    answers = list(TranscriptScorer(model=tiny["whisper"]).score(views()))
    assert [answer.reason for answer in answers] == ["no_speech", *["model_failed"] * 23]
    one = [error] * 12
    listening(monkeypatch, *one)
    assert len(each_second(film, tiny["whisper"], 12)) == 12, "one odd video stops nothing"


def test_words_have_times_of_the_video(
    film: Path, tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (SpokenWord(0.1, 0.3, "hello"), SpokenWord(0.3, 0.5, "there"))
    listening(monkeypatch, [], [SpokenLine(0.1, 0.5, "hello there", words, 0.25)])
    answer = each_second(film, tiny["whisper"], 2)[1]
    assert answer.extras == {
        "kind": "speech", "starts": [1.1], "ends": [1.5], "lines": ["hello there"],
        "words": ["hello", "there"],
        "word_starts": [1.1, 1.3], "word_ends": [1.3, 1.5], "no_speech": 0.25,
    }  # fmt: skip
    assert set(answer.extras) <= set(TranscriptScorer.extras)


@pytest.mark.parametrize("sound", ["silence", "tone", "noise"])
def test_what_is_no_voice_is_not_sent_to_the_model(
    sound: str, tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    waves = {
        "silence": 0 * times,
        "tone": np.sin(2 * np.pi * 440 * times) / 2,
        "noise": np.random.default_rng(0).normal(0, 0.1, times.size),
    }
    wave = waves[sound].astype(np.float32)
    recogniser = SpeechRecogniser(Checkpoint(tiny["whisper"]), "en")
    recogniser.open()
    model, asked = recogniser._model().model, []
    generate = model.generate
    monkeypatch.setattr(model, "generate", lambda **given: asked.append(1) or generate(**given))
    assert recogniser.listen(wave) == []
    assert asked == []
    SpeechRecogniser(Checkpoint(tiny["whisper"]), "en", Hearing(vad=False)).listen(wave)
    assert asked == [1]


def test_lines_that_repeat_themselves_are_dropped(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    looping = [SpokenLine(0, 9, "see you next time, " * 20), SpokenLine(9, 10, "good night")]
    monkeypatch.setattr(speech, "_lines", lambda *_: looping)
    sound = np.zeros(SAMPLE_RATE, np.float32)
    for most, kept in ((2.4, 1), (100.0, 2)):
        hearing = Hearing(vad=False, compression_ratio_threshold=most)
        assert len(SpeechRecogniser(Checkpoint(tiny["whisper"]), "", hearing).listen(sound)) == kept


def test_what_cannot_be_heard_is_refused_before_the_run(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigInvalidError, match=r"does not know the language 'xx'.*\n.*en"):
        TranscriptScorer(model=tiny["whisper"], language="xx").setup()
    with pytest.raises(ConfigInvalidError, match="vad_threshold lies in 0 to 1"):
        Hearing(vad_threshold=50)
    monkeypatch.setitem(sys.modules, "faster_whisper.vad", None)
    with pytest.raises(DependencyMissingError, match=r"(?s)faster-whisper.*hearing\.vad=false"):
        TranscriptScorer(model=tiny["whisper"]).setup()
    TranscriptScorer(model=tiny["whisper"], hearing=Hearing(vad=False)).setup()


def test_the_probability_of_silence_is_told_by_transformers_too(tiny: TinyModels) -> None:
    loaded = SpeechRecogniser(Checkpoint(tiny["whisper"]))._model()
    sound = np.zeros(30 * SAMPLE_RATE, np.float32)
    extractor = loaded.processor.feature_extractor
    inputs = extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    chance = speech._no_speech(loaded, loaded.place(dict(inputs)))
    assert chance is not None
    assert 0 < chance < 1
