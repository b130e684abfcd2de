"""Everything the page says, gathered once, in bounded memory, before anything is written."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from internvid._version import __version__
from internvid.browse import provenance
from internvid.browse.answers import Answers, answers
from internvid.browse.cards import Card, make_cards
from internvid.browse.column_facts import Column, clip_columns, video_columns
from internvid.browse.distributions import (
    Distributions,
    Source,
    distributions,
)
from internvid.browse.filmstrips import PictureBudget, make_strips, sample_clips
from internvid.browse.overview import Overview, overview
from internvid.browse.statistics.section import Statistics, statistics_section
from internvid.browse.subset_facts import SubsetFact, subset_facts
from internvid.browse.text_facts import Texts, describe_texts
from internvid.curate.statistics import funnel
from internvid.dataset.store import Dataset

MOST_KEPT = 40
MOST_FATES = 7
MOST_REJECTED = 6
MOST_REASONS = 12
MOST_FAILURES = 200
MOST_TEXTS = 3
MOST_COLUMNS = 80
_SHORT_STRIP = 3.6


@dataclass(frozen=True)
class Step:
    """One step of the funnel: what stays, and how much that is."""

    name: str
    clips: int
    seconds: float
    rule: str = ""


@dataclass(frozen=True)
class Funnel:
    """From files to kept clips.

    Attributes:
        usable: files that could be read. files: (what became of it, how many files).
        video_seconds: footage in usable sources.
        kept: clips that stay. rejected: by reason, the largest first.
        outside_seconds: footage in no clip at all (transitions, and what stitching left out).
    """

    usable: int
    files: tuple[tuple[str, int], ...]
    video_seconds: float
    kept: Step
    rejected: tuple[Step, ...]
    outside_seconds: float

    @property
    def sources(self) -> int:
        """All files that were found."""
        return sum(number for _, number in self.files)

    @property
    def clips(self) -> int:
        """Clips that were cut, kept or not."""
        return self.kept.clips + sum(step.clips for step in self.rejected)

    @property
    def clip_seconds(self) -> float:
        """Footage in clips, kept or not."""
        return self.kept.seconds + sum(step.seconds for step in self.rejected)


@dataclass(frozen=True)
class Rejected:
    """Examples of one reason."""

    step: Step
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Failure:
    """A source that is not usable."""

    name: str
    status: str
    reason: str
    error: str


@dataclass(frozen=True)
class Page:
    """The whole page.

    Attributes:
        root_of_names: the folder of all sources, left out of every name.
        hidden_columns: how many columns of the clips are not shown.
    """

    funnel: Funnel
    median_seconds: float | None
    clip_charts: Distributions
    video_charts: Distributions
    statistics: Statistics
    texts: tuple[Texts, ...]
    cards: tuple[Card, ...]
    sort_columns: tuple[Column, ...]
    rejected: tuple[Rejected, ...]
    overview: Overview
    failures: tuple[Failure, ...]
    subsets: tuple[SubsetFact, ...]
    answers: tuple[Answers, ...]
    facts: tuple[provenance.Fact, ...]
    authors: Mapping[str, provenance.Author]
    root_of_names: str
    hidden_columns: int


def gather(dataset: Dataset, captions: int | None) -> Page:
    """Reads everything the page shows.

    Args:
        dataset: to show.
        captions: how many captions to read for verbs and nouns; all when None.

    Raises:
        DatasetFormatError: no build of the dataset was finished.
    """
    record = dataset.record
    steps = _funnel(dataset)
    columns, in_videos = clip_columns(dataset), video_columns(dataset)[:MOST_COLUMNS]
    hidden_columns = max(0, len(columns) - MOST_COLUMNS)
    columns = columns[:MOST_COLUMNS]
    root = _common_folder(dataset)
    clip_source = Source("all_clips", "kept", provenance.thresholds(record))
    # A usable source alone is shown: a failed one has no numbers to spread.
    video_source = Source("(select * from videos where status = 'ok')")
    budget = PictureBudget()
    strips = make_strips(dataset, sample_clips(dataset, "kept", MOST_KEPT), budget)
    texts = [column for column in columns if column.kind == "text"]
    return Page(
        funnel=steps,
        median_seconds=_median_seconds(dataset),
        clip_charts=distributions(dataset, clip_source, columns),
        video_charts=distributions(dataset, video_source, in_videos),
        statistics=statistics_section(dataset, captions),
        texts=tuple(describe_texts(dataset, column) for column in texts[:MOST_TEXTS]),
        cards=make_cards(strips, columns, provenance.rules(record), root),
        sort_columns=tuple(column for column in columns if column.kind == "number"),
        rejected=_rejected(dataset, steps, columns, root, budget),
        overview=overview(dataset),
        failures=_failures(dataset, root),
        subsets=subset_facts(dataset),
        answers=answers(dataset),
        facts=provenance.provenance(record, __version__),
        authors=provenance.authors(record),
        root_of_names=root,
        hidden_columns=hidden_columns,
    )


def _funnel(dataset: Dataset) -> Funnel:
    counts = dataset.connection.execute(
        "select case when status = 'ok' then 'usable' when status = 'duplicate' or "
        "coalesce(reason, '') = '' then status else reason end as fate, count(*) as files, "
        "coalesce(sum((duration_seconds * 1e6)::bigint), 0)::bigint from videos group by fate "
        "order by fate <> 'usable', files desc, fate"
    ).fetchall()
    says = {rule.reason: rule.says for rule in provenance.rules(dataset.record)}
    kept, rejected = Step("kept", 0, 0.0), []
    for row in funnel(dataset):
        # Rounded, because the last digit of a sum depends on the order of threads.
        seconds = round(3600 * (row["hours"] or 0.0), 3)
        step = Step(str(row["reason"]), row["clips"], seconds, says.get(row["reason"], ""))
        if row["reason"] == "kept":
            kept = step
        else:
            rejected.append(step)
    usable = {row[0]: row for row in counts}.get("usable", ("usable", 0, 0))
    video_seconds = usable[2] / 1e6
    inside = kept.seconds + sum(step.seconds for step in rejected)
    return Funnel(
        usable=usable[1],
        files=_largest(tuple((row[0], row[1]) for row in counts)),
        video_seconds=video_seconds,
        kept=kept,
        rejected=tuple(rejected),
        outside_seconds=max(0.0, round(video_seconds - inside, 3)),
    )


def _largest(files: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """The most frequent fates by name, the rest as one, so that the chart keeps its size."""
    shown, rest = files[:MOST_FATES], files[MOST_FATES:]
    others = (("other reasons", sum(number for _, number in rest)),) if rest else ()
    return (*shown, *others)


def _median_seconds(dataset: Dataset) -> float | None:
    query = "select quantile_cont(duration_seconds, 0.5) from clips"
    value: float | None = dataset.connection.execute(query).fetchall()[0][0]
    return value


def _rejected(
    dataset: Dataset,
    steps: Funnel,
    columns: Sequence[Column],
    root: str,
    budget: PictureBudget,
) -> tuple[Rejected, ...]:
    rejected = []
    for step in steps.rejected[:MOST_REASONS]:
        reason = "'" + step.name.replace("'", "''") + "'"
        rows = sample_clips(dataset, f"not kept and reason = {reason}", MOST_REJECTED)
        strips = make_strips(dataset, rows, budget, widths=_SHORT_STRIP)
        cards = make_cards(strips, columns, provenance.rules(dataset.record), root)
        rejected.append(Rejected(step, cards))
    return tuple(rejected)


def _failures(dataset: Dataset, root: str) -> tuple[Failure, ...]:
    rows = dataset.sql(
        "select uri, status, coalesce(reason, '') as reason, coalesce(error, '') as error "
        "from videos where status <> 'ok' order by status = 'duplicate', reason, uri "
        f"limit {MOST_FAILURES}"
    ).fetchall()
    return tuple(
        # A message may name the whole path; the page shows names only, as far as they differ.
        Failure(name_of(uri, root), status, reason, error.replace(root, ""))
        for uri, status, reason, error in rows
    )


def name_of(uri: str, root: str) -> str:
    """A source's name on the page: its uri without the folder that all sources share."""
    return uri.removeprefix(root) or uri


def _common_folder(dataset: Dataset) -> str:
    """The folder all sources lie in, with a slash; it is left out so that no home folder shows."""
    first, last = dataset.connection.execute("select min(uri), max(uri) from videos").fetchall()[0]
    if first is None:
        return ""
    # The common beginning of the smallest and the largest is that of all.
    if first == last:
        folder = posixpath.dirname(first)
    else:
        shared = posixpath.commonprefix([first, last])
        folder = shared[: shared.rfind("/")] if "/" in shared else ""
    return folder + "/" if folder else ""


def dataset_name(dataset: Dataset, output: Path) -> str:
    """The dataset's folder name, or "" where the page lies inside it.

    A file inside a dataset must not depend on what its folder is called: two builds of the same
    sources are compared byte for byte. There the page's own script reads the name from its address.
    """
    inside = output.absolute().parent.resolve() == dataset.root.resolve()
    return "" if inside else dataset.root.name
