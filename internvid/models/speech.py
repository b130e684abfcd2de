"""Speech recognisers: sound in, words with times out: faster-whisper or transformers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    WeightsMissingError,
)
from internvid.core.timings import count, stage
from internvid.core.weights import find_weights
from internvid.models.pretrained import SPEECH, Checkpoint, Pretrained, load

SAMPLE_RATE = 16000
Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hearing:
    """What counts as speech; names and defaults of the numbers are faster-whisper's.

    Attributes:
        vad: look for voices first (Silero VAD, part of faster-whisper); a recogniser that is given
            music or silence writes sentences that nobody spoke.
        vad_threshold: probability of a voice, 0 to 1, from which sound is speech.
        minimum_speech_seconds: shorter stretches of voices are passed over.
        minimum_silence_seconds: shorter pauses belong to the speech around them.
        speech_pad_seconds: added before and after each stretch.
        no_speech_threshold, log_probability_threshold: a line is dropped where the probability that
            nobody speaks is above the first, and the mean log probability of its words below the
            second.
        compression_ratio_threshold: a line whose letters zlib makes smaller by more than this
            factor repeats itself and is dropped.
    """

    vad: bool = True
    vad_threshold: float = 0.5
    minimum_speech_seconds: float = 0.0
    minimum_silence_seconds: float = 2.0
    speech_pad_seconds: float = 0.4
    no_speech_threshold: float = 0.6
    log_probability_threshold: float = -1.0
    compression_ratio_threshold: float = 2.4

    def __post_init__(self) -> None:
        for name in ("vad_threshold", "no_speech_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigInvalidError(f"{name} lies in 0 to 1, got {getattr(self, name)}")
        for name in ("minimum_speech_seconds", "minimum_silence_seconds", "speech_pad_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigInvalidError(f"{name} must be at least 0, got {value}")


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it is spoken, in seconds from the start of the sound."""

    start_seconds: float
    end_seconds: float
    text: str


@dataclass(frozen=True)
class SpokenLine:
    """Words and when they are spoken, in seconds from the start of the sound.

    Attributes:
        words: each with its times; empty where the recogniser does not tell them (transformers).
        no_speech: probability that nobody speaks; None where it is not known.
    """

    start_seconds: float
    end_seconds: float
    text: str
    words: tuple[SpokenWord, ...] = ()
    no_speech: float | None = None

    def shifted(self, seconds: float) -> SpokenLine:
        """The line in a sound that begins so much earlier."""
        words = tuple(
            SpokenWord(seconds + word.start_seconds, seconds + word.end_seconds, word.text)
            for word in self.words
        )
        return replace(
            self,
            start_seconds=seconds + self.start_seconds,
            end_seconds=seconds + self.end_seconds,
            words=words,
        )


@dataclass
class SpeechRecogniser:
    """A Whisper. Folders that hold `model.bin` are run by faster-whisper, others by transformers.

    Attributes:
        checkpoint: which model.
        language: what is spoken, as in "en"; empty lets the model hear for itself.
        hearing: what counts as speech.
    """

    checkpoint: Checkpoint
    language: str = ""
    hearing: Hearing = field(default_factory=Hearing)
    _loaded: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_fast(self) -> bool:
        """Whether faster-whisper runs it."""
        path = find_weights(self.checkpoint.name)
        if path is None:
            return "faster-whisper" in self.checkpoint.name
        return (path / "model.bin").is_file() and not (path / "model.safetensors").exists()

    def open(self) -> None:
        """Load the model.

        Raises:
            ConfigInvalidError: it does not know the language.
            InternvidError: weights or packages are missing.
        """
        model = self._model()
        if self.hearing.vad:
            _import_vad()
        if self.is_fast:
            known = set(model.supported_languages)
        else:
            settings = model.model.generation_config
            known = {key.strip("<|>") for key in getattr(settings, "lang_to_id", None) or {}}
        if self.language and known and self.language not in known:
            raise ConfigInvalidError(
                f"{self.checkpoint.name} does not know the language {self.language!r}",
                hint=f"it knows: {', '.join(sorted(known))}",
            )

    def listen(self, sound: Sound) -> list[SpokenLine]:
        """What is spoken, in the order of time.

        Args:
            sound: float32 [N], mono, 16,000 a second, -1 to 1.

        Raises:
            RuntimeError: the model fails on this sound.
        """
        if not sound.size:
            return []
        with stage("model"):
            lines = self._fast(sound) if self.is_fast else self._slow(sound)
        count("sound_seconds", round(len(sound) / SAMPLE_RATE))
        return [line for line in lines if line.text]

    def _fast(self, sound: Sound) -> list[SpokenLine]:
        hearing = self.hearing
        # One temperature: others would be tried at random where the first answer looks bad.
        segments, _ = self._model().transcribe(
            sound,
            language=self.language or None,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            no_speech_threshold=hearing.no_speech_threshold,
            log_prob_threshold=hearing.log_probability_threshold,
            vad_filter=hearing.vad,
            vad_parameters=_vad_parameters(hearing) if hearing.vad else None,
        )
        return [
            SpokenLine(
                float(each.start),
                float(each.end),
                each.text.strip(),
                tuple(
                    SpokenWord(float(word.start), float(word.end), word.word.strip())
                    for word in each.words or ()
                ),
                round(float(each.no_speech_prob), 6),
            )
            for each in segments
            if each.compression_ratio <= hearing.compression_ratio_threshold
        ]

    def _slow(self, sound: Sound) -> list[SpokenLine]:
        import torch

        loaded: Pretrained = self._model()
        sound = self._voices(sound)
        if not sound.size:
            return []
        extractor = loaded.processor.feature_extractor
        window = int(extractor.chunk_length) * SAMPLE_RATE
        options: dict[str, Any] = {"return_timestamps": True}
        if self.language:
            options["language"] = self.language
        lines: list[SpokenLine] = []
        for start in range(0, len(sound), window):
            part = sound[start : start + window]
            inputs = extractor(part, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            with loaded.lock, torch.inference_mode():
                placed = loaded.place(dict(inputs))
                ids = loaded.model.generate(**placed, **options)
                no_speech = _no_speech(loaded, placed)
            offset = start / SAMPLE_RATE
            end = offset + len(part) / SAMPLE_RATE
            lines += _lines(loaded, ids[0], offset, end, no_speech)
        most = self.hearing.compression_ratio_threshold
        return [line for line in lines if _compression_ratio(line.text) <= most]

    def _voices(self, sound: Sound) -> Sound:
        """The sound with silence where nobody speaks; empty where nobody speaks at all."""
        if not self.hearing.vad:
            return sound
        options, find = _import_vad()
        spans: Sequence[dict[str, int]] = find(sound, options(**_vad_parameters(self.hearing)))
        if not spans:
            return sound[:0]
        kept = np.zeros_like(sound)
        for span in spans:
            kept[span["start"] : span["end"]] = sound[span["start"] : span["end"]]
        return kept

    def _model(self) -> Any:
        if not self._loaded:
            self._loaded.append(self._load_fast() if self.is_fast else self._load_slow())
        return self._loaded[0]

    def _load_slow(self) -> Pretrained:
        loaded = load(self.checkpoint, SPEECH)
        if not hasattr(loaded.processor, "feature_extractor"):
            raise WeightsMissingError(
                f"{self.checkpoint.name} has no feature extractor (preprocessor_config.json)",
                hint="the download is incomplete; fetch it again",
            )
        return loaded

    def _load_fast(self) -> Any:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise DependencyMissingError(
                f"{self.checkpoint.name} needs the package faster-whisper",
                hint='pip install "internvid[asr]"',
            ) from error
        device = self.checkpoint.device.partition(":")[0]
        path = find_weights(self.checkpoint.name)
        try:
            return WhisperModel(
                str(path or self.checkpoint.name),
                device=device,
                compute_type=_FAST_TYPES.get(self.checkpoint.dtype, "default"),
                local_files_only=not self.checkpoint.download,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsMissingError(
                f"{self.checkpoint.name} cannot be loaded: {str(error).strip()[:200]}",
                hint="give a folder with model.bin, or download it: hf download NAME",
            ) from error


_FAST_TYPES = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16"}


def _import_vad() -> tuple[Any, Any]:
    try:
        from faster_whisper.vad import VadOptions, get_speech_timestamps
    except ImportError as error:
        raise DependencyMissingError(
            f"finding voices needs the package faster-whisper: {error}",
            hint='pip install "internvid[asr]", or --set hearing.vad=false',
        ) from error
    return VadOptions, get_speech_timestamps


def _vad_parameters(hearing: Hearing) -> dict[str, Any]:
    return {
        "threshold": hearing.vad_threshold,
        "min_speech_duration_ms": round(1000 * hearing.minimum_speech_seconds),
        "min_silence_duration_ms": round(1000 * hearing.minimum_silence_seconds),
        "speech_pad_ms": round(1000 * hearing.speech_pad_seconds),
    }


def _compression_ratio(text: str) -> float:
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _no_speech(loaded: Pretrained, inputs: dict[str, Any]) -> float | None:
    """Probability of the token for silence as the first one; None where a model has no such."""
    import torch

    tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
    names = ("<|nospeech|>", "<|nocaptions|>")
    token = next((at for name in names if (at := _token_id(tokenizer, name)) is not None), None)
    start = loaded.model.generation_config.decoder_start_token_id
    if token is None or start is None:
        return None
    first = torch.tensor([[start]], device=loaded.device)
    scores = loaded.model(**inputs, decoder_input_ids=first).logits[0, 0]
    return round(float(scores.float().softmax(-1)[token]), 6)


def _token_id(tokenizer: Any, name: str) -> int | None:
    token = tokenizer.convert_tokens_to_ids(name)
    return token if isinstance(token, int) and token != tokenizer.unk_token_id else None


def _lines(
    loaded: Pretrained, ids: Any, offset: float, end: float, no_speech: float | None
) -> list[SpokenLine]:
    """Lines between the time stamps of one window."""
    tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
    first = int(loaded.model.generation_config.no_timestamps_token_id) + 1
    lines, words, began = [], [], offset
    for token in ids.tolist():
        if token < first:
            words.append(token)
            continue
        at = min(end, offset + (token - first) * 0.02)
        text = str(tokenizer.decode(words, skip_special_tokens=True)).strip()
        if text:
            lines.append(SpokenLine(began, max(began, at), text, (), no_speech))
        words, began = [], at
    text = str(tokenizer.decode(words, skip_special_tokens=True)).strip()
    return [*lines, SpokenLine(began, end, text, (), no_speech)] if text else lines
