"""What a fetch takes, before any of it: sources by host, hours of the clock, bytes."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from internvid.collect.fetching.engines.site_engine import is_of_site
from internvid.collect.fetching.fetch_folder import FetchFolder
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.items.item_table import read_items

BYTES_A_SECOND = 150_000
"""Of pictures of 720 lines with sound, as sites send them: 1.2 Mbit/s."""
MEAN_SECONDS = 384.0
"""Mean length of a video in the paper: 6.4 minutes."""
_HOSTS = 20


class HostPlan(TypedDict):
    """What one host is to give: videos, at how many an hour, and the days that takes."""

    host: str
    engine: str
    videos: int
    videos_an_hour: float
    days: float


class FetchPlan(TypedDict):
    """What a fetch takes.

    `days` are those of the slowest host, because hosts are fetched from at the same time. `bytes`
    are an estimate: lengths are not known before.
    """

    videos: int
    rows: int
    faults: dict[str, int]
    hosts: list[HostPlan]
    other_hosts: int
    days: float
    hours_of_video: float
    bytes: int
    free_bytes: int


def plan_fetch(folder: FetchFolder, place: Path, settings: FetchSettings) -> FetchPlan:
    """What fetching the items of a folder takes.

    Args:
        folder: with the items.
        place: where the files would go.
        settings: pace and limits.
    """
    hosts: Counter[str] = Counter()
    seconds, videos = 0.0, 0
    for batch in read_items(
        folder.root, len(folder.tables), ("uri", "start_seconds", "end_seconds")
    ):
        columns = [batch.column(name).to_pylist() for name in batch.column_names]
        for uri, start, end in zip(*columns, strict=True):
            hosts[_host(uri)] += 1
            videos += 1
            # No video is shorter than what is wanted of it.
            reach = 0.0 if start is None or end is None else float(end)
            seconds += min(max(MEAN_SECONDS, reach), settings.longest_seconds)
    plans = [_host_plan(host, count, settings) for host, count in hosts.most_common()]
    faults: Counter[str] = Counter()
    for given in folder.tables:
        faults.update(given.faults)
    existing = next(each for each in (place, *place.absolute().parents) if each.exists())
    return {
        "videos": videos,
        "rows": sum(given.rows for given in folder.tables),
        "faults": dict(faults),
        "hosts": plans[:_HOSTS],
        "other_hosts": max(0, len(plans) - _HOSTS),
        "days": max((plan["days"] for plan in plans), default=0.0),
        "hours_of_video": round(seconds / 3600, 1),
        "bytes": int(seconds * BYTES_A_SECOND),
        "free_bytes": shutil.disk_usage(existing).free,
    }


def _host(uri: str) -> str:
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def _host_plan(host: str, videos: int, settings: FetchSettings) -> HostPlan:
    is_site = settings.engine == "yt-dlp" or (settings.engine == "auto" and is_of_site(host))
    an_hour = settings.per_hour if is_site else settings.per_second * 3600
    return {
        "host": host,
        "engine": "yt-dlp" if is_site else "http",
        "videos": videos,
        "videos_an_hour": an_hour,
        "days": round(videos / an_hour / 24, 2),
    }
