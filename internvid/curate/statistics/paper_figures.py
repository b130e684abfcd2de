"""A table's figures and the paper's, side by side."""

from __future__ import annotations

from internvid.curate.statistics import paper
from internvid.curate.statistics.clip_numbers import ClipNumbers, PaperFigure
from internvid.curate.statistics.groupings import ValueShares
from internvid.curate.statistics.spreads import Spread


def paper_figures(numbers: ClipNumbers) -> list[PaperFigure]:
    """The figures that the paper prints of InternVid, beside those of a table.

    Args:
        numbers: all else that is known of the table.
    """
    texts, verbs = numbers["captions"], numbers["verbs"]
    by_role = {values["role"]: values for values in numbers["values"]}
    figures: list[PaperFigure] = [
        _figure("clips", numbers["clips"], paper.CLIPS),
        _figure("videos", numbers["sources"], paper.VIDEOS),
        _figure("hours", numbers["hours"], paper.HOURS),
        _figure("mean clip, seconds", _mean(numbers["clip_seconds"]), paper.MEAN_CLIP_SECONDS),
        _figure(
            "clips per video", _mean(numbers["clips_per_source"]),
            round(paper.CLIPS / paper.VIDEOS, 1), "InternVid's: its clips divided by its videos",
        ),
        _figure(
            "mean video, seconds", _mean(numbers["video_seconds"]), paper.MEAN_VIDEO_SECONDS,
            "the paper also says 6.4 minutes, which fits its hours better",
        ),
        *(
            _figure(
                f"mean words of {text['column']}", text["words"]["mean"], paper.MEAN_CAPTION_WORDS
            )
            for text in texts
        ),
        _figure("categories", _different(by_role.get("category")), paper.CATEGORIES),
        _figure("languages", _different(by_role.get("language")), paper.LANGUAGES),
    ]  # fmt: skip
    for found in verbs:
        if found["tagger"] is not None and found["captions"]:
            note = (
                f"of {found['captions']:,} captions read here, of all {paper.CLIPS:,} there "
                "(NLTK's tagger): the count grows with captions, so the two do not compare. "
                f"WebVid10M: {paper.DISTINCT_VERBS_OF_WEBVID10M:,}"
            )
            name = f"distinct verbs of {found['column']}"
            figures.append(_figure(name, found["verbs"]["distinct"], paper.DISTINCT_VERBS, note))
    return figures


def _figure(figure: str, here: float | None, printed: float | None, note: str = "") -> PaperFigure:
    return {"figure": figure, "here": here, "paper": printed, "note": note}


def _mean(spread: Spread | None) -> float | None:
    return None if spread is None else spread["mean"]


def _different(values: ValueShares | None) -> int | None:
    return None if values is None else values["different"]
