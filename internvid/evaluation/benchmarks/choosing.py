"""Multiple choice: which of a few texts a clip shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from internvid.evaluation.annotations.choices import read_choices
from internvid.evaluation.annotations.records import ChoiceSet
from internvid.evaluation.benchmarks.benchmark import FileBenchmark, begin_protocol, finish
from internvid.evaluation.benchmarks.prompt_templates import find_cleaning
from internvid.evaluation.embedding.embed_clips import Run, embed_clips, embed_texts
from internvid.evaluation.embedding.embedders import Embedder, unit
from internvid.evaluation.metrics import rank_labels
from internvid.evaluation.results.protocol import Result


@dataclass(frozen=True)
class MultipleChoice(FileBenchmark):
    """Multiple choice by cosine: how often the right one of a clip's own texts comes first.

    Equal scores count against the model, equal options of one question too.

    Attributes:
        cleaning: of texts: `reference`, `none`.
    """

    cleaning: Literal["reference", "none"] = "reference"

    version: ClassVar[int] = 1
    name: ClassVar[str] = "multiple-choice"
    files_wanted: ClassVar[str] = "its file of questions"

    def read(self) -> ChoiceSet:
        """The questions."""
        return read_choices(self.paths()[0])

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        clean = find_cleaning(self.cleaning)
        listed = self.read()
        measured = embed_clips(listed.clips, self.folder(), subject, self.views, run)
        questions = [listed.clips[at] for at in measured.indices]
        texts = [clean(option) for question in questions for option in question.options]
        vectors = embed_texts(texts, subject, run)
        clips = unit(measured.vectors.mean(axis=1))
        hits, start = [], 0
        for clip, question in zip(clips, questions, strict=True):
            end = start + len(question.options)
            scores = vectors[start:end] @ clip
            hits.append(int(rank_labels(scores[None], [question.answer])[0] == 1))
            start = end
        fields = begin_protocol(self, listed.digest, listed.clips, measured, subject) | {
            "text_cleaning": self.cleaning,
            "text_mode": "sentence",
        }
        fields["details"] |= {"options": sorted({len(one.options) for one in questions})}
        metrics = {"top1": 100.0 * float(np.mean(hits))}
        return finish(metrics, fields, subject, measured, texts=texts)


class MSRVTTChoice(MultipleChoice):
    """MSR-VTT multiple choice: msrvtt_mc_test.json or .jsonl, one right of five captions."""

    name = "msrvtt-mc"
    usual_clips = (2990,)


class SomethingSomethingChoice(MultipleChoice):
    """Something-Something v2 multiple choice: ssv2_mc_val.json, one right of 174 templates."""

    name = "ssv2-mc"
