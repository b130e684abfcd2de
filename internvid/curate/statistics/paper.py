"""What the paper prints about InternVid, to be set beside a dataset's own figures.

Source: arXiv 2307.06942, sections 3 and 4, figures 3 and 4, tables 1 and 2. A share is None where
the paper prints none.
"""

from __future__ import annotations

from dataclasses import dataclass

CLIPS = 234_000_000
VIDEOS = 7_100_000
HOURS = 760_300.0
MEAN_CLIP_SECONDS = 11.7
MEAN_VIDEO_SECONDS = 351.9
MEAN_CAPTION_WORDS = 17.6
CATEGORIES = 16
LANGUAGES = 11
DISTINCT_VERBS = 212_155
DISTINCT_VERBS_OF_WEBVID10M = 109_485


@dataclass(frozen=True)
class Buckets:
    """Fixed buckets of a number; a value on an edge goes up.

    Attributes:
        title: what is counted.
        unit: what is counted, in the plural.
        edges: between the buckets, ascending.
        labels: one for each bucket: one more than edges.
        paper: the paper's share of each, in percent.
        note: what to know when comparing.
    """

    title: str
    unit: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    paper: tuple[float | None, ...]
    note: str = ""


CLIP_LENGTH = Buckets(
    "Clip length", "clips", (2, 4, 10, 20),
    ("0–2 s", "2–4 s", "4–10 s", "10–20 s", "over 20 s"), (36, 26, 23, 8, 7),
)  # fmt: skip
VIDEO_LENGTH = Buckets(
    "Video length", "videos", (300, 600, 1200),
    ("up to 5 min", "5–10 min", "10–20 min", "over 20 min"), (49, 26, None, 8),
)  # fmt: skip
CAPTION_LENGTH = Buckets(
    "Caption length", "captions", (10, 20, 30),
    ("0–10 words", "10–20", "20–30", "over 30"), (34, 55, 4, 7),
)  # fmt: skip
CAPTION_CHARACTERS = Buckets(
    "Caption characters", "captions", (50, 100, 200),
    ("0–50 characters", "50–100", "100–200", "over 200"), (None, None, None, None),
)  # fmt: skip
RESOLUTION = Buckets(
    "Resolution", "clips", (360, 480, 720, 1080),
    ("below 360p", "360p", "480p", "720p", "1080p and up"), (None, None, None, 85, None),
    note="short side of the source; the paper fetched at most 720p",
)  # fmt: skip
AESTHETIC = Buckets(
    "Aesthetic score", "clips", (4, 6), ("below 4", "4–6", "6 and up"), (None, 75, None),
    note="the paper says about 75 %, of LAION's predictor",
)  # fmt: skip
SIMILARITY = Buckets(
    "UMT similarity", "clips", (0.2, 0.3, 0.4, 0.5),
    ("below 0.2", "0.2–0.3", "0.3–0.4", "0.4–0.5", "0.5 and up"), (None, None, 80, None, None),
    note="the paper says over 80 %, of the UMT model's cosines",
)  # fmt: skip
