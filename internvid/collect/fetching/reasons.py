"""Why an item has no file, in one word each, and what follows from it.

| reason | status | meaning |
|---|---|---|
| `removed` | failed | it is gone: 404, 410, a deleted video |
| `private` | failed | it needs a right that nobody gave: 401, 403, a private or members' video |
| `geo_blocked` | failed | it is not shown in this country, or not for legal reasons (451) |
| `age` | failed | it is shown to adults who are signed in |
| `rate_limited` | failed | the host answered 429 or 503 again and again |
| `bot_check` | skipped | the host wants proof of a person; it was left alone |
| `robots` | skipped | robots.txt, noai or noml forbid it |
| `licence` | skipped | its licence is not one of those that are allowed, or is not stated |
| `excluded` | skipped | it is on a list of exclusions |
| `not_video` | failed | what came is no video: a page, a picture, sound alone |
| `no_format` | skipped | it is not there in a picture size that is wanted |
| `truncated` | failed | it breaks off, each time |
| `too_long` | skipped | it lasts longer than allowed, or has more bytes |
| `too_short` | skipped | it lasts less than allowed |
| `network` | failed | the host cannot be reached, is too slow, or fails (5xx) |
| `refused_host` | skipped | another scheme than http(s), or an address that is not public |
| `not_tried` | skipped | no outcome yet; the next run goes on with it |
"""

from __future__ import annotations

from internvid.core.errors import VideoError

STATUSES = {
    "removed": "failed",
    "private": "failed",
    "geo_blocked": "failed",
    "age": "failed",
    "rate_limited": "failed",
    "bot_check": "skipped",
    "robots": "skipped",
    "licence": "skipped",
    "excluded": "skipped",
    "not_video": "failed",
    "no_format": "skipped",
    "truncated": "failed",
    "too_long": "skipped",
    "too_short": "skipped",
    "network": "failed",
    "refused_host": "skipped",
    "not_tried": "skipped",
}
"""Reason -> status of an item without a file."""
PASSING = frozenset({"rate_limited", "bot_check", "truncated", "network"})
"""Reasons that may be gone by the next run, which tries these items again."""
PAUSING = frozenset({"bot_check", "rate_limited"})
"""Reasons that concern the host and not the item."""
MOST_CHARACTERS = 300


class NotFetchedError(VideoError):
    """One item cannot be fetched; `reason` is one of `STATUSES`.

    Args:
        message: what happened.
        reason: in one word.
        wait_seconds: how long the host asks to be left alone; None where it does not say.
        is_final: whether another try within this run is of no use.
    """

    def __init__(
        self,
        message: str,
        reason: str,
        *,
        wait_seconds: float | None = None,
        is_final: bool = True,
    ) -> None:
        super().__init__(message[:MOST_CHARACTERS], reason=reason)
        self.wait_seconds = wait_seconds
        self.is_final = is_final
