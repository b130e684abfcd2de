"""Speech recognisers: sound in, words with times out: faster-whisper or transformers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import DependencyMissingError, WeightsMissingError
from internvid.core.ledger import count, stage
from internvid.core.weights import find_weights
from internvid.models.pretrained import SPEECH, Checkpoint, Pretrained, load

SAMPLE_RATE = 16000
Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SpokenLine:
    """Words and when they are said, in seconds from the start of the sound."""

    start_seconds: float
    end_seconds: float
    text: str


@dataclass
class SpeechRecogniser:
    """A Whisper. Folders that hold `model.bin` are run by faster-whisper, others by transformers.

    Attributes:
        checkpoint: which model.
        language: what is spoken, as in "en"; empty lets the model hear for itself.
    """

    checkpoint: Checkpoint
    language: str = ""
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
            InternvidError: weights or packages are missing.
        """
        self._model()

    def listen(self, sound: Sound) -> list[SpokenLine]:
        """What is said, in the order of time.

        Args:
            sound: float32 [N], mono, 16,000 a second, -1 to 1.
        """
        if not sound.size:
            return []
        with stage("model"):
            lines = self._fast(sound) if self.is_fast else self._slow(sound)
        count("sound_seconds", round(len(sound) / SAMPLE_RATE))
        return [line for line in lines if line.text]

    def _fast(self, sound: Sound) -> list[SpokenLine]:
        # One temperature: others would be tried at random where the first answer looks bad.
        segments, _ = self._model().transcribe(
            sound,
            language=self.language or None,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        return [SpokenLine(each.start, each.end, each.text.strip()) for each in segments]

    def _slow(self, sound: Sound) -> list[SpokenLine]:
        import torch

        loaded: Pretrained = self._model()
        extractor = loaded.processor.feature_extractor
        window = int(extractor.chunk_length) * SAMPLE_RATE
        options: dict[str, Any] = {"return_timestamps": True}
        if self.language:
            options["language"] = self.language
        found: list[SpokenLine] = []
        for start in range(0, len(sound), window):
            part = sound[start : start + window]
            inputs = extractor(part, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            with loaded.lock, torch.inference_mode():
                ids = loaded.model.generate(**loaded.place(dict(inputs)), **options)
            offset = start / SAMPLE_RATE
            found += _lines(loaded, ids[0], offset, offset + len(part) / SAMPLE_RATE)
        return found

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


def _lines(loaded: Pretrained, ids: Any, offset: float, end: float) -> list[SpokenLine]:
    """Lines between the time stamps of one window."""
    tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
    first = int(loaded.model.generation_config.no_timestamps_token_id) + 1
    found, words, began = [], [], offset
    for token in ids.tolist():
        if token < first:
            words.append(token)
            continue
        at = min(end, offset + (token - first) * 0.02)
        text = str(tokenizer.decode(words, skip_special_tokens=True)).strip()
        if text:
            found.append(SpokenLine(began, max(began, at), text))
        words, began = [], at
    text = str(tokenizer.decode(words, skip_special_tokens=True)).strip()
    return [*found, SpokenLine(began, end, text)] if text else found
