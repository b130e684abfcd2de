"""What is known of a table of clips once it is counted."""

from __future__ import annotations

from typing import Any, TypedDict

from internvid.curate.statistics.caption_lengths import CaptionLengths
from internvid.curate.statistics.dominance import Warned
from internvid.curate.statistics.groupings import ValueShares
from internvid.curate.statistics.spreads import Shares, Spread
from internvid.curate.statistics.verbs import CaptionVerbs


class PaperFigure(TypedDict):
    """One figure: of this table (None where no column says it), of the paper's InternVid.

    Attributes:
        note: what to know before comparing the two.
    """

    figure: str
    here: float | None
    paper: float | None
    note: str


class ClipNumbers(TypedDict):
    """A table of clips in numbers; see `clip_statistics`.

    Attributes:
        clips: rows. sources: different ones; None where no column tells them. hours: of footage.
        roles: which column was read as what. approximate: which figures are estimates, and how.
        clip_seconds: lengths of clips. clips_per_source: how many clips sources have.
        video_seconds: lengths of sources, where a column tells them.
        shares: by bucket, beside the paper's: clip and video lengths, resolution, scores.
        captions: lengths of each column of texts. verbs: of each, what is done in it.
        scores: the spread of each column of scores.
        values: categories, languages, years, owners, sources and more, the largest first.
        paper: figure by figure, this table and the paper's InternVid.
        warnings: where one value dominates.
    """

    clips: int
    sources: int | None
    hours: float
    roles: dict[str, Any]
    approximate: list[str]
    clip_seconds: Spread | None
    clips_per_source: Spread | None
    video_seconds: Spread | None
    shares: list[Shares]
    captions: list[CaptionLengths]
    verbs: list[CaptionVerbs]
    scores: list[Spread]
    values: list[ValueShares]
    paper: list[PaperFigure]
    warnings: list[Warned]
