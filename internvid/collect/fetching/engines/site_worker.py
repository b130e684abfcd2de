"""One video of a site by yt-dlp as a library: runs in a worker process that may be killed.

Extraction runs scripts of sites and parses what strangers wrote. The process can connect to public
addresses alone, writes into one folder, and what it wrote is taken out by its place and not by its
name.
"""

from __future__ import annotations

import ipaddress
import logging
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from internvid.collect.fetching.engines.joining import join_streams
from internvid.collect.fetching.engines.site_errors import GUARD, reason_of
from internvid.collect.fetching.engines.site_facts import check_owner, check_rules, facts_of
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.reasons import NotFetchedError
from internvid.core.errors import ConfigInvalidError
from internvid.core.system.public_addresses import is_public
from internvid.curate.exclusions.list_files import ID_FIELDS, OWNER_FIELDS, listed_values

# What a user's own configuration may decide: how the site is reached and whom it sees.
_USERS_OWN = (
    "cookiefile", "cookiesfrombrowser", "proxy", "source_address", "extractor_args", "js_runtimes",
    "remote_components", "username", "password", "twofactor", "usenetrc", "netrc_location",
    "geo_verification_proxy", "geo_bypass", "geo_bypass_country", "impersonate", "http_headers",
    "ffmpeg_location", "ratelimit", "client_certificate", "client_certificate_key",
    "legacyserverconnect", "nocheckcertificate", "sleep_interval_requests", "cachedir",
)  # fmt: skip
_REQUEST_SECONDS = 0.75
_TRIES = 3
# A span that is nearly all of a video is fetched as the whole of it.
_MOST_SHARE = 0.8
_SURE_IDS = tuple(name for name in ID_FIELDS if name not in ("name", "id"))
_WITH_FFMPEG = "bv*+ba/b"
_ASIDE = frozenset({".part", ".ytdl", ".json", ".vtt", ".srt", ".ttml", ".temp"})


@dataclass(frozen=True)
class SiteTask:
    """One video of a site.

    Attributes:
        uri: its page.
        folder: to write into; what a broken try left there is gone on with.
        start_seconds, end_seconds: what is wanted of it; None for all.
        settings: of the fetch.
        exclude: files that may list owners whose videos are left out.
    """

    uri: str
    folder: Path
    start_seconds: float | None
    end_seconds: float | None
    settings: FetchSettings
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteFile:
    """What yt-dlp wrote.

    Attributes:
        path: the file. offset_seconds, end_seconds: see `Download`.
        source_seconds: length of the source, None where the site does not say.
        facts: of the source. subtitles: language -> file.
    """

    path: Path
    offset_seconds: float
    end_seconds: float | None
    source_seconds: float | None
    facts: Mapping[str, Any]
    subtitles: Mapping[str, Path] = field(default_factory=dict)


def fetch_site(task: SiteTask, report: Callable[[Any], None]) -> SiteFile:
    """Fetch one video.

    Raises:
        NotFetchedError: it is not there, or not wanted.
    """
    import yt_dlp

    own = own_options(task.settings.config)
    guard_site(own, allow_private=task.settings.allow_private)
    task.folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    sections: list[float] = []
    options = {**own, **_options(task, report, SiteLog(lines), sections, own)}
    try:
        with yt_dlp.YoutubeDL(options) as program:
            info = program.extract_info(task.uri, download=True)
    except Exception as error:
        raise reason_of(error) from error
    if not info or info.get("_type") in ("playlist", "multi_video"):
        raise NotFetchedError("it is a list of videos, or none", "not_video")
    path = _one_file(task.folder, lines)
    subtitles = {
        str(language): Path(each["filepath"])
        for language, each in (info.get("requested_subtitles") or {}).items()
        if each.get("filepath") and Path(each["filepath"]).is_file()
    }
    seconds = info.get("duration")
    return SiteFile(
        path,
        sections[0] if sections else 0.0,
        sections[1] if sections else None,
        float(seconds) if isinstance(seconds, (int, float)) else None,
        facts_of(info),
        subtitles,
    )


def guard_site(own: Mapping[str, Any], *, allow_private: bool) -> None:
    """Let this process connect to public addresses and to the user's proxies, unless to all.

    Args:
        own: the user's configuration of yt-dlp.
        allow_private: whether other addresses may be reached too.
    """
    if not allow_private:
        guard_sockets(_proxy_addresses(own))


def guard_sockets(allowed: Iterable[str] = ()) -> None:
    """Let this process connect to public addresses alone, and to these.

    What is checked is the address of the connection itself: no name that is resolved twice, and no
    redirect, gets round that.
    """
    known = frozenset(allowed)
    plain = socket.socket.connect
    if getattr(plain, "is_guard", False):
        return

    def connect(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) and address else address
        if self.family in (socket.AF_INET, socket.AF_INET6):
            # A name that is no address yet is resolved here, once.
            found = _literal(str(host), self.family)
            if found not in known and not is_public(found):
                raise PermissionError(f"{GUARD} {found}, which is not public")
            address = (found, *address[1:])
        return plain(self, address)

    connect.is_guard = True  # type: ignore[attr-defined]
    socket.socket.connect = connect  # type: ignore[method-assign, assignment]


def _literal(host: str, family: int) -> str:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return str(socket.getaddrinfo(host, None, family)[0][4][0])
    return host


def _proxy_addresses(own: Mapping[str, Any]) -> set[str]:
    """Addresses of the proxies that the user chose, which may well be on this machine."""
    import urllib.request

    found: set[str] = set()
    chosen = [own.get("proxy"), own.get("geo_verification_proxy")]
    for proxy in [*chosen, *urllib.request.getproxies().values()]:
        host = urlsplit(proxy).hostname if isinstance(proxy, str) else None
        if host:
            try:
                found.update(str(each[4][0]) for each in socket.getaddrinfo(host, None))
            except OSError:
                continue
    return found


def own_options(config: str) -> dict[str, Any]:
    """What the user's configuration of yt-dlp says of how sites are reached."""
    import yt_dlp

    # Arguments that are handed over would be instead of the configuration files.
    own, sys.argv = sys.argv, ["yt-dlp", *(["--config-locations", config] if config else [])]
    try:
        parsed = yt_dlp.parse_options().ydl_opts
    except SystemExit as error:
        raise ConfigInvalidError(
            "your configuration of yt-dlp cannot be read", hint="run yt-dlp to see why"
        ) from error
    finally:
        sys.argv = own
    return {name: parsed[name] for name in _USERS_OWN if parsed.get(name) is not None}


def _options(
    task: SiteTask,
    report: Callable[[Any], None],
    logger: SiteLog,
    sections: list[float],
    own: Mapping[str, Any],
) -> dict[str, Any]:
    settings = task.settings

    def reached(state: Mapping[str, Any]) -> None:
        size = state.get("downloaded_bytes") or 0
        report(size)
        if size > settings.most_bytes:
            raise NotFetchedError(f"it has more than {settings.most_bytes} bytes", "too_long")

    def ranges(info: Mapping[str, Any], _: Any) -> Iterable[dict[str, Any]]:
        wanted = _section(task, info.get("duration")) if _has_ffmpeg(own) else None
        sections.clear()
        if wanted is None:
            return [{}]
        sections.extend(wanted)
        return [{"start_time": wanted[0], "end_time": wanted[1]}]

    def matches(info: Mapping[str, Any], *, incomplete: bool) -> None:
        if not incomplete:
            check_owner(info, _owners(task.exclude))
            check_rules(info, settings)

    return {
        # The best up to the wanted size, else the smallest above it.
        "format": _WITH_FFMPEG if _has_ffmpeg(own) else _picture_and_sound,
        "format_sort": [f"res:{settings.most_height}"],
        "paths": {"home": str(task.folder).replace("%", "%%")},
        "outtmpl": {"default": "video.%(format_id)s.%(ext)s"},
        "quiet": True,
        "noprogress": True,
        "logger": logger,
        "noplaylist": True,
        "playlist_items": "1",
        "ignoreerrors": False,
        "continuedl": True,
        "updatetime": False,
        "retries": _TRIES,
        "fragment_retries": _TRIES,
        "extractor_retries": 1,
        "skip_unavailable_fragments": False,
        "socket_timeout": settings.slow_seconds,
        "sleep_interval_requests": 0.0 if settings.allow_private else _REQUEST_SECONDS,
        "writesubtitles": bool(settings.subtitles),
        "writeautomaticsub": bool(settings.subtitles),
        "subtitleslangs": list(settings.subtitles),
        "subtitlesformat": "vtt/srt/best",
        "progress_hooks": [reached],
        "match_filter": matches,
        "download_ranges": ranges,
    }


def _listed(path: str, fields: Sequence[str]) -> list[str]:
    with suppress(ConfigInvalidError):
        return listed_values(path, fields)
    return []


@lru_cache(maxsize=1)
def _owners(files: tuple[str, ...]) -> frozenset[str]:
    """Owners that files list; read once in the life of a process."""
    found: set[str] = set()
    for path in files:
        # A table of videos may say whose they are: that is about these videos alone.
        if not _listed(path, _SURE_IDS) or Path(path).suffix == ".txt":
            found.update(_listed(path, OWNER_FIELDS))
    return frozenset(found)


def _has_ffmpeg(own: Mapping[str, Any]) -> bool:
    """Whether yt-dlp would find the program of FFmpeg."""
    place = own.get("ffmpeg_location")
    return shutil.which("ffmpeg") is not None or (place is not None and Path(place).exists())


def _picture_and_sound(choices: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The best pictures, and the best sound if they have none: one file each, joined later.

    Args:
        choices: `formats`, from the worst to the best.
    """
    best_first = list(reversed(choices["formats"]))
    pictures = [each for each in best_first if each.get("vcodec") != "none"]
    if not pictures:
        return
    yield pictures[0]
    if pictures[0].get("acodec") == "none":
        apart = [each for each in best_first if each.get("vcodec") == "none"]
        yield from [each for each in apart if each.get("acodec") != "none"][:1]


def _section(task: SiteTask, duration: float | None) -> tuple[float, float] | None:
    """What to fetch of a video, seconds; None for all of it."""
    settings = task.settings
    if settings.whole or task.start_seconds is None or task.end_seconds is None:
        return None
    # Whole seconds: sections of yt-dlp are named by them.
    start = float(int(max(0.0, task.start_seconds - settings.margin_seconds)))
    end = float(int(task.end_seconds + settings.margin_seconds) + 1)
    if not duration or end - start > _MOST_SHARE * duration:
        return None
    return start, min(end, float(duration))


def _one_file(folder: Path, lines: list[str]) -> Path:
    files = [
        each
        for each in folder.iterdir()
        if each.is_file() and each.suffix not in _ASIDE and not each.name.startswith("joined")
    ]
    if not files:
        raise reason_of(RuntimeError(lines[-1] if lines else "yt-dlp wrote no file"))
    if len(files) == 1:
        return files[0]
    joined = folder / "joined.mkv"
    join_streams(files, joined)
    return joined


@dataclass
class SiteLog:
    """Takes what yt-dlp says, which has no place on our stderr."""

    kept: list[str]

    def debug(self, text: str) -> None:
        """What it does."""
        logging.getLogger(__name__).debug(text)

    def info(self, text: str) -> None:
        """What it does."""
        logging.getLogger(__name__).debug(text)

    def warning(self, text: str) -> None:
        """What it does without."""
        self.kept.append(text)

    def error(self, text: str) -> None:
        """What it cannot do."""
        self.kept.append(text)
