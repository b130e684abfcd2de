"""The videos of a benchmark as a chat sees them: each looked at once, faults kept as reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from internvid.core.errors import VideoError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.results.protocol import MissingClip
from internvid.models.chat.video_chat import SeenVideo, VideoChat


class AboutVideo(NamedTuple):
    """What a row of a benchmark is about.

    Attributes:
        clip: its name in results.
        video: as the file names it.
        span: part of it; None for all.
    """

    clip: str
    video: str
    span: TimeSpan | None = None


def seen_rows(
    rows: Sequence[AboutVideo],
    folder: VideoFolder,
    subject: VideoChat,
    run: Run,
    missing: list[MissingClip],
) -> Iterator[tuple[int, SeenVideo]]:
    """Each row's number with its video; what cannot be read goes to `missing` instead.

    Args:
        rows: those of one video are best together: the last one is kept.
        folder: of the videos.
        subject: what looks at them.
        run: receives how far it is.
        missing: gets the others, with reasons.
    """
    last: tuple[str, TimeSpan | None] | None = None
    kept: SeenVideo | str = ""
    for at, row in enumerate(rows):
        if (row.video, row.span) != last:
            last, kept = (row.video, row.span), _seen(row, folder, subject)
        if isinstance(kept, str):
            missing.append(MissingClip(row.clip, kept))
        else:
            yield at, kept
        run.progress("questions", at + 1, len(rows))


def _seen(row: AboutVideo, folder: VideoFolder, subject: VideoChat) -> SeenVideo | str:
    found = folder.find((row.video,))
    if not isinstance(found, Path):
        return found
    try:
        return subject.see(found, span=row.span)
    except VideoError as error:
        return error.reason
