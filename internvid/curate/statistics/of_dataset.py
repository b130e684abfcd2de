"""The statistics of a dataset or a subset: which of its columns is what, and the counting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from internvid.curate.statistics.clip_numbers import ClipNumbers
from internvid.curate.statistics.column_summaries import clips_in_any_order
from internvid.curate.statistics.counting import Videos, clip_statistics
from internvid.curate.statistics.roles import Roles, find_roles, is_number, with_columns
from internvid.curate.statistics.verbs import DEFAULT_CAPTIONS
from internvid.dataset.answers.columns import is_text_column
from internvid.dataset.current import ONE_OF_EACH_VIDEO
from internvid.dataset.releases.origin import travelling_uri
from internvid.dataset.store import Dataset


def dataset_statistics(
    dataset: Dataset,
    subset: str | None = None,
    *,
    assigned: Sequence[str] = (),
    captions: int | None = DEFAULT_CAPTIONS,
    seed: int = 0,
    tell: Callable[[str, int], None] | None = None,
) -> ClipNumbers:
    """`clip_statistics` of the kept clips of a dataset or subset.

    Columns of captions and scores are known from the dataset's record; category, language, owner
    and upload date are looked for among the columns of clips and the metadata of videos.

    Args:
        dataset: to count in.
        subset: only its clips.
        assigned: `ROLE=COLUMN` for columns that go by other names, of clips or videos.
        captions, seed, tell: see `clip_statistics`.

    Raises:
        DatasetFormatError: it is damaged.
        MisuseError: no such subset, role or column.
    """
    with dataset.reading():
        clips = clips_in_any_order(dataset, subset)
        videos = dataset.sql(ONE_OF_EACH_VIDEO)
        of_clips = dict(zip(clips.columns, map(str, clips.types), strict=True))
        of_videos = dict(zip(videos.columns, map(str, videos.types), strict=True))
        roles, video_roles = _roles(dataset, of_clips, of_videos)
        here = [one for one in assigned if _column(one) in of_clips or _column(one) == ""]
        there = [one for one in assigned if _column(one) in of_videos and one not in here]
        unknown = [one for one in assigned if one not in here and one not in there]
        roles = with_columns(roles, [*here, *unknown], of_clips | of_videos)
        video_roles = with_columns(video_roles, there, of_videos)
        numbers = clip_statistics(
            dataset.connection, clips, roles, Videos(videos, video_roles),
            captions=captions, seed=seed, tell=tell,
        )  # fmt: skip
        for warned in numbers["warnings"]:
            if warned["role"] == "source":
                warned["uri"] = _uri(dataset, warned["value"])
        return numbers


def _uri(dataset: Dataset, video_id: str) -> str | None:
    found = dataset.sql(ONE_OF_EACH_VIDEO).filter(f"video_id = '{video_id}'").project("uri")
    return next((travelling_uri(uri) for (uri,) in found.fetchall()), None)


def _column(assigned: str) -> str:
    return assigned.partition("=")[2]


def _roles(
    dataset: Dataset, of_clips: dict[str, str], of_videos: dict[str, str]
) -> tuple[Roles, Roles]:
    record, cut = dataset.record, dataset.record.cut or ""
    written = record.columns.get(cut, {})
    texts = [
        name
        for name, key in sorted(written.items())
        if name in of_clips
        and is_text_column(dataset.layout, record, cut, key)
        # A scorer may write a word, such as a language.
        and record.column_recipes.get(key, {}).get("verb", "caption") == "caption"
    ]
    scores = [name for name in sorted(written) if is_number(of_clips.get(name, ""))]
    found = find_roles({name: kind for name, kind in of_clips.items() if name in written}, ["-"])
    roles = replace(
        found, source="video_id", key="clip_id", seconds="duration_seconds", start=None, end=None,
        captions=tuple(texts), scores=tuple(scores),
    )  # fmt: skip
    in_videos = find_roles(of_videos, ["-"])
    video_roles = replace(
        in_videos, source="video_id", key=None, start=None, end=None, seconds=None,
        captions=(), scores=(), caption_language=None, video_seconds="duration_seconds",
    )  # fmt: skip
    return roles, video_roles
