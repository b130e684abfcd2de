"""Videos from the web: fetched by a table of sources, into a folder that a build reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.collect.packages import WEB_PACKAGES, require_packages
from internvid.core.several import several

if TYPE_CHECKING:
    from internvid.collect.fetching.fetch_folder import FetchFolder
    from internvid.collect.fetching.fetch_plan import FetchPlan
    from internvid.collect.fetching.fetch_progress import FetchProgress
    from internvid.collect.fetching.fetch_settings import FetchSettings
    from internvid.collect.fetching.fetch_status import FetchStatus
    from internvid.collect.fetching.outcomes import Outcomes


@dataclass(frozen=True)
class FetchSummary:
    """What a fetch leaves.

    Attributes:
        fetched, failed, skipped: items by status; those that were not tried yet are skipped.
        reasons: items without a file, by reason.
        table: `table.parquet`, what a build reads.
        faults: lines of the tables that were not taken, by reason.
        now: items that were fetched in this run.
    """

    fetched: int
    failed: int
    skipped: int
    reasons: dict[str, int]
    table: Path
    faults: dict[str, int] = field(default_factory=dict)
    now: int = 0


def fetch(
    table: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    settings: FetchSettings | None = None,
    recipe: str = "internvid",
    exclude: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    layout: str | None = None,
    add: bool = False,
    retry: bool = False,
    limit: int | None = None,
    progress: FetchProgress | None = None,
) -> FetchSummary:
    """Fetch the videos that a table names, and write `table.parquet` for `internvid.build`.

    A killed or interrupted fetch goes on where it stopped. What has an outcome is not requested
    again, except for reasons that may have passed (`rate_limited`, `bot_check`, `truncated`,
    `network`).

    Args:
        table: in any layout that is known, or with a column of addresses (files, a folder, a glob).
        folder: is made if it does not exist.
        settings: crawl rules, pace and limits.
        recipe: named crawl rules where no settings are given: `internvid` (the paper's), or `any`.
        exclude: files with ids of sources, or with owners, whose videos are left out.
        layout: of the table; recognised by its columns when None.
        add: the folder may hold the videos of another table.
        retry: try again what has no file, for whatever reason; also files that were lost since.
        limit: fetch so many items at most in this run.
        progress: called with everything that happens.

    Raises:
        MisuseError: no such table, another table's folder, a setting that cannot be.
        DependencyMissingError: a package is not installed; the hint has the command.
        DatasetBusyError: another process fetches into the folder.
        StorageError: the disk is full; what is done is kept.
    """
    require_packages(WEB_PACKAGES)
    from internvid.collect.crawl_recipes import crawl_rules
    from internvid.collect.fetching.fetch_folder import open_fetch_folder, table_files
    from internvid.collect.fetching.fetch_progress import FetchProgress
    from internvid.collect.fetching.fetch_settings import FetchSettings
    from internvid.collect.fetching.outcomes import Outcomes
    from internvid.collect.fetching.result_table import write_table

    chosen = settings or FetchSettings(**vars(crawl_rules(recipe)))
    chosen.check()
    excluded = _excluded(several(exclude))  # refused before anything is written
    shown = progress or FetchProgress()
    root = Path(folder)
    table_files(Path(table))  # nothing is made for a table that is not there
    open_fetch_folder(root, may_be_new=True)  # a folder of another kind gets no lock file
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root) as into:
        into.add(
            Path(table),
            url_template=chosen.url_template,
            layout=layout,
            is_added=add,
            progress=lambda _: shown.changed(shown),
        )
        with Outcomes(into.database) as outcomes:
            run = _Wired(into, outcomes, chosen, several(exclude), excluded, shown)
            try:
                asyncio.run(run.go(retry=retry, limit=limit))
            finally:
                # A fetch takes weeks: what is there can be built of at any time.
                shown.enter("writing the table")
                lost = write_table(into, outcomes)
            return _summary(into, outcomes, run, shown, lost)


def plan_fetch(
    table: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    settings: FetchSettings | None = None,
    recipe: str = "internvid",
    layout: str | None = None,
) -> FetchPlan:
    """What a fetch takes: videos, days, bytes. The table is read, no host is called.

    Args:
        table, folder, settings, recipe, layout: as of `fetch`; nothing is written to the folder.

    Raises:
        MisuseError: no such table, or a setting that cannot be.
    """
    require_packages(WEB_PACKAGES[:2])
    from internvid.collect.crawl_recipes import crawl_rules
    from internvid.collect.fetching.fetch_folder import open_fetch_folder
    from internvid.collect.fetching.fetch_plan import plan_fetch as plan
    from internvid.collect.fetching.fetch_settings import FetchSettings

    chosen = settings or FetchSettings(**vars(crawl_rules(recipe)))
    chosen.check()
    with tempfile.TemporaryDirectory(prefix="internvid-plan-") as scratch:
        into = open_fetch_folder(Path(scratch) / "fetch", may_be_new=True)
        into.add(Path(table), url_template=chosen.url_template, layout=layout)
        return plan(into, Path(folder), chosen)


def fetch_status(folder: str | os.PathLike[str]) -> FetchStatus:
    """How far the fetch of a folder is, also while it runs.

    Returns:
        `items`, `fetched`, `failed`, `skipped`, `left`, `bytes`, `reasons`, `tables`, `examples`,
        as `internvid status FOLDER --json` prints them.

    Raises:
        DatasetFormatError: nothing was fetched into the folder, or it is damaged.
    """
    from internvid.collect.fetching.fetch_status import read_fetch_status

    return read_fetch_status(Path(folder))


def is_fetch_folder(folder: str | os.PathLike[str]) -> bool:
    """Whether videos were fetched into a folder."""
    from internvid.collect.fetching.fetch_folder import is_fetch_folder as is_one

    return is_one(Path(folder))


class _Wired:
    """A run with its engines, which belong to the event loop that they are made in."""

    def __init__(
        self,
        folder: FetchFolder,
        outcomes: Outcomes,
        settings: FetchSettings,
        exclude: Sequence[str | os.PathLike[str]],
        excluded: frozenset[str],
        progress: FetchProgress,
    ) -> None:
        self._folder, self._outcomes, self._settings = folder, outcomes, settings
        self._exclude, self._excluded, self._progress = exclude, excluded, progress
        self.left: dict[str, int] = {}

    async def go(self, *, retry: bool, limit: int | None) -> None:
        """Fetch."""
        from internvid.collect.fetching.engines.engine import Engine
        from internvid.collect.fetching.engines.http_engine import HttpEngine
        from internvid.collect.fetching.engines.pacing import Paces
        from internvid.collect.fetching.engines.robots import Robots
        from internvid.collect.fetching.engines.site_engine import SiteEngine, javascript_note
        from internvid.collect.fetching.engines.web import Web
        from internvid.collect.fetching.fetch import FetchRun

        chosen = self._settings
        paces = Paces(chosen.per_second, chosen.at_once, chosen.longest_pause_seconds)
        web = Web(
            chosen.agent,
            allow_private=chosen.allow_private,
            slow_seconds=chosen.slow_seconds,
            connections=chosen.connections,
        )
        robots = Robots(web, paces.of) if chosen.obey_robots else None
        engines: dict[str, Engine] = {
            "http": HttpEngine(web, robots, self._outcomes, paces.of, chosen.most_bytes)
        }
        if chosen.engine != "http":
            engines["yt-dlp"] = SiteEngine(
                chosen, paces.of, robots, tuple(map(os.path.abspath, self._exclude))
            )
            note = javascript_note(self._first_uris())
            if note is not None:
                self._progress.noted(note)
        run = FetchRun(
            self._folder, self._outcomes, chosen, engines, paces, self._excluded, self._progress
        )
        await run.run(retry=retry, most=limit)
        self.left = dict(run.left)

    def _first_uris(self) -> list[str]:
        """Addresses of some thousand items, which show what the table is about."""
        from internvid.collect.fetching.items.item_table import read_items

        batches = read_items(self._folder.root, len(self._folder.tables), ("uri",))
        batch = next(batches, None)
        uris: list[str] = [] if batch is None else batch.column("uri").to_pylist()
        return uris


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[FetchFolder]:
    """The folder as it is while nobody else changes it."""
    from internvid.collect.fetching.fetch_folder import FetchFolder, open_fetch_folder

    with FetchFolder(root).claimed():
        yield open_fetch_folder(root, may_be_new=True)


def _summary(
    folder: FetchFolder, outcomes: Outcomes, run: _Wired, progress: FetchProgress, lost: int
) -> FetchSummary:
    statuses, reasons, _ = outcomes.counts()
    statuses["fetched"] -= lost
    untried = folder.items - sum(statuses.values())
    for reason, count in run.left.items():
        # Without an outcome, and the host is why.
        taken = min(count, untried)
        untried -= taken
        statuses["skipped"] += taken
        reasons[reason] = reasons.get(reason, 0) + taken
    if untried:
        statuses["skipped"] += untried
        reasons["not_tried"] = untried
    faults: dict[str, int] = {}
    for given in folder.tables:
        for reason, count in given.faults.items():
            faults[reason] = faults.get(reason, 0) + count
    return FetchSummary(
        statuses["fetched"],
        statuses["failed"],
        statuses["skipped"],
        reasons,
        folder.table,
        faults,
        progress.fetched,
    )


def _excluded(files: Sequence[str | os.PathLike[str]]) -> frozenset[str]:
    """All names of the sources that files list."""
    from internvid.curate.exclusions.list_files import ID_FIELDS, OWNER_FIELDS, listed_values
    from internvid.curate.exclusions.source_names import source_names

    names: set[str] = set()
    for path in files:
        for value in listed_values(os.fspath(path), (*ID_FIELDS, *OWNER_FIELDS)):
            names |= source_names(value)
    return frozenset(names)
