"""Retrieval in two stages: the best by cosine, put into another order by the matching head.

Numbers that were re-ranked have names of their own (`reranked_...`) and benchmarks of their own,
so that they stand in no column of plain ones. 128 candidates are UMT's (paper §7.3).

A head that was trained against wrong partners drawn by the first stage's own chances learns what
that stage leaves to be decided: among the candidates of a query its logit is, but for a constant,
the logarithm of (chance of a match / chance of being drawn). So the two are added (`first_stage`
1); UMT and ALBEF take the head's alone (0).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core import registry
from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.records import CaptionedSet
from internvid.evaluation.benchmarks.benchmark import begin_protocol, finish
from internvid.evaluation.benchmarks.prompt_templates import find_cleaning
from internvid.evaluation.benchmarks.rendered import SyntheticRetrieval
from internvid.evaluation.benchmarks.retrieval import ZeroShotRetrieval, list_queries
from internvid.evaluation.embedding.embed_clips import (
    MeasuredClips,
    Run,
    embed_clips,
    embed_texts,
    encode_clips,
)
from internvid.evaluation.embedding.embedders import Embedder, Frames, Vectors
from internvid.evaluation.embedding.headed import MatchingEmbedder, need_matcher
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.metrics import (
    ROUNDING,
    MatrixSimilarity,
    Ranks,
    Scores,
    TieRule,
    VectorSimilarity,
    rank_pairs,
    summarise_ranks,
)
from internvid.evaluation.results.protocol import Result
from internvid.evaluation.team import ALONE, Team
from internvid.synthetic.clips import ClipSpec, render_clip

TOP = 128
_PART = 64
ClipTokens = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float16]]


def rerank(
    plain: Scores,
    texts: Sequence[str],
    clips: ClipTokens,
    matcher: MatchingEmbedder,
    top: int,
    first_stage: float = 1.0,
    team: Team = ALONE,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores in which the best `top` of each query are ordered by the matching head.

    Candidates stand before all others; the others keep their order.

    Args:
        plain: [videos, texts], the first stage.
        texts: as the model takes them.
        clips: places of videos -> their tokens, see `MatchingEmbedder.clip_tokens`.
        matcher: scores pairs.
        top: candidates of a query, at least 1.
        first_stage: weight of the first stage's logits beside the head's.
        team: the processes that share the queries.

    Returns:
        [videos, texts] for text to video, and for video to text.
    """
    if top < 1:
        raise ConfigInvalidError(f"top must be at least 1, got {top}")
    pairs = _PairMargins(matcher, *matcher.sentence_tokens(texts), clips, first_stage)
    lifted: list[npt.NDArray[np.float64]] = []
    for scores in (plain.T, plain):
        # Rows are queries now: texts, then videos.
        count = min(top, scores.shape[1])
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        work = functools.partial(pairs.margins, scores, chosen, by_text=not lifted)
        margins = team.spread(range(len(chosen)), work)
        matrix = scores.astype(np.float64)
        # All margins above all cosines, and no larger than they: what rounding may blur is told
        # by the largest score, and must stay the same for what keeps its first order.
        height = float(np.abs(matrix).max()) or 1.0
        size = max(float(np.ptp(margins)), float(np.abs(margins).max())) or 1.0
        first = float(matrix.max()) + height * (1 + (margins - margins.min()) / size)
        np.put_along_axis(matrix, chosen, first, axis=1)
        lifted.append(matrix)
    return lifted[0].T, lifted[1]


@dataclass(frozen=True)
class _PairMargins:
    """Margins of pairs by the matching head, each pair computed once.

    Attributes:
        matcher: has the head.
        tokens, shown: of the texts, see `MatchingEmbedder.sentence_tokens`.
        clips: see `rerank`.
        first_stage: likewise.
        known: (video, text) -> margin.
    """

    matcher: MatchingEmbedder
    tokens: npt.NDArray[Any]
    shown: npt.NDArray[np.bool_]
    clips: ClipTokens
    first_stage: float
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    def margins(
        self,
        scores: Scores,
        chosen: npt.NDArray[np.int64],
        queries: Sequence[int],
        *,
        by_text: bool,
    ) -> npt.NDArray[np.float64]:
        """Margins of the candidates of some queries. [len(queries), top].

        Args:
            scores: [queries, answers], the first stage.
            chosen: [queries, top], the candidates.
            queries: which rows.
            by_text: whether queries are texts; else videos.
        """
        rows = []
        for query in queries:
            pairs = [(int(at), query) if by_text else (query, int(at)) for at in chosen[query]]
            fresh = [pair for pair in pairs if pair not in self.known]
            if fresh:
                videos, texts = np.array(fresh, dtype=np.int64).T
                shown = self.shown[texts]
                new = self.matcher.margins(self.tokens[texts], shown, self.clips(videos))
                self.known.update(zip(fresh, map(float, new), strict=True))
            own = np.array([self.known[pair] for pair in pairs])
            rows.append(own + self.first_stage * self.matcher.scale * scores[query, chosen[query]])
        return np.stack(rows)


@dataclass(frozen=True)
class RankedTwice:
    """Ranks of the right answers, one a query in the same order: text to video, video to text.

    Attributes:
        plain: of the first stage.
        reranked: with its best put into another order.
    """

    plain: tuple[Ranks, Ranks]
    reranked: tuple[Ranks, Ranks]

    def metrics(self) -> dict[str, float]:
        """Those of plain retrieval, and the same of the second order under names of its own."""
        numbers: dict[str, float] = {}
        for prefix, (to_video, to_text) in (("", self.plain), ("reranked_", self.reranked)):
            numbers |= summarise_ranks(to_video, f"{prefix}text_to_video_")
            numbers |= summarise_ranks(to_text, f"{prefix}video_to_text_")
        return numbers


def rank_twice(
    vectors: tuple[Vectors, Vectors],
    pairs: npt.ArrayLike,
    texts: Sequence[str],
    clips: ClipTokens,
    matcher: MatchingEmbedder,
    order: tuple[int, float],
    tie_rule: TieRule = "pessimistic",
    team: Team = ALONE,
) -> RankedTwice:
    """Plain retrieval, and the same re-ranked.

    Args:
        vectors: of the videos [N, D] and of the texts [M, D].
        pairs: [P, 2] of (video, text) that belong together.
        texts, clips, matcher: see `rerank`.
        order: its `top` and `first_stage`.
        tie_rule: see `TieRule`.
        team: see `rerank`.
    """
    plain, scores = VectorSimilarity(*vectors), vectors[0] @ vectors[1].T
    to_video, to_text = rerank(scores, texts, clips, matcher, *order, team)
    # A head judges a clip and its copy alike, but for rounding by their places in the batch.
    height = float(np.abs(scores).max())
    first, second = (
        MatrixSimilarity(each, tolerance=ROUNDING * height / (float(np.abs(each).max()) or 1.0))
        for each in (to_video, to_text)
    )
    ranks_of_videos, _ = rank_pairs(first, pairs, tie_rule)
    _, ranks_of_texts = rank_pairs(second, pairs, tie_rule)
    return RankedTwice(rank_pairs(plain, pairs, tie_rule), (ranks_of_videos, ranks_of_texts))


@dataclass(frozen=True)
class RerankedRetrieval(ZeroShotRetrieval):
    """Any retrieval benchmark on files, re-ranked by the model's matching head.

    Attributes:
        of: the benchmark whose files are read: `msrvtt`, `msvd`, ...
        top: candidates of each query.
        first_stage: weight of the first stage's logits beside the head's; 0 for the head alone.
    """

    of: str = "captions"
    top: int = TOP
    first_stage: float = 1.0

    version: ClassVar[int] = 1
    name: ClassVar[str] = "retrieval-reranked"

    def read(self) -> CaptionedSet:
        """The captioned clips of the named benchmark."""
        kind = registry.find("benchmark", self.of)
        if not issubclass(kind, ZeroShotRetrieval) or issubclass(kind, RerankedRetrieval):
            raise ConfigInvalidError(
                f"of={self.of} is no benchmark of plain retrieval",
                hint="for example --set of=msrvtt",
            )
        listed: CaptionedSet = kind(annotations=self.annotations, split=self.split).read()
        return listed

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject has a matching head."""
        matcher = need_matcher(subject)
        if self.views.views > 1 or self.dual_softmax:
            raise ConfigInvalidError("re-ranking takes one view and no dual softmax")
        listed = self.read()
        listed = listed.as_paragraphs() if self.text_mode == "paragraph" else listed
        clean = find_cleaning(self.cleaning)
        measured, tokens = self._encode(listed, matcher, run)
        measured = measured.beside(listed.left_out)
        measured_clips = [listed.clips[at] for at in measured.indices]
        texts, pairs = list_queries(
            [tuple(clean(text) for text in clip.texts) for clip in measured_clips],
            shared=self.shared_texts,
        )
        vectors = (measured.vectors[:, 0], embed_texts(texts, matcher, run))
        ranked = rank_twice(
            vectors,
            pairs,
            texts,
            lambda at: tokens[at],
            matcher,
            (self.top, self.first_stage),
            self.tie_rule,
            run.team,
        )
        fields = begin_protocol(self, listed.digest, listed.clips, measured, matcher) | {
            "text_cleaning": self.cleaning,
            "text_mode": self.text_mode,
        }
        fields["details"] |= {
            "queries": len(texts),
            "shared_texts": self.shared_texts,
            "of": self.of,
            "reranked_top": self.top,
            "first_stage": self.first_stage,
            **self.tie_details(),
        }
        return finish(ranked.metrics(), fields, matcher, measured, texts=texts)

    def _encode(
        self, listed: CaptionedSet, matcher: MatchingEmbedder, run: Run
    ) -> tuple[MeasuredClips, npt.NDArray[np.float16]]:
        """Vectors and tokens of the clips."""
        folder = self.folder()
        measured = embed_clips(listed.clips, folder, matcher, self.views, run)
        readable = [listed.clips[at] for at in measured.indices]

        def encode(videos: Sequence[Frames]) -> npt.NDArray[Any]:
            return matcher.clip_tokens(videos).reshape(len(videos), -1)

        # Megabytes a clip: held in memory for this run, and kept nowhere.
        kept = (self.views, matcher.identity().frames, EmbeddingStore().shelf("tokens"))
        rows = encode_clips(readable, folder, encode, kept, run).vectors[:, 0]
        tokens = rows.reshape(len(rows), -1, matcher.model.config.text_width)
        return measured, tokens.astype(np.float16, copy=False)


@dataclass(frozen=True)
class RerankedSyntheticRetrieval(SyntheticRetrieval):
    """Retrieval on rendered clips of unseen combinations, plain and re-ranked.

    Attributes:
        top: candidates of each query.
        first_stage: as in `RerankedRetrieval`.
    """

    top: int = TOP
    first_stage: float = 1.0

    version: ClassVar[int] = 1
    name: ClassVar[str] = "retrieval-synthetic-reranked"

    def measure(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> dict[str, float]:
        """Both directions, plain and `reranked_...`."""
        return self.rank(specs, subject, run).metrics()

    def rank(self, specs: Sequence[ClipSpec], subject: Embedder, run: Run) -> RankedTwice:
        """The ranks behind the metrics of one seed; the subject has a matching head."""
        matcher = need_matcher(subject)
        about = matcher.identity()
        frames, size = self.frames or about.frames, self.size or matcher.model.config.resolution
        tokens: list[npt.NDArray[np.float16]] = []

        def vectors_of(own: Sequence[ClipSpec]) -> Vectors:
            vectors = []
            for start in range(0, len(own), _PART):
                videos = [render_clip(spec, frames, size) for spec in own[start : start + _PART]]
                vectors.append(matcher.video_vectors(videos))
                tokens.append(matcher.clip_tokens(videos))
                done = (start + len(videos)) * run.team.size
                run.progress("clips", min(done, len(specs)), len(specs))
            return np.concatenate(vectors)

        vectors = run.team.spread(specs, vectors_of)
        everything = run.team.spread(specs, lambda _: np.concatenate(tokens))
        texts = self.texts(specs)
        return rank_twice(
            (vectors, matcher.text_vectors(texts)),
            [(at, at) for at in range(len(specs))],
            texts,
            lambda at: everything[at],
            matcher,
            (self.top, self.first_stage),
            team=run.team,
        )

    def details(self) -> dict[str, Any]:
        """How candidates are put into order belongs to the protocol."""
        return {"reranked_top": self.top, "first_stage": self.first_stage}
