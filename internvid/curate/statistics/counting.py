"""A table of clips in numbers, as the paper's figures, beside the paper's values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from internvid.curate.statistics import paper
from internvid.curate.statistics.caption_lengths import (
    MEASURED_OF_MANY,
    CaptionLengths,
    Captions,
    caption_lengths,
    sample,
)
from internvid.curate.statistics.clip_numbers import ClipNumbers
from internvid.curate.statistics.dominance import dominating_values
from internvid.curate.statistics.groupings import (
    LENGTHS,
    SOURCES,
    Rows,
    ValueShares,
    grouped_lengths,
    shares_of_groups,
    value_shares,
)
from internvid.curate.statistics.paper_figures import paper_figures
from internvid.curate.statistics.roles import Roles
from internvid.curate.statistics.spreads import (
    EXACT_ROWS,
    Shares,
    Spread,
    bucket_shares,
    score_spread,
    significant,
    weighted_quantiles,
)
from internvid.curate.statistics.taggers import find_tagger
from internvid.curate.statistics.verbs import (
    DEFAULT_CAPTIONS,
    CaptionVerbs,
    caption_verbs,
    is_enough,
)
from internvid.dataset.answers.column_views import quoted_name

if TYPE_CHECKING:
    import duckdb

_CLIPS = '"internvid_described_clips"'
_VIDEOS = '"internvid_described_videos"'
_JOINED = '"internvid_described_joined"'
# Longer clips are mistakes of a table: eleven days.
_MOST_SECONDS = 1e6


@dataclass(frozen=True)
class Videos:
    """A table with one row a source, for what is known of sources and not of clips.

    Attributes:
        relation: of the same connection as the clips.
        roles: its columns; `source` is joined to the source of the clips.
    """

    relation: duckdb.DuckDBPyRelation
    roles: Roles


def clip_statistics(
    connection: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    roles: Roles,
    videos: Videos | None = None,
    *,
    captions: int | None = DEFAULT_CAPTIONS,
    seed: int = 0,
    tell: Callable[[str, int], None] | None = None,
) -> ClipNumbers:
    """Counts, lengths, scores, categories, verbs and warnings of a table of clips.

    Up to 10 million rows all figures are exact. Beyond, `approximate` lists those that are not.
    Samples are drawn by DuckDB's hash of the key, of the row's place in a table, or of source and
    start: the same rows for the same seed and version of DuckDB.

    Args:
        connection: in which `relation` was made; views and tables are made in it and dropped.
        relation: the clips, one row each.
        roles: which column is what (`find_roles`).
        videos: what is known of their sources.
        captions: how many captions to read for verbs, of each column; all when None.
        seed: of every sample.
        tell: is called with a stage, and how many captions were read in it.

    Raises:
        duckdb.Error: the rows cannot be read.
    """
    report = tell or (lambda _stage, _count: None)
    with _views(connection, relation, videos):
        return _Counting(connection, roles, videos, seed, report).all(captions)


@contextlib.contextmanager
def _views(
    connection: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    videos: Videos | None,
) -> Iterator[None]:
    relation.create_view(_CLIPS.strip('"'), replace=True)
    if videos is not None:
        videos.relation.create_view(_VIDEOS.strip('"'), replace=True)
    try:
        yield
    finally:
        for name in (_JOINED, _VIDEOS, _CLIPS):
            connection.execute(f"drop view if exists {name}")


class _Counting:
    """Counts one table, scan by scan."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        roles: Roles,
        videos: Videos | None,
        seed: int,
        tell: Callable[[str, int], None],
    ) -> None:
        self.connection, self.roles, self.tell, self.seed = connection, roles, tell, seed
        self.of_videos = videos.roles if videos is not None and roles.source else Roles()
        micro = _microseconds(roles)
        self.clip_rows = Rows(_CLIPS, "count(*)", micro or "null::bigint", micro is not None)
        columns = connection.sql(f"select * from {_CLIPS} limit 0").columns
        self.has_places = "row_place" in columns
        self.shares: list[Shares] = []
        self.approximate: list[str] = []

    def all(self, limit: int | None) -> ClipNumbers:
        self.tell("counting clips, hours and sources", 0)
        source, seconds = self.roles.source, self.roles.video_seconds
        length = None if seconds is None else _seconds(quoted_name(seconds))
        named = None if source is None else quoted_name(source)
        given = _given(self.roles)
        with grouped_lengths(self.connection, self.clip_rows, given, named, length):
            clips, spread, micro = self._clip_lengths()
            by_hours = micro > 0
            self.clip_rows = Rows(_CLIPS, "count(*)", self.clip_rows.microseconds, by_hours)
            self.is_large = clips > EXACT_ROWS
            per_source, video_length, values = self._by_source(length)
        scores = self._scores()
        texts, verbs = self._captions(clips, limit)
        roles = {
            **{role: column for role, column in asdict(self.of_videos).items() if column},
            **{role: column for role, column in asdict(self.roles).items() if column},
        }
        sources = next((one["different"] for one in values if one["role"] == "source"), None)
        numbers: ClipNumbers = {
            "clips": clips, "sources": sources, "hours": micro / 3.6e9,
            "roles": roles, "approximate": self.approximate,
            "clip_seconds": spread, "clips_per_source": per_source, "video_seconds": video_length,
            "shares": self.shares, "captions": texts, "verbs": verbs, "scores": scores,
            "values": values, "paper": [], "warnings": dominating_values(values),
        }  # fmt: skip
        numbers["paper"] = paper_figures(numbers)
        return numbers

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.connection.execute(query).fetchall()
        return rows

    def _clip_lengths(self) -> tuple[int, Spread | None, int]:
        rows = self._rows(
            f"select bin, clips, microseconds, least, largest, given from {LENGTHS} order by bin"
        )
        clips = sum(row[1] for row in rows)
        if self.roles.seconds is None and (self.roles.start is None or self.roles.end is None):
            return clips, None, 0
        lengths = [(row[0] / 1000, row[1]) for row in rows if row[0] is not None]
        given = sum(row[5] for row in rows)
        self.shares.append(bucket_shares(lengths, paper.CLIP_LENGTH, _length_name(self.roles)))
        count, total = sum(n for _, n in lengths), int(sum(row[2] or 0 for row in rows))
        spread = _spread(_length_name(self.roles), lengths, total / 1e6, clips - given)
        spread["not_finite"] = given - count
        ends = [(row[3], row[4]) for row in rows if row[0] is not None]
        spread["minimum"] = min(low for low, _ in ends) / 1e6 if ends else None
        spread["maximum"] = max(high for _, high in ends) / 1e6 if ends else None
        spread["resolution"] = 0.001
        return clips, spread, total

    def _by_source(
        self, length: str | None
    ) -> tuple[Spread | None, Spread | None, list[ValueShares]]:
        source = self.roles.source
        if source is None:
            return None, None, [self._values(role, name) for role, name in self._value_roles()]
        by_hours = self.clip_rows.by_hours
        sources = shares_of_groups(self.connection, SOURCES, ("source", source), by_hours=by_hours)
        per_source = self._rows(
            f"select clips::double, count(*) from {SOURCES} where value is not null "
            "group by 1 order by 1"
        )
        spread = _spread("clips", per_source, sources["clips"], sources["without"])
        if self.of_videos.source is not None:
            self.connection.execute(
                f"create or replace temp view {_JOINED} as select found.clips as "
                "internvid_clips, found.microseconds as internvid_microseconds, of_video.* "
                f"from {SOURCES} found left join {_VIDEOS} of_video "
                f"on found.value = of_video.{quoted_name(self.of_videos.source)}::varchar"
            )
        values = [self._values(role, name) for role, name in self._value_roles()]
        self._resolutions()
        videos = self._video_lengths(length)
        self.connection.execute(f"drop view if exists {_JOINED}")
        return spread, videos, [sources, *values]

    def _value_roles(self) -> list[tuple[str, str]]:
        here = self.roles.value_columns
        taken = {role for role, _ in here if role != "value"}
        further = [pair for pair in self.of_videos.value_columns if pair[0] not in taken]
        return [*here, *further]

    def _values(self, role: str, column: str) -> ValueShares:
        self.tell(f"counting {column}", 0)
        of_video = (role, column) not in self.roles.value_columns
        rows = self._joined_rows() if of_video else self.clip_rows
        kind = self._type(rows.view, column)
        stored = quoted_name(column) + ("[1]" if kind.endswith("[]") else "")
        value = "stored::varchar"
        if role == "date":
            # 2017, 20170304, 2017-03-04 and timestamps all begin with their year.
            year = "try_cast(left(trim(stored::varchar), 4) as integer)"
            value = f"case when {year} between 1970 and 2100 then {year}::varchar end"
        return value_shares(self.connection, rows, (role, column), stored, value)

    def _joined_rows(self) -> Rows:
        by_hours = self.clip_rows.by_hours
        return Rows(_JOINED, "sum(internvid_clips)", "internvid_microseconds", by_hours)

    def _type(self, view: str, column: str) -> str:
        return str(self.connection.sql(f"select {quoted_name(column)} from {view}").types[0])

    def _resolutions(self) -> None:
        for roles, rows in ((self.roles, self.clip_rows), (self.of_videos, self._joined_rows())):
            if roles.width is None or roles.height is None:
                continue
            width, height = (
                f"try_cast({quoted_name(name)} as integer)" for name in (roles.width, roles.height)
            )
            sides = self._rows(
                f"select least({width}, {height})::double as side, {rows.clips}::bigint "
                f"from {rows.view} where {width} > 0 and {height} > 0 group by side"
            )
            column = f"{roles.width} × {roles.height}"
            self.shares.append(bucket_shares(sides, paper.RESOLUTION, column))
            return

    def _video_lengths(self, of_clips: str | None) -> Spread | None:
        column, of_video = self.roles.video_seconds, self.of_videos.video_seconds
        if of_clips is not None:
            value, view = "video_seconds", SOURCES
        elif of_video is not None:
            column, view = of_video, _JOINED
            value = _seconds(quoted_name(of_video))
        else:
            return None
        rows = self._rows(
            f"select floor({value} * 1000 + 1e-6) / 1000 as length, count(*) from {view} "
            "group by length order by length"
        )
        lengths = [row for row in rows if row[0] is not None]
        self.shares.append(bucket_shares(lengths, paper.VIDEO_LENGTH, str(column)))
        missing = sum(count for length, count in rows if length is None)
        total = sum(length * count for length, count in lengths)
        return _spread(str(column), lengths, total, missing)

    def _scores(self) -> list[Spread]:
        scores = []
        for name in self.roles.scores:
            self.tell(f"counting {name}", 0)
            spread, shares = score_spread(self.connection, _CLIPS, name, quoted_name(name))
            scores.append(spread)
            self.shares += [shares] if shares is not None else []
            if spread["resolution"]:
                self.approximate.append(f"quantiles of {name}: to within {spread['resolution']:g}")
        return scores

    def _captions(
        self, clips: int, limit: int | None
    ) -> tuple[list[CaptionLengths], list[CaptionVerbs]]:
        roles, texts, verbs = self.roles, [], []
        tagger = find_tagger() if roles.captions and limit != 0 and clips else None
        language = quoted_name(roles.caption_language) if roles.caption_language else "null"
        for name in roles.captions:
            names = (roles.key,) if roles.key else (roles.source, roles.start)
            if self.has_places and not roles.key:
                # Reading times of all rows would cost more than reading the captions.
                names = ("row_place",)
            key = ", ".join(quoted_name(one) for one in names if one) or quoted_name(name)
            whole = Captions(name, quoted_name(name), _CLIPS, clips, key, language, self.seed)
            self.tell(f"measuring {name}", 0)
            with sample(self.connection, whole) as drawn:
                length = caption_lengths(self.connection, drawn)
                of = length["captions"]
                if length["sampled"]:
                    self.approximate.append(_estimated(length))
                    of = round(clips * of / max(1, of + length["missing"]))
                texts.append(length)
                enough = drawn if is_enough(drawn, limit, of) else whole
                verbs.append(
                    caption_verbs(
                        self.connection,
                        enough,
                        of,
                        limit,
                        tagger,
                        partial(self.tell, f"reading {name}"),
                    )
                )
        return texts, verbs


def _estimated(length: CaptionLengths) -> str:
    return (
        f"lengths of {length['column']}: from {length['captions']:,} captions drawn at random "
        f"(about {MEASURED_OF_MANY:,}); shares are within 0.3 percent points (3 sigma)"
    )


def _length_name(roles: Roles) -> str:
    return roles.seconds or f"{roles.end} - {roles.start}"


def _given(roles: Roles) -> str:
    """SQL that is not null where a row states a length of its clip."""
    if roles.seconds is not None:
        return quoted_name(roles.seconds)
    if roles.start is None or roles.end is None:
        return "null"
    return f"{quoted_name(roles.end)} - {quoted_name(roles.start)}"


def _microseconds(roles: Roles) -> str | None:
    """SQL of the length of a clip in whole microseconds, null where it has none that can be."""
    given = _given(roles)
    if given == "null":
        return None
    return f"try_cast(round({_seconds(f'({given})')} * 1e6) as bigint)"


def _seconds(value: str) -> str:
    """SQL of a length in seconds, null where it is negative, endless or no number."""
    number = f"{value}::double"
    return f"case when {number} >= 0 and {number} <= {_MOST_SECONDS!r} then {number} end"


def _spread(column: str, counted: list[tuple[float, int]], total: float, missing: int) -> Spread:
    count = sum(rows for _, rows in counted)
    return {
        "column": column, "count": count, "missing": missing, "not_finite": 0,
        "mean": significant(total / count) if count else None,
        "minimum": counted[0][0] if counted else None,
        "maximum": counted[-1][0] if counted else None,
        "quantiles": weighted_quantiles(counted), "resolution": 0.0, "edges": [], "counts": [],
    }  # fmt: skip
