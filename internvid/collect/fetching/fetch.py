"""The pass: items in, files and outcomes out; politely, and gone on with however it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from internvid.collect.fetching.engines.engine import Download, Engine
from internvid.collect.fetching.engines.pacing import HostPace, Paces, backoff_seconds
from internvid.collect.fetching.engines.site_engine import is_of_site
from internvid.collect.fetching.engines.site_facts import check_licence, check_seconds
from internvid.collect.fetching.fetch_folder import FetchFolder
from internvid.collect.fetching.fetch_progress import FetchProgress
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.items.item_table import Item, items_of, read_items
from internvid.collect.fetching.media.media_check import MediaFacts, check_media
from internvid.collect.fetching.media.media_names import ALL_SUFFIXES, media_name, suffix_of
from internvid.collect.fetching.outcomes import Outcome, Outcomes
from internvid.collect.fetching.reasons import PASSING, PAUSING, STATUSES, NotFetchedError
from internvid.curate.exclusions.source_names import source_names
from internvid.dataset.parts import storage_errors, sync_folder
from internvid.run.worker_lanes import WorkerLanes

_WINDOW = 4096
_CHECK_HANG_SECONDS = 300.0


@dataclass
class _Host:
    """Items of one host that wait, and how many are under way."""

    name: str
    pace: HostPace
    lanes: int
    waiting: deque[Item] = field(default_factory=deque)
    running: int = 0
    closed: str = ""


class FetchRun:
    """One run over the items of a folder.

    Args:
        folder: locked by the caller.
        outcomes: of the folder.
        settings: what is wanted.
        engines: by name; `http` and `yt-dlp` are used by `settings.engine`.
        paces: of hosts; the engines use the same.
        excluded: names of sources (see `source_names`) that are left out.
        progress: called with everything that happens.
    """

    def __init__(
        self,
        folder: FetchFolder,
        outcomes: Outcomes,
        settings: FetchSettings,
        engines: Mapping[str, Engine],
        paces: Paces,
        excluded: frozenset[str] = frozenset(),
        progress: FetchProgress | None = None,
    ) -> None:
        self._folder, self._outcomes, self._settings = folder, outcomes, settings
        self._engines, self._paces, self._excluded = engines, paces, excluded
        self._progress = progress or FetchProgress()
        self._hosts: dict[str, _Host] = {}
        self._room = asyncio.Semaphore(_WINDOW)
        count = settings.workers or os.cpu_count() or 1
        self._checkers = WorkerLanes(count, hang_wall_seconds=_CHECK_HANG_SECONDS)
        self.left: Counter[str] = Counter()

    async def run(self, *, retry: bool = False, most: int | None = None) -> None:
        """Fetch what has no outcome yet.

        Args:
            retry: also what has no file for a reason that hardly passes, and files that were lost.
            most: so many items at most.

        Raises:
            InternvidError: trouble that is not an item's; what is done is kept.
        """
        done = self._outcomes.settled(self._folder.items, retry=retry)
        if retry:
            for outcome in self._outcomes.in_order():
                if outcome.path and not (self._folder.root / outcome.path).exists():
                    done[outcome.item] = False
        self._progress.total = int((~done).sum())
        if most is not None:
            self._progress.total = min(self._progress.total, most)
        self._progress.began = time.monotonic()
        self._progress.enter("fetching")
        remaining = self._progress.total
        try:
            async with asyncio.TaskGroup() as tasks:
                for batch in read_items(self._folder.root, len(self._folder.tables)):
                    for item in items_of(batch):
                        if done[item.item] or not remaining:
                            continue
                        remaining -= 1
                        await self._room.acquire()
                        self._take(item, tasks)
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self._checkers.close()
            for engine in self._engines.values():
                await engine.close()

    def _take(self, item: Item, tasks: asyncio.TaskGroup) -> None:
        """Queue an item at its host, and start a lane there if one is free."""
        reason = self._refusal(item)
        if reason is not None:
            self._settle(item, reason)
            self._room.release()
            return
        host = self._host_of(item)
        host.waiting.append(item)
        if host.running < host.lanes:
            host.running += 1
            tasks.create_task(self._serve(host))

    def _refusal(self, item: Item) -> NotFetchedError | None:
        if self._excluded and self._excluded & (
            source_names(item.source_id) | source_names(item.uri)
        ):
            return NotFetchedError("it is on the list of exclusions", "excluded")
        engine = self._engine_of(item)
        if engine is None:
            return NotFetchedError(
                f"{item.uri[:80]} is not fetched: only http and https are", "refused_host"
            )
        # Of a site the video's own licence counts, which its page states.
        return _unlicensed(item, self._settings) if engine.name == "http" else None

    def _engine_of(self, item: Item) -> Engine | None:
        """The engine for an item; None where its address has another scheme."""
        parts = _split(item.uri)
        if parts is None:
            return None
        name = self._settings.engine
        if name == "auto":
            name = "yt-dlp" if is_of_site(parts) else "http"
        return self._engines[name]

    def _host_of(self, item: Item) -> _Host:
        name = _split(item.uri) or ""
        engine = self._engine_of(item)
        is_site = engine is not None and engine.name == "yt-dlp"
        known = self._hosts.get(name)
        if known is None:
            if len(self._hosts) > _WINDOW:
                self._hosts = {
                    key: host
                    for key, host in self._hosts.items()
                    if host.waiting or host.running or host.closed
                }
            rate = self._settings.per_hour / 3600 if is_site else None
            lanes = self._settings.site_lanes if is_site else self._settings.at_once
            known = self._hosts[name] = _Host(name, self._paces.of(name, rate), lanes)
        return known

    async def _serve(self, host: _Host) -> None:
        """A lane: one item of the host after another."""
        try:
            while host.waiting:
                item = host.waiting.popleft()
                if host.closed:
                    self._leave(item, host.closed)
                else:
                    await self._one(item, host)
                self._room.release()
        finally:
            host.running -= 1

    def _leave(self, item: Item, reason: str) -> None:
        """No outcome in this run: the next one goes on with it."""
        self.left[reason] += 1
        self._progress.done += 1
        self._progress.reasons[reason] += 1
        self._progress.changed(self._progress)

    async def _one(self, item: Item, host: _Host) -> None:
        for attempt in range(1, self._settings.tries + 1):
            try:
                self._settle(item, await self._fetched(item))
                return
            except NotFetchedError as error:
                problem = error
            wait = problem.wait_seconds
            if problem.reason == "bot_check" and wait is None:
                wait = float("inf")
            if problem.reason in PAUSING and (wait or 0) > self._settings.longest_pause_seconds:
                # The host is left alone, and its rows stay untried: they are not at fault.
                host.closed = problem.reason
                self._leave(item, problem.reason)
                return
            if problem.is_final or attempt == self._settings.tries:
                break
            pause = wait or backoff_seconds(self._settings.backoff_seconds, attempt)
            if problem.reason in PAUSING:
                host.pace.pause(pause)
            else:
                await asyncio.sleep(pause)
        self._settle(item, problem)

    async def _fetched(self, item: Item) -> Outcome:
        """One try at an item.

        Raises:
            NotFetchedError: it has no file after this.
        """
        name = media_name(item.source_id, item.uri)
        place = self._folder.media / name
        there = await self._left_there(item, place)
        if there is not None:
            return there
        engine = self._engine_of(item)
        assert engine is not None
        brought = await engine.fetch(item, place)
        try:
            facts = await self._check(brought.path)
        except NotFetchedError as error:
            # With bytes that are no video nothing can be gone on with.
            _clear(place)
            error.is_final = error.reason != "truncated" or brought.is_whole
            raise
        with contextlib.ExitStack() as held:
            held.callback(_clear, place)
            if brought.source_seconds is None:
                check_seconds(facts.seconds, self._settings)
            return self._kept(item, brought, facts, place)

    async def _check(self, path: Path) -> MediaFacts:
        result = await self._checkers.run(check_media, path)
        if result.failure is None:
            found: MediaFacts = result.value
            return found
        reason = result.failure.reason
        raise NotFetchedError(result.failure.message, reason if reason in STATUSES else "not_video")

    async def _left_there(self, item: Item, place: Path) -> Outcome | None:
        """The outcome of a file that a killed run had named, but not written down."""
        for path in (place.with_name(place.name + suffix) for suffix in ALL_SUFFIXES):
            if not path.exists():
                continue
            with contextlib.suppress(NotFetchedError):
                facts = await self._check(path)
                return self._outcome(item, path, facts, self._outcomes.described(item.item))
            with storage_errors(path):
                path.unlink(missing_ok=True)
        return None

    def _kept(self, item: Item, brought: Download, facts: MediaFacts, place: Path) -> Outcome:
        """Name what was brought: subtitles and description first, the video last."""
        described = {**brought.facts}
        offset = _offset(brought, facts)
        if offset:
            described["offset_seconds"] = offset
        subtitles: dict[str, str] = {}
        with storage_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            for language, path in sorted(brought.subtitles.items()):
                tag = "".join(each if each.isalnum() or each == "-" else "_" for each in language)
                target = place.with_name(f"{place.name}.{tag[:20]}{path.suffix}")
                os.replace(path, target)
                subtitles[language] = target.relative_to(self._folder.root).as_posix()
            if subtitles:
                described["subtitles"] = subtitles
            if described:
                self._outcomes.describe(item.item, described)
            target = place.with_name(place.name + suffix_of(facts.container, facts.codec))
            with brought.path.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(brought.path, target)
            sync_folder(target.parent)
        return self._outcome(item, target, facts, described)

    def _outcome(
        self, item: Item, path: Path, facts: MediaFacts, described: dict[str, object]
    ) -> Outcome:
        offset = described.pop("offset_seconds", 0.0)
        about = {
            "width": facts.width,
            "height": facts.height,
            "fps": facts.fps,
            "has_audio": facts.has_audio,
        }
        return Outcome(
            item.item,
            "fetched",
            path=path.relative_to(self._folder.root).as_posix(),
            bytes=facts.bytes,
            offset_seconds=float(offset) if isinstance(offset, (int, float)) else 0.0,
            seconds=facts.seconds,
            facts={**about, **described},
        )

    def _settle(self, item: Item, result: Outcome | NotFetchedError) -> None:
        """Write down what became of an item."""
        place = self._folder.media / media_name(item.source_id, item.uri)
        if isinstance(result, NotFetchedError):
            status = STATUSES[result.reason]
            outcome = Outcome(item.item, status, result.reason, result.message)
            self._progress.reasons[result.reason] += 1
            if result.reason not in PASSING:
                _clear(place)
        else:
            outcome = result
            self._progress.fetched += 1
            self._progress.bytes += result.bytes or 0
        self._outcomes.record(outcome)
        self._progress.done += 1
        self._progress.changed(self._progress)


def _unlicensed(item: Item, settings: FetchSettings) -> NotFetchedError | None:
    """Why the licence that a table states is not allowed; None where it is."""
    try:
        check_licence(item.licence, settings)
    except NotFetchedError as error:
        return error
    return None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The trouble behind a group of tasks that ended together."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _split(uri: str) -> str | None:
    """The host of an http(s) address."""
    try:
        parts = urlsplit(uri)
        return parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        return None


def _offset(brought: Download, facts: MediaFacts) -> float:
    """Where in its source a file begins.

    FFmpeg cuts a part of MP4 at the time that is named, by an edit list; of WebM and Matroska it
    begins at the key frame before that. The end is where it shall be in all of them.
    """
    is_mp4 = facts.container.startswith("mov,")
    if brought.end_seconds is None or is_mp4:
        return brought.offset_seconds
    return round(max(0.0, min(brought.offset_seconds, brought.end_seconds - facts.seconds)), 3)


def _clear(place: Path) -> None:
    """Remove what is not whole."""
    place.with_name(place.name + ".part").unlink(missing_ok=True)
    shutil.rmtree(place.with_name(place.name + ".site.part"), ignore_errors=True)
