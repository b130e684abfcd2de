"""Layouts: what the columns of a published table mean, known by their names.

Names are compared without regard to capitals, and with `-`, `_` and blanks as one: published
variants differ in these. A layout is recognised when all the columns that it needs are there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.dataset.answers.column_views import quoted_name


@dataclass(frozen=True)
class Layout:
    """What a kind of table calls the parts of a clip. Each is a choice of names, the first holds.

    Attributes:
        name: of the layout.
        needs: choices of columns that it is recognised by, all of them needed.
        source: id of the source video.
        source_pattern: what part of that text is the id, where it is not all of it: group 1.
        start: in seconds, or as `HH:MM:SS.mmm`.
        end: likewise.
        duration: of the clip, where a table states it.
        caption: the text.
        key: a name that the row has of its own.
        numbers: further columns that are numbers: scores.
        texts: further columns that are text, whatever they look like.
        video_seconds: how long the source video is.
        ticks: how many units of `start` and `end` are a second; a column's name or a number.
        span: start and end in one column, as a list of two.
        expands: where a row is a video with lists of clips, how they are written: `literals` of
            Python, or `clips`, a list of objects.
        columns: names of the columns of a file that does not state them.
        inside: parts of columns of objects that are read as columns: `json.duration_seconds`.
    """

    name: str
    needs: tuple[tuple[str, ...], ...]
    source: tuple[str, ...]
    source_pattern: str | None = None
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    duration: tuple[str, ...] = ()
    caption: tuple[str, ...] = ("caption",)
    key: tuple[str, ...] = ("clip_id",)
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    video_seconds: tuple[str, ...] = ("video_seconds", "video_duration", "video_duration_seconds")
    ticks: str | float | None = None
    span: tuple[str, ...] = ()
    expands: str | None = None
    columns: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


_SCORES = ("aesthetic_score", "umt_score", "clip_score", "umt_sim")
_KOALA = ("clarity_score", "aesthetic_score", "motion_score", "video_training_suitability_score")
_PANDA = ("matching_score", "desirable_filtering", "shot_boundary_detection")
_OPENVID = ("aesthetic_score", "motion_score", "temporal_consistency_score")
_MIRADATA = tuple(f"{part}_caption" for part in ("main_object", "background", "style", "camera"))
_STARTS = ("start_seconds", "start", "start_time")
_ENDS = ("end_seconds", "end", "end_time")
_FILES = ("path", "file_name", "file_path", "media_path", "video_path", "video", "file")
_ADDRESSES = ("url", "video_url", "webpage_url", "youtube_url", "contentUrl", "link", "video_link")

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "internvid",
        # Lists with sources that are no YouTube videos name all of them by their address.
        needs=(("uri", "YoutubeID"), ("Start_timestamp",), ("End_timestamp",)),
        source=("uri", "YoutubeID"),
        start=("Start_timestamp",),
        end=("End_timestamp",),
        numbers=_SCORES,
    ),
    Layout(
        "koala-36m",
        needs=(("videoID",), ("timestamp",), _KOALA),
        source=("videoID",),
        # The number of the clip follows the id of its video, which may have a `_` of its own.
        source_pattern=r"^(.*?)(?:_[0-9]+)?$",
        span=("timestamp",),
        numbers=_KOALA,
    ),
    Layout(
        "panda-70m",
        needs=(("videoID",), ("url",), ("timestamp",), ("caption",)),
        source=("videoID",),
        texts=("timestamp", *_PANDA),
        expands="literals",
    ),
    Layout(
        "openvid-1m",
        needs=(("video",), ("caption",), ("seconds",), ("frame", "camera_motion")),
        source=("video",),
        # `ID_n_AtoB.mp4`: frames A to B of clip n of a video; other names are names of videos.
        source_pattern=r"^(?:.*/)?(.+?)(?:_[0-9]+_[0-9]+to[0-9]+)?(?:[.][A-Za-z0-9]{1,4})?$",
        duration=("seconds",),
        key=("video",),
        numbers=("seconds", "fps", "frame", *_OPENVID),
    ),
    Layout(
        "miradata-v0",
        needs=(("video_id",), ("start_frame",), ("end_frame",), ("fps",), ("dense_caption",)),
        source=("video_id",),
        start=("start_frame",),
        end=("end_frame",),
        caption=("dense_caption",),
        numbers=("start_frame", "end_frame", "fps"),
        texts=(*_MIRADATA, "short_caption", "dense_caption", "start_timestep", "end_timestep"),
        ticks="fps",
    ),
    Layout(
        "hd-vila-100m",
        needs=(("video_id",), ("url",), ("clip",)),
        source=("video_id",),
        expands="clips",
    ),
    Layout(
        "vidgen-1m",
        needs=(("vid",), ("caption",)),
        source=("vid",),
        source_pattern=r"^(.*?)(?:-Scene-[0-9]+)?$",
        key=("vid",),
    ),
    Layout(
        "webvid",
        needs=(("videoid",), ("name",), ("contentUrl",)),
        source=("videoid",),
        duration=("duration",),
        caption=("name",),
        key=("videoid",),
        texts=("page_dir", "duration"),
    ),
    Layout(
        "videocc",
        needs=(("video_id",), ("start_microseconds",), ("end_microseconds",), ("caption",)),
        source=("video_id",),
        start=("start_microseconds",),
        end=("end_microseconds",),
        numbers=("start_microseconds", "end_microseconds"),
        ticks=1e6,
        columns=("video_id", "start_microseconds", "end_microseconds", "caption"),
    ),
    Layout(
        "howto100m",
        needs=(("video_id",), ("category_1",), ("category_2",), ("rank",), ("task_id",)),
        source=("video_id",),
        numbers=("rank",),
        texts=("category_1", "category_2", "task_id"),
    ),
    Layout(
        "youcook2",
        needs=(("video_id",), ("segment",), ("sentence",)),
        source=("video_id",),
        span=("segment",),
        caption=("sentence",),
        video_seconds=("duration",),
        texts=("recipe_type",),
    ),
    Layout(
        "activitynet-captions",
        needs=(("video_id",), ("timestamp",), ("sentence",)),
        source=("video_id",),
        span=("timestamp",),
        caption=("sentence",),
        video_seconds=("duration",),
    ),
    Layout(
        "finevideo",
        needs=(("mp4",), ("json",)),
        source=("json.original_video_filename",),
        source_pattern=r"^(?:.*/)?(.+?)(?:[.][A-Za-z0-9]{1,4})?$",
        duration=("json.duration_seconds",),
        caption=("json.content_metadata.description", "json.youtube_title"),
        key=("json.original_video_filename",),
        inside=(
            "json.original_video_filename",
            "json.duration_seconds",
            "json.content_metadata.description",
            "json.youtube_title",
        ),
    ),
    Layout(
        "own",
        needs=(("clip_id", "source_id", "video_id", "uri"),),
        source=("source_id", "video_id", "uri", "clip_id"),
        start=_STARTS,
        end=_ENDS,
        duration=("duration_seconds",),
        texts=("clip_id", "source_id", "video_id", "uri"),
        numbers=("start_seconds", "end_seconds", "duration_seconds"),
    ),
    # What trainers of text-to-video models read: a file a clip, and its text.
    Layout(
        "files",
        needs=(_FILES,),
        source=_FILES,
        source_pattern=r"^(?:.*/)?(.+?)(?:[.][A-Za-z0-9]{1,4})?$",
        start=_STARTS,
        end=_ENDS,
        duration=("duration_seconds",),
        caption=("caption", "text", "prompt", "cap"),
        texts=_FILES,
        numbers=("start_seconds", "end_seconds", "duration_seconds"),
    ),
    Layout(
        "addresses",
        needs=(_ADDRESSES,),
        source=("id", "youtube_id", *_ADDRESSES),
        start=_STARTS,
        end=_ENDS,
        duration=("duration_seconds",),
        texts=("id", "youtube_id", *_ADDRESSES),
        numbers=("start_seconds", "end_seconds", "duration_seconds"),
    ),
)


def plain_name(column: str) -> str:
    """A column's name without capitals, and with `_` for `-` and blanks."""
    return re.sub(r"[-\s]+", "_", column.strip()).lower()


class Columns:
    """The columns of a table, known by their plain names.

    Args:
        kinds: name -> DuckDB's type.
        inside: parts of columns of objects, such as `json.title`, likewise.
    """

    def __init__(self, kinds: Mapping[str, str], inside: Mapping[str, str] | None = None) -> None:
        self.kinds = {**(inside or {}), **kinds}
        self._own = frozenset(kinds)
        self._names: dict[str, str] = {}
        for name in (*kinds, *(inside or {})):
            self._names.setdefault(plain_name(name), name)

    def sql(self, name: str) -> str:
        """A column, or a part of one, as an expression."""
        parts = [name] if name in self._own or name not in self.kinds else name.split(".")
        return ".".join(map(quoted_name, parts))

    def first(self, choices: Sequence[str]) -> str | None:
        """The first of these that the table has, by the name that it has there."""
        names = (self._names.get(plain_name(each)) for each in choices)
        return next((name for name in names if name is not None), None)


def layout_of(columns: Sequence[str], requested: str | None, source: Path | str) -> Layout:
    """The layout of a table with these columns.

    Args:
        columns: names.
        requested: a layout's name, or null for the one that fits.
        source: the table, for messages.

    Raises:
        ConfigInvalidError: there is no such layout.
        MisuseError: the columns that it needs are not there, or no layout fits.
    """
    known = Columns(dict.fromkeys(columns, ""))
    if requested is not None:
        layout = named_layout(requested)
        lacking = [" or ".join(each) for each in layout.needs if known.first(each) is None]
        if lacking:
            raise MisuseError(
                f"{source} is no table in the layout {requested}: it lacks "
                f"{', '.join(lacking)}; it has {', '.join(columns)}",
                hint="leave the layout out, and it is recognised by the columns",
            )
        return layout
    for layout in LAYOUTS:
        if all(known.first(each) is not None for each in layout.needs):
            return layout
    raise MisuseError(
        f"{source} is in no layout that is known; its columns are {', '.join(columns) or 'none'}",
        hint="rename its columns: clip_id or source_id, then start_seconds and end_seconds (in "
        f"seconds) and caption. Known layouts: {', '.join(each.name for each in LAYOUTS)}",
    )


def named_layout(name: str) -> Layout:
    """A layout by its name.

    Raises:
        ConfigInvalidError: there is none.
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    raise ConfigInvalidError(
        f"there is no layout {name!r}", hint=f"one of {', '.join(each.name for each in LAYOUTS)}"
    )
