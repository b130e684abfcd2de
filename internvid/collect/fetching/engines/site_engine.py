"""Videos of sites: yt-dlp in killable workers, one video at a time in each."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from internvid.collect.fetching.engines.engine import Download
from internvid.collect.fetching.engines.pacing import HostPace
from internvid.collect.fetching.engines.robots import Robots
from internvid.collect.fetching.engines.site_worker import SiteFile, SiteTask, fetch_site
from internvid.collect.fetching.engines.web import checked, parsed
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.items.item_table import Item
from internvid.collect.fetching.reasons import PASSING, STATUSES, NotFetchedError
from internvid.core.errors import DependencyMissingError
from internvid.run.worker_lanes import WorkerLanes

_HANG_SECONDS = 600.0
_VIDEOS_PER_WORKER = 50
_SESSION_SECONDS = 3600.0
_SITES = """
youtube.com youtu.be youtube-nocookie.com vimeo.com dailymotion.com dai.ly bilibili.com b23.tv
tiktok.com twitch.tv facebook.com fb.watch instagram.com twitter.com x.com reddit.com rumble.com
odysee.com nicovideo.jp vk.com vkvideo.ru rutube.ru ok.ru streamable.com ted.com coub.com
bitchute.com peertube.tv
"""
SITES = frozenset(_SITES.split())
"""Hosts whose addresses are pages of videos. Others are fetched as files."""


def is_of_site(host: str) -> bool:
    """Whether the addresses of a host are pages that yt-dlp reads."""
    parts = host.lower().rstrip(".").split(".")
    return any(".".join(parts[at:]) in SITES for at in range(len(parts) - 1))


def javascript_note(uris: Iterable[str]) -> str | None:
    """What to say of a missing JavaScript runtime, which YouTube cannot do without."""
    if shutil.which("deno") or not any("youtube.com/" in uri for uri in uris):
        return None
    return (
        "YouTube needs a JavaScript runtime, and deno is not on the path: pip install deno, or "
        "name another one in your configuration of yt-dlp (--js-runtimes node)"
    )


def require_yt_dlp() -> None:
    """Refuse where yt-dlp is not installed.

    Raises:
        DependencyMissingError: with the command that installs it.
    """
    if importlib.util.find_spec("yt_dlp") is None:
        raise DependencyMissingError(
            "videos of sites are fetched by yt-dlp, which is not installed",
            hint='pip install "internvid[collect]"',
        )


class SiteEngine:
    """Fetches videos of sites.

    Args:
        settings: of the fetch.
        pace: of a host, by its name.
        robots: rules of hosts; None where they are not heeded.
        exclude: files that may list owners whose videos are left out.
    """

    name = "yt-dlp"

    def __init__(
        self,
        settings: FetchSettings,
        pace: Callable[[str], HostPace],
        robots: Robots | None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        require_yt_dlp()
        self._exclude = exclude
        self._settings, self._pace, self._robots = settings, pace, robots
        self._lanes = WorkerLanes(
            settings.site_lanes,
            hang_wall_seconds=_HANG_SECONDS,
            items_per_worker=_VIDEOS_PER_WORKER,
        )

    async def fetch(self, item: Item, place: Path) -> Download:
        """See `Engine`."""
        address = parsed(item.uri)
        host = checked(address)
        if self._robots is not None:
            await self._robots.check(address)
        await self._pace(host).turn()
        folder = place.with_name(place.name + ".site.part")
        task = SiteTask(
            item.uri,
            folder,
            item.start_seconds,
            item.end_seconds,
            self._settings,
            self._exclude,
        )
        result = await self._lanes.run(fetch_site, task)
        if result.failure is not None:
            reason = result.failure.reason
            known = reason if reason in STATUSES else "network"
            # Sites limit a session for an hour, and do not say so in a header.
            wait = _SESSION_SECONDS if known == "rate_limited" else None
            raise NotFetchedError(
                result.failure.message, known, wait_seconds=wait, is_final=known not in PASSING
            )
        brought: SiteFile = result.value
        return Download(
            brought.path,
            brought.offset_seconds,
            brought.end_seconds,
            brought.facts,
            brought.subtitles,
            brought.source_seconds,
        )

    async def close(self) -> None:
        """See `Engine`."""
        self._lanes.close()
