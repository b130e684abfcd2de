"""How near a captioner's texts come to human ones: CIDEr and BLEU.

The scorers are those of pycocoevalcap (the COCO caption evaluation), which need no Java; its
tokenizer does, so words are split here: lower case, marks dropped. That differs from published
figures by little, and equally for all captioners. CIDEr weighs words by how rare they are among the
references of the same table, so figures of different tables cannot be compared.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from internvid.core.annotators import set_up
from internvid.core.contracts import Captioner, ClipView, Pick
from internvid.core.errors import DependencyMissingError, MisuseError, VideoError
from internvid.core.types import Clip, TimeSpan
from internvid.video.span import read_span

_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_COLUMNS = ("file", "start", "end", "caption")
_PICKS_PER_SECOND, _SHORT_SIDE, _QUALITY = 2.0, 256, 90


@dataclass(frozen=True)
class Reference:
    """What people say of one span.

    Attributes:
        file: as the table names it.
        start_seconds, end_seconds: the span, half-open.
        captions: one or more.
    """

    file: str
    start_seconds: float
    end_seconds: float
    captions: tuple[str, ...]

    @property
    def key(self) -> str:
        """32 hex digits that stand for the span in this table."""
        text = f"{self.file}\0{self.start_seconds!r}\0{self.end_seconds!r}"
        return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class CaptionScores:
    """Scores of one captioner on one table.

    Attributes:
        cider: 0 for nothing in common; 10 for the references themselves.
        bleu_1 to bleu_4: 0 to 1.
        spans: how many were to be described.
        answered: how many have a text; the others count as an empty one.
    """

    cider: float
    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    spans: int
    answered: int

    def as_row(self) -> dict[str, float]:
        """Plain numbers, rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def read_references(path: Path) -> list[Reference]:
    """A table of captions: CSV with the columns file, start, end, caption.

    Rows of the same span are several captions of it.

    Raises:
        MisuseError: it cannot be read; a column or a number is missing.
    """
    references: dict[tuple[str, float, float], list[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise MisuseError(f"{path} has no column {missing[0]!r}; needed: {_COLUMNS}")
            for number, row in enumerate(table, start=2):
                span = _span(path, number, row)
                references.setdefault((row["file"], *span), []).append(row["caption"])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MisuseError(f"{path} cannot be read as a table of captions: {error}") from error
    return [Reference(*span, tuple(texts)) for span, texts in references.items()]


def score_captions(texts: Mapping[str, str], references: Sequence[Reference]) -> CaptionScores:
    """Scores of texts by `Reference.key`; spans without one count as empty.

    Raises:
        DependencyMissingError: pycocoevalcap is not installed.
        MisuseError: there are no references.
    """
    if not references:
        raise MisuseError("there are no references to score against")
    cider, bleu = _scorers()
    wanted = {each.key: [_plain(text) for text in each.captions] for each in references}
    given = {each.key: [_plain(texts.get(each.key, ""))] for each in references}
    answered = sum(1 for each in references if texts.get(each.key, "").strip())
    cider_score = float(cider.compute_score(wanted, given)[0]) if answered else 0.0
    bleu_scores = bleu.compute_score(wanted, given, verbose=0)[0] if answered else [0.0] * 4
    ones, twos, threes, fours = (float(score) for score in bleu_scores)
    return CaptionScores(cider_score, ones, twos, threes, fours, len(references), answered)


def evaluate_captioner(
    captioner: Captioner, references: Sequence[Reference], folder: Path
) -> tuple[CaptionScores, dict[str, str]]:
    """Caption the spans of a table and score the texts.

    Args:
        captioner: one that reads pictures alone; gets two a second, as a scan keeps them.
        references: see `read_references`.
        folder: where the files of the table lie; those that are missing or cannot be read count
            as not answered.

    Returns:
        The scores, and the texts by `Reference.key`.
    """
    set_up(captioner)
    texts = {
        answer.clip_id: str(answer.value)
        for answer in captioner.caption(_views(references, folder))
        if answer.status == "ok"
    }
    return score_captions(texts, references), texts


def _views(references: Sequence[Reference], folder: Path) -> Iterator[ClipView]:
    """The spans as captioners see clips."""
    for reference in references:
        span = TimeSpan(reference.start_seconds, reference.end_seconds)
        picks = _picks(folder / reference.file, span)
        if picks:
            yield ClipView(Clip(reference.key, "0" * 32, span, 0, 1), {}, picks)


def _picks(path: Path, span: TimeSpan) -> list[Pick]:
    seconds = span.end_seconds - span.start_seconds
    wanted = max(1, round(seconds * _PICKS_PER_SECOND))

    def choose(frames: int) -> list[int]:
        return sorted({int(at * frames / wanted) for at in range(wanted)})

    try:
        batch = read_span(path, choose, span=span, short_side=_SHORT_SIDE)
    except (VideoError, OSError):
        return []
    return [
        Pick(at, float(time), _jpeg(frame))
        for at, (frame, time) in enumerate(zip(batch.frames, batch.pts_seconds, strict=True))
    ]


def _jpeg(frame: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _span(path: Path, number: int, row: Mapping[str, Any]) -> tuple[float, float]:
    try:
        start, end = float(row["start"]), float(row["end"])
    except (TypeError, ValueError):
        raise MisuseError(f"{path}, line {number}: start and end must be seconds") from None
    if not 0 <= start < end < 1e7 or not (row["caption"] or "").strip():
        raise MisuseError(f"{path}, line {number}: not a span with a caption")
    return start, end


def _plain(text: str) -> str:
    """Words in lower case, single spaces between; what the scorers split at."""
    return " ".join(_WORDS.findall(text.lower()))


def _scorers() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            # Old code: escapes in its docstrings.
            warnings.simplefilter("ignore")
            from pycocoevalcap.bleu.bleu import Bleu
            from pycocoevalcap.cider.cider import Cider
    except ImportError as error:
        raise DependencyMissingError(
            f"scoring captions needs pycocoevalcap: {error}",
            hint='pip install "internvid[evaluate]"',
        ) from error
    return Cider(), Bleu(4)
