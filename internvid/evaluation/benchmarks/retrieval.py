"""Finding clips by text and texts by clip, on the usual sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.captioned import (
    read_lsmdc,
    read_msrvtt,
    read_vatex,
)
from internvid.evaluation.annotations.moments import (
    read_activitynet,
    read_charades_sta,
    read_didemo,
    read_youcook2,
)
from internvid.evaluation.annotations.msvd import read_msvd
from internvid.evaluation.annotations.records import CaptionedSet
from internvid.evaluation.annotations.texts import read_texts
from internvid.evaluation.benchmarks.benchmark import FileBenchmark, begin_protocol, finish
from internvid.evaluation.benchmarks.prompt_templates import find_cleaning
from internvid.evaluation.embedding.embed_clips import Run, embed_clips, embed_texts
from internvid.evaluation.embedding.embedders import Embedder, unit
from internvid.evaluation.metrics import Pairs, TieRule, VectorSimilarity, measure_retrieval
from internvid.evaluation.results.protocol import Result


@dataclass(frozen=True)
class ZeroShotRetrieval(FileBenchmark):
    """Retrieval on any captioned set, both directions: R@1, R@5, R@10, median and mean rank.

    Attributes:
        text_mode: `sentence`: each text of a clip is a query, and a clip is as good as its best
            text; `paragraph`: the texts of a clip are joined into one.
        cleaning: of texts: `reference`, `none`.
        dual_softmax: re-weight scores over all queries; the metrics then have other names.
        shared_texts: equal texts are one query with several right clips, instead of a query
            each that ties with the others.
        tie_rule: `pessimistic`: equal scores count against the model; `public`: what is listed
            later is ahead, as in the reference's code, to compare with published numbers.
        split: of files that hold several; by default the one that the set is measured on.
    """

    text_mode: Literal["sentence", "paragraph"] = "sentence"
    cleaning: Literal["reference", "none"] = "reference"
    dual_softmax: bool = False
    shared_texts: bool = False
    tie_rule: TieRule = "pessimistic"
    split: str | None = None

    version: ClassVar[int] = 1
    name: ClassVar[str] = "captions"
    files_wanted: ClassVar[str] = "its file of captions"

    def read(self) -> CaptionedSet:
        """The captioned clips, each text by itself."""
        return read_texts(self.paths(), split=self.split)

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        if self.text_mode not in ("sentence", "paragraph"):
            raise ConfigInvalidError(f"text_mode is sentence or paragraph, not {self.text_mode!r}")
        listed = self.read()
        if self.text_mode == "paragraph":
            listed = listed.as_paragraphs()
        clean = find_cleaning(self.cleaning)
        measured = embed_clips(listed.clips, self.folder(), subject, self.views, run)
        measured = measured.beside(listed.left_out)
        measured_clips = [listed.clips[at] for at in measured.indices]
        texts, pairs = list_queries(
            [tuple(clean(text) for text in clip.texts) for clip in measured_clips],
            shared=self.shared_texts,
        )
        vectors = embed_texts(texts, subject, run)
        # A mean of several unit vectors is shorter where views differ: that is no property of
        # the clip, so it gets unit length again.
        clips = unit(measured.vectors.mean(axis=1))
        metrics = measure_retrieval(
            VectorSimilarity(clips, vectors),
            pairs,
            dual_softmax=self.dual_softmax,
            tie_rule=self.tie_rule,
        )
        fields = begin_protocol(self, listed.digest, listed.clips, measured, subject) | {
            "text_cleaning": self.cleaning,
            "text_mode": self.text_mode,
            "dual_softmax": self.dual_softmax,
        }
        fields["details"] |= {"queries": len(texts), "shared_texts": self.shared_texts}
        fields["details"] |= self.tie_details()
        if self.views.views > 1:
            fields["views"] = f"{self.views.words}, normalised mean vector"
        return finish(metrics, fields, subject, measured, texts=texts)

    def tie_details(self) -> dict[str, str]:
        """What a protocol says of ties: nothing where they count against the model."""
        return {} if self.tie_rule == "pessimistic" else {"tie_rule": self.tie_rule}


def list_queries(texts: Sequence[tuple[str, ...]], *, shared: bool) -> tuple[list[str], Pairs]:
    """All texts in one list, and which clip each belongs to.

    Args:
        texts: those of each clip.
        shared: equal texts become one query.

    Returns:
        The texts, and int64 [P, 2] of (clip, text).
    """
    listed: list[str] = []
    places: dict[str, int] = {}
    pairs = []
    for clip, own in enumerate(texts):
        for text in own:
            place = places.get(text) if shared else None
            if place is None:
                place = places[text] = len(listed)
                listed.append(text)
            pairs.append((clip, place))
    return listed, np.array(pairs, dtype=np.int64)


class MSRVTT(ZeroShotRetrieval):
    """MSR-VTT 1k-A: MSRVTT_JSFUSION_test.csv; or a list of ids and MSRVTT_data.json."""

    name = "msrvtt"
    usual_clips = (1000,)

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        paths = self.paths()
        second = paths[1] if len(paths) > 1 else None
        return read_msrvtt(paths[0], second, split=self.split or "test")


class MSVD(ZeroShotRetrieval):
    """MSVD test: test_list.txt and raw-captions.pkl (nothing in it is run), or captions as JSON."""

    name = "msvd"
    usual_clips = (670,)

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        paths = self.paths()
        return read_msvd(paths[0], paths[1] if len(paths) > 1 else None, split=self.split)


class LSMDC(ZeroShotRetrieval):
    """LSMDC: LSMDC16_challenge_1000_publictect.csv, six columns with TABs."""

    name = "lsmdc"
    usual_clips = (1000,)

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        return read_lsmdc(self.paths()[0])


class DiDeMo(ZeroShotRetrieval):
    """DiDeMo: test_data.json, perhaps with test_list.txt; the first 30 s of each video."""

    name = "didemo"
    usual_clips = (1004, 1065)  # test, validation

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        paths = self.paths()
        return read_didemo(paths[0], paths[1] if len(paths) > 1 else None)


class ActivityNet(ZeroShotRetrieval):
    """ActivityNet Captions: val_1.json, perhaps with a list of ids."""

    name = "activitynet"
    usual_clips = (4917,)

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        paths = self.paths()
        return read_activitynet(paths[0], paths[1] if len(paths) > 1 else None)


class VATEX(ZeroShotRetrieval):
    """VATEX, English captions: its JSON list, perhaps with a list of ids (the HGR split)."""

    name = "vatex"
    usual_clips = (1500,)

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        paths = self.paths()
        return read_vatex(paths[0], paths[1] if len(paths) > 1 else None)


class YouCook2(ZeroShotRetrieval):
    """YouCook2 validation: MIL-NCE's CSV or the authors' JSON; each step is a clip."""

    name = "youcook2"
    usual_clips = (3350, 3492)  # without the videos of HowTo100M, and all

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        return read_youcook2(self.paths()[0], split=self.split)


class CharadesSTA(ZeroShotRetrieval):
    """Charades-STA test: lines `ID START END##sentence`; each moment is a clip."""

    name = "charades-sta"

    def read(self) -> CaptionedSet:
        """See `ZeroShotRetrieval`."""
        return read_charades_sta(self.paths()[0])
