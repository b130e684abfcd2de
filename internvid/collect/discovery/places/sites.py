"""Sites that yt-dlp knows: searches of YouTube, channels, playlists. Runs in a killable worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from internvid.collect.discovery.candidate import Candidate, day, first_text, number, whole
from internvid.collect.fetching.engines.site_errors import reason_of
from internvid.collect.fetching.engines.site_worker import SiteLog, guard_site, own_options

_DEPTH = 3


@dataclass(frozen=True)
class SiteSearch:
    """A phrase, or the address of a channel or playlist.

    Attributes:
        query: which.
        is_phrase: whether it is searched on YouTube; else it is an address.
        limit: how many candidates are wanted.
        allow_private: whether addresses that are not public may be reached.
        slow_seconds: an answer that stands still so long is given up.
        config: a configuration file of yt-dlp, beside the user's own.
    """

    query: str
    is_phrase: bool
    limit: int
    allow_private: bool = False
    slow_seconds: float = 60.0
    config: str = ""

    @property
    def address(self) -> str:
        """What yt-dlp is given."""
        return f"ytsearch{self.limit}:{self.query}" if self.is_phrase else self.query


def search_site(task: SiteSearch, report: Callable[[Any], None]) -> list[Candidate]:
    """The candidates that a site names, at most as many as wanted; no video is opened.

    Raises:
        NotFetchedError: the site does not answer, with the reason.
    """
    import yt_dlp

    own = own_options(task.config)
    guard_site(own, allow_private=task.allow_private)
    options: dict[str, Any] = {
        **own,
        "extract_flat": "in_playlist",
        "lazy_playlist": True,
        "playlistend": task.limit,
        "skip_download": True,
        "ignoreerrors": False,
        "quiet": True,
        "noprogress": True,
        "logger": SiteLog([]),
        "socket_timeout": task.slow_seconds,
        "extractor_retries": 1,
    }
    try:
        with yt_dlp.YoutubeDL(options) as program:
            info = program.extract_info(task.address, download=False)
            found: list[Candidate] = []
            for entry in _entries(info or {}, _DEPTH):
                candidate = _candidate(entry, task, len(found) + 1)
                if candidate is not None:
                    found.append(candidate)
                    report(len(found))
                if len(found) >= task.limit:
                    break
    except Exception as error:
        raise reason_of(error) from error
    return found


def _entries(info: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Videos of a list, and of lists in it: a channel has tabs."""
    entries = info.get("entries")
    if entries is None:
        if info.get("id"):
            yield info
        return
    for entry in entries:
        if isinstance(entry, Mapping):
            if entry.get("entries") is not None and depth:
                yield from _entries(entry, depth - 1)
            else:
                yield entry


def _candidate(info: Mapping[str, Any], task: SiteSearch, rank: int) -> Candidate | None:
    name = first_text(info.get("id"))
    uri = first_text(info.get("webpage_url")) or first_text(info.get("url"))
    key = str(info.get("ie_key") or info.get("extractor_key") or "").lower()
    if uri is None or key == "youtubetab":
        return None
    is_youtube = name is not None and (key == "youtube" or "youtube.com/watch" in uri)
    if not task.is_phrase:
        uri = urljoin(task.query, uri)
    if is_youtube:
        uri = f"https://www.youtube.com/watch?v={name}"
    return Candidate(
        source_id=f"youtube:{name}" if is_youtube else uri,
        uri=uri,
        place="youtube" if is_youtube else key or "site",
        query=task.query,
        rank=rank,
        title=first_text(info.get("title")),
        description=first_text(info.get("description")),
        owner=first_text(info.get("channel")) or first_text(info.get("uploader")),
        owner_id=first_text(info.get("channel_id")) or first_text(info.get("uploader_id")),
        category=first_text(info.get("categories")),
        language=first_text(info.get("language")),
        licence=first_text(info.get("license")),
        duration_seconds=number(info.get("duration")),
        width=whole(info.get("width")),
        height=whole(info.get("height")),
        published=day(info.get("upload_date")),
        page=uri,
        metadata={"view_count": info.get("view_count"), "live_status": info.get("live_status")},
    )
