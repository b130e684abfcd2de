"""What yt-dlp says of a video that it does not get, as one of our reasons."""

from __future__ import annotations

import re

from internvid.collect.fetching.reasons import NotFetchedError

GUARD = "internvid does not connect to"
"""Begin of what the guard of connections says; see `site_worker`."""
_PRIVATE = (
    r"private video|is private|members?.only|join this channel|payment|purchase|rent(al|ed)?\b"
    r"|log.?in required|sign in|registered users|subscri(ber|ption)|\bdrm\b|error 40[123]"
)
_REMOVED = (
    r"unavailable|removed|no longer available|terminated|does not exist|deleted|not found"
    r"|not available|error 4(04|10)|copyright"
)
# The first that fits holds. These are the words of yt-dlp 2026.10 and of the sites that it quotes.
_WORDS = (
    ("refused_host", GUARD),
    ("bot_check", r"not a bot|captcha|unusual traffic|are you a (human|robot)|cloudflare"),
    ("age", r"confirm your age|age.?restrict|age.?verif|inappropriate for some users"),
    ("rate_limited", r"error 429|too many requests|rate.?limit|try again later"),
    (
        "geo_blocked",
        r"(in|from) your (country|location|region)|geo.?restrict|error 451|country.{0,20}blocked",
    ),
    ("private", _PRIVATE),
    ("no_format", r"requested format is not available|no video formats found"),
    ("not_video", r"unsupported url|no video|live event|premieres? in|not currently live|playlist"),
    ("removed", _REMOVED),
    ("truncated", r"incomplete ?read|content too short|more bytes expected"),
)
_CLASSES = {
    "GeoRestrictedError": "geo_blocked",
    "UnsupportedError": "not_video",
    "UserNotLive": "not_video",
    "ContentTooShortError": "truncated",
    "IncompleteRead": "truncated",
}
_KNOWN = tuple((reason, re.compile(words, re.IGNORECASE)) for reason, words in _WORDS)
_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_LABEL = re.compile(r"^(ERROR:\s*)?(\[[^\]]*\]\s*)?")
# Advice to people who use the program of yt-dlp, behind the message itself.
_ADVICE = re.compile(
    r"\.?\s*(\(caused by |Use --|See https?:|please report this issue|Confirm you are on).*", re.S
)


def reason_of(error: BaseException) -> NotFetchedError:
    """An error of yt-dlp as one of ours; what is not known may have passed by the next run."""
    if isinstance(error, NotFetchedError):
        return error
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, NotFetchedError):
            return each
    text = _COLOURS.sub("", str(error)).strip()
    words = " ".join([text, *(str(each) for each in chain[1:])])
    by_class = next((_CLASSES[name] for name in map(_name, chain) if name in _CLASSES), None)
    by_words = next((reason for reason, words_of in _KNOWN if words_of.search(words)), "network")
    reason = by_words if by_words in ("refused_host", "bot_check") else by_class or by_words
    message = _ADVICE.sub("", _LABEL.sub("", text, count=1)).strip() or type(error).__name__
    return NotFetchedError(message, reason)


def _name(error: BaseException) -> str:
    return type(error).__name__


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and what it came from, by all ways that yt-dlp has of saying so."""
    found: list[BaseException] = []
    while error is not None and error not in found and len(found) < 10:
        found.append(error)
        inner = getattr(error, "exc_info", None)
        cause = inner[1] if isinstance(inner, tuple) and len(inner) > 1 else None
        if cause is error or cause is None:
            cause = getattr(error, "cause", None) or error.__cause__ or error.__context__
        error = cause if isinstance(cause, BaseException) else None
    return found
