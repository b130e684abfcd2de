"""What a site says of a video: which of it is kept, and whether the video is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.collect.fetching.reasons import NotFetchedError

# Name here -> name in what yt-dlp returns.
_TEXTS = {
    "title": "title", "description": "description", "licence": "license", "uploader": "uploader",
    "uploader_id": "uploader_id", "channel": "channel", "channel_id": "channel_id",
    "upload_date": "upload_date", "language": "language", "page": "webpage_url",
}  # fmt: skip
_NUMBERS = {
    "source_seconds": "duration", "view_count": "view_count", "like_count": "like_count",
    "age_limit": "age_limit",
}  # fmt: skip
_LISTS = {"tags": "tags", "categories": "categories"}
MOST_TEXT = 5000
_MOST_ENTRIES = 100
_MOST_ENTRY = 200
SITE_FACTS = (*_TEXTS, *_NUMBERS, *_LISTS)
"""Keys of the metadata that say something of the whole video."""


def facts_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a video's description: bounded, plain JSON, nothing that is empty."""
    found: dict[str, Any] = {}
    for name, key in _TEXTS.items():
        value = info.get(key)
        if isinstance(value, str) and value.strip():
            found[name] = _clean(value)[:MOST_TEXT]
    for name, key in _NUMBERS.items():
        value = info.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = value
    for name, key in _LISTS.items():
        values = info.get(key)
        if isinstance(values, list):
            texts = [_clean(each)[:_MOST_ENTRY] for each in values if isinstance(each, str)]
            if texts:
                found[name] = texts[:_MOST_ENTRIES]
    return found


def check_rules(info: Mapping[str, Any], settings: FetchSettings) -> None:
    """Raise where a video is not wanted; before a byte of it was fetched.

    Raises:
        NotFetchedError: `too_short`, `too_long`, `licence`, `no_format`, or `not_video` where it is
            live.
    """
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise NotFetchedError("it is live, and has no end yet", "not_video")
    seconds = info.get("duration")
    if isinstance(seconds, (int, float)):
        check_seconds(float(seconds), settings)
    check_licence(info.get("license"), settings)
    width, height = info.get("width"), info.get("height")
    if isinstance(width, int) and isinstance(height, int):
        side = min(width, height)
        if 0 < side < settings.least_height:
            raise NotFetchedError(
                f"its best format has {side} lines, fewer than {settings.least_height}", "no_format"
            )


def check_owner(info: Mapping[str, Any], owners: frozenset[str]) -> None:
    """Raise where a video is by somebody whose videos are left out.

    Raises:
        NotFetchedError: `excluded`.
    """
    for key in ("channel_id", "uploader_id", "channel", "uploader"):
        if info.get(key) in owners:
            raise NotFetchedError(f"its {key} is on the list of exclusions", "excluded")


def check_seconds(seconds: float, settings: FetchSettings) -> None:
    """Raise where a video is not as long as is wanted.

    Raises:
        NotFetchedError: `too_short` or `too_long`.
    """
    if seconds < settings.shortest_seconds:
        raise NotFetchedError(
            f"it lasts {seconds:.1f} s, less than {settings.shortest_seconds:g}", "too_short"
        )
    if seconds > settings.longest_seconds:
        raise NotFetchedError(
            f"it lasts {seconds:.0f} s, more than {settings.longest_seconds:g}", "too_long"
        )


def check_licence(licence: Any, settings: FetchSettings) -> None:
    """Raise where a licence is not one of those that are allowed.

    Raises:
        NotFetchedError: `licence`.
    """
    if not settings.licences:
        return
    text = licence.strip() if isinstance(licence, str) else ""
    if not any(fnmatchcase(text.lower(), each.lower()) for each in settings.licences):
        raise NotFetchedError(f"its licence is {text or 'not stated'}", "licence")


def _clean(text: str) -> str:
    # Lone surrogates would be no UTF-8.
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
