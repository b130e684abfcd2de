"""Looks for candidates: phrases at places, channels, playlists, feeds and listings, one by one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from internvid.collect.discovery.candidate import Candidate
from internvid.collect.discovery.candidate_store import CandidateStore, Search
from internvid.collect.discovery.discover_settings import DiscoverSettings
from internvid.collect.discovery.places.commons import Commons
from internvid.collect.discovery.places.feeds import Feeds
from internvid.collect.discovery.places.internet_archive import InternetArchive
from internvid.collect.discovery.places.listings import Listings
from internvid.collect.discovery.places.place import Page, Place, PlaceUnreadableError
from internvid.collect.discovery.places.sites import SiteSearch, search_site
from internvid.collect.discovery.polite_reader import PoliteReader
from internvid.collect.fetching.engines.pacing import Paces
from internvid.collect.fetching.engines.site_engine import is_of_site, require_yt_dlp
from internvid.collect.fetching.reasons import NotFetchedError
from internvid.collect.queries.query_list import read_queries
from internvid.core.errors import ConfigInvalidError, MisuseError, OutputExistsError
from internvid.curate.exclusions.list_files import ID_FIELDS, OWNER_FIELDS, listed_values
from internvid.run.worker_lanes import WorkerLanes

SITE = "youtube"
LISTS = "list"
_HANG_SECONDS = 300.0
_HOUR = 3600.0
_SCHEMES = ("http", "https", "s3")

Progress = Callable[[int, int, int], None]
"""Called with how many searches have ended, of how many, and how many candidates there are."""


@dataclass(frozen=True)
class Discovery:
    """What came of looking.

    Attributes:
        table: of candidates.
        candidates: how many.
        searches: outcome (`done`, `failed`) -> how many.
        dropped: reason -> candidates that were left out.
        failures: of some searches that failed: place, query, message.
    """

    table: Path
    candidates: int
    searches: dict[str, int]
    dropped: dict[str, int]
    failures: list[dict[str, str]]


def discover(
    inputs: Sequence[str],
    out: Path,
    settings: DiscoverSettings,
    *,
    retry: bool = False,
    progress: Progress | None = None,
    places: Iterable[Place] = (),
) -> Discovery:
    """Look for candidates, and write their table.

    What is known is kept beside the table in `OUT.state`, so that a run that was killed goes on,
    and another run with more inputs adds to it.

    Args:
        inputs: lists of queries, texts with an address a line, addresses, or phrases.
        out: the table to write, .parquet.
        settings: where and how much.
        retry: try searches again that failed.
        progress: called when a search has ended.
        places: that answer instead of the real ones of the same names.

    Raises:
        MisuseError: nothing to look for, or a state of other settings.
        OutputExistsError: the table is there and is not of a discovery.
        StorageError: nothing can be written.
    """
    settings.check()
    if out.suffix != ".parquet":
        raise MisuseError(f"{out.name}: a table of candidates is .parquet")
    known: dict[str, Place] = {place.name: place for place in (*_places(settings), *places)}
    wanted = list(_searches(inputs, settings))
    if not wanted:
        raise MisuseError(
            "there is nothing to look for",
            hint="name a list of queries, a phrase, or the address of a channel, feed or listing",
        )
    if any(place == SITE for place, _ in wanted):
        require_yt_dlp()
    state = out.with_name(f"{out.name}.state")
    if out.exists() and not state.exists():
        raise OutputExistsError(f"{out} exists", hint="choose a new name, or remove the file")
    out.parent.mkdir(parents=True, exist_ok=True)
    store = CandidateStore(state)
    try:
        store.request(_text_of(settings), wanted)
        if retry:
            store.retry()
        asyncio.run(_Run(store, settings, known, progress).run())
        store.write(out)
        found = store.summary()
    finally:
        store.close()
    return Discovery(table=out, **found)


def _places(settings: DiscoverSettings) -> tuple[Place, ...]:
    least, most = settings.least_height, settings.most_height
    return (
        Commons(least_height=least, most_height=most),
        InternetArchive(least_height=least, most_height=most),
        Feeds(),
        Listings(),
    )


def _searches(inputs: Sequence[str], settings: DiscoverSettings) -> Iterable[tuple[str, str]]:
    """(place, query) of everything that is named; the place of an address is found by its host."""
    for text in inputs:
        if _is_address(text):
            yield _place_of(text), text
        elif Path(text).is_file():
            for query in read_queries(Path(text)):
                if _is_address(query.query):
                    yield _place_of(query.query), query.query
                elif not settings.languages or query.language in settings.languages:
                    for place in settings.places:
                        yield place, query.query
        elif Path(text).suffix in (".jsonl", ".csv", ".parquet", ".txt", ".json"):
            raise MisuseError(f"{text} is not there", hint="name a list of queries, or a phrase")
        else:
            for place in settings.places:
                yield place, text


def _is_address(text: str) -> bool:
    return urlsplit(text).scheme in _SCHEMES and "://" in text


def _place_of(address: str) -> str:
    parts = urlsplit(address)
    host = parts.hostname or ""
    is_feed = parts.path.endswith(("videos.xml", ".rss", ".atom"))
    return SITE if is_of_site(host) and not is_feed else LISTS


def _text_of(settings: DiscoverSettings) -> str:
    """What of the settings decides which candidates are taken."""
    values = dataclasses.asdict(settings)
    for name in ("per_second", "site_per_hour", "tries", "slow_seconds", "contact", "config",
                 "places", "languages", "allow_private", "obey_robots"):  # fmt: skip
        values.pop(name)
    values["excluded"] = [
        hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else str(path)
        for path in settings.excluded
    ]
    return json.dumps(values, sort_keys=True, default=str)


class _Run:
    """One run over the searches that have no outcome."""

    def __init__(
        self,
        store: CandidateStore,
        settings: DiscoverSettings,
        places: dict[str, Place],
        progress: Progress | None,
    ) -> None:
        from internvid.collect.fetching.fetch_settings import FetchSettings

        self._store, self._settings, self._places = store, settings, places
        self._progress = progress
        self._rules = _Rules(settings)
        self._reader = PoliteReader(settings, FetchSettings(contact=settings.contact).agent)
        self._site_pace = Paces(settings.site_per_hour / _HOUR, 1, float("inf")).of(SITE)
        self._lanes = WorkerLanes(1, hang_wall_seconds=_HANG_SECONDS)
        self._ended = 0

    async def run(self) -> None:
        """All searches; those of one place one after another, places beside each other."""
        pending = self._store.pending()
        groups: dict[str, list[Search]] = {}
        for search in pending:
            groups.setdefault(search.place, []).append(search)
        try:
            async with asyncio.TaskGroup() as tasks:
                for searches in groups.values():
                    tasks.create_task(self._each(searches, len(pending)))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._lanes.close()

    async def _each(self, searches: list[Search], total: int) -> None:
        for search in searches:
            outcome, message = "done", ""
            try:
                if search.place == SITE:
                    await self._site(search)
                else:
                    await self._pages(search)
            except NotFetchedError as error:
                outcome, message = "failed", f"{error.reason}: {error.message}"
            except PlaceUnreadableError as error:
                outcome, message = "failed", f"unreadable: {error}"
            self._store.end(search, outcome, message)
            self._ended += 1
            if self._progress is not None:
                count = int(self._store.summary()["candidates"])
                self._progress(self._ended, total, count)

    async def _site(self, search: Search) -> None:
        await self._site_pace.turn()
        settings = self._settings
        # More than are wanted, since some will be left out.
        limit = min(2 * settings.per_query + 10, settings.per_query * 4)
        task = SiteSearch(
            search.query,
            not _is_address(search.query),
            limit,
            settings.allow_private,
            settings.slow_seconds,
            settings.config,
        )
        result = await self._lanes.run(search_site, task)
        if result.failure is not None:
            raise NotFetchedError(result.failure.message, result.failure.reason)
        self._take(replace(search, pages=1), result.value)

    async def _pages(self, search: Search) -> None:
        """Answer after answer, until enough is taken or nothing follows."""
        place = self._places.get(search.place)
        limit = self._settings.per_query
        if search.pages == 0:
            begin = search.query
            if place is not None:
                begin = place.first(search.query, limit)
            elif urlsplit(search.query).scheme == "s3":
                begin = Listings().first(search.query, limit)
            search = replace(search, follow=begin)
        seen: set[str] = set()
        while search.taken < limit and search.pages < self._settings.most_pages:
            if search.further:
                address, search = search.further[0], replace(search, further=search.further[1:])
            elif search.follow is not None:
                address, search = search.follow, replace(search, follow=None)
            else:
                return
            if address in seen:
                continue
            seen.add(address)
            obeys = place.obeys_robots if place is not None else True
            where, body = await self._reader.read(address, obeys_robots=obeys)
            page = _read(place, where, body, search.query)
            search = replace(
                search,
                pages=search.pages + 1,
                follow=page.follow or search.follow,
                further=(*search.further, *page.further),
            )
            search = self._take(search, page.candidates)

    def _take(self, search: Search, candidates: Sequence[Candidate]) -> Search:
        ruled = [(each, self._rules.refuse(each)) for each in candidates]
        return self._store.take(search, ruled, self._settings.per_query)


def _read(place: Place | None, address: str, body: bytes, query: str) -> Page:
    """What an answer says; of an address it may be a feed or a listing."""
    if place is None:
        head = body[:400].lstrip().lower()
        is_feed = head.startswith((b"<?xml", b"<rss", b"<feed")) and b"listbucketresult" not in head
        place = Feeds() if is_feed else Listings()
    try:
        return place.read(address, body, query)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        # A server of strangers may answer anything; that ends its search and no other one.
        raise PlaceUnreadableError(f"not as documented: {type(error).__name__}: {error}") from error


class _Rules:
    """Says which candidates are left out."""

    def __init__(self, settings: DiscoverSettings) -> None:
        self._settings = settings
        self._ids: set[str] = set()
        self._owners: set[str] = set()
        for path in settings.excluded:
            ids, owners = _listed(path, ID_FIELDS), _listed(path, OWNER_FIELDS)
            if not ids and not owners:
                listed_values(path, ID_FIELDS)  # says what is wrong with it
            self._ids.update(_bare(value) for value in ids)
            self._owners.update(value.lower() for value in owners)

    def refuse(self, candidate: Candidate) -> str:
        """Why a candidate is left out; empty where it is not."""
        settings, seconds = self._settings, candidate.duration_seconds
        owners = {str(each).lower() for each in (candidate.owner, candidate.owner_id) if each}
        if _bare(candidate.source_id) in self._ids or candidate.uri in self._ids:
            return "excluded"
        if owners & self._owners:
            return "excluded"
        if settings.licences:
            if candidate.licence is None:
                if not settings.unknown_licence:
                    return "licence"
            elif not any(
                fnmatchcase(candidate.licence.lower(), each.lower()) for each in settings.licences
            ):
                return "licence"
        if seconds is not None and seconds < settings.shortest_seconds:
            return "too_short"
        if seconds is not None and seconds > settings.longest_seconds:
            return "too_long"
        return ""


def _bare(value: str) -> str:
    """An id without its place: lists of others have only `dQw4w9WgXcQ`."""
    return value.removeprefix("youtube:").strip()


def _listed(path: Path, fields: Sequence[str]) -> list[str]:
    """What a list has of one kind; nothing where it has only others."""
    try:
        return listed_values(path, fields)
    except ConfigInvalidError:
        return []
