"""Components as an outsider writes them, some of them wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from internvid.core.contracts import Annotation, ClipView


@dataclass(frozen=True)
class ForeignCaptioner:
    """Answers for a clip nobody asked about."""

    version = 1

    def caption(self, clips: Sequence[ClipView]) -> Iterable[Annotation]:
        return [Annotation("f" * 32, "a caption from elsewhere") for _ in clips]


@dataclass(frozen=True)
class LengthScorer:
    """Ten lines from outside: the clip's length as its score."""

    version = 1

    def score(self, clips: Sequence[ClipView], texts: object = None) -> Iterable[Annotation]:
        return [Annotation(view.clip.clip_id, view.span.duration_seconds) for view in clips]
